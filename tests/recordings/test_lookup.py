"""A frame goes by many names; one that fits none or several is refused with the names that are near."""

from __future__ import annotations

import shutil

import pytest

from labelkit.errors import RecordingError
from labelkit.recordings import find_recordings
from labelkit.recordings.lookup import find_frame
from tests.golden.make import RAW

KEY = "p01/depth/depth_020.png"


@pytest.fixture(scope="module")
def recordings():
    return find_recordings(RAW)


@pytest.mark.parametrize(
    "wanted", [KEY, "p01/color/color_020.jpg", "depth_020.png", "color_020.jpg", "p01:1", str(RAW / KEY)]
)
def test_a_frame_goes_by_many_names(recordings, wanted):
    recording, index = find_frame(recordings, wanted, RAW)
    assert (recording.name, recording.frame_name(index).key) == ("p01", KEY)


@pytest.mark.parametrize(
    ("wanted", "facts"),
    [
        ("depth_021.png", [KEY]),  # the nearest name
        ("20.png", [KEY]),  # the end of a name, but not a whole part of the path
        ("zzzz", ["p01/depth/depth_000.png", "p01:0"]),
        ("p01:99", ["p01", "0 to 3"]),
        ("p01:-1", ["p01", "0 to 3"]),
        ("", ["p01/depth/depth_000.png"]),
    ],
)
def test_a_frame_that_is_not_there_is_refused_with_names_that_are(recordings, wanted, facts):
    with pytest.raises(RecordingError) as refused:
        find_frame(recordings, wanted, RAW)
    message = str(refused.value)
    for fact in [str(RAW), wanted.rpartition(":")[2], *facts]:
        assert fact in message
    assert "\n" not in message


def test_several_frames_of_one_name_are_listed(tmp_path):
    for name in ("p1", "p2"):
        shutil.copytree(RAW / "p01", tmp_path / name)
    recordings = find_recordings(tmp_path)
    with pytest.raises(RecordingError, match=r"2 frames.*p1/depth/depth_020\.png, p2/depth/depth_020\.png"):
        find_frame(recordings, "depth_020.png", tmp_path)
    recording, index = find_frame(recordings, "p2/depth/depth_020.png", tmp_path)
    assert (recording.name, index) == ("p2", 1)


def test_of_many_frames_of_one_name_only_some_are_listed(tmp_path):
    for number in range(7):
        shutil.copytree(RAW / "p01", tmp_path / f"p{number}")
    with pytest.raises(RecordingError) as refused:
        find_frame(find_recordings(tmp_path), "depth_020.png", tmp_path)
    assert str(refused.value).count("/depth/depth_020.png") == 5
    assert "7 frames" in str(refused.value)
