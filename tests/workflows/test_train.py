from __future__ import annotations

import csv
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from labelkit.cli.program import run as labelkit
from labelkit.dataset.dataset import open_dataset
from labelkit.errors import DatasetError, OutputExistsError, RunError, SettingsError, SplitError
from labelkit.runs import read_settings, read_split, read_state
from labelkit.settings import TrainSettings
from labelkit.training import trainer
from labelkit.training.load import load_run
from labelkit.training.samples import read_samples
from labelkit.training.trainer import predict_deg
from labelkit.workflows.train import train
from tests.datasets import make_dataset

SMALL = ["--epochs", "1", "--filters", "5", "--dense", "16", "--no-report"]
TINY = TrainSettings(epochs=1, filters=5, dense=16, report=False)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("data") / "dataset", participants=6, samples=8)


def called(capsys, *arguments):
    """Run the command line; return exit code, stdout, stderr."""
    with pytest.raises(SystemExit) as left:
        labelkit([str(argument) for argument in arguments])
    out, err = capsys.readouterr()
    return left.value.code, out, err


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
    assert 90 - predict_deg(loaded.model, test) == pytest.approx(np.array(stored), abs=1e-4)


def test_a_run_holds_what_it_was_made_with(run, dataset):
    assert read_settings(run) == TINY
    assert read_state(run)["status"] == "finished"
    assert report_of(run)["dataset_sha256"] == open_dataset(dataset).manifest.digest()
    assert (run / json.loads((run / "dataset.json").read_text())["path"]).resolve() == dataset.resolve()
    assert sorted(path.name for path in run.iterdir()) == [
        *("best.h5", "dataset.json", "history.csv", "last.h5", "predictions.csv"),
        *("report.json", "run.json", "settings.toml", "split.json"),
    ]


def test_what_came_after_the_best_epoch_does_not_reach_the_test(run, dataset, tmp_path, monkeypatch):
    fit = trainer.fit_run

    def fitted_and_spoilt(run, model, *args, **kwargs):
        history = fit(run, model, *args, **kwargs)
        for variable in model.trainable_variables:
            variable.assign(0.0 * variable)
        return history

    monkeypatch.setattr(trainer, "fit_run", fitted_and_spoilt)
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
    assert "labelkit train --config runs/vanilla/settings.toml" in out
    assert "  1/1" in err
    assert [line for line in (out + err).splitlines() if len(line) > 80] == []


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
        (["--kernel-size", "0"], "kernel-size must be greater than or equal to 1, not 0"),
        (["--dropout", "1"], "dropout must be less than 1"),
        (["--input", "depth"], "'depth' is not one of 'rgb', 'grey'"),
        (["--config", "bad.toml"], "unknown setting 'epoch' for train; did you mean 'epochs'"),
    ],
)
def test_a_setting_out_of_range_is_one_line_and_exit_code_2(dataset, tmp_path, monkeypatch, capsys, arguments, words):
    monkeypatch.chdir(tmp_path)
    Path("bad.toml").write_text("epoch = 3\n")
    code, out, err = called(capsys, "train", dataset, *arguments)
    assert (code, out) == (2, "")
    assert words in err
    assert len(err.splitlines()) == 1


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
    assert process.returncode == 130
    assert "Traceback" not in said
    state = read_state(tmp_path / "run")
    assert state["status"] == "interrupted"
    assert f"interrupted; run holds the weights of {state['epochs']} finished epochs" in said.splitlines()[-1]
    assert state["epochs"] == len((tmp_path / "run" / "history.csv").read_text().splitlines()) - 1
    assert not list((tmp_path / "run").glob(".*"))
    load_run(tmp_path / "run")
    load_run(tmp_path / "run", "last.h5")


def test_a_run_without_a_finished_epoch_says_so(run, tmp_path):
    copy = shutil.copytree(run, tmp_path / "run")
    (copy / "best.h5").unlink()
    with pytest.raises(RunError, match="its training ended before its first epoch did"):
        load_run(copy)


def test_nothing_of_tensorflow_s_start_reaches_the_screen(dataset, tmp_path):
    program = shutil.which("labelkit", path=Path(sys.executable).parent)
    environment = {key: value for key, value in os.environ.items() if key != "TF_CPP_MIN_LOG_LEVEL"}
    done = subprocess.run(
        [program, "train", dataset, *SMALL, "--json"], cwd=tmp_path, capture_output=True, text=True, env=environment
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["epochs"] == 1
