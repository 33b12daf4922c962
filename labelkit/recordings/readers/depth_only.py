"""Folders of depth pictures alone, which recording.toml states with `depth_only = true`.

    <folder>/30.png   50.png   ...      or      <folder>/depth/30.png   ...

Sorted by the numbers in their names.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path, PurePath

from labelkit.recordings.folders import DEPTH_FOLDERS
from labelkit.recordings.listing import folders_in, pictures_in
from labelkit.recordings.pairing import name_key
from labelkit.recordings.reader import OtherLayoutError, PicturePair, PictureSource
from labelkit.recordings.sidecar import Sidecar

# What depth-only recordings state: depth is its own grid.
DEPTH_ONLY = {"depth_only": True, "registered": True}

DEPTH_ONLY_NOTE = "depth only: no colour; a build --with-depth gives labels and crops of depth"


def open_depth_only(folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[PictureSource]:
    """Open the recording of a folder, or of its depth folder."""
    del max_gap_s
    stated = sidecar.get("recording.depth_only")
    if not (stated and stated.value):
        raise OtherLayoutError("depth_only is not stated")
    inside = ["", *(name for name in folders_in(folder) if name.lower() in DEPTH_FOLDERS)]
    for place in inside:
        pair = partial(_pair, place)
        files = [f"{place}/{name}" if place else name for name in pictures_in(folder / place)]
        if pairs := pair(files):
            metadata = {"recording": DEPTH_ONLY}
            return [
                PictureSource(folder, pairs, folder / place, metadata=metadata, notes=(DEPTH_ONLY_NOTE,), pair=pair)
            ]
    raise OtherLayoutError("no picture in it")


def _pair(place: str, files: Sequence[str]) -> tuple[PicturePair, ...]:
    depth = [file for file in files if str(PurePath(file).parent) == (place or ".")]
    return tuple(PicturePair(file, None) for file in sorted(depth, key=lambda file: (name_key(file)[1], file)))
