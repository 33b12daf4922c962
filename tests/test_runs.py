from __future__ import annotations

import json

import h5py
import numpy as np
import pytest

from labelkit.errors import OutputExistsError, RunError, SplitError
from labelkit.labelling.splits import Split
from labelkit.runs import (
    DIAGNOSTICS,
    FAILED,
    SETTINGS,
    SPLIT,
    STATE,
    claim_run,
    read_epochs,
    read_histograms,
    read_settings,
    read_split,
    read_state,
    read_weights,
    write_plan,
    write_rows,
    write_state,
    write_weights,
)
from labelkit.settings import TrainSettings

WEIGHTS = {"dense.kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "dense.bias": np.ones(3, np.float32)}
SHAPES = {name: values.shape for name, values in WEIGHTS.items()}
PEOPLE = Split(train=("a", "b"), validation=("c",), test=("d",))


@pytest.fixture
def run(tmp_path):
    folder = claim_run("vanilla", tmp_path / "run")
    write_state(folder, FAILED, epochs=0)
    write_plan(folder, TrainSettings(seed=7, dropout=0.25), PEOPLE, tmp_path / "data" / "set", "abc")
    return folder


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


def test_settings_and_split_read_back_the_same(run):
    assert read_settings(run) == TrainSettings(seed=7, dropout=0.25)
    assert read_split(run) == PEOPLE


def test_the_environment_does_not_change_a_run_s_settings(run, monkeypatch):
    monkeypatch.setenv("LABELKIT_TRAIN_SEED", "99")
    assert read_settings(run).seed == 7


def test_the_dataset_is_named_by_its_digest_and_its_path_from_the_run(run):
    stated = json.loads((run / "dataset.json").read_text())
    assert stated == {"manifest_sha256": "abc", "path": "../data/set"}


def test_what_is_no_run_is_called_so(tmp_path):
    with pytest.raises(RunError, match="not a run"):
        read_settings(tmp_path)


@pytest.mark.parametrize("content", ["[]", '{"schema": "labelkit-run/9"}'])
def test_a_run_of_another_version_is_called_so(run, content):
    (run / STATE).write_text(content)
    with pytest.raises(RunError, match="not a run of this version"):
        read_state(run)


def test_settings_of_another_version_are_called_so(run):
    (run / SETTINGS).write_text("sead = 1\n")
    with pytest.raises(RunError, match=r"'sead'.*damaged or of another version"):
        read_settings(run)


@pytest.mark.parametrize("content", ["", "[1]", '{"train": 1}', '{"train": ["a"]}'])
def test_a_damaged_split_is_called_so(run, content):
    (run / SPLIT).write_text(content)
    with pytest.raises(RunError, match="not a split"):
        read_split(run)


def test_a_split_edited_to_leak_is_refused(run):
    (run / SPLIT).write_text('{"train": ["a"], "validation": ["b"], "test": ["a"]}')
    with pytest.raises(SplitError, match="'a' is on two sides"):
        read_split(run)


def test_rows_become_a_table_with_a_header(tmp_path):
    write_rows(tmp_path / "t.csv", [{"epoch": 1, "loss": 0.5}, {"epoch": 2, "loss": 0.25}])
    assert (tmp_path / "t.csv").read_text() == "epoch,loss\n1,0.5\n2,0.25\n"


def test_weights_read_back_the_same_and_the_same_weights_are_the_same_bytes(tmp_path):
    write_weights(tmp_path / "a.h5", WEIGHTS)
    write_weights(tmp_path / "b.h5", WEIGHTS)
    read = read_weights(tmp_path / "a.h5", SHAPES)
    assert all(np.array_equal(read[name], WEIGHTS[name]) for name in WEIGHTS)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def link_outside(path):
    with h5py.File(path, "a") as file:
        del file["dense.bias"]
        file["dense.bias"] = h5py.ExternalLink("other.h5", "/x")


def store_outside(path):
    with h5py.File(path, "a") as file:
        del file["dense.bias"]
        file.create_dataset("dense.bias", (3,), "f4", external=[("/etc/hostname", 0, 12)])


def rename(path):
    with h5py.File(path, "a") as file:
        file.move("dense.bias", "dense.offset")


def cut(path):
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (link_outside, "dense.bias is no plain float32 array"),
        (store_outside, "dense.bias is no plain float32 array"),
        (rename, "another network .dense.bias is only in one"),
        (cut, "not a readable weights file"),
        (lambda path: path.write_bytes(b"junk"), "not a readable weights file"),
        (lambda path: path.unlink(), "no such weights"),
    ],
)
def test_weights_that_are_not_plainly_this_network_s_are_refused(tmp_path, damage, words):
    path = tmp_path / "w.h5"
    write_weights(path, WEIGHTS)
    damage(path)
    with pytest.raises(RunError, match=words):
        read_weights(path, SHAPES)


def test_weights_of_another_shape_are_refused(tmp_path):
    write_weights(tmp_path / "w.h5", WEIGHTS)
    with pytest.raises(RunError, match=r"dense.kernel is \(2, 3\), expected \(3, 2\)"):
        read_weights(tmp_path / "w.h5", {**SHAPES, "dense.kernel": (3, 2)})


@pytest.mark.parametrize("epochs", [None, 0, -1, "3", 2.5])
def test_a_run_that_does_not_say_how_many_epochs_are_done_is_damaged(run, epochs):
    write_state(run, FAILED, epochs=epochs)
    with pytest.raises(RunError, match=r"run.json: epochs must be a whole number from 1"):
        read_epochs(run)


HISTOGRAM = {"mean": 0.5, "sd": 0.25, "min": 0.0, "max": 1.0, "counts": [2, 2]}


def diagnostics(**changed):
    one = {**HISTOGRAM, **changed}
    epochs = [{"epoch": k, "weights": {"a.kernel": one}, "activations": {"a": one}} for k in (1, 2)]
    return json.dumps({"schema": "labelkit-diagnostics/1", "epochs": epochs})


def test_histograms_read_back_by_tensor_and_epoch(run):
    (run / DIAGNOSTICS).write_text(diagnostics())
    found = read_histograms(run)
    assert {kind: list(tensors) for kind, tensors in found.items()} == {"weights": ["a.kernel"], "activations": ["a"]}
    second = found["weights"]["a.kernel"][1]
    assert (second.mean, second.low, second.high, second.counts.tolist()) == (0.5, 0.0, 1.0, [2, 2])


def test_a_run_that_kept_no_histograms_has_none(run):
    assert read_histograms(run) == {}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"schema": "labelkit-diagnostics/9", "epochs": []}',
        '{"schema": "labelkit-diagnostics/1", "epochs": []}',
        '{"schema": "labelkit-diagnostics/1", "epochs": [{"weights": {}}]}',
        diagnostics(mean="nan"),
        diagnostics(min=2.0),
        diagnostics(counts=[]),
        diagnostics(counts="many"),
    ],
)
def test_damaged_histograms_are_called_so(run, content):
    (run / DIAGNOSTICS).write_text(content)
    with pytest.raises(RunError, match=r"diagnostics.json: not readable diagnostics .*; train again, or remove it"):
        read_histograms(run)
