from __future__ import annotations

import csv
import io
import json
import shutil
import sys
import unicodedata
from pathlib import Path

import h5py
import numpy as np
import pytest

import labelkit
from labelkit.curation.splits import FrameSplit, Split
from labelkit.dataset.lock import hold_dataset
from labelkit.runs.arrays import write_weights
from labelkit.runs.folder import claim_run, hold_run, read_state, write_json, write_rows, write_state
from labelkit.runs.plan import read_folds, read_settings, read_split, write_folds, write_plan
from labelkit.settings import TrainSettings
from labelkit.traces import pattern_from_names
from tests.commands import called
from tests.datasets import make_dataset

PEOPLE = ("anna", "p07", "p070", "zoe")


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("made") / "set", participants=PEOPLE, samples=2)


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "set")


@pytest.fixture
def runs(tmp_path):
    """Two runs below one folder: the first trained on p07, the second never met them."""
    first = claim_run("vanilla", tmp_path / "runs" / "deep" / "first")
    write_plan(first, TrainSettings(), Split(("anna", "p070"), ("zoe",), ("p07",)), tmp_path / "set", "abc", {})
    write_state(first, "failed", epochs=3, error="participant 'p07' is on two sides")
    people = [("test", "p07"), ("validation", "zoe"), ("test", "p07"), ("test", "p070")]
    write_rows(first / "predictions.csv", [{"side": side, "participant": name, "row": 1} for side, name in people])
    errors = {"p07": {"mae": 9.0}, "zoe": {"mae": 3.0}}
    write_json(first / "report.json", {"test": {"cmae_deg": 4.0, "participants": errors}})
    write_weights(first / "best.h5", {"kernel": np.ones(3, np.float32)})
    (first / "report.html").write_text("a page with the best and the worst pictures")
    (first / "figures").mkdir()
    (first / "figures" / "worst.png").write_bytes(b"a gallery")
    (first / "worst.csv").write_text("participant,row\np07,3\n")
    (first / "notes.txt").write_text("p070 went well")
    second = claim_run("vanilla", tmp_path / "runs" / "second")
    write_plan(second, TrainSettings(), Split(("anna",), ("zoe",), ("p070",)), tmp_path / "set", "abc", {})
    (second / "gallery.png").write_bytes(b"others")
    return tmp_path / "runs"


def content_of(folder):
    return {path: path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file() and path.name != ".lock"}


def test_without_yes_all_is_listed_and_nothing_is_changed(capfd, folder, runs):
    before = content_of(folder.parent)
    code, out, err = called(capfd, "withdraw", folder, "p07", "--runs", runs)
    assert (code, err) == (0, "")
    first = runs / "deep" / "first"
    size = (folder / "shards" / "p07-0000.h5").stat().st_size
    assert out.splitlines() == [
        f"{folder} holds 3 rows of 'p07', 2 samples in 1 shard ({size:,} bytes)",
        "  shards/p07-0000.h5",
        f"{first} holds 'p07' in test, 2 predictions; its weights stay: train again, or delete it",
        "  figures/worst.png",
        "  report.html",
        "  worst.csv",
        f"nothing was changed; remove it with: labelkit withdraw {folder} p07 --runs {runs} --yes",
    ]
    assert content_of(folder.parent) == before


def test_with_yes_the_participant_is_gone_and_the_others_are_not(capfd, folder, runs):
    untouched = content_of(runs / "second")
    code, out, _ = called(capfd, "withdraw", folder, "p07", "--runs", runs, "--yes")
    assert code == 0
    assert "held 3 rows of 'p07'" in out
    assert labelkit.verify(folder).ok
    assert set(labelkit.open_dataset(folder).participants) == {"anna", "p070", "zoe"}
    first = runs / "deep" / "first"
    with (first / "predictions.csv").open() as file:
        assert [row["participant"] for row in csv.DictReader(file)] == ["zoe", "p070"]
    assert json.loads((first / "report.json").read_text()) == {
        "test": {"cmae_deg": 4.0, "participants": {"zoe": {"mae": 3.0}}}
    }
    assert read_split(first) == Split(("anna", "p070"), ("zoe",), ("withdrawn-1",))
    assert read_state(first)["error"] == "participant 'withdrawn-1' is on two sides"
    assert not (first / "figures" / "worst.png").exists()
    assert not (first / "worst.csv").exists()
    assert not (first / "report.html").exists()
    assert (first / "notes.txt").exists()
    assert h5py.File(first / "best.h5")["kernel"].shape == (3,)
    assert content_of(runs / "second") == untouched
    for path, content in content_of(first).items():
        assert b"'p07'" not in content, path
        assert b'"p07"' not in content, path


def test_a_second_withdrawal_takes_the_next_stand_in_and_runs_can_come_later(capfd, folder, runs):
    assert called(capfd, "withdraw", folder, "p07", "--yes")[0] == 0
    code, out, _ = called(capfd, "withdraw", folder, "p07", "--runs", runs, "--yes")
    assert code == 0
    assert out.splitlines()[0] == f"{folder}: 'p07' was withdrawn before"
    called(capfd, "withdraw", folder, "zoe", "--runs", runs / "deep" / "first", "--yes")
    split = read_split(runs / "deep" / "first")
    assert split == Split(("anna", "p070"), ("withdrawn-2",), ("withdrawn-1",))


def test_a_run_that_leaves_each_out_once_goes_on_with_a_stand_in(capfd, folder, tmp_path):
    folds = tmp_path / "runs" / "leave-one-out"
    folds.mkdir(parents=True)
    write_folds(folds, {name: name for name in PEOPLE}, TrainSettings(), folder, "abc")
    for name in PEOPLE:
        rest = [other for other in PEOPLE if other != name]
        inner = claim_run("vanilla", folds / name)
        write_plan(inner, TrainSettings(hold_out=name), Split(rest[:2], rest[2:], (name,)), folder, "abc", {})
        write_weights(inner / "best.h5", {"kernel": np.ones(3, np.float32)})
        write_rows(inner / "predictions.csv", [{"participant": who} for who in (name, rest[2])])
    write_json(folds / "report.json", {"folds": [{"run": f"runs/leave-one-out/{name}"} for name in PEOPLE]})
    code, out, _ = called(capfd, "withdraw", folder, "p07", "--runs", tmp_path / "runs", "--yes")
    assert code == 0
    assert f"{folds} held 'p07' in folds, 0 predictions" in out
    assert f"{folds / 'p07'} held 'p07' in test, 1 prediction" in out
    assert read_folds(folds) == {"anna": "anna", "p070": "p070", "zoe": "zoe", "withdrawn-1": "withdrawn-1"}
    assert (folds / "withdrawn-1" / "best.h5").exists()
    assert read_settings(folds / "withdrawn-1").hold_out == "withdrawn-1"
    for path, content in content_of(folds).items():
        assert "p07" not in path.parts
        assert pattern_from_names(["p07"]).search(content) is None, path


def test_a_run_that_split_frames_loses_their_predictions(capfd, folder, tmp_path):
    frames = claim_run("vanilla", tmp_path / "runs" / "frames")
    write_plan(frames, TrainSettings(split="frames"), FrameSplit(0, 0.15, 0.15), folder, "abc", {})
    write_rows(frames / "predictions.csv", [{"participant": name} for name in PEOPLE])
    (frames / "report.html").write_text("pictures")
    code, out, _ = called(capfd, "withdraw", folder, "p07", "--runs", frames, "--yes")
    assert code == 0
    assert f"{frames} held 'p07' in frames, 1 prediction" in out
    assert (frames / "predictions.csv").read_text() == "participant\nanna\np070\nzoe\n"
    assert not (frames / "report.html").exists()
    assert read_split(frames) == FrameSplit(0, 0.15, 0.15)


def test_a_run_in_which_a_training_is_at_work_is_left_alone(capfd, folder, runs):
    with hold_run(runs / "deep" / "first"):
        code, _, err = called(capfd, "withdraw", folder, "p07", "--runs", runs, "--yes")
    assert code == 2
    assert "another training is at work" in err
    assert "p07" in labelkit.open_dataset(folder).manifest.participants


def test_the_page_about_the_dataset_beside_it_goes_too(folder):
    page = Path(labelkit.report_dataset(folder).out)
    assert page.parent == folder.parent
    assert labelkit.withdraw(folder, "p07", yes=True).holds.files == (f"../{page.name}",)
    assert not page.exists()


def test_a_run_that_was_left_half_done_is_found_again(folder, runs, monkeypatch):
    first = runs / "deep" / "first"
    monkeypatch.setattr("labelkit.runs.withdrawal.write_json", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        labelkit.withdraw(folder, "p07", runs=[runs], yes=True)
    monkeypatch.undo()
    assert "p07" in read_split(first).test
    labelkit.withdraw(folder, "p07", runs=[runs], yes=True)
    assert "p07" not in read_split(first).test


@pytest.mark.parametrize("answer", ["y\n", "n\n"])
def test_at_a_terminal_it_asks(capfd, folder, monkeypatch, answer):
    typed = io.StringIO(answer)
    typed.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", typed)
    called(capfd, "withdraw", folder, "p07")
    assert ("p07" in labelkit.open_dataset(folder).manifest.participants) == (answer == "n\n")


def test_json_says_whether_it_was_removed_and_never_asks(capfd, folder, monkeypatch):
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    code, out, _ = called(capfd, "withdraw", folder, "p07", "--json")
    told = json.loads(out)
    assert (code, told["removed"], told["holds"]["frames"]) == (0, False, 3)
    assert json.loads(called(capfd, "withdraw", folder, "p07", "--json", "--yes")[1])["removed"] is True
    assert called(capfd, "withdraw", folder, "zoe", "--quiet", "--yes") == (0, "", "")


def test_somebody_who_is_nowhere_is_an_error_with_the_nearest_name(capfd, folder, runs):
    code, out, err = called(capfd, "withdraw", folder, "p7", "--runs", runs, "--yes")
    assert (code, out) == (2, "")
    assert "holds no participant 'p7'; did you mean 'p07'?" in err


def test_somebody_who_may_only_be_in_a_build_that_did_not_end_is_said_to_be(capfd, folder):
    (folder / ".build").mkdir()
    code, _, err = called(capfd, "withdraw", folder, "newcomer", "--yes")
    assert code == 2
    assert f"a build that did not end may: finish it, or delete {folder / '.build'}" in err


def test_a_folder_without_runs_is_an_error_before_anything_is_changed(capfd, folder, tmp_path):
    before = content_of(folder)
    (tmp_path / "no-runs").mkdir()
    code, _, err = called(capfd, "withdraw", folder, "p07", "--runs", tmp_path / "no-runs", "--yes")
    assert code == 2
    assert "neither a run nor a folder of runs" in err
    assert content_of(folder) == before


def test_while_a_build_is_at_work_nothing_is_withdrawn(capfd, folder):
    with hold_dataset(folder):
        code, _, err = called(capfd, "withdraw", folder, "p07", "--yes")
    assert code == 2
    assert "another build is at work" in err


def test_all_spellings_of_a_name_are_one_participant_and_the_command_says_which(capfd, tmp_path, runs):
    nfc, nfd = (unicodedata.normalize(form, "J\u00f6rg") for form in ("NFC", "NFD"))
    folder = make_dataset(tmp_path / "two", participants=(nfc, nfd, "anna", "P07"), samples=2)
    code, out, _ = called(capfd, "withdraw", folder, nfc.upper(), "--yes")
    assert code == 0
    assert ascii(nfc) in out
    assert ascii(nfd) in out
    assert set(labelkit.open_dataset(folder).manifest.participants) == {"anna", "P07"}
    assert set(labelkit.open_dataset(folder).table()["participant"].to_pylist()) == {"anna", "P07"}
    assert labelkit.verify(folder).findings == ()
    result = labelkit.withdraw(folder, "p07", runs=[runs], yes=True)
    assert result.spellings == ("P07", "p07")
    assert "p07" not in read_split(runs / "deep" / "first").test


def test_somebody_who_is_withdrawn_twice_is_said_to_be_gone(capfd, folder, monkeypatch):
    called(capfd, "withdraw", folder, "p07", "--yes")
    before = content_of(folder)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True, raising=False)
    for name in ("p07", "P07"):
        for flags in ([], ["--yes"]):
            code, out, _ = called(capfd, "withdraw", folder, name, *flags)
            assert (code, out) == (0, f"{folder}: {name!r} was withdrawn before\n")
    assert content_of(folder) == before
