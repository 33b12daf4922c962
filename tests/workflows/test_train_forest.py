"""`labelkit train --model forest`: the split, the measures and the run folder of a network."""

from __future__ import annotations

import json

import numpy as np
import pytest

from labelkit.baselines.forest import read_forest
from labelkit.dataset.dataset import open_dataset
from labelkit.errors import DatasetError, RunError, SettingsError
from labelkit.models import build_model
from labelkit.runs.folder import read_rows, read_state
from labelkit.runs.plan import read_split
from labelkit.settings import TrainSettings
from labelkit.training.load import load_run
from labelkit.training.samples import read_samples
from labelkit.workflows import forest as workflow
from labelkit.workflows.train import train
from tests.commands import called, one_error
from tests.datasets import make_dataset

FOREST = TrainSettings(model="forest", trees=30)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("data") / "dataset", participants=6, samples=40, contours=True)


@pytest.fixture(scope="module")
def run(dataset, tmp_path_factory):
    out = tmp_path_factory.mktemp("runs") / "forest"
    train(dataset, FOREST, out=out, quiet=True)
    return out


def test_it_is_tested_on_the_people_that_a_network_of_the_same_seed_is_tested_on(run, dataset):
    split = read_split(run)
    rows = [row for row in read_rows(run / "predictions.csv") if row["side"] == "test"]
    test = read_samples(open_dataset(dataset)).of(split.test)
    assert [int(row["row"]) for row in rows] == test.rows.tolist()
    network = train(dataset, model="small", epochs=1, report=False, out=run.parent / "network", quiet=True)
    assert network.test_participants == split.test
    assert network.constant_cmae_deg == json.loads((run / "report.json").read_text())["test"]["constant_cmae_deg"]


def test_the_forest_in_the_run_gives_its_answers(run, dataset):
    forest = read_forest(run / "forest.h5")
    test = read_samples(open_dataset(dataset)).of(read_split(run).test)
    said = 90 - forest.predict(workflow.read_contours(test))
    stored = [
        [float(row["predicted_view_azimuth"]), float(row["predicted_view_elevation"])]
        for row in read_rows(run / "predictions.csv")
        if row["side"] == "test"
    ]
    np.testing.assert_allclose(said, stored, atol=1e-4)
    report = json.loads((run / "report.json").read_text())
    assert report["parameters"] == forest.nodes
    assert report["test"]["cmae_ratio"] < 0.4
    assert report["latency_ms"] > 0
    assert read_state(run)["status"] == "finished"


def test_the_same_seed_grows_the_same_forest(run, dataset, tmp_path):
    train(dataset, FOREST, out=tmp_path / "again", quiet=True)
    for name in ("forest.h5", "predictions.csv"):
        assert (tmp_path / "again" / name).read_bytes() == (run / name).read_bytes()


def test_each_person_can_be_left_out_once(dataset, tmp_path):
    result = train(dataset, FOREST, split="leave-one-out", out=tmp_path / "folds", quiet=True)
    assert [fold.test_participants for fold in result.folds] == [(f"p0{k}",) for k in range(1, 7)]
    assert result.test_samples == 240
    assert result.cmae_ratio < 0.4
    resumed = train(resume=tmp_path / "folds", quiet=True)
    assert resumed.cmae_deg == result.cmae_deg


def test_the_command_line_says_what_came_out(dataset, tmp_path, capsys):
    code, out, _ = called(capsys, "train", dataset, "--model", "forest", "--trees", 5, "--out", tmp_path / "run")
    assert code == 0
    assert out.startswith("forest: ")
    assert " nodes, in " in out
    assert "report.html" not in out
    assert "--trees 300" in out


def test_an_interrupted_training_of_a_forest_begins_again(run, dataset, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(workflow, "grow_forest", stop)
        with pytest.raises(KeyboardInterrupt):
            train(dataset, FOREST, out=tmp_path / "run", quiet=True)
    assert read_state(tmp_path / "run")["status"] == "interrupted"
    train(resume=tmp_path / "run", quiet=True)
    assert (tmp_path / "run" / "forest.h5").read_bytes() == (run / "forest.h5").read_bytes()


def test_a_dataset_without_contours_is_refused(tmp_path):
    bare = make_dataset(tmp_path / "bare", participants=4, samples=4)
    with pytest.raises(DatasetError, match="holds no 'contour'; build it with --with-contour"):
        train(bare, FOREST, out=tmp_path / "run", quiet=True)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--model", "forest", "--filters", 8], "filters is a setting of networks, not of a forest; leave it out"),
        (["--model", "small", "--trees", 8], "trees is a setting of a forest, not of small; leave it out"),
        (["--model", "forrest"], "no model 'forrest'; did you mean 'forest'"),
    ],
)
def test_settings_that_would_have_no_effect_are_refused(dataset, capsys, arguments, says):
    code, _, err = called(capsys, "train", dataset, *arguments)
    assert code == 2
    assert says in err
    assert one_error(err)


def test_what_reads_networks_says_that_a_forest_is_none(run):
    with pytest.raises(RunError, match=r"is a forest, not a network; its errors are in report\.json"):
        load_run(run)
    with pytest.raises(SettingsError, match="forest is no network"):
        build_model(FOREST)
