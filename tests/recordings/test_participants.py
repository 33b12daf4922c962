from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from labelkit.errors import RecordingError
from labelkit.recordings import find_recordings, open_recording
from labelkit.recordings.participants import Named, find_doubts
from tests.recordings.made import SIDECAR, color_png, depth_png, write, write_pairs, write_sidecar

NFC, NFD = (unicodedata.normalize(form, "Jörg") for form in ("NFC", "NFD"))


def make(raw: Path, *names: str, states: str = "") -> Path:
    """Write a recording in each of the folders, and what RAW states."""
    for name in names:
        write_pairs(raw / name, 1, sidecar=None)
    write_sidecar(raw, SIDECAR.replace("[recording]\n", f"[recording]\n{states}", 1))
    return raw


def people(raw: Path) -> dict[str, str]:
    return {recording.name: recording.participant for recording in find_recordings(raw)}


@pytest.mark.parametrize(
    "names",
    [
        ("p01", "p02"),
        ("p01/morning", "p01/evening", "p02/morning"),
        ("P1/G1", "P1/G2", "P2/G1", "P2/G2"),
        ("p01", "p02/morning"),
        ("sub-01/ses-01", "sub-02/ses-01"),
        ("p01/s01", "p01/s02", "p02/s01"),
        ("p01/morning/left", "p01/evening"),
        ("anna", "ben"),
        ("anna", "ben/kitchen1"),
        ("s01", "s02"),
        ("01/session1", "01/session2", "02/session1"),
        ("anna/2024-03-01", "ben/2024-03-01"),
        ("anna/1", "anna/2", "ben/1"),
        ("anna/morning", "anna/evening"),
        ("session1",),
        ("data/p01",),
    ],
)
def test_one_folder_for_each_person_leaves_no_doubt(tmp_path: Path, names: tuple[str, ...]) -> None:
    assert people(make(tmp_path, *names)) == {name: name.split("/")[0] for name in sorted(names)}


@pytest.mark.parametrize(
    ("names", "choices"),
    [
        (("data/p01", "data/p02"), {"{folder:2}": "p01, p02", "{folder:1}": "data"}),
        (("lab/p01/a", "lab/p02/a"), {"{folder:2}": "p01, p02", "{folder:1}": "lab"}),
        (("x/P1", "x/s03", "x/subject_2", "x/anna"), {"{folder:2}": "P1, anna, s03, subject_2", "{folder:1}": "x"}),
        (("wave/p01", "stop/p01", "stop/p02"), {"{folder:2}": "p01, p02", "{folder:1}": "stop, wave"}),
        (("one/p01", "two/p01"), {"{folder:2}": "p01", "{folder:1}": "one, two"}),
        (("one/p01", "two/p02"), {"{folder:2}": "p01, p02", "{folder:1}": "one, two"}),
        (("2024-03-01/p01", "2024-03-02/p01"), {"{folder:2}": "p01", "{folder:1}": "2024-03-01, 2024-03-02"}),
        (("session1", "session2"), {"{folder:1}": "session1, session2", "?": ""}),
        (("20240301", "20240302"), {"{folder:1}": "20240301, 20240302", "?": ""}),
        (("1", "2"), {"{folder:1}": "1, 2", "?": ""}),
        (("anna_morning", "anna_evening"), {"{folder:1}": "anna_evening, anna_morning", "?": ""}),
        (("p01-a", "p01-b"), {"{folder:1}": "p01-a, p01-b", "?": ""}),
        (("p01", "p02", "data"), {"{folder:1}": "data, p01, p02", "?": ""}),
        (("anna/x", "wall/ben/x"), {"{folder:1}": "anna, wall", "{parent}": "anna, ben"}),
        (("p01/p1", "p01/p2"), {"{folder:1}": "p01", "{folder:2}": "p1, p2"}),
    ],
)
def test_a_doubt_is_refused_with_the_lines_that_settle_it(
    tmp_path: Path, names: tuple[str, ...], choices: dict[str, str]
) -> None:
    raw = make(tmp_path, *names)
    with pytest.raises(RecordingError) as refusal:
        find_recordings(raw)
    first, empty, table, *lines = str(refusal.value).split("\n")
    assert str(raw / "recording.toml") in first
    assert (empty, table) == ("", "[recording]")
    for choice, given in choices.items():
        (line,) = (line for line in lines if f'"{choice}"' in line)
        assert given in line
        if choice == "?":
            continue
        write_sidecar(raw, SIDECAR.replace("[recording]", f"[recording]\n{line}", 1))
        assert sorted(set(people(raw).values())) == given.split(", ")


def test_clips_of_raw_itself_that_look_like_people_are_doubtful(tmp_path: Path) -> None:
    for clip in ("p01", "p02"):
        write(tmp_path / "color" / clip / "1.png", color_png())
        write(tmp_path / "depth" / clip / "1.png", depth_png())
    write_sidecar(tmp_path)
    with pytest.raises(RecordingError, match="p01, p02"):
        find_recordings(tmp_path)
    write_sidecar(tmp_path, SIDECAR.replace("[recording]", '[recording]\nparticipant = "{recording}"'))
    assert people(tmp_path) == {"p01": "p01", "p02": "p02"}


def test_files_of_several_people_in_one_recording_are_doubtful(tmp_path: Path) -> None:
    patterns = '[files]\ncolor = "{key}_rgb.png"\ndepth = "{key}_depth.png"\n'
    for key in ("P1_G1_0", "P2_G1_0"):
        write(tmp_path / "all" / f"{key}_rgb.png", color_png())
        write(tmp_path / "all" / f"{key}_depth.png", depth_png())
    write_sidecar(tmp_path, SIDECAR + patterns)
    with pytest.raises(RecordingError, match="P1, P2"):
        find_recordings(tmp_path)
    write_sidecar(tmp_path, SIDECAR.replace("[recording]", '[recording]\nparticipant = "anna"') + patterns)
    assert people(tmp_path) == {"all": "anna"}


def test_what_is_stated_ends_the_doubt_for_all_below_it(tmp_path: Path) -> None:
    make(tmp_path, "data/p01", "data/p02", "p03")
    write_sidecar(tmp_path / "data", '[recording]\nparticipant = "{recording}"\n')
    assert people(tmp_path) == {"data/p01": "p01", "data/p02": "p02", "p03": "p03"}


def test_a_table_names_participants_by_folder_and_the_nearest_statement_wins(tmp_path: Path) -> None:
    raw = make(tmp_path, "a/x", "a/y", "b/x", "c/x", "d/x", states='participant = "lab-{folder:1}"\n')
    with (raw / "recording.toml").open("a") as file:
        file.write('[participants]\n"a/y" = "anna"\n"a*" = "{folder:1}-{recording}"\n"b" = "ben"\n"c" = "cleo"\n')
    write_sidecar(raw / "c", '[recording]\nparticipant = "carl"\n')
    told = {"a/x": "a-x", "a/y": "anna", "b/x": "ben", "c/x": "carl", "d/x": "lab-d"}
    assert people(raw) == told
    assert {name: open_recording(raw, name).participant for name in told} == told


def test_a_folder_that_is_not_there_names_nobody(tmp_path: Path) -> None:
    with pytest.raises(RecordingError, match=r"recording\.toml: participant = '\{folder:2\}'.*p01"):
        find_recordings(make(tmp_path, "p01", states='participant = "{folder:2}"\n'))


@pytest.mark.parametrize("name", ["{folder}", "{folder:0}", "{name}", "?", "p}"])
def test_a_participant_is_a_name_or_a_known_place(tmp_path: Path, name: str) -> None:
    with pytest.raises(RecordingError, match="participant must be"):
        find_recordings(make(tmp_path, "p01", states=f'participant = "{name}"\n'))


def test_two_spellings_of_the_same_letters_are_one_participant(tmp_path: Path) -> None:
    make(tmp_path, "p01", "p02", "p03")
    for name, spelling in (("p01", NFC), ("p02", NFD)):
        write_sidecar(tmp_path / name, f'[recording]\nparticipant = "{spelling}"\n')
    (tmp_path / "p03").rename(tmp_path / NFD)
    assert set(people(tmp_path).values()) == {NFC}


@pytest.mark.parametrize("guessed", [False, True])
def test_names_that_differ_in_capital_letters_only_are_doubtful(guessed: bool) -> None:
    (doubt,) = find_doubts([Named("P01", "P01", guessed), Named("p01", "p01", guessed), Named("p02", "p02", guessed)])
    assert "'P01' and 'p01'" in doubt.says
    assert doubt.table == "participants"


def test_a_line_of_the_table_makes_two_spellings_one_participant(tmp_path: Path) -> None:
    raw = make(tmp_path, "P01/a", "q01/b", states='participant = "{folder:1}"\n')
    with (raw / "recording.toml").open("a") as file:
        file.write('[participants]\n"q01" = "p01"\n')
    with pytest.raises(RecordingError, match="'P01' and 'p01'"):
        find_recordings(raw)
    with (raw / "recording.toml").open("a") as file:
        file.write('"P01" = "p01"\n')
    assert set(people(raw).values()) == {"p01"}
