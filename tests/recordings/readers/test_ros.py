from __future__ import annotations

import pickle
import struct
import sys
from pathlib import Path

import numpy as np
import pytest

from labelkit.errors import RecordingError
from labelkit.recordings import find_recordings
from labelkit.recordings.discover import survey
from labelkit.records import Frame, Reason, Unreadable
from tests.recordings.made import encoded, write, write_sidecar
from tests.recordings.made_containers import STAMP_S, RosMessages, write_bag

W, H, N = 64, 48, 6
CAMERA = "/camera/color/image_raw"
DEPTH = "/camera/depth/image_raw"
HALF_TURN = (0.0, 0.0, 1.0, 0.0)
STATED = """
[recording]
registered = true
[intrinsics]
fx = 52.0
fy = 52.0
cx = 31.5
cy = 23.5
width = 64
height = 48
"""


def depth_of(number: int) -> np.ndarray:
    depth = np.full((H, W), 700 + number, np.uint16)
    depth[:3] = 0
    return depth


def color_of(number: int) -> np.ndarray:
    return np.full((H, W, 3), (10 * number, 100, 200), np.uint8)


def messages_of(
    suffix: str, n: int = N, *, kind: str = "plain", frames: tuple[str, str] = ("d", "c"), facts: bool = True
):
    """Give (topic, time, message) of n pictures of each side; the bag gets them 50 ms after their stamps."""
    ros = RosMessages(ros1=suffix == ".bag")
    given = []
    if facts:
        given.append((DEPTH.replace("image_raw", "camera_info"), STAMP_S, ros.info((W, H), frames[0])))
        given.append((CAMERA.replace("image_raw", "camera_info"), STAMP_S, ros.info((W, H), frames[1])))
        given.append(("/tf_static", STAMP_S, ros.static("base", frames[0], (0.0, 0.0, 0.0), HALF_TURN)))
        given.append(("/tf_static", STAMP_S, ros.static("base", frames[1], (0.03, 0.0, 0.0), HALF_TURN)))
    for number in range(n):
        stamp = STAMP_S + number / 30
        depth, color = depth_of(number), color_of(number)
        if kind == "compressed":
            content = struct.pack("<iff", 0, 0, 0) + encoded(depth)
            deep = (f"{DEPTH}/compressedDepth", ros.compressed(content, "16UC1; compressedDepth png", stamp, frames[0]))
            seen = (
                f"{CAMERA}/compressed",
                ros.compressed(encoded(color[..., ::-1]), "bgr8; png compressed bgr8", stamp, frames[1]),
            )
        elif kind == "metres":
            metres = np.where(depth > 0, depth / 1000, np.nan).astype(np.float32)
            deep = (DEPTH, ros.image(metres, "32FC1", stamp, frames[0]))
            seen = (CAMERA, ros.image(np.dstack([color[..., ::-1], color[..., :1]]), "bgra8", stamp, frames[1]))
        else:
            deep = (DEPTH, ros.image(depth, "16UC1", stamp, frames[0], padding=6))
            seen = (CAMERA, ros.image(color, "rgb8", stamp, frames[1], padding=3))
        given += [(deep[0], stamp + 0.05, deep[1]), (seen[0], stamp + 0.052, seen[1])]
    return given


def check_frame(recording, index: int, number: int) -> None:
    frame = recording[index]
    assert isinstance(frame, Frame), frame
    expected = np.where(depth_of(number) > 0, depth_of(number) / 1000, np.nan)
    assert np.allclose(frame.depth_m, expected, atol=6e-5, equal_nan=True)
    assert np.array_equal(frame.read_color(), color_of(number))
    assert frame.stamp == pytest.approx(STAMP_S + number / 30, abs=1e-6)


def refusal_of(raw: Path) -> str:
    with pytest.raises(RecordingError) as refusal:
        find_recordings(raw)
    says = str(refusal.value)
    assert "\n" not in says.partition("\n\n")[0]
    return says


@pytest.mark.parametrize("kind", ["plain", "compressed", "metres"])
@pytest.mark.parametrize("suffix", [".bag", ".mcap", ""])
def test_a_bag_is_read_in_any_order_also_by_another_process(tmp_path: Path, suffix: str, kind: str) -> None:
    write_bag(tmp_path / "p1" / f"take{suffix}", messages_of(suffix, kind=kind), compressed=suffix != "")
    (recording,) = find_recordings(tmp_path)
    assert (recording.name, recording.layout, len(recording)) == ("p1/take", "ros", N)
    assert recording.depth_unit_m == (0.0001 if kind == "metres" else 0.001)
    calibration = recording.calibration
    assert (calibration.depth.fx, calibration.depth.distortion) == (525, (0.1, 0, 0, 0, 0))
    # the camera frames are turned by half a turn about z, so the camera 30 mm to the base's right is to their left
    assert calibration.color_from_depth[:3, 3] == pytest.approx((0.03, 0, 0))
    assert calibration.color_from_depth[:3, :3] == pytest.approx(np.eye(3))
    for index in (0, 1, 5, 2, 2, 4, 3, 0):
        check_frame(pickle.loads(pickle.dumps(recording)), index, index)


def test_depth_in_the_frame_of_colour_is_registered(tmp_path: Path) -> None:
    write_bag(tmp_path / "p1.bag", messages_of(".bag", 2, frames=("c1", "c1")))
    (recording,) = find_recordings(tmp_path)
    assert recording.calibration.registered
    assert recording.stated["registered"] == "ros layout"


def test_without_camera_info_and_tf_the_calibration_is_asked_for(tmp_path: Path) -> None:
    write_bag(tmp_path / "p1.mcap", messages_of(".mcap", 2, facts=False))
    says = refusal_of(tmp_path)
    assert all(table in says for table in ("[intrinsics]", "[color_intrinsics]", "[color_from_depth]"))


def test_of_several_topics_one_is_to_be_stated(tmp_path: Path) -> None:
    ros = RosMessages(ros1=True)
    other = [("/left/color", STAMP_S + 1, ros.image(color_of(9), "rgb8", STAMP_S, "left"))]
    write_bag(tmp_path / "p1" / "a.bag", [*messages_of(".bag", 2), *other])
    assert f'color = "{CAMERA}"' in refusal_of(tmp_path)
    write_sidecar(tmp_path, f'[files]\ncolor = "{CAMERA}"\ndepth = "{DEPTH}"\n')
    (recording,) = find_recordings(tmp_path)
    check_frame(recording, 1, 1)


def test_a_colour_stream_that_stops_leaves_pairs_missing(tmp_path: Path) -> None:
    kept = [m for m in messages_of(".mcap") if m[0] != CAMERA or m[1] < STAMP_S + 0.12]
    write_bag(tmp_path / "a.mcap", kept)
    (candidate,) = survey(tmp_path).candidates
    assert any("6 depth and 3 colour" in note for note in candidate.notes)
    assert candidate.recording
    check_frame(candidate.recording, 2, 2)
    rest = [candidate.recording[index] for index in (3, 4, 5)]
    assert all(isinstance(frame, Unreadable) and frame.reason is Reason.MISSING_PAIR for frame in rest)


def test_a_picture_whose_message_claims_more_than_it_holds_costs_its_frame(tmp_path: Path) -> None:
    given = messages_of(".bag", 3)
    last = next(message for topic, _, message in reversed(given) if topic == DEPTH)
    last.height = 40_000
    write_bag(tmp_path / "a.bag", given)
    (recording,) = find_recordings(tmp_path)
    check_frame(recording, 1, 1)
    spoiled = recording[2]
    assert isinstance(spoiled, Unreadable)
    assert "cut short" in spoiled.detail


def test_a_bag_without_depth_or_colour_says_so(tmp_path: Path) -> None:
    given = messages_of(".bag", 2)
    write_bag(tmp_path / "d" / "a.bag", [message for message in given if message[0] != DEPTH])
    assert "a.bag holds no depth pictures" in refusal_of(tmp_path / "d")
    write_bag(tmp_path / "c" / "a.bag", [message for message in given if message[0] != CAMERA])
    assert "a.bag holds no color pictures" in refusal_of(tmp_path / "c")


SPOILERS = {
    "cut": lambda content: content[: len(content) // 2],
    "empty": lambda content: b"",
    "foreign": lambda content: bytes(1000),
    "head only": lambda content: content[:60],
    "noise in the middle": lambda content: content[:5000] + b"\xff" * 3000 + content[8000:],
}


@pytest.mark.parametrize("suffix", [".bag", ".mcap", ".db3"])
@pytest.mark.parametrize("spoil", SPOILERS.values(), ids=SPOILERS)
def test_a_spoiled_bag_is_one_line_or_rejected_frames_and_costs_no_other(tmp_path: Path, spoil, suffix: str) -> None:
    path = tmp_path / "p1" / f"a{suffix}"
    if suffix == ".db3":
        (made,) = write_bag(tmp_path / "made", messages_of("")).glob("*.db3")
        write(path, made.read_bytes())
        (tmp_path / "made" / "metadata.yaml").unlink()
        made.unlink()
    else:
        write_bag(path, messages_of(suffix))
    write_bag(tmp_path / "p1" / "b.mcap", messages_of(".mcap", 2))
    path.write_bytes(spoil(path.read_bytes()))
    spoiled, sound = survey(tmp_path).candidates
    assert sound.recording
    check_frame(sound.recording, 1, 1)
    if spoiled.recording is None:
        (problem,) = spoiled.problems
        assert path.name in problem.says
        assert "\n" not in problem.says
    else:
        frames = [spoiled.recording[index] for index in range(len(spoiled.recording))]
        for frame in frames:
            if isinstance(frame, Unreadable):
                assert "\n" not in frame.detail


def test_without_the_extra_the_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "p1" / "a.bag", b"#ROSBAG V2.0\n")
    monkeypatch.setitem(sys.modules, "rosbags", None)
    monkeypatch.setitem(sys.modules, "rosbags.highlevel", None)
    assert "pip install 'labelkit-rgbd[ros]'" in refusal_of(tmp_path)
