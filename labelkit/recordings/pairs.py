"""The plain layout: a folder of colour pictures beside one of depth pictures, paired by name or number.

    <folder>/color/color_00012.png         <folder>/color/<clip>/color_00012.png
    <folder>/depth/depth_00012.png         <folder>/depth/<clip>/depth_00012.png

Each clip is a recording of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

from labelkit.recordings.folders import picture_folders
from labelkit.recordings.listing import folders_in, is_own_folder, pictures_in
from labelkit.recordings.pairing import pair_by_name
from labelkit.recordings.sidecar import Sidecar
from labelkit.recordings.source import PicturePair, PictureSource


def open_pairs(folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[PictureSource]:
    """Give the recordings of a `color/` + `depth/` folder: the pictures directly in them, and each clip."""
    del sidecar, max_gap_s
    color, depth = picture_folders(folder)
    clips = ["", *sorted({*folders_in(color), *folders_in(depth)})]
    return [
        PictureSource(folder, pairs, beside=depth / clip if is_own_folder(depth / clip) else depth, clip=clip)
        for clip in clips
        if (pairs := _pairs(folder, depth.name, color.name, clip))
    ]


def _pairs(folder: Path, depth: str, color: str, clip: str) -> tuple[PicturePair, ...]:
    paired = pair_by_name(_stems(folder, depth, clip), _stems(folder, color, clip))
    return tuple(PicturePair(*files) for files in paired)


def _stems(folder: Path, kind: str, clip: str) -> dict[str, str]:
    inside = f"{kind}/{clip}" if clip else kind
    if not is_own_folder(folder / inside):
        return {}
    return {f"{inside}/{name}": PurePath(name).stem for name in pictures_in(folder / inside)}
