from __future__ import annotations

import pickle
from pathlib import Path

import numpy as np
import pytest

from labelkit.errors import RecordingError
from labelkit.recordings import find_recordings
from labelkit.recordings.discover import survey
from labelkit.records import Frame, Reason, Unreadable
from tests.recordings.made import write, write_sidecar

W, H = 640, 480

CAMERAS = """
[intrinsics]
fx = 594.2
fy = 591.0
cx = 339.5
cy = 242.7
width = 640
height = 480
[color_intrinsics]
fx = 529.2
fy = 525.5
cx = 328.9
cy = 267.4
width = 640
height = 480
[color_from_depth]
rotation = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
translation_m = [-0.025, 0.0, 0.0]
"""


def millimetres(number: int) -> np.ndarray:
    stored = np.tile(np.linspace(500, 1500, W) + number, (H, 1)).astype(np.uint16)
    stored[:, :20] = 0
    return stored


def disparity(number: int) -> np.ndarray:
    stored = np.tile(np.linspace(500, 900, W) + number, (H, 1)).astype(np.uint16)
    stored[:, :20] = 2047
    return stored


def write_dump(folder: Path, depth=disparity, n: int = 3, order: str = "<u2") -> Path:
    for number in range(n):
        stamp = 1307482421.25 + number / 30
        content = b"P6 640 480 255\n" + np.full((H, W, 3), (number, 2, 3), np.uint8).tobytes()
        write(folder / f"r-{stamp:.6f}-{1000 + number}.ppm", content)
        content = b"P5 640 480 65535\n" + depth(number).astype(order).tobytes()
        write(folder / f"d-{stamp + 0.008:.6f}-{2000 + number}.pgm", content)
    write(folder / "INDEX.txt", b"\n")
    return folder


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_a_dump_of_disparity_becomes_metres_by_the_nominal_formula(tmp_path: Path, order: str) -> None:
    write_dump(tmp_path / "p1", order=order)
    with pytest.raises(RecordingError, match=r"(?s)\[intrinsics\].*\[color_intrinsics\].*\[color_from_depth\]"):
        find_recordings(tmp_path)
    write_sidecar(tmp_path, CAMERAS)
    (recording,) = find_recordings(tmp_path)
    recording = pickle.loads(pickle.dumps(recording))
    assert (recording.layout, recording.sensor, len(recording)) == ("fakenect", "kinect-v1", 3)
    for number in (2, 0):
        frame = recording[number]
        assert isinstance(frame, Frame), frame
        assert np.isnan(frame.depth_m[:, :20]).all()
        expected = 1 / (-0.0030711016 * disparity(number)[:, 20:] + 3.3309495161)
        assert np.allclose(frame.depth_m[:, 20:], expected, atol=6e-5)
        assert frame.read_color()[5, 5].tolist() == [number, 2, 3]
        assert frame.stamp == pytest.approx(1307482421.258 + number / 30)


@pytest.mark.parametrize("order", ["<u2", ">u2"])
def test_a_dump_of_millimetres_asks_whether_it_is_registered(tmp_path: Path, order: str) -> None:
    write_dump(tmp_path / "p1", millimetres, order=order)
    with pytest.raises(RecordingError, match="registered = "):
        find_recordings(tmp_path)
    write_sidecar(tmp_path, "[recording]\nregistered = true\n")
    (recording,) = find_recordings(tmp_path)
    frame = recording[1]
    assert isinstance(frame, Frame), frame
    assert np.allclose(frame.depth_m[:, 20:], millimetres(1)[:, 20:] / 1000)


def test_pictures_farther_apart_than_the_gap_do_not_pair_and_the_index_is_known(tmp_path: Path) -> None:
    folder = write_dump(tmp_path / "p1", millimetres)
    write_sidecar(tmp_path, "[recording]\nregistered = true\n")
    (folder / "r-1307482421.250000-1000.ppm").rename(folder / "r-1307482420.250000-1000.ppm")
    (candidate,) = survey(tmp_path).candidates
    assert not any("INDEX" in note for note in candidate.notes)
    recording = candidate.recording
    assert recording
    frames = [recording[index] for index in range(len(recording))]
    assert [isinstance(frame, Frame) for frame in frames] == [False, False, True, True]
    assert {frame.reason for frame in frames[:2] if isinstance(frame, Unreadable)} == {Reason.MISSING_PAIR}


def test_a_last_picture_cut_in_half_costs_one_frame(tmp_path: Path) -> None:
    folder = write_dump(tmp_path / "p1", millimetres)
    write_sidecar(tmp_path, "[recording]\nregistered = true\n")
    last = sorted(folder.glob("d-*"))[-1]
    last.write_bytes(last.read_bytes()[: last.stat().st_size // 2])
    (recording,) = find_recordings(tmp_path)
    assert [isinstance(recording[index], Frame) for index in range(3)] == [True, True, False]


@pytest.mark.parametrize("content", [b"", bytes(99), b"P5 640 480 65535\n" + b"\x07" * (2 * W * H)])
def test_depth_of_no_known_kind_is_one_line(tmp_path: Path, content: bytes) -> None:
    folder = write_dump(tmp_path / "p1")
    for path in folder.glob("d-*"):
        write(path, content)
    with pytest.raises(RecordingError, match="how depth is stored cannot be seen") as refusal:
        find_recordings(tmp_path)
    assert "\n" not in str(refusal.value)
