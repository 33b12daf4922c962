from __future__ import annotations

import json

import numpy as np
import pytest

import labelkit
from labelkit.curation.splits import split_participants
from labelkit.deploy.engines import open_litert
from labelkit.deploy.network_card import OUTPUT, card_path, read_card
from labelkit.errors import DatasetError, RunError
from labelkit.files import sha256_of
from labelkit.keras import load, quiet
from labelkit.runs.folder import BEST
from labelkit.settings import TrainSettings, load_settings
from labelkit.training.load import load_run
from labelkit.training.samples import read_samples, take_sides
from labelkit.workflows import export as module
from labelkit.workflows.export import compare_answers
from tests.commands import called
from tests.datasets import make_dataset
from tests.made_runs import make_run

COLOUR = {"filters": 5, "dense": 16, "stages": 3, "resolutions": "64,32", "input": "rgb"}
# Every kind of layer that a network may have, and every kind of answer.
KINDS = {
    "angles": COLOUR,
    "normals": COLOUR | {"loss": "angular", "uncertainty": "laplace", "activation": "rrelu", "input": "grey"},
    "fire": COLOUR | {"model": "squeezenet", "norm": "group", "normalisation": "dataset"},
    "separable": COLOUR | {"model": "mobilenet", "norm": "batch", "shrink": "stride", "uncertainty": "gaussian"},
}


def settings_for(kind):
    return load_settings(TrainSettings, typed=KINDS[kind], environment={})


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("export") / "dataset", participants=4, samples=12)


@pytest.fixture(scope="module")
def runs(dataset):
    made = {}

    def run_of(kind):
        if kind not in made:
            made[kind] = make_run(dataset.parent / kind, dataset, settings_for(kind))
        return made[kind]

    return run_of


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("to", ["litert", "onnx", "keras"])
def test_an_exported_network_answers_as_keras_does(kind, to, runs, tmp_path):
    found = labelkit.export(runs(kind), to=to, out=tmp_path / f"hand{module.SUFFIXES[to]}")
    assert found.pictures == 12
    assert found.largest_deg <= 0.001
    assert found.bytes == (tmp_path / f"hand{module.SUFFIXES[to]}").stat().st_size


@pytest.mark.slow
def test_weights_of_8_bits_take_a_quarter_and_change_answers_by_less_than_stated(runs):
    whole, small = (labelkit.export(runs("angles"), int8=int8) for int8 in (False, True))
    assert small.bytes < 0.4 * whole.bytes  # of so small a network the rest of the file counts too
    assert 0 < small.largest_deg <= 0.7
    assert small.file.endswith("network-int8.tflite")


@pytest.mark.slow
def test_the_card_is_enough_to_use_the_file(dataset, runs, tmp_path):
    file = tmp_path / "hand.tflite"
    labelkit.export(runs("normals"), out=file)
    card = json.loads(card_path(file).read_text())
    assert card["file_sha256"] == sha256_of(file)
    assert card["origin"]["weights_sha256"] == sha256_of(runs("normals") / BEST)
    assert (card["crop"]["rule"], card["crop"]["margin"]) == ("virtual-camera", 0.1)
    assert "p01" not in card_path(file).read_text()  # it may leave the laboratory
    # What a program does that has nothing of labelkit but the card:
    ask = open_litert(file.read_bytes())
    sample = labelkit.open_dataset(dataset)[3]
    said = ask({each["name"]: sample[each["name"]][None] for each in card["inputs"]})
    trained = load_run(runs("normals"))
    samples = read_samples(labelkit.open_dataset(dataset)).at(np.array([3]))
    assert card["columns"][:3] == ["n_x", "n_y", "n_z"]
    assert said[0, :3] == pytest.approx(trained.predict(samples).normals[0], abs=1e-5)
    assert np.rad2deg(np.exp(said[0, 3])) * np.sqrt(3) == pytest.approx(trained.predict(samples).sd_deg[0], rel=1e-4)


@pytest.mark.slow
def test_a_file_without_the_weights_is_refused(dataset, runs):
    """What TensorFlow's converter makes of a Keras 3 network whose weights it does not know."""
    trained = load_run(runs("angles"))
    tf = load("tensorflow")
    specs = {
        each.name: tf.TensorSpec((1, *each.shape[1:]), each.dtype, name=each.name) for each in trained.model.inputs
    }
    holder = tf.Module()
    holder.function = tf.function(lambda **pictures: {OUTPUT: trained.model(pictures, training=False)})
    concrete = holder.function.get_concrete_function(**specs)
    with quiet():
        holder.network = trained.model
        content = tf.lite.TFLiteConverter.from_concrete_functions([concrete], holder).convert()
    assert len(content) < 4 * trained.model.count_params() / 4
    samples = take_sides(read_samples(labelkit.open_dataset(dataset)), trained.split).validation
    with pytest.raises(RunError, match=r"not a LiteRT file|holds no weights"):
        compare_answers(open_litert(content), trained, samples, 0.001)


@pytest.mark.slow
def test_answers_that_differ_are_refused_and_nothing_is_written(runs, tmp_path, monkeypatch):
    ask = lambda pictures: np.full((len(pictures["rgb64"]), 2), 0.3)  # noqa: E731
    monkeypatch.setattr(module, "convert", lambda trained, settings: (b"other", ask))
    with pytest.raises(RunError, match=r"where 0\.001 are expected at most; nothing was written"):
        labelkit.export(runs("angles"), out=tmp_path / "hand.tflite")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_weights_of_8_bits_that_cost_much_are_said_aloud(runs, tmp_path, monkeypatch, caplog):
    ask = lambda pictures: np.full((len(pictures["rgb64"]), 2), 0.3)  # noqa: E731
    monkeypatch.setattr(module, "convert", lambda trained, settings: (b"other", ask))
    found = labelkit.export(runs("angles"), int8=True, out=tmp_path / "hand.tflite")
    assert found.largest_deg > 0.7
    (warning,) = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert f"up to {found.largest_deg:.2g} degrees" in warning
    assert "without --int8 it is exact" in warning


@pytest.mark.slow
def test_a_run_whose_dataset_is_gone_names_it(runs, tmp_path):
    run = make_run(tmp_path / "run", None, settings_for("angles"))
    with pytest.raises(DatasetError, match="dataset"):
        labelkit.export(run)


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (("--to", "onnx", "--int8"), "int8 goes with to = litert"),
        (("--out", "hand.h5"), "name it hand.tflite"),
    ],
)
def test_what_cannot_be_exported_is_one_line(flags, says, runs, capfd):
    code, out, err = called(capfd, "export", runs("angles"), *flags)
    assert (code, out) == (2, "")
    assert says in err.splitlines()[-1]


def test_a_card_is_read_back_and_must_belong_to_its_file(tmp_path):
    network = tmp_path / "hand.tflite"
    network.write_bytes(b"weights")
    with pytest.raises(RunError, match="belongs next to it"):
        read_card(network)
    card_path(network).write_text("{}")
    with pytest.raises(RunError, match="schema is not labelkit-network/1"):
        read_card(network)


def test_the_check_takes_pictures_of_all_validation_people(dataset, runs):
    """256 samples of more, spread over all: asked of a network that is compared with itself."""
    trained = load_run(runs("angles"))
    data = labelkit.open_dataset(dataset)
    samples = read_samples(data)
    people = split_participants(data.participants, seed=0, validation=0.2, test=0.4)
    assert trained.split == people
    many = samples.at(np.arange(1000) % len(samples))
    same = compare_answers(lambda pictures: trained.model.predict_on_batch(pictures), trained, many, 0.1)
    assert (same.pictures, same.largest_deg) == (256, 0.0)
