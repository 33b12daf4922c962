from __future__ import annotations

import pickle
from pathlib import Path

import cv2
import numpy as np
import pytest

from labelkit.errors import RecordingError
from labelkit.recordings import find_recordings
from labelkit.records import Frame, Reason, Unreadable
from tests.recordings.made import color_png, write

W, H = 640, 480
BETA = np.tile(np.linspace(-4, 4, W), (H, 1))
MATRICES = {
    "rsize1": np.array([[1024.0, 1280.0, 3.0]]),
    "rK1": np.array([[1060.0, 0, 620.0], [0, 1050.0, 514.0], [0, 0, 1]]),
    "rkc1": np.array([[0.2, -0.6, -0.004, 0.001, 0.6]]),
    "dK": np.array([[580.0, 0, 321.0], [0, 586.0, 235.0], [0, 0, 1]]),
    "dkc": np.zeros((1, 5)),
    "dR": np.eye(3),
    "dt": np.array([[-0.023], [0.005], [-0.002]]),
    "dc": np.array([[3.12, -0.002855]]),
    "dc_alpha": np.array([[1.8, 0.003]]),
    "dc_beta": BETA,
}


def write_calibration(path: Path, **changes: np.ndarray | None) -> Path:
    storage = cv2.FileStorage(str(path), cv2.FILE_STORAGE_WRITE)
    for name, matrix in {**MATRICES, **changes}.items():
        if matrix is not None:
            storage.write(name, matrix)
    storage.release()
    return path


def disparity(number: int) -> np.ndarray:
    stored = np.full((H, W), 700 + number, np.uint16)
    stored[:, :8] = 2047
    return stored


def write_take(folder: Path, n: int = 2, order: str = ">u2") -> Path:
    folder.mkdir(parents=True)
    for number in range(n):
        write(folder / f"{number:04d}-c1.png", color_png((number, 2, 3), (1280, 1024)))
        content = b"P5 640 480 2048\n" + disparity(number).astype(order).tobytes()
        write(folder / f"{number:04d}-d.pgm", content)
    write_calibration(folder / "set.yml")
    return folder


def refusal_of(raw: Path) -> str:
    with pytest.raises(RecordingError) as refusal:
        find_recordings(raw)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize("order", [">u2", "<u2"])
def test_disparity_becomes_metres_by_the_calibration_in_either_byte_order(tmp_path: Path, order: str) -> None:
    write_take(tmp_path / "p1", order=order)
    (recording,) = find_recordings(tmp_path)
    recording = pickle.loads(pickle.dumps(recording))
    assert (recording.layout, len(recording)) == ("herrera", 2)
    calibration = recording.calibration
    assert (calibration.depth.fx, calibration.color.width, calibration.color.distortion[0]) == (580, 1280, 0.2)
    assert calibration.color_from_depth[:3, 3].tolist() == [-0.023, 0.005, -0.002]
    for number in (1, 0):
        frame = recording[number]
        assert isinstance(frame, Frame), frame
        d = 700 + number
        expected = 1 / (-0.002855 * (d + BETA * np.exp(1.8 - 0.003 * d)) + 3.12)
        assert np.isnan(frame.depth_m[:, :8]).all()
        assert np.allclose(frame.depth_m[:, 8:], expected[:, 8:], atol=6e-5)
        assert frame.read_color()[0, 0].tolist() == [number, 2, 3]


def test_without_one_calibration_the_line_says_so(tmp_path: Path) -> None:
    folder = write_take(tmp_path / "p1")
    write_calibration(folder / "other.yml")
    assert "there are 2 (other.yml, set.yml)" in refusal_of(tmp_path)
    for path in folder.glob("*.yml"):
        path.unlink()
    assert 'depth_stored_as = "kinect-v1-disparity"' in refusal_of(tmp_path)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"dc": None}, "dc is missing"),
        ({"dc_beta": BETA[1:]}, "dc_beta is missing, or does not hold 307200 numbers"),
        ({"dK": np.full((3, 3), np.nan)}, "dK is missing"),
        ({"dkc": np.ones((1, 5))}, "is not zero"),
    ],
)
def test_a_calibration_that_is_not_whole_is_one_line(tmp_path: Path, changes: dict, words: str) -> None:
    write_calibration(write_take(tmp_path / "p1") / "set.yml", **changes)
    assert words in refusal_of(tmp_path)


@pytest.mark.parametrize("content", [b"", b"\x89PNG\r\n", b"%YAML:1.0\ndc: [", b"dc: 1\n", b"%YAML:1.0\n---\n- 1\n"])
def test_another_content_under_the_name_is_one_line(tmp_path: Path, content: bytes) -> None:
    write(write_take(tmp_path / "p1") / "set.yml", content)
    assert "set.yml is no calibration" in refusal_of(tmp_path)


def test_a_calibration_cut_in_half_is_one_line(tmp_path: Path) -> None:
    path = write_take(tmp_path / "p1") / "set.yml"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "set.yml is no calibration" in refusal_of(tmp_path)


def test_spoiled_pictures_cost_their_frames(tmp_path: Path) -> None:
    folder = write_take(tmp_path / "p1", 4)
    whole = (folder / "0001-d.pgm").read_bytes()
    write(folder / "0001-d.pgm", whole[: len(whole) // 2])
    write(folder / "0002-d.pgm", b"P5 640 480 65535\n" + np.full((H, W), 0x4321, np.uint16).tobytes())
    (folder / "0003-c1.png").unlink()
    (recording,) = find_recordings(tmp_path)
    frames = [recording[index] for index in range(4)]
    assert isinstance(frames[0], Frame)
    reasons = [frame.reason for frame in frames[1:] if isinstance(frame, Unreadable)]
    assert reasons == [Reason.DECODE, Reason.DECODE, Reason.MISSING_PAIR]
    assert "11 bits" in frames[2].detail
