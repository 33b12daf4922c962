from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from labelkit.errors import RecordingError
from labelkit.recordings import find_recordings
from labelkit.recordings.encodings import ENCODINGS, metres_from_disparity, steps_from_metres
from labelkit.records import Frame
from tests.recordings.made import SIDECAR, color_png, encoded, write, write_sidecar

MM = np.arange(400, 400 + 32 * 24, dtype=np.uint16).reshape(24, 32)


def pgm(values: np.ndarray, largest: int = 65535) -> bytes:
    return b"P5 %d %d %d\n" % (*values.shape[::-1], largest) + values.tobytes()


def packed(**channels: np.ndarray) -> bytes:
    return encoded(np.dstack([channels.get(name, np.zeros_like(MM)) for name in "bgr"]).astype(np.uint8))


STORED = {
    "little-endian": ("pgm", pgm(MM.astype("<u2"))),
    "rotated-by-3": ("png", encoded((MM << 3) | (MM >> 13))),
    "packed-gb": ("png", packed(g=MM >> 8, b=MM & 255)),
    "packed-gr": ("png", packed(g=MM >> 8, r=MM & 255)),
}


def write_pair(folder: Path, suffix: str, depth: bytes) -> None:
    write(folder / "p1" / "depth" / f"1.{suffix}", depth)
    write(folder / "p1" / "color" / "1.png", color_png())


@pytest.mark.parametrize("stored_as", sorted(STORED))
def test_depth_is_read_as_it_is_stated_to_be_stored(tmp_path: Path, stored_as: str) -> None:
    write_pair(tmp_path, *STORED[stored_as])
    write_sidecar(tmp_path, SIDECAR.replace("[recording]", f'[recording]\ndepth_stored_as = "{stored_as}"'))
    (recording,) = find_recordings(tmp_path)
    frame = recording[0]
    assert isinstance(frame, Frame), frame
    assert np.allclose(frame.depth_m, MM / 1000)


def test_disparity_needs_no_unit_and_takes_none(tmp_path: Path) -> None:
    disparity = np.full((24, 32), 800, ">u2")
    disparity[0] = 2047
    write_pair(tmp_path, "pgm", pgm(disparity, 2047))
    stated = SIDECAR.replace("depth_unit_m = 0.001", 'depth_stored_as = "kinect-v1-disparity"')
    write_sidecar(tmp_path, stated)
    (recording,) = find_recordings(tmp_path)
    frame = recording[0]
    assert isinstance(frame, Frame), frame
    assert np.isnan(frame.depth_m[0]).all()
    assert frame.depth_m[1:] == pytest.approx(1 / (-0.0030711016 * 800 + 3.3309495161), abs=6e-5)
    write_sidecar(tmp_path, stated.replace("[recording]", "[recording]\ndepth_unit_m = 0.001"))
    with pytest.raises(RecordingError, match="take out depth_unit_m"):
        find_recordings(tmp_path)


def test_an_unknown_encoding_is_an_error_with_its_neighbour(tmp_path: Path) -> None:
    write_pair(tmp_path, "png", encoded(MM))
    write_sidecar(tmp_path, SIDECAR.replace("[recording]", '[recording]\ndepth_stored_as = "rotated-by-4"'))
    with pytest.raises(RecordingError, match="rotated-by-3"):
        find_recordings(tmp_path)
    assert "rotated-by-4" not in ENCODINGS


def test_disparity_that_is_not_in_front_of_the_camera_is_none() -> None:
    assert np.isnan(metres_from_disparity(np.array([1085, 2046]))).all()
    assert metres_from_disparity(np.array([1, 1084]))[0] == pytest.approx(0.3005, abs=1e-3)


def test_metres_beyond_16_bits_of_steps_are_none() -> None:
    assert steps_from_metres(np.array([0.5, 0.0, -1.0, 6.5534, 6.5535, np.nan, np.inf])).tolist() == [
        5000, 0, 0, 65534, 0, 0, 0,
    ]  # fmt: skip
