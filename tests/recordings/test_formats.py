from __future__ import annotations

import logging
from pathlib import Path

import pytest

from labelkit.errors import RecordingError
from labelkit.recordings import discover, find_recordings
from labelkit.recordings.formats import UNREAD
from tests.recordings.made import write, write_pairs, write_sidecar


@pytest.mark.parametrize("suffix", sorted(suffix for suffix in UNREAD if not UNREAD[suffix].layout))
def test_a_folder_of_one_unread_format_is_refused_with_its_name_and_the_way_out(tmp_path: Path, suffix: str) -> None:
    write(tmp_path / "p1" / f"rec{suffix.upper()}", bytes(9))
    with pytest.raises(RecordingError) as refusal:
        find_recordings(tmp_path)
    known = UNREAD[suffix]
    assert all(words in str(refusal.value) for words in (known.name, known.way_out, f"p1/rec{suffix.upper()}"))


def test_unread_recordings_next_to_others_are_one_warning_for_each_format(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_pairs(tmp_path / "p1")
    for name in ("p2/a.oni", "p3/b.ONI", "p4/rec.xef", "p1/notes.txt", "p1/list.csv", "consent.pdf", ".x.oni"):
        write(tmp_path / name, bytes(9))
    with caplog.at_level(logging.WARNING):
        assert [recording.name for recording in find_recordings(tmp_path)] == ["p1"]
    openni, studio = caplog.messages
    assert "2 files" in openni
    assert "p2/a.oni" in openni
    assert "p4/rec.xef" in studio


def test_a_recording_beside_the_pictures_of_another_is_a_warning(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write(write_pairs(tmp_path / "p1") / "rec.mkv", bytes(9))
    with caplog.at_level(logging.WARNING):
        assert [recording.name for recording in find_recordings(tmp_path)] == ["p1"]
    (says,) = caplog.messages
    assert "p1/rec.mkv" in says
    assert UNREAD[".mkv"].way_out in says


def test_a_recording_without_a_suffix_is_known_by_its_first_bytes(tmp_path: Path) -> None:
    write(tmp_path / "p1" / "recording", b"NI10")
    with pytest.raises(RecordingError, match=r"OpenNI.*p1/recording"):
        find_recordings(tmp_path)


def test_pictures_next_to_unread_depth_are_not_asked_for_their_names(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / "p1", 1)
    (folder / "depth" / "depth_00000.png").unlink()
    write(folder / "depth" / "depth_00000.exr", bytes(9))
    with pytest.raises(RecordingError) as refusal:
        find_recordings(tmp_path)
    assert UNREAD[".exr"].way_out in str(refusal.value)
    assert "{key}" not in str(refusal.value)


def test_files_in_the_folder_of_another_packages_reader_are_its_own(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(discover, "_readers", lambda: {"others": discover.open_pairs, **discover.READERS})
    write(write_pairs(tmp_path / "p1") / "rec.bag", bytes(9))
    write_sidecar(tmp_path)
    with caplog.at_level(logging.WARNING):
        assert find_recordings(tmp_path)[0].layout == "others"
    assert not caplog.messages
