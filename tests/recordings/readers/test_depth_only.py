from __future__ import annotations

import pickle
from pathlib import Path

import pytest

from labelkit.errors import RecordingError
from labelkit.recordings import find_recordings
from labelkit.recordings.discover import survey
from labelkit.records import Frame, Unreadable
from tests.recordings.made import SIDECAR, depth_png, write, write_sidecar

STATED = SIDECAR.replace("registered = true", "depth_only = true")


@pytest.mark.parametrize("place", ["", "depth/", "Depth/"])
def test_depth_alone_is_read_in_the_order_of_its_numbers(tmp_path: Path, place: str) -> None:
    for number in (9, 10, 30):
        write(tmp_path / f"p1/{place}{number}.png", depth_png(number + 700))
    write_sidecar(tmp_path, STATED)
    (candidate,) = survey(tmp_path).candidates
    assert candidate.notes == ("depth only: no colour; a build --with-depth gives labels and crops of depth",)
    recording = pickle.loads(pickle.dumps(candidate.recording))
    assert (recording.layout, len(recording), recording.stated["registered"]) == ("depth-only", 3, "depth-only layout")
    frames = [recording[index] for index in range(3)]
    assert [round(float(frame.depth_m[0, 0]), 3) for frame in frames] == [0.709, 0.710, 0.730]
    assert all(frame.read_color is None for frame in frames)


def test_a_folder_of_depth_is_told_what_to_state(tmp_path: Path) -> None:
    write(tmp_path / "p1/1.png", depth_png())
    with pytest.raises(RecordingError, match="depth_only = true"):
        find_recordings(tmp_path)


def test_a_picture_that_is_no_depth_costs_one_frame(tmp_path: Path) -> None:
    write(tmp_path / "p1/1.png", depth_png())
    write(tmp_path / "p1/2.png", depth_png()[:40])
    write(tmp_path / "p1/3.png", b"")
    write_sidecar(tmp_path, STATED)
    (recording,) = find_recordings(tmp_path)
    assert [type(recording[index]) for index in range(3)] == [Frame, Unreadable, Unreadable]
