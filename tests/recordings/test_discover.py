from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import pytest

from labelkit.errors import RecordingError
from labelkit.recordings import discover, find_recordings, open_recording, source_path
from labelkit.recordings.discover import survey
from labelkit.recordings.readers.pairs import open_pairs
from labelkit.records import Frame
from tests.recordings.made import SIDECAR, color_png, depth_png, encoded, write, write_pairs, write_sidecar, write_tum

links = pytest.mark.skipif(sys.platform == "win32", reason="links need a privilege there")


def only(raw: Path) -> discover.Recording:
    (recording,) = find_recordings(raw)
    return recording


def test_recordings_are_found_at_any_depth_sorted_by_name(tmp_path: Path) -> None:
    write_pairs(tmp_path / "p2")
    write_tum(tmp_path / "p1" / "morning", [1.0], [1.0])
    write_pairs(tmp_path / "p1" / "evening", 2)
    found = find_recordings(tmp_path)
    assert [(r.name, r.layout, r.participant, len(r)) for r in found] == [
        ("p1/evening", "pairs", "p1", 2),
        ("p1/morning", "tum", "p1", 1),
        ("p2", "pairs", "p2", 3),
    ]
    assert found[0].stated["participant"] == "folder"


def test_raw_may_be_a_recording_itself_and_lends_it_its_name(tmp_path: Path) -> None:
    recording = only(write_pairs(tmp_path / "anna"))
    assert (recording.name, recording.participant, recording.stated["participant"]) == (".", "anna", "name of RAW")
    assert recording.frame_name(0).depth == "depth/depth_00000.png"


def test_a_recording_reads_the_same_after_pickling_and_after_reopening(tmp_path: Path) -> None:
    write_pairs(tmp_path / "p1")
    for clip in ("a", "b"):
        write(tmp_path / "p2" / "color" / clip / "1.png", color_png())
        write(tmp_path / "p2" / "depth" / clip / "1.png", depth_png())
    write_sidecar(tmp_path)
    found = find_recordings(tmp_path)
    assert [recording.name for recording in found] == ["p1", "p2/a", "p2/b"]
    for recording in found:
        for again in (pickle.loads(pickle.dumps(recording)), open_recording(tmp_path, recording.name)):
            assert again.stated == recording.stated
            assert again.frame_name(0).key == recording.frame_name(0).key
            assert isinstance(again[0], Frame)


def test_a_nearer_sidecar_wins_key_by_key_and_one_above_raw_is_not_read(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_pairs(raw / "p1", sidecar=None)
    write_sidecar(tmp_path, '[recording]\nhandedness = "left"\n')
    write_sidecar(raw, SIDECAR)
    write_sidecar(raw / "p1", "[intrinsics]\nfx = 27.0\n")
    write_sidecar(raw / "p1" / "depth", "[recording]\ndepth_unit_m = 0.0002\n")
    recording = only(raw)
    assert (recording.calibration.depth.fx, recording.calibration.depth.fy) == (27.0, 26.0)
    assert (recording.depth_unit_m, recording.handedness) == (0.0002, "right")
    assert recording.stated["intrinsics"] == "p1/recording.toml and recording.toml"
    assert recording.stated["depth_unit_m"] == "p1/depth/recording.toml"


def test_a_sidecar_may_name_the_layout(tmp_path: Path) -> None:
    write_tum(tmp_path, [1.0], [1.0])
    write_sidecar(tmp_path, SIDECAR.replace("[recording]", '[recording]\nlayout = "pairs"'))
    assert only(tmp_path).layout == "pairs"
    write_sidecar(tmp_path, '[recording]\nlayout = "tumm"\n')
    with pytest.raises(RecordingError, match="no layout 'tumm'; did you mean 'tum'"):
        find_recordings(tmp_path)


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda _: None, "there is no such folder"),
        (lambda raw: write(raw, b""), "is a file"),
        (lambda raw: raw.mkdir(), "it holds no picture"),
        (lambda raw: write(raw / "notes.txt", b""), "it holds no picture"),
        (
            lambda raw: write(raw / "p1" / "1.png", depth_png()),
            r"p1: holds pictures, but no reader recognises it \(patterns: no .*tum: no rgb.txt.*pairs: no color",
        ),
        (lambda raw: write(raw / "p1" / "rgb" / "1.png", color_png()), r"raw/p1: holds.*pairs: no depth/ folder"),
        (lambda raw: write(raw / "color" / "a" / "1.png", color_png()), r"raw: holds.*pairs: no depth/ folder"),
    ],
)
def test_what_is_no_folder_of_recordings_is_refused_with_what_is_missing(
    tmp_path: Path, make: object, words: str
) -> None:
    raw = tmp_path / "raw"
    make(raw)  # type: ignore[operator]
    with pytest.raises(RecordingError, match=words):
        find_recordings(raw)


def test_unstated_unit_registration_and_intrinsics_are_asked_for_with_the_lines_to_add(tmp_path: Path) -> None:
    write_pairs(tmp_path / "p1", sidecar=None)
    with pytest.raises(RecordingError) as caught:
        find_recordings(tmp_path)
    message = str(caught.value)
    for words in ("unit of the depth", "registered", "intrinsics of the depth", f"{tmp_path}/p1/recording.toml"):
        assert words in message
    toml = message.partition("\n\n")[2]
    for line in ("[recording]", "depth_unit_m = ?", "registered = ?", "[intrinsics]", "fx = ?", "width = 32"):
        assert line in toml
    for filled in (
        ("depth_unit_m = ?", "depth_unit_m = 0.001"),
        ("registered = ?", "registered = true"),
        ("= ?", "= 9.0"),
    ):
        toml = toml.replace(*filled)
    write_sidecar(tmp_path / "p1", toml)
    assert only(tmp_path).calibration.depth.fy == 9.0


def test_an_unregistered_recording_needs_both_cameras_and_how_they_stand(tmp_path: Path) -> None:
    write(tmp_path / "color" / "1.png", color_png(size=(64, 48)))
    write(tmp_path / "depth" / "1.png", depth_png())
    write_sidecar(tmp_path, SIDECAR.replace("registered = true", "registered = false"))
    with pytest.raises(RecordingError) as caught:
        find_recordings(tmp_path)
    for words in ("[color_intrinsics]\nfx = ?", "width = 64", "[color_from_depth]\nrotation = ", "translation_m = "):
        assert words in str(caught.value)
    write_sidecar(
        tmp_path,
        SIDECAR.replace("registered = true", "registered = false")
        + "[color_intrinsics]\nfx = 52\nfy = 52\ncx = 31.5\ncy = 23.5\nwidth = 64\nheight = 48\n"
        + "[color_from_depth]\nrotation = [[1,0,0],[0,1,0],[0,0,1]]\ntranslation_m = [0.025, 0, 0]\n",
    )
    recording = only(tmp_path)
    assert not recording.calibration.registered
    assert recording.calibration.color.width == 64
    assert recording.calibration.color_from_depth[0, 3] == 0.025
    frame = recording[0]
    assert isinstance(frame, Frame)
    assert frame.read_color().shape == (48, 64, 3)


def test_registered_pictures_of_different_sizes_are_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, 1)
    write(tmp_path / "color/color_00000.png", color_png(size=(64, 48)))
    with pytest.raises(RecordingError, match="depth pictures are 32x24 and the colour pictures 64x48"):
        find_recordings(tmp_path)


def test_intrinsics_for_pictures_of_another_size_are_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path, sidecar=SIDECAR.replace("width = 32", "width = 64"))
    with pytest.raises(RecordingError, match=r"pictures are 32x24, but \[intrinsics\] is for 64x24"):
        find_recordings(tmp_path)


@pytest.mark.parametrize(("size", "supplied"), [((640, 480), True), ((320, 240), False)])
def test_profile_kinect_v1_supplies_intrinsics_for_its_own_size_only(
    tmp_path: Path, size: tuple[int, int], supplied: bool
) -> None:
    write(tmp_path / "color" / "1.png", color_png(size=size))
    write(tmp_path / "depth" / "1.png", depth_png(size=size))
    write_sidecar(tmp_path, '[recording]\nsensor = "kinect-v1"\ndepth_unit_m = 0.001\nregistered = true\n')
    if supplied:
        recording = only(tmp_path)
        assert recording.calibration.depth.fx == 525.0
        assert recording.stated["intrinsics"] == "profile kinect-v1"
        assert recording.stated["range_m"] == "profile kinect-v1"
    else:
        with pytest.raises(RecordingError, match="intrinsics of the depth pictures are not stated"):
            find_recordings(tmp_path)


def test_the_profile_completes_no_half_stated_camera(tmp_path: Path) -> None:
    write(tmp_path / "color" / "1.png", color_png(size=(640, 480)))
    write(tmp_path / "depth" / "1.png", depth_png(size=(640, 480)))
    text = '[recording]\nsensor = "kinect-v1"\ndepth_unit_m = 0.001\nregistered = true\n[intrinsics]\n'
    write_sidecar(tmp_path, text + "fx = 571.0\n")
    with pytest.raises(RecordingError, match="lack fy, cx, cy, width, height"):
        find_recordings(tmp_path)
    write_sidecar(tmp_path, text + "width = 640\nheight = 480\n")
    assert only(tmp_path).calibration.depth.fx == 525.0


def test_pictures_beside_a_recording_are_noted_not_lost(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write(write_pairs(tmp_path / "p1") / "ir" / "1.png", depth_png())
    (candidate,) = survey(tmp_path).candidates
    (note,) = candidate.notes
    assert "1 pictures" in note
    assert "p1/ir/1.png" in note
    find_recordings(tmp_path)
    assert "p1/ir/1.png" in caplog.text


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("associations.txt", "1.0 color/0.png 1.0 depth/0.png\n"),
        ("rgb.txt", "# x\n1.0 color/color_00000.png\n"),
        ("color.txt", "1.0;color\\color_00000.png\n"),
        ("frames.csv", "stamp,file\n1.0,color_00000.PNG\n"),
        ("image.txt", "1.0 color_00000.jpg\n"),
        ("timestamps.txt", "1.0\n1.1\n"),
        ("color/Times.txt", "1.0\n"),
        ("depth/timestamps.csv", "0,1.0\n"),
    ],
)
def test_a_list_that_is_not_used_is_noted(tmp_path: Path, name: str, content: str) -> None:
    folder = write_pairs(tmp_path / "p1")
    for encoding in ("utf-8", "utf-16"):
        write(folder / name, content.encode(encoding))
        assert survey(tmp_path).candidates[0].notes == (f"{name} is not used",)


def test_other_texts_and_lists_that_are_used_are_not_noted(tmp_path: Path) -> None:
    folder = write_tum(tmp_path / "p1", [1.0], [1.0])
    write(folder / "notes.txt", b"He moved at 1.0 s.\n")
    write(folder / "accelerometer.txt", b"1.0 -0.1 9.8 0.2\n")
    write(folder / "timestamps.txt", b"# nothing yet\n")
    assert survey(tmp_path).candidates[0].notes == ()


def test_one_bad_recording_does_not_hide_the_others_from_the_survey(tmp_path: Path) -> None:
    write_pairs(tmp_path / "p1", sidecar=None)
    write_pairs(tmp_path / "p2")
    write(tmp_path / "p3" / "1.png", depth_png())
    write_sidecar(write_pairs(tmp_path / "p4"), "[recording]\nx = 1\n")
    assert [(f.name, bool(f.problems)) for f in survey(tmp_path).candidates] == [
        ("p1", True),
        ("p2", False),
        ("p3", True),
        ("p4", True),
    ]
    with pytest.raises(RecordingError, match=r"and 2 more have problems: see labelkit inspect"):
        find_recordings(tmp_path)


@links
def test_nothing_is_followed_out_of_raw(tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    write_pairs(raw / "p1")
    write_pairs(tmp_path / "elsewhere")
    (raw / "p2").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(RecordingError, match="p2 is a link"):
        find_recordings(raw)
    (raw / "p2").unlink()
    (raw / "p1" / "depth" / "depth_00009.png").symlink_to(tmp_path / "elsewhere" / "depth" / "depth_00000.png")
    with pytest.raises(RecordingError, match=r"depth_00009\.png is a link"):
        find_recordings(raw)


@links
def test_links_in_a_circle_end(tmp_path: Path) -> None:
    write_pairs(tmp_path / "p1")
    (tmp_path / "p1" / "again").symlink_to(tmp_path)
    assert [recording.name for recording in find_recordings(tmp_path)] == ["p1"]


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="their file names are text")
def test_names_that_are_no_utf8_are_written_so_that_they_can_be_read_back(tmp_path: Path) -> None:
    folder = os.fsdecode(os.fsencode(tmp_path) + b"/p\xff 50%")
    write_pairs(Path(folder), 1)
    recording = only(tmp_path)
    assert recording.participant == "p%FF 50%25"
    name = recording.frame_name(0).depth
    assert name == "p%FF 50%25/depth/depth_00000.png"
    assert source_path(tmp_path, name).is_file()
    assert isinstance(open_recording(tmp_path, recording.name)[0], Frame)


def test_two_recordings_of_one_name_are_refused(tmp_path: Path) -> None:
    write_pairs(tmp_path / "a")
    write(tmp_path / "color" / "a" / "1.png", color_png())
    write(tmp_path / "depth" / "a" / "1.png", depth_png())
    write_sidecar(tmp_path)
    with pytest.raises(RecordingError, match="a: two recordings"):
        find_recordings(tmp_path)


def test_a_recording_that_has_gone_is_named(tmp_path: Path) -> None:
    write_pairs(tmp_path / "p1")
    for name in ("p2", "../p1", "p1/x"):
        with pytest.raises(RecordingError, match=f"there is no recording '{name}'"):
            open_recording(tmp_path, name)


class FromElsewhere:
    """An entry point as another package declares it."""

    name, value = "elsewhere", "package.module:reader"

    @staticmethod
    def load() -> object:
        return open_pairs


class Broken(FromElsewhere):
    @staticmethod
    def load() -> object:
        raise ImportError("no module named package")


@pytest.fixture
def other_packages(monkeypatch: pytest.MonkeyPatch) -> object:
    def declare(*points: type[FromElsewhere]) -> None:
        monkeypatch.setattr(discover, "entry_points", lambda **_: [point() for point in points])
        discover._readers.cache_clear()

    yield declare
    discover._readers.cache_clear()


def test_another_package_can_bring_a_reader(tmp_path: Path, other_packages: object) -> None:
    other_packages(FromElsewhere)  # type: ignore[operator]
    write_pairs(tmp_path, sidecar=SIDECAR.replace("[recording]", '[recording]\nlayout = "elsewhere"'))
    assert only(tmp_path).layout == "elsewhere"


def test_a_reader_that_cannot_be_loaded_is_named(tmp_path: Path, other_packages: object) -> None:
    other_packages(Broken)  # type: ignore[operator]
    write_pairs(tmp_path)
    with pytest.raises(RecordingError, match=r"the reader 'elsewhere'.*cannot be loaded: no module named package"):
        find_recordings(tmp_path)


def test_listing_decodes_nothing_and_opens_few_pictures_however_many_there_are(tmp_path: Path) -> None:
    depth, color = depth_png(), encoded(np.zeros((24, 32, 3), np.uint8))
    write_sidecar(tmp_path)
    (tmp_path / "depth").mkdir()
    (tmp_path / "color").mkdir()
    for index in range(1000):
        (tmp_path / "depth" / f"{index}.png").write_bytes(depth[:60])  # the header and no more
        (tmp_path / "color" / f"{index}.png").write_bytes(color[:60])
    opened: list[str] = []
    listening = True

    def hear(event: str, of: tuple[object, ...]) -> None:
        if listening and event == "open" and str(of[0]).endswith(".png"):
            opened.append(str(of[0]))

    sys.addaudithook(hear)  # there is no taking it back
    recording = only(tmp_path)
    listening = False
    assert len(recording) == 1000
    assert 0 < len(opened) < 20, len(opened)
