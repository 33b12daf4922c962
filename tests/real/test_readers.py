"""The readers on recordings that others made with real sensors."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from labelkit.errors import RecordingError
from labelkit.recordings import find_recordings
from labelkit.recordings.pictures import read_depth
from labelkit.recordings.recording import describe_wrong_values
from labelkit.records import Frame, Reason, Recording, Unreadable
from labelkit.workflows.inspect import inspect
from tests.recordings.made import color_png, write, write_sidecar

pytestmark = pytest.mark.real

KINECT_V1 = '[recording]\nsensor = "kinect-v1"\ndepth_unit_m = 0.001\nregistered = true\n'
HAND_MESH = """
[recording]
participant = "hand"
depth_unit_m = 0.001
registered = true
[files]
color = "{key}_o.jpg"
depth = "{key}_depth.png"
[intrinsics]
fx = 498.136505
fy = 498.22818
cx = 317.334106
cy = 233.805847
width = 640
height = 480
"""


def copied(data: Path, name: str, to: Path, sidecar: str | None = None) -> Path:
    raw = to / name
    shutil.copytree(data / name, raw)
    if sidecar is not None:
        write_sidecar(raw, sidecar)
    return raw


def all_frames(recording: Recording) -> list[Frame]:
    frames = [recording[index] for index in range(len(recording))]
    assert all(isinstance(frame, Frame) for frame in frames)
    return [frame for frame in frames if isinstance(frame, Frame)]


def test_kinect_v1_openni_is_two_clips_of_registered_pairs(real_data: Path, tmp_path: Path) -> None:
    raw = copied(real_data, "kinect_v1_openni", tmp_path, KINECT_V1)
    recordings = find_recordings(raw)
    assert [(r.name, r.layout, len(r)) for r in recordings] == [("a", "pairs", 12), ("b", "pairs", 5)]
    for recording in recordings:
        assert recording.calibration.registered
        assert recording.stated["intrinsics"] == "profile kinect-v1"
        for index, frame in enumerate(all_frames(recording)):
            name = recording.frame_name(index)
            assert name.depth is not None
            assert name.color == name.depth.replace("depth", "color")
            assert 1.0 < np.nanmedian(frame.depth_m) < 1.3
            assert frame.read_color().shape == (480, 640, 3)


def test_hand_mesh_truth_is_read_by_its_patterns(real_data: Path, tmp_path: Path) -> None:
    (recording,) = find_recordings(copied(real_data, "hand_mesh_truth", tmp_path, HAND_MESH))
    assert (recording.layout, len(recording)) == ("patterns", 18)
    assert recording.frame_name(0).depth == "790154000_depth.png"
    assert all(0.4 < np.nanmedian(frame.depth_m) < 0.7 for frame in all_frames(recording))


def test_hand_mesh_truth_is_refused_without_its_patterns(real_data: Path, tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"no reader recognises it \(patterns: no \[files\]"):
        find_recordings(copied(real_data, "hand_mesh_truth", tmp_path))


def test_tum_disordered_asks_for_its_unit_and_is_then_read(real_data: Path, tmp_path: Path) -> None:
    raw = copied(real_data, "tum_disordered", tmp_path)
    with pytest.raises(RecordingError, match=r"(?s)unit of the depth is not stated.*depth_unit_m = \?"):
        find_recordings(raw)
    write_sidecar(
        raw, HAND_MESH.replace("[files]", "").replace('color = "{key}_o.jpg"\ndepth = "{key}_depth.png"\n', "")
    )
    (recording,) = find_recordings(raw)
    names = [recording.frame_name(index) for index in range(len(recording))]
    assert (recording.layout, len(names)) == ("tum", 6)
    for name in names:
        assert name.depth is not None
        assert name.color == name.depth.replace("depths/depth", "rgb/rgb")
    assert [name.stamp for name in names] == sorted(name.stamp for name in names)
    assert all(np.nanmax(frame.depth_m) < 65.535 for frame in all_frames(recording)), "65535 is no depth"


def test_open3d_layout_is_five_pairs_and_notes_what_lies_beside_them(real_data: Path, tmp_path: Path) -> None:
    raw = copied(real_data, "open3d_layout", tmp_path, KINECT_V1)
    (recording,) = find_recordings(raw)
    assert (recording.layout, len(all_frames(recording))) == ("pairs", 5)
    assert recording.frame_name(2).color == "color/00002.jpg"
    assert "6 pictures, such as other_formats/NYU_color.ppm" in inspect(raw).recordings[0].notes[0]


def test_depth_without_colour_is_refused_and_never_a_pair(real_data: Path, tmp_path: Path) -> None:
    raw = copied(real_data, "sr305_depth_only", tmp_path)
    with pytest.raises(RecordingError, match="20210326-230536: holds pictures, but no reader recognises it"):
        find_recordings(raw)
    write_sidecar(raw, HAND_MESH.replace("_o.jpg", ".jpg").replace("_depth.png", ".png").replace("0.001", "0.000125"))
    (recording,) = find_recordings(raw)
    frames = [recording[index] for index in range(len(recording))]
    assert len(frames) == 8
    assert all(isinstance(frame, Unreadable) and frame.reason is Reason.MISSING_PAIR for frame in frames)
    assert recording.frame_name(0).key == "20210326-230536/30.png"


def test_rescaled_depth_is_refused_and_told_apart_though_a_unit_is_stated(real_data: Path, tmp_path: Path) -> None:
    raw = copied(real_data, "depth_rescaled", tmp_path)
    with pytest.raises(RecordingError, match="unit of the depth is not stated"):
        find_recordings(raw)
    write_sidecar(raw, KINECT_V1)
    (problem,) = inspect(raw).recordings[0].problems
    assert "stretched each to its own scale" in problem


def test_crops_are_refused_with_what_is_missing(real_data: Path, tmp_path: Path) -> None:
    raw = copied(real_data, "crops_unregistered", tmp_path)
    with pytest.raises(RecordingError, match="no reader recognises it"):
        find_recordings(raw)
    write_sidecar(raw, '[files]\ncolor = "color_{key}.png"\ndepth = "depth_{key}.png"\n')
    with pytest.raises(RecordingError, match=r"(?s)registered is not stated.*cut out of the sensor's picture\?"):
        find_recordings(raw)


def test_raw_disparity_is_no_depth_though_someone_states_a_unit(real_data: Path, tmp_path: Path) -> None:
    raw = copied(real_data, "kinect_v1_disparity", tmp_path)
    write_sidecar(raw, '[files]\ncolor = "{key}-c1.jpg"\ndepth = "{key}-d.pgm"\n')
    with pytest.raises(RecordingError, match=r"unit of the depth is not stated.*intrinsics of the depth"):
        find_recordings(raw)
    assert any("raw disparity" in problem for problem in inspect(raw).recordings[0].problems)
    for index, depth in enumerate(raw.glob("*-d.pgm")):  # registered pictures with it, as a lab would have them
        write(depth.with_name(depth.name.replace("-d.pgm", "_o.jpg")), color_png((index, 100, 50), size=(640, 480)))
    write_sidecar(raw, HAND_MESH.replace("_depth.png", "-d.pgm"))
    (recording,) = find_recordings(raw)
    frames = [recording[index] for index in range(len(recording))]
    assert len(frames) == 4
    assert all(isinstance(frame, Unreadable) and frame.reason is Reason.UNIT for frame in frames)
    assert any("raw disparity" in problem for problem in inspect(raw).recordings[0].problems)


@pytest.mark.parametrize(("kind", "words"), [("SUN", "rotated"), ("NYU", "big-endian")])
def test_depth_with_bits_rotated_or_bytes_swapped_is_told(real_data: Path, kind: str, words: str) -> None:
    (path,) = (real_data / "open3d_layout" / "other_formats").glob(f"{kind}_depth.*")
    assert words in (describe_wrong_values(read_depth(path), 0.001) or "")


def test_the_whole_folder_is_surveyed_without_a_traceback(real_data: Path) -> None:
    found = inspect(real_data)
    names = {report.name for report in found.recordings}
    assert {"boards/herrera", "kinect_v1_openni/a", "tum_disordered", "open3d_layout"} <= names
    sound = {report.name for report in found.recordings if not report.problems}
    assert sound == {"pcd", "azure_mkv/recording", "kinect_v1_disparity"}, "nothing else there states its unit"
