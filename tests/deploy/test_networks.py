"""Which network answers, and what the one that ships with labelkit says of itself."""

from __future__ import annotations

import csv
import json
import runpy
import shutil
from pathlib import Path

import numpy as np
import pytest

import labelkit
from labelkit.deploy import networks
from labelkit.deploy.engines import open_litert
from labelkit.deploy.network_card import card_path, hash_content
from labelkit.deploy.networks import find_network, names_network
from labelkit.deploy.reading import HandReader
from labelkit.runs.arrays import read_weights, write_weights
from labelkit.runs.folder import BEST
from labelkit.settings import TrainSettings, load_settings
from labelkit.training.load import load_run, name_of
from tests.datasets import make_dataset
from tests.made_runs import make_run

PIPELINE = Path(__file__).resolve().parents[2] / "pipelines" / "hand" / "run.py"
COLOUR = {"filters": 5, "dense": 16, "stages": 3, "resolutions": "64,32", "input": "rgb"}


def test_the_shipped_network_is_small_and_its_card_belongs_to_it():
    found = find_network(None)
    assert len(found.content) < 1_000_000
    assert found.card.file_sha256 == hash_content(found.content)
    assert found.card.check is not None
    assert found.card.check.mean_deg < 0.1 * found.card.errors["test"]["cmae_deg"]  # 8 bits cost nothing that matters
    assert {"expect", "trained_on", "licence", "real_pictures"} <= found.card.notes.keys()
    assert f"{found.card.errors['test']['cmae_deg']:.1f} degrees" in found.card.notes["expect"]


@pytest.mark.real
def test_what_the_shipped_network_says_of_real_pictures_is_what_is_measured(real_data, monkeypatch):
    monkeypatch.setenv("LABELKIT_TEST_DATA", str(real_data))
    pipeline = runpy.run_path(str(PIPELINE))
    found = find_network(None)
    reader = HandReader(found.card, open_litert(found.content))
    measured = {name: pipeline["describe"](reader, list(sets)) for name, sets in pipeline["real_pictures"]().items()}
    stated = found.card.notes["real_pictures"]
    assert measured.keys() == stated.keys()
    for name, figures in measured.items():
        assert figures == pytest.approx(stated[name], abs=0.15), name  # other processors round in other places


@pytest.mark.real
def test_the_truth_of_real_pictures_points_where_mediapipe_says(real_data, monkeypatch):
    """Else the figures above would be those of a mistaken frame: two ways to the same normals."""
    monkeypatch.setenv("LABELKIT_TEST_DATA", str(real_data))
    pipeline = runpy.run_path(str(PIPELINE))
    with (real_data / "real_hand_joints" / "joints.csv").open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["palm_to_camera"] == "1" and row["mp_nx"]]
    theirs = np.array([[float(row[f"mp_n{axis}"]) for axis in "xyz"] for row in rows])
    joints = np.array([[[float(row[f"{axis}{k}"]) for axis in "xyz"] for k in pipeline["PALM"]] for row in rows])
    ours = np.array([pipeline["palm_normal"](each) for each in joints])
    assert np.median(np.rad2deg(np.arccos((ours * theirs).sum(axis=1)))) < 13


def test_a_run_an_export_and_a_picture_are_told_apart(tmp_path):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").touch()
    assert names_network(tmp_path / "run")
    assert names_network(tmp_path / "hand.tflite")
    assert not names_network(tmp_path)
    assert not names_network(tmp_path / "hand.jpg")


@pytest.mark.slow
def test_a_run_is_converted_once_and_again_when_its_weights_change(tmp_path, monkeypatch):
    settings = load_settings(TrainSettings, typed=COLOUR, environment={})
    data = make_dataset(tmp_path / "dataset", participants=4, samples=6)
    run = make_run(tmp_path / "run", data, settings)
    first = find_network(run)
    assert card_path(run / "network.tflite").is_file()

    def never(*_, **__):
        raise AssertionError("it was converted already")

    with monkeypatch.context() as patched:
        patched.setattr(networks.subprocess, "run", never)
        assert find_network(run).content == first.content
        (run / "network.tflite").rename(run / "moved.tflite")
        shutil.copy(card_path(run / "network.tflite"), card_path(run / "moved.tflite"))
        assert find_network(run / "moved.tflite").content == first.content

    # The same crop by Keras, from the dataset, and by LiteRT, from the run: one answer.
    trained = load_run(run)
    sample = labelkit.open_dataset(data)[[2]]
    said = open_litert(first.content)({each.name: sample[each.name] for each in first.card.inputs})
    assert said == pytest.approx(trained.model.predict_on_batch({n: sample[n] for n in settings.fields}), abs=1e-5)

    weights = read_weights(run / BEST, {name_of(each): tuple(each.shape) for each in trained.model.weights})
    write_weights(run / BEST, {name: values + 0.01 for name, values in weights.items()})
    assert find_network(run).content != first.content
    assert json.loads(card_path(run / "network.tflite").read_text())["origin"]["run"] == "run"
