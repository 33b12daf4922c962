"""The plain layout: a folder of colour pictures and one of depth pictures, paired by name or number.

    <folder>/color/color_00012.png         <folder>/color/<clip>/color_00012.png
    <folder>/depth/depth_00012.png         <folder>/depth/<clip>/depth_00012.png

Each clip is a recording of its own.
"""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath

from labelkit.recordings.folders import picture_folders
from labelkit.recordings.listing import folders_in, is_own_folder, pictures_in
from labelkit.recordings.pairing import pair_by_name
from labelkit.recordings.reader import PicturePair, PictureSource
from labelkit.recordings.sidecar import Sidecar


def open_pairs(folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[PictureSource]:
    """Open the recordings of a `color/` + `depth/` folder: the pictures directly in them, and each clip."""
    del sidecar, max_gap_s
    color, depth = picture_folders(folder)
    clips = ["", *sorted({*folders_in(color), *folders_in(depth)})]
    found = (_source(folder, depth, color, clip) for clip in clips)
    return [source for source in found if source.pairs]


def _source(folder: Path, depth: Path, color: Path, clip: str) -> PictureSource:
    places = [f"{kind.name}/{clip}" if clip else kind.name for kind in (depth, color)]
    pair = partial(_pair, places[0], places[1])
    depth_folder = depth / clip if is_own_folder(depth / clip) else depth
    files = [file for place in places for file in _list_pictures(folder, place)]
    return PictureSource(folder, pair(files), depth_folder=depth_folder, clip=clip, pair=pair)


def _pair(depth: str, color: str, files: Sequence[str]) -> tuple[PicturePair, ...]:
    """Pair the files of two folders."""
    depth_stems, color_stems = (
        {file: PurePath(file).stem for file in files if posixpath.dirname(file) == place} for place in (depth, color)
    )
    return tuple(PicturePair(*pair) for pair in pair_by_name(depth_stems, color_stems))


def _list_pictures(folder: Path, place: str) -> list[str]:
    if not is_own_folder(folder / place):
        return []
    return [f"{place}/{name}" for name in pictures_in(folder / place)]
