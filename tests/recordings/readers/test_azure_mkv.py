from __future__ import annotations

import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from labelkit.errors import RawFrameError, RecordingError
from labelkit.recordings import find_recordings
from labelkit.recordings.discover import survey
from labelkit.recordings.readers.azure_mkv import calibration_from_json, open_azure_mkv
from labelkit.records import Frame, Reason, Recording, Unreadable
from tests.recordings.made import encoded, write
from tests.recordings.made_containers import COLOR, HEIGHT, WIDTH, azure_calibration, write_mkv

N = 6


def depth_of(index: int) -> np.ndarray:
    return np.full((HEIGHT, WIDTH), 800 + index, np.uint16)


def color_of(index: int) -> bytes:
    return encoded(np.full((COLOR[1], COLOR[0], 3), (50, 100, 20 * index), np.uint8), ".jpg")


def write_take(path: Path, n: int = N, **changes) -> Path:
    given = {"calibration": azure_calibration(), **changes}
    return write_mkv(path, [depth_of(i) for i in range(n)], [color_of(i) for i in range(n)], **given)


def check_frame(recording: Recording, index: int, depth: int, red: int) -> None:
    frame = recording[index]
    assert isinstance(frame, Frame), frame
    assert np.allclose(frame.depth_m, (800 + depth) / 1000)
    assert abs(int(frame.read_color()[0, 0, 0]) - 20 * red) < 3


def says(raw: Path) -> str:
    with pytest.raises(RecordingError) as refusal:
        find_recordings(raw)
    assert "\n" not in str(refusal.value).partition("\n\n")[0]
    return str(refusal.value)


def test_a_file_is_a_recording_read_in_any_order_also_by_another_process(tmp_path: Path) -> None:
    write_take(tmp_path / "p1" / "a.mkv")
    write_take(tmp_path / "p1" / "b.mkv", 2)
    one, other = find_recordings(tmp_path)
    assert [(r.name, r.layout, r.participant, len(r)) for r in (one, other)] == [
        ("p1/a", "azure-mkv", "p1", N),
        ("p1/b", "azure-mkv", "p1", 2),
    ]
    assert one.frame_name(3).key == "p1/a.mkv#3"
    for index in (0, 5, 2, 1, 4, 3, 3, 0):
        check_frame(pickle.loads(pickle.dumps(one)), index, index, index)
    check_frame(other, 1, 1, 1)


def test_the_calibration_of_the_factory_is_taken_for_the_mode(tmp_path: Path) -> None:
    write_take(tmp_path / "a.mkv", 1)
    (recording,) = find_recordings(tmp_path)
    depth, color = recording.calibration.depth, recording.calibration.color
    # 1024 x 1024 cut from (192, 180); 1280 x 960 cut from (0, 120)
    assert (depth.fx, depth.cx, depth.cy) == pytest.approx((501.76, 319.5, 331.5))
    assert (color.fx, color.fy, color.cy) == pytest.approx((627.2, 470.4, 359.5))
    assert depth.distortion == (0.2, -0.1, 0.002, 0.001, 0, 0, 0, 0)
    assert recording.calibration.color_from_depth[:3, 3].tolist() == [-0.032, 0, 0.004]
    assert recording.stated["color_from_depth"] == "azure-mkv layout"


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b"\xff", b'{"CalibrationInformation": {"Cameras": [{}]}}'])
def test_a_damaged_calibration_is_none(tmp_path: Path, content: bytes) -> None:
    write_take(tmp_path / "p1" / "a.mkv", 1, calibration=content or None)
    words = says(tmp_path)
    assert "[intrinsics]" in words
    assert "[color_from_depth]" in words


def test_another_lens_model_is_not_taken_for_this_one() -> None:
    with pytest.raises(ValueError, match="Rational6KT"):
        calibration_from_json(azure_calibration(ModelType="Rational6KT"), (WIDTH, HEIGHT), COLOR)


def test_frames_whose_partner_is_missing_are_rejected(tmp_path: Path) -> None:
    write_mkv(
        tmp_path / "a.mkv", [depth_of(i) for i in range(6)], [color_of(i) for i in range(3)],
        calibration=azure_calibration(),
    )  # fmt: skip
    (candidate,) = survey(tmp_path).candidates
    assert "6 depth and 3 colour pictures" in candidate.notes[0]
    recording = candidate.recording
    assert recording is not None
    check_frame(recording, 2, 2, 2)
    rejected = [recording[index] for index in range(3, 6)]
    assert all(isinstance(frame, Unreadable) and frame.reason is Reason.MISSING_PAIR for frame in rejected)


def test_stamps_that_run_backwards_are_noted_and_pair_all_the_same(tmp_path: Path) -> None:
    path = write_take(tmp_path / "a.mkv", 3, stamps=[0.5, 0.7, 0.9])
    content = path.read_bytes()
    cluster = b"\xe7\x82" + (700).to_bytes(2)  # the stamp of the second cluster, ms: of its colour, and of its depth
    assert content.count(cluster) == 2
    path.write_bytes(content.replace(cluster, b"\xe7\x82" + (100).to_bytes(2)))
    (candidate,) = survey(tmp_path).candidates
    assert any("backwards 1 times" in note for note in candidate.notes)
    assert candidate.recording
    for index, stored in enumerate((1, 0, 2)):
        check_frame(candidate.recording, index, stored, stored)


def test_a_file_cut_in_half_gives_the_frames_before_the_cut(tmp_path: Path) -> None:
    path = write_take(tmp_path / "a.mkv")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (recording,) = find_recordings(tmp_path)
    assert 0 < len(recording) < N
    check_frame(recording, 0, 0, 0)
    assert not [index for index in range(len(recording) - 1) if isinstance(recording[index], Unreadable)]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "a.mkv is empty"),
        (b"\x1a\x45\xdf\xa3", "is no Matroska file"),
        (bytes(1000), "is no Matroska file"),
        (b"\x1a\x45\xdf\xa3" + bytes(2000), "a.mkv "),
        (b"\x1a\x45\xdf\xa3" + b"\xff" * 2000, "a.mkv "),
    ],
)
def test_another_content_under_the_name_is_one_line_and_costs_no_other_file(
    tmp_path: Path, content: bytes, words: str
) -> None:
    write(tmp_path / "p1" / "a.mkv", content)
    write_take(tmp_path / "p1" / "b.mkv", 1)
    assert words in says(tmp_path)
    good = [candidate.recording for candidate in survey(tmp_path).candidates if candidate.recording]
    assert [recording.name for recording in good] == ["p1/b"]


def test_pictures_of_another_size_than_the_track_claims_are_rejected(tmp_path: Path) -> None:
    small = encoded(np.zeros((360, 640, 3), np.uint8), ".jpg")
    write_mkv(
        tmp_path / "a.mkv", [depth_of(0), depth_of(1)[:-1]], [color_of(0), small], calibration=azure_calibration()
    )
    (recording,) = find_recordings(tmp_path)
    check_frame(recording, 0, 0, 0)
    short = recording[1]
    assert isinstance(short, Unreadable)
    assert "640x576 pixels take 737,280" in short.detail
    with pytest.raises(RawFrameError, match="is 640x360, where its track states 1280x720"):
        recording.source.read_color(1)


def test_a_video_of_a_recording_is_refused(tmp_path: Path) -> None:
    write_take(tmp_path / "a.mkv", 1, title="video")
    assert "no track called DEPTH" in says(tmp_path)


def test_a_folder_without_such_files_is_left(tmp_path: Path) -> None:
    with pytest.raises(Exception, match=r"no \.mkv"):
        open_azure_mkv(tmp_path, {}, 0.02)


def test_without_the_extra_the_line_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "p1" / "a.mkv", b"")
    monkeypatch.setitem(sys.modules, "av", None)
    assert "pip install 'labelkit-rgbd[azure]'" in says(tmp_path)
