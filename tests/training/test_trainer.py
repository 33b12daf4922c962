from __future__ import annotations

import numpy as np
import pytest

from labelkit.dataset.dataset import open_dataset
from labelkit.errors import DatasetError, OutputError, TrainingError
from labelkit.labelling.splits import Split
from labelkit.models import build_model
from labelkit.runs import BEST, HISTORY, LAST, claim_run
from labelkit.settings import TrainSettings
from labelkit.training import trainer
from labelkit.training.backend import start_keras
from labelkit.training.load import load_weights, weights_of
from labelkit.training.progress import HEADER, epoch_line
from labelkit.training.samples import read_samples, take_sides
from labelkit.training.trainer import Epoch, best_of, falling, fit_run, predict_deg
from tests.datasets import make_dataset

SMALL = {"filters": 2, "dense": 8, "stages": 3, "epochs": 2, "batch_size": 8, "dropout": 0.2, "seed": 3}


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    folder = make_dataset(tmp_path_factory.mktemp("data") / "dataset", participants=4, samples=10)
    split = Split(train=("p01", "p02"), validation=("p03",), test=("p04",))
    return take_sides(read_samples(open_dataset(folder)), split)


def trained(run, sides, **settings):
    chosen = TrainSettings(**{**SMALL, **settings})
    start_keras(chosen.seed)
    model = build_model(chosen)
    history = fit_run(run, model, sides, chosen, on_step=lambda: None, on_epoch=lambda *_: None)
    return model, history


def test_two_runs_with_one_seed_give_the_same_weights_and_another_seed_others(tmp_path, sides):
    for name, seed in (("a", 3), ("b", 3), ("c", 4)):
        trained(claim_run("vanilla", tmp_path / name), sides, seed=seed)
    a, b, c = ((tmp_path / name / LAST).read_bytes() for name in "abc")
    assert a == b
    assert a != c


def test_the_network_learns_what_the_pictures_show(tmp_path, sides):
    seen = {"augment": False, "normalisation": "scale", "filters": 8, "dense": 32, "learning_rate": 0.003}
    _, history = trained(claim_run("vanilla", tmp_path / "run"), sides, epochs=15, **seen)
    assert best_of(history).cmae_deg < 9  # the constant predictor errs by about 19


def test_the_kept_weights_are_those_of_the_best_epoch_on_validation(tmp_path, sides):
    run = claim_run("vanilla", tmp_path / "run")
    model, history = trained(run, sides, epochs=4, learning_rate=0.02)
    load_weights(model, run / BEST)
    predicted = predict_deg(model, sides.validation)
    cmae = np.abs(predicted - sides.validation.centred_deg).mean()
    assert cmae == pytest.approx(min(epoch.cmae_deg for epoch in history), abs=1e-4)
    assert len((run / HISTORY).read_text().splitlines()) == 1 + len(history)


def test_training_stops_when_validation_gets_no_better(tmp_path, sides, monkeypatch):
    cmaes = iter([9.0, 5.0, 6.0, 5.0, 7.0, 1.0])

    def scripted(*_):
        for number, cmae in enumerate(cmaes, start=1):
            yield Epoch(number, 0.1, cmae, cmae, cmae, 1e-3, 1.0, 1.0)

    monkeypatch.setattr(trainer, "epochs_of", scripted)
    _, history = trained(claim_run("vanilla", tmp_path / "run"), sides, patience=3)
    assert [epoch.cmae_deg for epoch in history] == [9.0, 5.0, 6.0, 5.0, 7.0]
    assert best_of(history).epoch == 2  # the first of equals


def test_a_loss_that_is_no_number_stops_the_run_and_keeps_the_weights_before(tmp_path, sides, monkeypatch):
    run = claim_run("vanilla", tmp_path / "run")
    from keras import Model

    losses = iter([0.5] * 3 + [float("nan")])  # 20 samples are 3 steps of 8
    monkeypatch.setattr(Model, "train_on_batch", lambda *_: next(losses))
    with pytest.raises(TrainingError, match=r"became nan in epoch 2, step 1 of 3; .* smaller --learning-rate"):
        trained(run, sides)
    assert (run / BEST).is_file()
    assert len((run / HISTORY).read_text().splitlines()) == 2


def test_a_full_disk_stops_the_run_with_the_checkpoint_before_it(tmp_path, sides, monkeypatch):
    run = claim_run("vanilla", tmp_path / "run")
    real, written = trainer.write_weights, []

    def until_full(path, weights):
        if len(written) == 2:
            raise OutputError(f"{path}: cannot write (No space left on device)")
        written.append(path)
        real(path, weights)

    monkeypatch.setattr(trainer, "write_weights", until_full)
    with pytest.raises(OutputError, match="No space left"):
        trained(run, sides)
    load_weights(build_model(TrainSettings(**SMALL)), run / BEST)


def test_weights_survive_the_disk(tmp_path, sides):
    run = claim_run("vanilla", tmp_path / "run")
    model, _ = trained(run, sides, epochs=1)
    before = predict_deg(model, sides.test)
    fresh = build_model(TrainSettings(**SMALL))
    assert not np.array_equal(predict_deg(fresh, sides.test), before)
    load_weights(fresh, run / LAST)
    assert np.array_equal(predict_deg(fresh, sides.test), before)
    assert all(np.array_equal(weights_of(fresh)[name], values) for name, values in weights_of(model).items())


def test_predictions_come_in_the_order_of_the_samples_whatever_the_batches(tmp_path, sides, monkeypatch):
    model = build_model(TrainSettings(**SMALL))
    whole = predict_deg(model, sides.train)
    monkeypatch.setattr(trainer, "_PREDICT_BATCH", 3)
    assert predict_deg(model, sides.train) == pytest.approx(whole, abs=1e-3)


def test_the_learning_rate_falls_from_1_to_0():
    assert [falling(done) for done in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])


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
