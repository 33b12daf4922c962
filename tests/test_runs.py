from __future__ import annotations

import hashlib
import json

import h5py
import numpy as np
import pytest

from labelkit.errors import OutputExistsError, RunError, SplitError
from labelkit.labelling.splits import FrameSplit, Split
from labelkit.runs import (
    DIAGNOSTICS,
    FAILED,
    SETTINGS,
    SPLIT,
    STATE,
    claim_run,
    only_one_at,
    read_arrays,
    read_dataset,
    read_epochs,
    read_folds,
    read_histograms,
    read_settings,
    read_split,
    read_state,
    read_weights,
    write_arrays,
    write_json,
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
    write_plan(folder, TrainSettings(seed=7, dropout=0.25), PEOPLE, tmp_path / "data" / "set", "abc", {"keras": "3"})
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
    with pytest.raises(RunError, match=r"not a split|split\.json: not readable"):
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


def resealed(path, change):
    """Change a file of arrays as one would who wants to be believed: with a hash that fits."""
    inner = path.with_suffix(".inner")
    inner.write_bytes(path.read_bytes()[512:])
    with h5py.File(inner, "a") as file:
        change(file)
    content = inner.read_bytes()
    path.write_bytes(
        b"labelkit sha256 %s\n" % hashlib.sha256(content).hexdigest().encode() + bytes(512 - 16 - 64 - 1) + content
    )


def link_outside(file):
    del file["dense.bias"]
    file["dense.bias"] = h5py.ExternalLink("other.h5", "/x")


def store_outside(file):
    del file["dense.bias"]
    file.create_dataset("dense.bias", (3,), "f4", external=[("/etc/hostname", 0, 12)])


def compress(file):
    del file["dense.bias"]
    file.create_dataset("dense.bias", data=np.ones(3, np.float32), compression="gzip")


def make_virtual(file):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
    del file["dense.bias"]
    file.create_virtual_dataset("dense.bias", layout)


def make_text(file):
    del file["dense.bias"]
    file.create_dataset("dense.bias", data=["a", "b", "c"])


def claim_terabytes(file):
    del file["dense.bias"]
    file.create_dataset("dense.bias", (10**12,), "f4")


def rename(file):
    file.move("dense.bias", "dense.offset")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *((spoil, "dense.bias is no plain float32 array") for spoil in (link_outside, store_outside, make_virtual)),
        *((spoil, "dense.bias is no plain float32 array") for spoil in (compress, make_text)),
        (claim_terabytes, r"dense.bias is \(1000000000000,\), expected \(3,\)"),
        (rename, "another network .dense.bias is only in one"),
    ],
)
def test_a_hostile_file_of_weights_is_refused_though_its_hash_fits(tmp_path, change, words):
    path = tmp_path / "w.h5"
    write_weights(path, WEIGHTS)
    resealed(path, change)
    with pytest.raises(RunError, match=words):
        read_weights(path, SHAPES)


def test_resealing_alone_changes_nothing(tmp_path):
    write_weights(tmp_path / "w.h5", WEIGHTS)
    resealed(tmp_path / "w.h5", lambda file: None)
    assert np.array_equal(read_weights(tmp_path / "w.h5", SHAPES)["dense.kernel"], WEIGHTS["dense.kernel"])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "damaged .it does not match the hash"),
        (flip_a_bit, "damaged .it does not match the hash"),
        (lambda path: path.write_bytes(b"junk"), "damaged .it does not match the hash"),
        (lambda path: path.unlink(), "no such weights"),
    ],
)
def test_damaged_weights_are_refused(tmp_path, damage, words):
    path = tmp_path / "w.h5"
    write_weights(path, WEIGHTS)
    damage(path)
    with pytest.raises(RunError, match=words):
        read_weights(path, SHAPES)


def test_other_tools_read_the_weights_behind_the_hash(tmp_path):
    write_weights(tmp_path / "w.h5", WEIGHTS)
    with h5py.File(tmp_path / "w.h5") as file:
        assert file["dense.kernel"][()].tolist() == WEIGHTS["dense.kernel"].tolist()


def test_arrays_keep_their_types(tmp_path):
    arrays = {"seed.0": np.array([1, 2], np.int64), "progress.loss": np.array(0.1), "w": np.ones((2, 2), np.float32)}
    write_arrays(tmp_path / "a.h5", arrays)
    read = read_arrays(tmp_path / "a.h5", {name: (each.shape, each.dtype.name) for name, each in arrays.items()})
    for name, values in arrays.items():
        assert (read[name].dtype, read[name].tolist()) == (values.dtype, values.tolist())


def test_a_split_by_frames_is_kept_and_marked_as_leaking(tmp_path):
    run, split = claim_run("vanilla", tmp_path / "run"), FrameSplit(3, 0.2, 0.1)
    write_plan(run, TrainSettings(split="frames"), split, tmp_path / "set", "abc", {})
    assert read_split(run) == split
    assert json.loads((run / SPLIT).read_text())["leaks"] is True


def test_the_dataset_of_a_run_is_found_again_from_elsewhere(run, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    digest, path = read_dataset(run)
    assert (digest, path) == ("abc", tmp_path / "data" / "set")


def test_two_trainings_cannot_share_a_folder(run):
    with (
        only_one_at(run),
        pytest.raises(OutputExistsError, match="another training is at work in this folder"),
        only_one_at(run),
    ):
        pass
    with only_one_at(run):
        pass
    assert not (run / "run.lock").exists()


@pytest.mark.parametrize("subfolder", ["../elsewhere", "/etc", "a/b", ".", "", None])
def test_a_plan_of_folds_cannot_lead_out_of_its_folder(run, subfolder):
    write_json(run / "folds.json", {"subfolders": {"p01": subfolder}})
    with pytest.raises(RunError, match="names no subfolders"):
        read_folds(run)


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
