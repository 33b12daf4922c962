from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from labelkit.dataset.dataset import open_dataset
from labelkit.errors import DatasetError, OutputError, RunError, TrainingError
from labelkit.models import build_model
from labelkit.runs.folder import BEST, CHECKPOINT, HISTORY, LAST, claim_run
from labelkit.settings import TrainSettings
from labelkit.training import predict as predicting
from labelkit.training import trainer
from labelkit.training.augment import Augmentation
from labelkit.training.backend import start_keras
from labelkit.training.diagnostics import read_diagnostics
from labelkit.training.epoch_lines import HEADER, epoch_line
from labelkit.training.epochs import Epoch, best_of, read_history
from labelkit.training.load import load_weights, weights_of
from labelkit.training.predict import predict
from labelkit.training.samples import read_samples
from labelkit.training.step import Stepper
from labelkit.training.trainer import cosine_factor, fit_run
from tests.datasets import make_dataset
from tests.training.small import fitted, make_sides

# One small branch.
SMALL = {
    "resolutions": "32",
    "filters": 5,
    "dense": 16,
    "stages": 2,
    "epochs": 2,
    "batch_size": 8,
    "dropout": 0.2,
    "seed": 3,
}
SETTINGS = TrainSettings(**SMALL)


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    return make_sides(tmp_path_factory.mktemp("data"), samples=10)


def trained(run, sides, on_step=lambda: None, **settings):
    return fitted(run, sides, {**SMALL, **settings}, on_step)


def test_two_runs_with_one_seed_give_the_same_weights_and_another_seed_others(tmp_path, sides):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        trained(claim_run("vanilla", tmp_path / name), sides, seed=seed)
    a, b, c = ((tmp_path / name / LAST).read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_the_network_learns_what_the_pictures_show(tmp_path, sides):
    seen = {"augment": False, "normalisation": "scale", "filters": 8, "stages": 3, "dense": 32, "learning_rate": 0.003}
    _, history = trained(claim_run("vanilla", tmp_path / "run"), sides, epochs=15, **seen)
    assert best_of(history).cmae_deg < 9  # the constant predictor errs by about 19


@pytest.mark.parametrize("augment", [False, True])
def test_pictures_are_changed_as_far_as_the_settings_say(tmp_path, sides, monkeypatch, augment):
    asked, batches = [], trainer.Batches

    def noted(*args, **kwargs):
        asked.append(kwargs["augment"])
        return batches(*args, **kwargs)

    monkeypatch.setattr(trainer, "Batches", noted)
    changed = {"augment": augment, "turn_deg": 33.0, "noise": 2.0, "blur": 1.0}
    trained(claim_run("run", tmp_path / "run"), sides, epochs=1, **changed)
    assert asked == [Augmentation(33.0, 2.0, 1.0) if augment else None]


def test_the_kept_weights_are_those_of_the_best_epoch_on_validation(tmp_path, sides):
    run = claim_run("vanilla", tmp_path / "run")
    model, history = trained(run, sides, epochs=4, learning_rate=0.02)
    load_weights(model, run / BEST)
    predicted = predict(model, SETTINGS, sides.validation).centred_deg
    cmae = np.abs(predicted - sides.validation.centred_deg).mean()
    assert cmae == pytest.approx(min(epoch.cmae_deg for epoch in history), abs=1e-4)
    assert len((run / HISTORY).read_text().splitlines()) == 1 + len(history)


def test_training_stops_when_validation_gets_no_better(tmp_path, sides, monkeypatch):
    cmaes = iter([9.0, 5.0, 6.0, 5.0, 7.0, 1.0])
    real = trainer.measure
    monkeypatch.setattr(trainer, "measure", lambda *args: dataclasses.replace(real(*args), cmae_deg=next(cmaes)))
    _, history = trained(claim_run("vanilla", tmp_path / "run"), sides, patience=3, epochs=20)
    assert [epoch.cmae_deg for epoch in history] == [9.0, 5.0, 6.0, 5.0, 7.0]
    assert best_of(history).epoch == 2  # the first of equals


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_weights_before(tmp_path, sides, monkeypatch):
    run = claim_run("vanilla", tmp_path / "run")
    losses = iter([0.5] * 3 + [float("nan")])  # 20 samples are 3 steps of 8
    monkeypatch.setattr(Stepper, "step", lambda *_: next(losses))
    with pytest.raises(TrainingError, match=r"became nan in epoch 2, step 1 of 3; .* smaller --learning-rate"):
        trained(run, sides, tries=0)
    assert (run / BEST).is_file()
    assert len((run / HISTORY).read_text().splitlines()) == 2


def test_a_network_that_answers_no_number_stops_the_run(tmp_path, sides, monkeypatch):
    real = Stepper.step

    def spoilt(self, *args):
        loss = real(self, *args)
        self.model.get_layer("dense1").bias.assign(np.full(16, np.nan))
        return loss

    monkeypatch.setattr(Stepper, "step", spoilt)
    with pytest.raises(TrainingError, match=r"answers nan after epoch 1; .* smaller --learning-rate"):
        trained(claim_run("vanilla", tmp_path / "run"), sides, batch_size=32)


class KilledError(Exception):
    """Stands for a death without a word."""


def killed_at(step):
    """Make a step callback that dies at that step of the training."""
    steps = iter(range(1, 1000))

    def on_step():
        if next(steps) == step:
            raise KilledError

    return on_step


# All that has a state of its own: weights that are no weights, seeds, an order.
STATES = {"epochs": 3, "norm": "batch", "activation": "rrelu", "sampling": "balanced"}


@pytest.fixture(scope="module")
def whole(sides, tmp_path_factory):
    """A run that nothing disturbed: 3 epochs of 3 steps."""
    run = claim_run("vanilla", tmp_path_factory.mktemp("whole") / "run")
    trained(run, sides, **STATES)
    return run


@pytest.mark.parametrize(("step", "interval_s"), [(1, 0.0), (3, 0.0), (8, 0.0), (5, 1e9)])
def test_a_run_that_died_goes_on_to_the_same_bytes(tmp_path, sides, whole, step, interval_s, monkeypatch):
    settings = {**STATES, "checkpoint_s": interval_s}
    broken = claim_run("vanilla", tmp_path / "broken")
    with pytest.raises(KilledError):
        trained(broken, sides, on_step=killed_at(step), **settings)
    taken = []
    real = Stepper.step
    monkeypatch.setattr(Stepper, "step", lambda *args: taken.append(1) or real(*args))
    _, history = trained(broken, sides, **settings)
    for name in (LAST, BEST):
        assert (whole / name).read_bytes() == (broken / name).read_bytes(), name
    assert [epoch.epoch for epoch in history] == [1, 2, 3]
    # a step is saved after it was counted, and died in between
    assert len(taken) == (9 if interval_s else 9 - step + 1)
    assert curves(whole) == curves(broken)
    assert read_diagnostics(whole) == read_diagnostics(broken)


def curves(run):
    """All of a history that does not depend on the clock."""
    return [(epoch.loss, epoch.cmae_deg, epoch.learning_rate) for epoch in read_history(run, 3)]


def test_whoever_dies_behind_the_last_step_is_not_trained_again(tmp_path, sides, monkeypatch):
    run = claim_run("vanilla", tmp_path / "run")
    trained(run, sides)
    before = (run / LAST).read_bytes()
    monkeypatch.setattr(Stepper, "step", None)
    _, history = trained(run, sides)
    assert len(history) == 2
    assert (run / LAST).read_bytes() == before


def test_the_best_weights_come_back_with_the_checkpoint(tmp_path, sides):
    run = claim_run("vanilla", tmp_path / "run")
    trained(run, sides, epochs=3)
    best = (run / BEST).read_bytes()
    (run / BEST).write_bytes(b"of an epoch that the checkpoint does not know")
    trained(run, sides, epochs=3)
    assert (run / BEST).read_bytes() == best


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda content: content[:-1] + bytes([content[-1] ^ 1]), "damaged .it does not match the hash"),
        (lambda content: content[:1000], "damaged .it does not match the hash"),
        (lambda content: b"", "damaged .it does not match the hash"),
    ],
)
def test_a_damaged_checkpoint_is_refused_and_left_alone(tmp_path, sides, damage, words):
    run = claim_run("vanilla", tmp_path / "run")
    with pytest.raises(KilledError):
        trained(run, sides, on_step=killed_at(2), checkpoint_s=0.0)
    spoilt = damage((run / CHECKPOINT).read_bytes())
    (run / CHECKPOINT).write_bytes(spoilt)
    with pytest.raises(RunError, match=words):
        trained(run, sides)
    assert (run / CHECKPOINT).read_bytes() == spoilt


def test_a_checkpoint_of_another_network_is_refused(tmp_path, sides):
    run = claim_run("vanilla", tmp_path / "run")
    with pytest.raises(KilledError):
        trained(run, sides, on_step=killed_at(2), checkpoint_s=0.0)
    with pytest.raises(RunError, match=r"of another network .* is \(.*\), expected \("):
        trained(run, sides, filters=6)
    with pytest.raises(RunError, match="is only in one of them"):
        trained(run, sides, norm="batch")


def test_a_history_that_lacks_epochs_of_the_checkpoint_is_refused(tmp_path, sides):
    run = claim_run("vanilla", tmp_path / "run")
    trained(run, sides)
    (run / HISTORY).unlink()
    with pytest.raises(RunError, match="lacks some of the 2 epochs that the checkpoint has seen"):
        trained(run, sides)


def test_a_full_disk_stops_the_run_with_the_checkpoint_before_it(tmp_path, sides, monkeypatch):
    run = claim_run("vanilla", tmp_path / "run")
    with monkeypatch.context() as patched:
        real, written = trainer.write_arrays, []

        def until_full(path, arrays):
            if len(written) == 3:
                raise OutputError(f"{path}: cannot write (No space left on device)")
            written.append(path)
            real(path, arrays)

        patched.setattr(trainer, "write_arrays", until_full)
        with pytest.raises(OutputError, match="No space left"):
            trained(run, sides, checkpoint_s=0.0)
    trained(run, sides)  # from the second step on
    trained(claim_run("vanilla", tmp_path / "whole"), sides)
    assert (run / LAST).read_bytes() == (tmp_path / "whole" / LAST).read_bytes()


def exhausted_over(samples, monkeypatch):
    """Let a step of more than so many samples run out of memory, as TensorFlow says it; count the others."""
    import keras
    import tensorflow as tf

    real, sizes = keras.Model.train_on_batch, []

    def tried(self, pictures, angles, *args, **kwargs):
        if len(angles) > samples:
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor with shape[8,128,128,16]")
        sizes.append(len(angles))
        return real(self, pictures, angles, *args, **kwargs)

    monkeypatch.setattr(keras.Model, "train_on_batch", tried)
    return sizes


def test_a_step_that_does_not_fit_into_memory_is_made_in_parts(tmp_path, sides, monkeypatch, caplog):
    settings = {"dropout": 0.0, "epochs": 2}
    whole, _ = trained(claim_run("vanilla", tmp_path / "whole"), sides, **settings)
    expected = weights_of(whole)
    sizes = exhausted_over(2, monkeypatch)
    parted, history = trained(claim_run("vanilla", tmp_path / "parted"), sides, **settings)
    assert set(sizes) == {1, 2}  # 8 in 4 parts of 2, and the last 4 samples in 4 of 1
    assert len(sizes) == 2 * 3 * 4
    assert "each batch of 8 goes in 4 parts" in caplog.text
    for name, values in weights_of(parted).items():
        assert values == pytest.approx(expected[name], abs=1e-4), name
    assert len(history) == 2


def test_what_went_in_parts_resumes_in_parts_to_the_same_bytes(tmp_path, sides, monkeypatch):
    exhausted_over(4, monkeypatch)
    whole, broken = (claim_run("vanilla", tmp_path / name) for name in ("whole", "broken"))
    trained(whole, sides)
    with pytest.raises(KilledError):
        trained(broken, sides, on_step=killed_at(5), checkpoint_s=0.0)
    trained(broken, sides)
    assert (whole / LAST).read_bytes() == (broken / LAST).read_bytes()


def test_one_sample_that_does_not_fit_into_memory_ends_the_run_with_advice(tmp_path, sides, monkeypatch):
    exhausted_over(0, monkeypatch)
    with pytest.raises(TrainingError, match="not even one sample a step fits into memory; choose a smaller network"):
        trained(claim_run("vanilla", tmp_path / "run"), sides)


def test_another_error_is_not_taken_for_a_lack_of_memory(tmp_path, sides, monkeypatch):
    monkeypatch.setattr(Stepper, "step", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        trained(claim_run("vanilla", tmp_path / "run"), sides)


def test_diagnostics_say_what_weights_and_activations_did(tmp_path, sides):
    run = claim_run("vanilla", tmp_path / "run")
    model, _ = trained(run, sides, activation="relu")
    epochs = read_diagnostics(run)
    assert [each["epoch"] for each in epochs] == [1, 2]
    for name, values in weights_of(model).items():
        said = epochs[1]["weights"][name]
        assert [said["mean"], said["sd"]] == pytest.approx([values.mean(), values.std()], abs=1e-6)
        assert sum(said["counts"]) == values.size
    zeros = epochs[1]["activations"]["branch32_stage1_relu"]["zeros"]
    assert 0 < zeros < 1


def test_no_diagnostics_are_kept_where_they_are_switched_off(tmp_path, sides):
    run = claim_run("vanilla", tmp_path / "run")
    trained(run, sides, diagnostics=False, epochs=1)
    assert read_diagnostics(run) == []


def test_dataset_statistics_are_those_of_the_training_pictures_and_stay_with_the_weights(tmp_path, sides):
    run = claim_run("vanilla", tmp_path / "run")
    trained(run, sides, normalisation="dataset", input="rgb", epochs=1)
    fresh = build_model(TrainSettings(**SMALL, normalisation="dataset", input="rgb"))
    load_weights(fresh, run / BEST)
    layer = fresh.get_layer("dataset_statistics")
    seen = sides.train.source.gather("rgb32", sides.train.indices).astype(float)
    assert np.asarray(layer.moving_mean) == pytest.approx(seen.mean(axis=(0, 1, 2)), rel=1e-4)
    assert np.asarray(layer.moving_variance) == pytest.approx(seen.var(axis=(0, 1, 2)), rel=1e-3)


def test_mixed_precision_keeps_weights_and_answers_in_float32(tmp_path, sides):
    assert start_keras(3, "mixed") == "mixed"
    try:
        model = build_model(SETTINGS)
        assert model.get_layer("branch32_stage1").compute_dtype == "bfloat16"
        run = claim_run("vanilla", tmp_path / "run")
        fit_run(run, model, sides, SETTINGS, on_step=lambda: None, on_epoch=lambda *_: None)
        assert {weight.dtype for weight in model.weights} == {"float32"}
        mixed = predict(model, SETTINGS, sides.test)
    finally:
        assert start_keras(3) == "float32"
    plain = build_model(SETTINGS)
    load_weights(plain, run / LAST)
    assert predict(plain, SETTINGS, sides.test).centred_deg == pytest.approx(mixed.centred_deg, abs=1.5)


def test_weights_survive_the_disk(tmp_path, sides):
    run = claim_run("vanilla", tmp_path / "run")
    model, _ = trained(run, sides, epochs=1)
    before = predict(model, SETTINGS, sides.test).centred_deg
    fresh = build_model(TrainSettings(**SMALL))
    assert not np.array_equal(predict(fresh, SETTINGS, sides.test).centred_deg, before)
    load_weights(fresh, run / LAST)
    assert np.array_equal(predict(fresh, SETTINGS, sides.test).centred_deg, before)
    assert all(np.array_equal(weights_of(fresh)[name], values) for name, values in weights_of(model).items())


def test_predictions_come_in_the_order_of_the_samples_whatever_the_batches(tmp_path, sides, monkeypatch):
    model = build_model(TrainSettings(**SMALL))
    whole = predict(model, SETTINGS, sides.train).centred_deg
    monkeypatch.setattr(predicting, "_PREDICT_BATCH", 3)
    assert predict(model, SETTINGS, sides.train).centred_deg == pytest.approx(whole, abs=1e-3)


def test_the_learning_rate_falls_from_1_to_0():
    assert [cosine_factor(done) for done in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])


def test_sides_hold_their_participants_samples_only(sides):
    assert set(sides.train.participants) == {"p01", "p02"}
    assert set(sides.test.participants) == {"p04"}
    assert len(sides.train) == 20
    stored = open_dataset(sides.test.source.path)
    assert np.array_equal(stored.rows[sides.test.indices], sides.test.rows)
    assert 90 - stored.column("view_azimuth")[sides.test.indices] == pytest.approx(sides.test.centred_deg[:, 0])


@pytest.mark.parametrize("wrong", [np.nan, 10.0])
def test_a_label_that_is_no_orientation_names_its_row(tmp_path, monkeypatch, wrong):
    dataset = open_dataset(make_dataset(tmp_path / "dataset", participants=3, samples=2))
    real = type(dataset).column

    def spoilt(self, field):
        values = real(self, field).copy()
        if field in ("view_azimuth", "view_elevation"):
            values[4] = wrong  # p03's first; rows 2 and 5 are rejections
        return values

    monkeypatch.setattr(type(dataset), "column", spoilt)
    with pytest.raises(DatasetError, match=f"row 6 of labels.parquet has view_azimuth {wrong:g} .*no orientation"):
        read_samples(dataset)


def test_a_dataset_without_samples_is_refused(tmp_path):
    dataset = open_dataset(make_dataset(tmp_path / "dataset", participants=3, samples=0))
    with pytest.raises(DatasetError, match="holds no sample, only rejected frames"):
        read_samples(dataset)


def test_the_line_of_an_epoch_fits_80_columns_under_its_header():
    widest = Epoch(9999, 12.3456, 123.45, 123.45, 123.45, 1e-3, 9.0, 123456.0)
    line = epoch_line(widest, widest, 9999, 123.45, 99 * 3600)
    assert len(line) <= 80
    usual = Epoch(3, 0.2134, 12.31, 11.8, 12.05, 1e-3, 9.0, 455.4)
    line = epoch_line(usual, usual, 30, 19.9, 80)
    assert line.split() == ["3/30", "0.2134", "12.31", "11.80", "12.05*", "19.90", "455", "1:20"]
    assert "*" not in epoch_line(usual, widest, 30, 19.9, 80)
    for word, value in {"azimuth": "12.31", "elevation": "11.80", "constant": "19.90", "left": "1:20"}.items():
        header = HEADER.splitlines()[1]
        assert header.index(word) + len(word) == line.index(value) + len(value), word
