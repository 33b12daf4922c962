"""Kinect v1 recordings of Herrera's Kinect Calibration Toolbox: raw disparity, and its full calibration.

    <folder>/0000-c1.jpg   0000-d.pgm   0001-c1.jpg   0001-d.pgm   calibration.yml

Source: Herrera, Kannala, Heikkila 2012, Joint depth and color camera calibration with distortion correction, TPAMI 34,
    2058: with disparity d and the distortion pattern B of the depth picture, the metres are
    1 / (c1 (d + B exp(a0 - a1 d)) + c0).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.errors import RecordingError
from labelkit.recordings.container import Version, files_in, version_of
from labelkit.recordings.encodings import DISPARITY_NONE, STEP_M, metres_from_disparity, order_bytes, steps_from_metres
from labelkit.recordings.listing import pictures_in
from labelkit.recordings.pictures import read_depth
from labelkit.recordings.reader import OtherLayoutError, PicturePair, PictureSource
from labelkit.recordings.sidecar import Sidecar
from labelkit.records import FloatArray

_NAME = re.compile(r"(.+)-(c1|d)\.[a-z]+", re.IGNORECASE)
_SIZE = (640, 480)
_MOST_BYTES = 50_000_000


class HerreraCalibration(NamedTuple):
    """The toolbox's result, as it names it: dc, dc_alpha, dc_beta; the cameras are tables of recording.toml."""

    dc: tuple[float, float]
    alpha: tuple[float, float]
    beta: FloatArray  # (480, 640)
    tables: dict[str, dict[str, Any]]


def open_herrera(folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[PictureSource]:
    """Open the recording of a folder of NNNN-c1 and NNNN-d pictures."""
    del sidecar, max_gap_s
    pairs = _pair(pictures_in(folder))
    if not any(pair.depth and pair.color for pair in pairs):
        raise OtherLayoutError("no NNNN-d.pgm with an NNNN-c1.jpg")
    files = files_in(folder, (".yml", ".yaml"))
    if len(files) != 1:
        there = f"there are {len(files)} ({', '.join(files[:3])})" if files else "there is none"
        raise RecordingError(
            "NNNN-d pictures hold raw disparity; what turns it into metres is one .yml of Herrera's Kinect Calibration "
            f'Toolbox next to them, but {there}; or state [files], depth_stored_as = "kinect-v1-disparity" (a nominal '
            "formula) and both cameras"
        )
    try:
        calibration = _read_calibration(version_of(folder / files[0]))
    except (ValueError, cv2.error) as error:
        says = str(error).strip().splitlines()[-1] if isinstance(error, cv2.error) else str(error)
        raise RecordingError(f"{files[0]} is no calibration of Herrera's Kinect Calibration Toolbox: {says}") from None
    recording = {"sensor": "kinect-v1", "depth_unit_m": STEP_M, "registered": False}
    read = partial(_read_calibrated, folder / files[0])
    metadata = {"recording": recording, **calibration.tables}
    return [PictureSource(folder, pairs, folder, metadata=metadata, pair=_pair, depth_reader=read)]


def _pair(files: Sequence[str]) -> tuple[PicturePair, ...]:
    found: dict[str, dict[str, str]] = {}
    for file in sorted(files):
        if parts := _NAME.fullmatch(file):
            found.setdefault(parts[1], {}).setdefault(parts[2].lower(), file)
    return tuple(PicturePair(kinds.get("d"), kinds.get("c1")) for kinds in found.values())


def _read_calibrated(calibration_path: Path, path: Path) -> NDArray[np.uint16]:
    try:
        calibration = _read_calibration(version_of(calibration_path))
    except (ValueError, cv2.error) as error:
        raise OSError(0, f"{calibration_path.name} has changed and is no calibration any more") from error
    disparity = order_bytes(read_depth(path))
    depth_m = (
        _metres(disparity, calibration) if disparity.shape == calibration.beta.shape else np.zeros(disparity.shape)
    )
    return steps_from_metres(depth_m)  # of another size: settle.py rejects it


def _metres(disparity: NDArray[np.uint16], calibration: HerreraCalibration) -> FloatArray:
    (c0, c1), (a0, a1) = calibration.dc, calibration.alpha
    weight = np.exp(a0 - a1 * np.arange(DISPARITY_NONE + 1))
    depth_m = metres_from_disparity(disparity + calibration.beta * weight[disparity], c1, c0)
    depth_m[disparity == DISPARITY_NONE] = np.nan
    return depth_m


@lru_cache(maxsize=2)
def _read_calibration(version: Version) -> HerreraCalibration:
    """Read a calibration.

    Raises:
        ValueError, cv2.error: it is damaged, or none.
    """
    if version.bytes > _MOST_BYTES:
        raise ValueError(f"it is larger than {_MOST_BYTES:,} bytes")
    text = version.path.read_bytes().decode("ascii")
    if not text.startswith("%YAML"):
        raise ValueError("it does not begin with %YAML")
    storage = cv2.FileStorage()  # its constructor would not raise cv2.error
    storage.open(text, cv2.FILE_STORAGE_READ | cv2.FILE_STORAGE_MEMORY)
    matrix = partial(_read_matrix, storage)
    if matrix("dkc", 5).any():
        raise ValueError("dkc, the lens distortion of the depth camera, is not zero; calibrate without it")
    height, width = (int(number) for number in matrix("rsize1", 3)[:2])
    color = {**_camera(matrix("rK1", 9), width, height), "distortion": matrix("rkc1", 5).tolist()}
    return HerreraCalibration(
        dc=tuple(matrix("dc", 2).tolist()),
        alpha=tuple(matrix("dc_alpha", 2).tolist()),
        beta=matrix("dc_beta", _SIZE[0] * _SIZE[1]).reshape(_SIZE[1], _SIZE[0]),
        tables={
            "intrinsics": _camera(matrix("dK", 9), *_SIZE),
            "color_intrinsics": color,
            "color_from_depth": {
                "rotation": matrix("dR", 9).reshape(3, 3).tolist(),
                "translation_m": matrix("dt", 3).tolist(),
            },
        },
    )


def _camera(matrix: FloatArray, width: int, height: int) -> dict[str, Any]:
    fx, _, cx, _, fy, cy, *_ = matrix.tolist()
    return {"fx": fx, "fy": fy, "cx": cx, "cy": cy, "width": width, "height": height}


def _read_matrix(storage: cv2.FileStorage, name: str, count: int) -> FloatArray:
    stored = storage.getNode(name).mat()
    if stored is None or stored.size != count or not np.isfinite(stored).all():
        raise ValueError(f"{name} is missing, or does not hold {count} numbers")
    return np.asarray(stored, np.float64).ravel()
