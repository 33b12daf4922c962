from __future__ import annotations

import tomllib
from pathlib import Path

import numpy as np
import pytest

from labelkit.recordings import find_recordings
from labelkit.recordings.pictures import read_color
from labelkit.settings import InspectSettings, SimulateSettings
from labelkit.workflows.inspect import RecordingReport, inspect
from labelkit.workflows.simulate import simulate
from tests.recordings.made import SIDECAR, color_png, depth_png, encoded, write, write_pairs, write_sidecar, write_tum


def report(raw: Path) -> RecordingReport:
    (found,) = inspect(raw).recordings
    return found


def test_a_recording_is_described_with_the_source_of_each_fact(tmp_path: Path) -> None:
    write_tum(tmp_path / "p1", [1.0, 1.1, 1.2, 2.2], [1.0, 1.1, 1.2])
    found = report(tmp_path)
    assert (found.name, found.layout, found.participant, found.registered) == ("p1", "tum", "p1", True)
    assert (found.frames, found.pairs, found.without_color, found.without_depth) == (4, 3, 1, 0)
    assert found.depth_unit_m == 0.001
    assert found.stated["depth_unit_m"] == "p1/recording.toml"
    assert found.stated["handedness"] == "default"
    assert found.depth_size == found.color_size == (32, 24)
    assert found.pace is not None
    assert (found.pace.gaps, found.pace.longest_s) == (1, pytest.approx(1.0))
    assert found.pace.duration_s == pytest.approx(1.2)
    assert found.pace.usual_s == pytest.approx(0.1)
    assert not found.problems


def test_the_depth_seen_is_in_metres_once_the_unit_is_stated_and_as_stored_before(tmp_path: Path) -> None:
    stored = np.full((24, 32), 800, np.uint16)
    stored[:6] = 0
    write_pairs(tmp_path, 1, sidecar=None)
    write(tmp_path / "depth/depth_00000.png", encoded(stored))
    seen = report(tmp_path).depth
    assert seen is not None
    assert (seen.median, seen.holes) == (800.0, 0.25)
    write_sidecar(tmp_path)
    seen = report(tmp_path).depth
    assert seen is not None
    assert seen.median == pytest.approx(0.8)


@pytest.mark.parametrize(("stored", "noted"), [(800, 0), (160, 1), (4000, 1), (0, 0)])
def test_depth_that_lies_nowhere_near_a_hand_is_noted_with_its_unit(tmp_path: Path, stored: int, noted: int) -> None:
    write_pairs(tmp_path, 2)
    for number in range(2):
        write(
            tmp_path / f"depth/depth_{number:05d}.png",
            encoded(np.full((24, 32), stored and stored + number, np.uint16)),
        )
    notes = [note for note in report(tmp_path).notes if "depth_unit_m = 0.001" in note and "range_m" in note]
    assert len(notes) == noted


def test_every_recording_is_told_of_though_some_have_problems(tmp_path: Path) -> None:
    write_pairs(tmp_path / "p1", sidecar=None)
    write_pairs(tmp_path / "p2")
    found = inspect(tmp_path)
    assert [bool(recording.problems) for recording in found.recordings] == [True, False]
    assert found.problems == 3
    assert found.recordings[0].add_to == str(tmp_path / "p1" / "recording.toml")
    assert "depth_unit_m = ?" in found.recordings[0].add


def test_depth_that_cannot_be_read_is_a_problem_where_it_is_all_and_a_note_where_it_is_some(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, 2)
    write(folder / "depth/depth_00000.png", encoded(np.full((24, 32), 90, np.uint8)))
    (note,) = report(folder).notes
    assert "1 cannot be read: depth/depth_00000.png: the depth picture is a PNG of 1 channel of 8 bits" in note
    write(folder / "depth/depth_00001.png", b"")
    (problem,) = report(folder).problems
    assert "2 cannot be read" in problem


def test_pictures_each_stretched_to_the_same_largest_value_are_a_problem(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, 3)
    for index in range(3):
        stored = np.full((24, 32), 900 + index, np.uint16)
        stored[0, 0] = 32767
        write(folder / f"depth/depth_{index:05d}.png", encoded(stored))
    (problem,) = report(folder).problems
    assert "the largest value of every depth picture is 32767" in problem


@pytest.mark.parametrize("sidecar", [SIDECAR, None])
def test_colour_of_12_bits_stored_in_16_is_a_problem_and_one_bright_picture_clears_it(
    tmp_path: Path, sidecar: str | None
) -> None:
    folder = write_pairs(tmp_path, 3, sidecar=sidecar)
    for index in range(3):
        write(folder / f"color/color_{index:05d}.png", encoded(np.full((24, 32, 3), 4095, np.uint16)))
    assert any("is 15 of 255" in problem for problem in report(folder).problems)
    write(folder / "color/color_00001.png", color_png())
    assert not any("of 255" in problem for problem in report(folder).problems)


def test_colour_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, 2)
    write(folder / "color/color_00000.png", color_png()[:-20])
    (note,) = report(folder).notes
    assert "the colour picture is cut short" in note


def test_disparity_is_a_problem_before_a_unit_is_stated_and_after(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path, 2, sidecar=None)
    stored = np.full((24, 32), 700, np.uint16)
    stored[0] = 2047
    for index in range(2):
        write(folder / f"depth/depth_{index:05d}.png", encoded(stored))
    assert any("raw disparity" in problem for problem in report(folder).problems)
    write_sidecar(folder)
    (problem,) = report(folder).problems
    assert "raw disparity" in problem


def test_red_and_blue_that_are_swapped_are_noted_where_skin_shows_it(tmp_path: Path) -> None:
    simulate(tmp_path / "sim", SimulateSettings(participants=1, frames=6, seed=3))
    raw = tmp_path / "sim" / "raw"
    assert not report(raw).notes
    for path in raw.glob("*/rgb/*.png"):
        path.write_bytes(encoded(read_color(path)))  # OpenCV takes the RGB for BGR
    (note,) = report(raw).notes
    assert "red and blue are swapped" in note


def test_a_recording_without_any_pair_is_a_problem(tmp_path: Path) -> None:
    write_tum(tmp_path, [1.0], [2.0])
    assert report(tmp_path).problems == ("no depth picture has a colour picture",)
    assert not inspect(tmp_path, InspectSettings(max_gap_s=1.0)).problems


def test_a_draft_is_completed_by_replacing_its_question_marks(tmp_path: Path) -> None:
    folder = write_pairs(tmp_path / 'p"1', sidecar=None)
    found = inspect(tmp_path, write=True)
    path = folder / "recording.toml"
    assert found.drafted == (str(path),)
    draft = path.read_text(encoding="utf-8")
    assert len(inspect(tmp_path).recordings[0].problems) == 3, "a draft states nothing that was not known"
    for line, filled in (("# depth_unit_m = ?", "depth_unit_m = 0.001"), ("# registered = ?", "registered = true")):
        draft = draft.replace(line, filled)
    for key in ("fx", "fy", "cx", "cy"):
        draft = draft.replace(f"# {key} = ?", f"{key} = 26.0")
    write_sidecar(folder, draft)
    (recording,) = find_recordings(tmp_path)
    assert (recording.participant, recording.calibration.depth.width) == ('p"1', 32)


def test_a_unit_of_time_stamps_that_is_not_stated_is_drafted(tmp_path: Path) -> None:
    stamps = [1000.0, 1033.3, 1066.7, 1100.0]
    write_tum(tmp_path / "p1", stamps, stamps)
    (tmp_path / "p1" / "recording.toml").unlink()
    (report,) = inspect(tmp_path, write=True).recordings
    assert report.pairs == 4
    assert any("rgb.txt" in problem and "milliseconds" in problem for problem in report.problems)
    draft = tomllib.loads((tmp_path / "p1" / "recording.toml").read_text(encoding="utf-8"))
    assert draft["recording"]["stamp_unit_s"] == 0.001
    (report,) = inspect(tmp_path).recordings
    assert not any("rgb.txt" in problem for problem in report.problems)
    assert report.pace is not None
    assert report.pace.duration_s == pytest.approx(0.1)


def test_the_time_of_a_recording_whose_clock_started_again_is_that_of_its_runs(tmp_path: Path) -> None:
    folder = write_tum(tmp_path / "p1", [1.0, 1.1, 1.2, 1.3, 1.4, 1.5], [1.0, 1.1, 1.2, 1.3, 1.4, 1.5])
    for kind in ("rgb", "depth"):
        files = sorted((folder / kind).iterdir())
        times = (1.0, 1.1, 1.2, 1.01, 1.11, 1.21)
        lines = [f"{time} {kind}/{file.name}\n" for time, file in zip(times, files, strict=True)]
        (folder / f"{kind}.txt").write_text("".join(lines), encoding="utf-8")
    (report,) = inspect(tmp_path).recordings
    assert report.pairs == 6
    assert report.pace is not None
    assert (report.pace.duration_s, report.pace.usual_s, report.pace.gaps) == (
        pytest.approx(0.4),
        pytest.approx(0.1),
        0,
    )


def test_a_draft_never_replaces_a_file_and_clips_share_one(tmp_path: Path) -> None:
    write_sidecar(write_pairs(tmp_path / "p1", sidecar=None), "# mine\n")
    for clip in ("a", "b"):
        write(tmp_path / "p2" / "color" / clip / "1.png", depth_png())
        write(tmp_path / "p2" / "depth" / clip / "1.png", depth_png())
    write_pairs(tmp_path / "p3", sidecar=SIDECAR)
    found = inspect(tmp_path, write=True)
    assert found.kept == (str(tmp_path / "p1" / "recording.toml"),)
    assert found.drafted == (str(tmp_path / "p2" / "recording.toml"),)
    assert (tmp_path / "p1" / "recording.toml").read_text(encoding="utf-8") == "# mine\n"
