"""Kinect v1 recordings of libfreenect's `fakenect-record`: one dump for each picture.

    <folder>/INDEX.txt   r-1307482421.234567-3217624219.ppm   d-1307482421.245678-3217685643.pgm

The names hold the time in seconds and the device's clock. Depth is raw disparity or, if a program chose so,
millimetres, in the byte order of the computer that wrote it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import RawFrameError, RecordingError
from labelkit.recordings.encodings import DISPARITY_NONE, STEP_M, read_disparity
from labelkit.recordings.listing import pictures_in
from labelkit.recordings.pairing import pair_by_stamp
from labelkit.recordings.pictures import read_depth
from labelkit.recordings.reader import OtherLayoutError, PicturePair, PictureSource
from labelkit.recordings.recording import is_swapped
from labelkit.recordings.sidecar import Sidecar

_NAME = re.compile(r"([rd])-(\d+\.\d+)-\d+\.p(?:g|p)m")
_INDEX = "INDEX.txt"
_LOOKED_AT = 8  # depth pictures, until one shows how depth is stored


def open_fakenect(folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[PictureSource]:
    """Open the recording of a folder of dumps."""
    del sidecar
    pair = partial(_pair, max_gap_s)
    pairs = pair(pictures_in(folder))
    if not pairs:
        raise OtherLayoutError("no d-TIME-TICKS.pgm or r-TIME-TICKS.ppm")
    recording: dict[str, Any] = {"sensor": "kinect-v1"}
    if _holds_disparity(folder, [pair.depth for pair in pairs if pair.depth]):
        # Nobody registers disparity: it is what the depth camera measures.
        read, note = read_disparity, "depth is raw disparity; it becomes metres by the nominal formula of the Kinect v1"
        recording |= {"depth_unit_m": STEP_M, "registered": False}
    else:
        read, note = _read_millimetres, "depth is in millimetres, as libfreenect gives it"
        recording |= {"depth_unit_m": 0.001}
    return [
        PictureSource(
            folder,
            pairs,
            folder,
            metadata={"recording": recording},
            notes=(note,),
            pair=pair,
            lists=(_INDEX,),
            depth_reader=read,
        )
    ]


def _pair(max_gap_s: float, files: Sequence[str]) -> tuple[PicturePair, ...]:
    stamps: dict[str, list[tuple[float, str]]] = {"d": [], "r": []}
    for file in sorted(files):
        if found := _NAME.fullmatch(file):
            stamps[found[1]].append((float(found[2]), file))
    depth, color = stamps["d"], stamps["r"]
    found_pairs = pair_by_stamp([stamp for stamp, _ in depth], [stamp for stamp, _ in color], max_gap_s)
    pairs = [
        PicturePair(
            None if d is None else depth[d][1],
            None if c is None else color[c][1],
            depth[d][0] if d is not None else color[c or 0][0],
        )
        for d, c in found_pairs
    ]
    return tuple(sorted(pairs, key=lambda pair: (pair.stamp, pair.depth or pair.color or "")))


def _holds_disparity(folder: Path, files: Sequence[str]) -> bool:
    """Say how depth is stored: disparity has 2047 where nothing was seen, millimetres have 0.

    Raises:
        RecordingError: no picture shows it.
    """
    says = "there is no depth picture"
    for file in files[:_LOOKED_AT]:
        try:
            stored = read_depth(folder / file)
        except (RawFrameError, OSError) as error:
            says = f"{file} {error}"
            continue
        for ordered in (stored, stored.byteswap()):
            if ordered.max() == DISPARITY_NONE and ordered.min() > 0:
                return True
            if ordered.max() > DISPARITY_NONE and ordered.min() == 0:
                says = ""
        if not says:
            return False
        says = f"{file} is neither raw disparity nor millimetres (its values are {stored.min()} to {stored.max()})"
    raise RecordingError(f"how depth is stored cannot be seen: {says}")


def _read_millimetres(path: Path) -> NDArray[np.uint16]:
    stored = read_depth(path)
    return stored.byteswap() if is_swapped(stored) else stored
