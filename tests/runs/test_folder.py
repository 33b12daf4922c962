from __future__ import annotations

import pytest

from labelkit.errors import OutputExistsError, RunError
from labelkit.runs.folder import (
    FAILED,
    STATE,
    claim_run,
    hold_run,
    read_epochs,
    read_state,
    write_rows,
    write_state,
)
from labelkit.runs.plan import read_settings


def test_runs_are_named_after_the_model_and_then_numbered(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert [claim_run("vanilla").as_posix() for _ in range(3)] == ["runs/vanilla", "runs/vanilla-2", "runs/vanilla-3"]


def test_a_run_is_never_overwritten_unasked(run):
    with pytest.raises(OutputExistsError, match="already there; give another --out, or --overwrite"):
        claim_run("vanilla", run)


def test_overwriting_removes_the_run_s_files_and_nothing_else(run):
    (run / "notes.txt").write_text("mine")
    assert claim_run("vanilla", run, overwrite=True) == run
    assert [path.name for path in run.iterdir()] == ["notes.txt"]


def test_a_folder_that_is_no_run_is_never_overwritten(tmp_path):
    (tmp_path / "thesis.tex").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"already there; give another --out$"):
        claim_run("vanilla", tmp_path, overwrite=True)


def test_an_empty_folder_can_become_a_run(tmp_path):
    assert claim_run("vanilla", tmp_path) == tmp_path


def test_what_is_no_run_is_called_so(tmp_path):
    with pytest.raises(RunError, match="not a run"):
        read_settings(tmp_path)


@pytest.mark.parametrize("content", ["[]", '{"schema": "labelkit-run/9"}'])
def test_a_run_of_another_version_is_called_so(run, content):
    (run / STATE).write_text(content)
    with pytest.raises(RunError, match="not a run of this version"):
        read_state(run)


def test_rows_become_a_table_with_a_header(tmp_path):
    write_rows(tmp_path / "t.csv", [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    assert (tmp_path / "t.csv").read_text() == "epoch,loss\n1,0.5\n2,0.25\n"


def test_two_trainings_cannot_share_a_folder(run):
    with (
        hold_run(run),
        pytest.raises(OutputExistsError, match="another training is at work in this folder"),
        hold_run(run),
    ):
        pass
    with hold_run(run):
        pass
    assert not (run / "run.lock").exists()


@pytest.mark.parametrize("epochs", [None, 0, -1, "3", 2.5])
def test_a_run_that_does_not_say_how_many_epochs_are_done_is_damaged(run, epochs):
    write_state(run, FAILED, epochs=epochs)
    with pytest.raises(RunError, match=r"run.json: epochs must be a whole number from 1"):
        read_epochs(run)
