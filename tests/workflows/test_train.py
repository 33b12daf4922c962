from __future__ import annotations

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from labelkit.cli.program import run as labelkit
from labelkit.dataset.dataset import Dataset, open_dataset
from labelkit.errors import DatasetError, OutputExistsError, RunError, SettingsError, SplitError
from labelkit.runs.folder import read_state
from labelkit.runs.plan import read_settings, read_split
from labelkit.settings import TrainSettings
from labelkit.training import trainer
from labelkit.training.load import load_run
from labelkit.training.samples import read_samples
from labelkit.workflows import one_run
from labelkit.workflows.train import train, train_each, train_once
from tests.commands import are_said, called, one_error
from tests.datasets import make_dataset

QUICK = ["--filters", "5", "--dense", "16", "--stages", "2", "--resolutions", "64,32", "--no-report"]
SMALL = ["--epochs", "1", *QUICK]
TINY = TrainSettings(epochs=1, filters=5, dense=16, stages=2, resolutions="64,32", report=False)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("data") / "dataset", participants=6, samples=8)


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    """One epoch through the real entry point."""
    folder = tmp_path_factory.mktemp("run")
    with pytest.raises(SystemExit) as left:
        labelkit(["train", str(dataset), *SMALL, "--quiet", "--out", str(folder / "run")])
    assert left.value.code == 0
    return folder / "run"


def report_of(run):
    return json.loads((run / "report.json").read_text())


def predictions_of(run):
    with (run / "predictions.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_run_reloads_to_the_same_predictions(run, dataset):
    loaded = load_run(run)
    rows = [row for row in predictions_of(run) if row["side"] == "test"]
    test = read_samples(open_dataset(dataset)).of(loaded.split.test)
    assert [int(row["row"]) for row in rows] == test.rows.tolist()
    stored = [[float(row["predicted_view_azimuth"]), float(row["predicted_view_elevation"])] for row in rows]
    assert 90 - loaded.predict(test).centred_deg == pytest.approx(np.array(stored), abs=1e-4)


def test_a_run_holds_what_it_was_made_with(run, dataset):
    assert read_settings(run) == TINY
    assert read_state(run)["status"] == "finished"
    assert report_of(run)["dataset_sha256"] == open_dataset(dataset).manifest.digest()
    assert (run / json.loads((run / "dataset.json").read_text())["path"]).resolve() == dataset.resolve()
    assert sorted(path.name for path in run.iterdir()) == [
        *("best.h5", "dataset.json", "diagnostics.json", "guard.json", "history.csv", "last.h5", "made-with.json"),
        *("predictions.csv", "report.json", "run.json", "settings.toml", "split.json"),
    ]


def test_what_came_after_the_best_epoch_does_not_reach_the_test(run, dataset, tmp_path, monkeypatch):
    fit = one_run.fit_run

    def fitted_and_spoilt(run, model, *args, **kwargs):
        history = fit(run, model, *args, **kwargs)
        for variable in model.trainable_variables:
            variable.assign(0.0 * variable)
        return history

    monkeypatch.setattr(one_run, "fit_run", fitted_and_spoilt)
    train(dataset, TINY, out=tmp_path / "run", quiet=True)
    assert predictions_of(tmp_path / "run") == predictions_of(run)


def test_the_report_agrees_with_the_predictions(run):
    for side in ("validation", "test"):
        rows = [row for row in predictions_of(run) if row["side"] == side]
        errors = [
            np.mean([abs(float(row[f"view_{angle}"]) - float(row[f"predicted_view_{angle}"])) for row in rows])
            for angle in ("azimuth", "elevation")
        ]
        report = report_of(run)[side]
        assert [report["mae_azimuth_deg"], report["mae_elevation_deg"]] == pytest.approx(errors, abs=1e-3)
        assert report["cmae_deg"] == pytest.approx(np.mean(errors), abs=1e-3)
        assert report["cmae_ratio"] == pytest.approx(report["cmae_deg"] / report["constant_cmae_deg"])
        assert report["samples"] == len(rows) == 8


def test_the_constant_predictor_says_the_training_median(run, dataset):
    samples = read_samples(open_dataset(dataset))
    split = read_split(run)
    constant = np.median(samples.of(split.train).centred_deg, axis=0)
    expected = np.abs(samples.of(split.test).centred_deg - constant).mean()
    assert report_of(run)["test"]["constant_cmae_deg"] == pytest.approx(expected)


def test_nobody_is_predicted_who_was_trained_on(run):
    split = read_split(run)
    people = {
        side: {row["participant"] for row in predictions_of(run) if row["side"] == side}
        for side in ("validation", "test")
    }
    assert people == {"validation": set(split.validation), "test": set(split.test)}
    assert set(report_of(run)["test"]["participants"]) == set(split.test)
    assert not set(split.train) & set(split.test + split.validation)


def test_the_summary_says_how_the_test_went_and_where_the_run_is(dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    code, out, err = called(capsys, "train", dataset, *SMALL)
    assert code == 0
    for words in ("CMAE", "constant predictor", "MAE azimuth", "MAE elevation", "between normals, median"):
        assert words in out
    assert "run: runs/vanilla (" in out
    assert re.search(r"labelkit train \S*dataset --config runs/vanilla/settings.toml", out)
    begun = "loading Keras", "comparing its 7 files", "all hashes match", "parameters, on "
    assert are_said(err, *begun, "  1/1", "predicting validation and test")
    said = [line for line in (out + err).splitlines() if "labelkit train" not in line and str(dataset) not in line]
    assert [line for line in said if len(line) > 80] == []


def test_a_run_s_settings_make_the_same_run_again_beside_it(run, dataset, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    for number in (1, 2):
        code, out, err = called(capsys, "train", dataset, "--config", run / "settings.toml", "--json")
        assert (code, err) == (0, "")
        result = json.loads(out)
        assert Path(result["run"]) == Path("runs", ["vanilla", "vanilla-2"][number - 1])
    assert (tmp_path / result["run"] / "best.h5").read_bytes() == (run / "best.h5").read_bytes()
    assert result["cmae_deg"] == report_of(run)["test"]["cmae_deg"]


def test_an_out_folder_is_kept_unless_overwriting_is_asked_for(dataset, tmp_path):
    train(dataset, TINY, out=tmp_path / "mine", quiet=True)
    with pytest.raises(OutputExistsError, match="already there"):
        train(dataset, TINY, out=tmp_path / "mine", quiet=True)
    train(dataset, TINY.model_copy(update={"seed": 5}), out=tmp_path / "mine", overwrite=True, quiet=True)
    assert read_settings(tmp_path / "mine").seed == 5


def changed(folder):
    shard = next((folder / "shards").iterdir())
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda folder: shutil.rmtree(folder), "no such dataset folder; make one with: labelkit build-dataset"),
        (lambda folder: (folder / "manifest.json").unlink(), "an unfinished dataset"),
        (changed, "changed since the dataset was built"),
    ],
)
def test_a_dataset_that_is_not_whole_is_refused(tmp_path, damage, words):
    folder = make_dataset(tmp_path / "dataset", participants=3, samples=2)
    damage(folder)
    with pytest.raises(DatasetError, match=words):
        train(folder, TINY, out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_two_participants_cannot_be_split(tmp_path):
    folder = make_dataset(tmp_path / "dataset", participants=2, samples=2)
    with pytest.raises(SplitError, match=r"at least 3 participants .* there are 2 .p01, p02."):
        train(folder, TINY, out=tmp_path / "run")


def test_an_unknown_model_leaves_no_run(dataset, tmp_path):
    with pytest.raises(SettingsError, match="no model 'vanilia'; did you mean 'vanilla'"):
        train(dataset, TrainSettings(model="vanilia"), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--kernel-size", "0"], "kernel-size must be greater than or equal to 2, not 0 (allowed: 2 to 7)"),
        (["--dropout", "0.9"], "dropout must be less than or equal to 0.7, not 0.9 (allowed: 0 to 0.7)"),
        (["--input", "infrared"], "'infrared' is not one of 'rgb', 'grey'"),
        (["--input", "grey-depth"], "holds no 'depth128'; build it with --with-depth"),
        (["--padding", "valid", "--kernel-size", "7"], "vanilla: stage 4 of the 64-pixel branch has 2 x 2 pixels left"),
        (["--pct3x3", "0.5", "--base", "99"], "base is a setting of squeezenet, not of vanilla"),
        (["--hold-out", "p7"], "no participant 'p7' to hold out; "),
        (["--resume", "nowhere"], "nowhere: not a run"),
        (["--resume", "nowhere", "--epochs", "3"], "--epochs with --resume: nowhere goes on with its own settings"),
        (["--config", "bad.toml"], "unknown setting 'epoch' for train; did you mean 'epochs'"),
    ],
)
def test_a_setting_out_of_range_is_one_line_and_exit_code_2(dataset, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("bad.toml").write_text("epoch = 3\n")
    code, out, err = called(capsys, "train", dataset, *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert one_error(err)


def test_ctrl_c_leaves_a_run_that_can_be_used(dataset, tmp_path):
    program = [shutil.which("labelkit", path=Path(sys.executable).parent), "train", dataset, "--out", "run"]
    many = ["--epochs", "10000", "--patience", "10000", "--filters", "5", "--dense", "16"]
    with subprocess.Popen([*program, *many], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        for _ in range(600):
            time.sleep(0.1)
            history = tmp_path / "run" / "history.csv"
            if history.is_file() and len(history.read_text().splitlines()) > 2:
                break
        process.send_signal(signal.SIGINT)
        said = process.communicate(timeout=30)[1]
    assert process.returncode == 130, said
    assert "Traceback" not in said
    state = read_state(tmp_path / "run")
    assert state["status"] == "interrupted"
    last = said.splitlines()[-1]
    assert (
        f"interrupted; run holds the weights of {state['epochs']} finished epochs; go on with: labelkit train" in last
    )
    assert last.endswith("labelkit train --resume run")
    assert state["epochs"] == len((tmp_path / "run" / "history.csv").read_text().splitlines()) - 1
    assert not [path for path in (tmp_path / "run").iterdir() if path.name.startswith(".") or path.suffix == ".lock"]
    load_run(tmp_path / "run")
    load_run(tmp_path / "run", "last.h5")


def test_a_run_without_a_finished_epoch_says_so(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "best.h5").unlink()
    with pytest.raises(RunError, match="its training ended before its first epoch did"):
        load_run(copy)


@pytest.mark.sweep
def test_a_network_that_collapses_is_brought_back_and_all_who_ask_are_told(dataset, tmp_path, capsys, caplog):
    wild = ["--learning-rate", "1", "--normalisation", "none", "--start", "plain", "--epochs", "6", "--patience", "3"]
    code, out, _ = called(capsys, "train", dataset, *SMALL, *wild, "--report", "--out", tmp_path / "run")
    assert code == 0
    # No network learns at this rate. How it fails, and how many new draws it takes, hangs on the machine's rounding.
    events = [event for event in report_of(tmp_path / "run")["guard"] if event["did"] != "nothing"]
    assert events
    assert 0 < events[-1]["draw"] <= len(events)
    assert events[-1]["rate"] < 1
    times = f"{len(events)} time{'s' * (len(events) > 1)}"
    assert f"it collapsed {times} and was brought back; {tmp_path / 'run'}/guard.json says why" in out
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    for event in events:
        assert f"epoch {event['epoch']}: " in caplog.text
        assert f"with {event['rate']:g} times the learning rate" in page
    code, out, _ = called(capsys, "train", dataset, *SMALL, *wild, "--no-guard", "--json", "--out", tmp_path / "free")
    assert (code, json.loads(out)["recoveries"]) == (0, 0)
    assert not (tmp_path / "free" / "guard.json").exists()


def test_nothing_of_tensorflow_s_start_reaches_the_screen(dataset, tmp_path):
    program = shutil.which("labelkit", path=Path(sys.executable).parent)
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [program, "train", dataset, *SMALL, "--json"], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["epochs"] == 1


# One thread and the same arithmetic everywhere: so are the weights the same, bit for bit.
FIXED = {
    "OMP_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "2",
}


def started(folder, *arguments):
    program = [shutil.which("labelkit", path=Path(sys.executable).parent), "train", *map(str, arguments)]
    environment = {**os.environ, **FIXED}
    return subprocess.Popen(
        program, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def finished(process):
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def step_of_checkpoint(run):
    """Where a run's checkpoint stands: epoch and step, or None."""
    import h5py

    try:
        with h5py.File(run / "checkpoint.h5") as file:
            return int(file["progress.epoch"][()]), int(file["progress.step"][()])
    except (OSError, KeyError):
        return None


def test_a_training_that_is_killed_again_and_again_ends_with_the_same_weights(dataset, tmp_path):
    many = [
        dataset,
        *QUICK,
        "--epochs",
        "3",
        "--batch-size",
        "2",
        "--checkpoint-s",
        "0",
        "--quiet",
    ]  # 16 steps an epoch
    finished(started(tmp_path, *many, "--out", "whole"))
    process = started(tmp_path, *many, "--out", "broken")
    for where in ((1, 3), (2, 1)):  # early, and about an epoch's end
        for _ in range(6000):
            if process.poll() is not None or (step_of_checkpoint(tmp_path / "broken") or (0, 0)) >= where:
                break
            time.sleep(0.01)
        process.kill()
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert read_state(tmp_path / "broken")["status"] == "running"
        process = started(tmp_path, "--resume", "broken", "--quiet")
    finished(process)
    for name in ("last.h5", "best.h5", "predictions.csv"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes(), name
    assert read_state(tmp_path / "broken")["status"] == "finished"
    assert not (tmp_path / "broken" / "checkpoint.h5").exists()


class DeadError(Exception):
    pass


def interrupted(dataset, run, monkeypatch, **settings):
    """A run of two epochs that died in its first."""
    with monkeypatch.context() as patched:
        patched.setattr(trainer.Training, "_close_epoch", lambda *_: (_ for _ in ()).throw(DeadError))
        with pytest.raises(DeadError):
            train(dataset, TINY.model_copy(update={"epochs": 2, **settings}), out=run, quiet=True)
    return run


def test_ctrl_c_is_one_though_a_library_makes_an_error_of_it(dataset, tmp_path, monkeypatch):
    def close_epoch(*_):
        try:
            signal.raise_signal(signal.SIGINT)
        except KeyboardInterrupt:
            raise RuntimeError("in a callback") from None

    monkeypatch.setattr(trainer.Training, "_close_epoch", close_epoch)
    with pytest.raises(KeyboardInterrupt, match=r"no epoch was finished in .*; go on with: labelkit train --resume"):
        train(dataset, TINY, out=tmp_path / "run", quiet=True)
    assert read_state(tmp_path / "run")["status"] == "interrupted"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_a_run_finds_its_dataset_again_and_goes_on(dataset, tmp_path, monkeypatch, capsys):
    run = interrupted(dataset, tmp_path / "run", monkeypatch)
    code, _, err = called(capsys, "train", "--resume", run)
    assert (code, read_state(run)["status"]) == (0, "finished")
    assert "  2/2" in err
    code, _out, err = called(capsys, "train", "--resume", run)
    assert code == 2
    assert "is finished, there is nothing to resume; for a new run with its settings: " in err


def test_a_training_of_a_script_is_begun_gone_on_with_and_not_done_twice(dataset, tmp_path, monkeypatch):
    asked = TINY.model_copy(update={"epochs": 2})
    fresh = train_once(dataset, asked, tmp_path / "fresh", quiet=True)
    run = interrupted(dataset, tmp_path / "run", monkeypatch)
    gone_on = train_once(dataset, asked, run, quiet=True)
    assert (gone_on["epochs"], gone_on["test"]["cmae_deg"]) == (2, fresh["test"]["cmae_deg"])
    monkeypatch.setattr("labelkit.workflows.train.train", lambda *_, **__: pytest.fail("trained again"))
    assert train_once(dataset, asked, run, quiet=True) == gone_on
    with pytest.raises(RunError, match=r"run: has other settings \(settings.toml\) than are asked for; remove it, or"):
        train_once(dataset, TINY, run, quiet=True)


def test_trainings_side_by_side_report_in_their_order(dataset, tmp_path):
    runs = {tmp_path / f"run-{seed}": TINY.model_copy(update={"seed": seed}) for seed in (2, 1)}
    reports = list(train_each(dataset, runs))
    assert [report["name"] for report in reports] == ["run-2", "run-1"]
    assert [read_settings(run).seed for run in runs] == [2, 1]
    assert reports[0]["test"]["cmae_deg"] != reports[1]["test"]["cmae_deg"]


def test_a_run_is_not_resumed_on_another_dataset(dataset, tmp_path, monkeypatch):
    run = interrupted(dataset, tmp_path / "run", monkeypatch)
    other = make_dataset(tmp_path / "other", participants=6, samples=8, seed=9)
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    with pytest.raises(RunError, match="was trained on the dataset"):
        train(other, resume=run)
    assert {path.name: path.read_bytes() for path in run.iterdir()} == before


def test_a_run_is_not_resumed_on_another_backend_and_other_versions_are_named(dataset, tmp_path, monkeypatch, caplog):
    run = interrupted(dataset, tmp_path / "run", monkeypatch)
    made_with = json.loads((run / "made-with.json").read_text())
    (run / "made-with.json").write_text(json.dumps({**made_with, "backend": "torch"}))
    with pytest.raises(
        RunError, match="begun on the backend torch, this is tensorflow; resume it with KERAS_BACKEND=torch"
    ):
        train(resume=run, quiet=True)
    (run / "made-with.json").write_text(json.dumps({**made_with, "keras": "3.0.1"}))
    train(resume=run, quiet=True)
    assert "was begun with keras 3.0.1, this is" in caplog.text


def test_a_damaged_checkpoint_is_one_line_and_loses_nothing(dataset, tmp_path, monkeypatch, capsys):
    run = interrupted(dataset, tmp_path / "run", monkeypatch)
    (run / "checkpoint.h5").write_bytes(b"\x89HDF and no more")
    code, out, err = called(capsys, "train", "--resume", run, "--quiet")
    assert (code, out) == (2, "")
    assert "checkpoint.h5: damaged (it does not match the hash at its beginning)" in err
    assert one_error(err)
    assert (run / "checkpoint.h5").read_bytes() == b"\x89HDF and no more"


def test_a_full_disk_is_one_line_that_says_how_to_go_on(dataset, tmp_path, monkeypatch, capsys):
    import errno

    from labelkit import files

    real = files._flush

    def full(path):
        if path.name.startswith(".best.h5"):
            raise OSError(errno.ENOSPC, "No space left on device")
        real(path)

    with monkeypatch.context() as patched:
        patched.setattr(files, "_flush", full)
        code, _out, err = called(capsys, "train", dataset, *SMALL, "--quiet", "--out", tmp_path / "run")
    assert code == 5
    assert "No space left on device" in err
    assert err.rstrip().endswith(f"permission, then go on with: labelkit train --resume {tmp_path / 'run'}")
    assert one_error(err)
    assert read_state(tmp_path / "run")["status"] == "interrupted"
    assert called(capsys, "train", "--resume", tmp_path / "run", "--quiet")[0] == 0


def test_each_participant_is_left_out_once_and_a_killed_protocol_goes_on(tmp_path, monkeypatch, capsys):
    dataset = make_dataset(tmp_path / "dataset", participants=["Ann", "ben", "cy"], samples=6)
    options = [*SMALL, "--resolutions", "32", "--split", "leave-one-out", "--out", tmp_path / "loo", "--quiet"]
    calls = []

    def dying(*args, **kwargs):
        calls.append(args)
        if len(calls) == 2:
            raise DeadError
        return real(*args, **kwargs)

    real = one_run.fit_run
    monkeypatch.setattr(one_run, "fit_run", dying)
    hashed, hash_all = [], Dataset.check_hashes
    monkeypatch.setattr(Dataset, "check_hashes", lambda data, **how: hashed.append(data.path) or hash_all(data, **how))
    with pytest.raises(DeadError):
        labelkit(["train", str(dataset), *map(str, options)])
    assert hashed == [dataset]  # once for all of them
    assert read_state(tmp_path / "loo")["status"] == "running"
    code, out, err = called(capsys, "train", "--resume", tmp_path / "loo", "--json")
    assert (code, err) == (0, "")
    result = json.loads(out)
    assert len(calls) == 4  # the first of the three was not trained again
    assert [fold["test_participants"] for fold in result["folds"]] == [["Ann"], ["ben"], ["cy"]]
    cmaes = [fold["cmae_deg"] for fold in result["folds"]]
    assert result["cmae_deg"] == pytest.approx(np.mean(cmaes), abs=1e-3)  # as many samples each
    for fold in result["folds"]:
        split = read_split(Path(fold["run"]))
        assert split.test == tuple(fold["test_participants"])
        assert load_run(fold["run"]).split == split
    assert read_state(tmp_path / "loo")["status"] == "finished"
    code, out, err = called(capsys, "train", dataset, *options[:-1], "--overwrite")
    assert code == 0
    assert "3 networks, each tested on the one participant it never saw" in out
    assert "ben" in out


def test_a_split_by_frames_says_that_it_leaks(dataset, tmp_path, capsys):
    code, out, _err = called(capsys, "train", dataset, *SMALL, "--split", "frames", "--out", tmp_path / "run")
    assert code == 0
    assert "LEAKING" in out
    assert report_of(tmp_path / "run")["leaks"] is True
    rows = predictions_of(tmp_path / "run")
    assert {row["participant"] for row in rows if row["side"] == "test"} & {
        row["participant"] for row in rows if row["side"] == "validation"
    }
    assert load_run(tmp_path / "run").split.leaks


@pytest.mark.parametrize("preset", ["study-squeezenet", "study-mobilenet"])
def test_a_preset_of_the_study_trains_and_reloads(dataset, tmp_path, preset):
    run = tmp_path / "run"
    labelled = TrainSettings(
        model=preset, epochs=1, resolutions="64,32", loss="angular", uncertainty="gaussian", report=False
    )
    train(dataset, labelled, out=run, quiet=True)
    loaded = load_run(run)
    got = loaded.predict(read_samples(open_dataset(dataset)).of(loaded.split.test))
    assert loaded.settings == labelled
    assert np.linalg.norm(got.normals, axis=1) == pytest.approx(np.ones(8))
    assert (got.normals[:, 2] < 0).all()
    assert (got.sd_deg > 0).all()


@pytest.mark.parametrize(("samples", "words"), [(1, "a single training sample"), (5, "hold the same picture")])
def test_pictures_that_are_all_alike_are_refused_in_one_line(tmp_path, monkeypatch, capsys, samples, words):
    alike = np.random.default_rng(0).integers(0, 255, (128, 128, 3), dtype=np.uint8)
    monkeypatch.setattr("tests.datasets.picture_of", lambda *_: alike)
    data = make_dataset(tmp_path / "data", participants=3, samples=samples)
    code, _, err = called(capsys, "train", data, *SMALL, "--out", tmp_path / "run", "--quiet")
    assert code == 2
    assert words in err.splitlines()[-1]
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert state["status"] == "failed"
    assert words in state["error"]


def test_a_run_that_ends_by_a_slip_of_ours_is_not_left_running(tmp_path, dataset, monkeypatch):
    def slip(*_, **__):
        raise ZeroDivisionError("a slip")

    monkeypatch.setattr(one_run, "fit_run", slip)
    with pytest.raises(ZeroDivisionError):
        train(dataset, TINY, out=tmp_path / "run", quiet=True)
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert (state["status"], state["error"]) == ("failed", "ZeroDivisionError: a slip")
