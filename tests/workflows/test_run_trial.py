from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from filelock import FileLock, Timeout

from labelkit.dataset.dataset import Dataset
from labelkit.deploy import timing as deploy
from labelkit.errors import RunError, SearchError, SettingsError, TooLargeError, TrainingError
from labelkit.evaluation.measures import constant_deg, measure
from labelkit.runs.folder import BEST, CHECKPOINT, LAST, read_state
from labelkit.runs.plan import read_split
from labelkit.settings import TrainSettings, TuneSettings
from labelkit.training import trainer
from labelkit.training.epochs import Epoch, read_history
from labelkit.training.load import load_run
from labelkit.training.samples import take_sides
from labelkit.tuning.trial import Drawn
from labelkit.workflows import run_trial
from labelkit.workflows.one_run import check_dataset, split_samples
from labelkit.workflows.run_trial import TrainTrial, check_networks, terms_of
from tests.datasets import make_dataset

SMALL = TrainSettings(
    resolutions="32", filters=5, dense=16, stages=2, epochs=3, batch_size=8, augment=False, diagnostics=False, seed=4,
    split_seed=1, learning_rate=3e-3,
)  # fmt: skip


@pytest.fixture(scope="module")
def objective(tmp_path_factory):
    folder = make_dataset(tmp_path_factory.mktemp("data") / "dataset", participants=4, samples=12)
    return TrainTrial(folder, terms_of(*check_dataset(folder, SMALL), SMALL), grace=3, latency=False)


def run(objective, folder, on_epoch=lambda *_: None, **settings):
    return objective(Drawn("all", 0, 4, {}, SMALL.model_copy(update=settings), folder), on_epoch)


@pytest.fixture(scope="module")
def unbroken(objective, tmp_path_factory):
    folder = tmp_path_factory.mktemp("trial") / "0000"
    heard = []
    return run(objective, folder, lambda *epoch: heard.append(epoch)), heard, folder


def test_a_trial_is_measured_by_its_best_validation_error(unbroken):
    measured, heard, folder = unbroken
    assert measured.outcome == "learned"
    assert [epoch for epoch, _ in heard] == [1, 2, 3]
    assert measured.cmae_deg == min(error for _, error in heard)
    assert heard[measured.best_epoch - 1][1] == measured.cmae_deg
    assert measured.seconds == sum(epoch.seconds for epoch in read_history(folder, 3))
    assert measured.parameters > 1000
    assert measured.multiply_adds > measured.parameters


def test_of_a_trial_its_history_stays_and_its_weights_go(unbroken):
    _, _, folder = unbroken
    assert read_state(folder) == {"schema": "labelkit-run/2", "status": "trial", "epochs": 3}
    assert {"history.csv", "settings.toml", "split.json"} <= {path.name for path in folder.iterdir()}
    assert not any((folder / name).exists() for name in (BEST, LAST, CHECKPOINT))


def test_the_network_of_a_trial_is_timed_whether_it_learned_or_not(objective, tmp_path, monkeypatch):
    def timed(run):
        load_run(run)  # as the process that times it does
        with pytest.raises(Timeout):  # one network is timed at a time
            FileLock(run.parents[1] / run_trial._TIMING, timeout=0).acquire()
        return deploy.Latency(2.5, 3.0, 30, "tensorflow", 7.0, 800.0)

    monkeypatch.setattr(run_trial, "measure_latency", timed)
    monkeypatch.setattr(trainer.Stepper, "step", lambda *_: math.nan)
    measured = run(replace(objective, latency=True), tmp_path / "all" / "0000")
    assert (measured.outcome, measured.latency_ms) == ("diverged", 2.5)


def test_equal_networks_are_timed_once_and_a_damaged_record_of_times_is_made_again(objective, tmp_path, monkeypatch):
    times = iter([2.5, 3.5, 4.5])
    monkeypatch.setattr(run_trial, "measure_latency", lambda run: deploy.Latency(next(times), 3.0, 30, "", 7.0, 800.0))
    timing = replace(objective, latency=True)
    home = tmp_path / "structure"
    assert [run(timing, home / name, epochs=1).latency_ms for name in ("0000", "0001")] == [2.5, 2.5]
    assert run(timing, home / "0002", epochs=1, filters=6).latency_ms == 3.5
    (tmp_path / run_trial._TIMES).write_text("{")
    assert run(timing, home / "0003", epochs=1).latency_ms == 4.5


def test_a_network_that_cannot_be_timed_is_a_trial_all_the_same(objective, tmp_path, monkeypatch, caplog):
    def hangs(run):
        raise RunError(f"{run}: measuring its latency took over 300 s")

    monkeypatch.setattr(run_trial, "measure_latency", hangs)
    measured = run(replace(objective, latency=True), tmp_path / "all" / "0000", epochs=1)
    assert (measured.epochs, measured.latency_ms) == (1, None)
    assert "took over 300 s" in caplog.text


def test_no_picture_of_the_test_is_ever_read(objective, tmp_path, monkeypatch):
    seen, gather = [], Dataset.gather_fields

    def noted(data, fields, indices, *more):
        seen.extend(data.participants[indices].tolist())
        return gather(data, fields, indices, *more)

    monkeypatch.setattr(Dataset, "gather_fields", noted)
    run(objective, tmp_path / "0000", epochs=1)
    split = read_split(tmp_path / "0000")
    assert set(seen) == {*split.train, *split.validation}
    assert len(split.test) == 1


def test_a_trial_whose_process_died_goes_on_from_its_checkpoint_to_the_same_error(objective, unbroken, tmp_path):
    class KilledError(Exception):
        pass

    def die(epoch, error):
        if epoch == 2:
            raise KilledError

    with pytest.raises(KilledError):
        run(objective, tmp_path / "0000", die, checkpoint_s=0.0)
    heard = []
    measured = run(objective, tmp_path / "0000", lambda *epoch: heard.append(epoch), checkpoint_s=0.0)
    assert measured.cmae_deg == unbroken[0].cmae_deg
    assert heard[-1] == unbroken[1][-1]
    assert len(heard) < 3


def test_a_network_that_learns_nothing_is_stopped_when_its_grace_is_over(objective, tmp_path):
    measured = run(objective, tmp_path / "0000", learning_rate=1e-9, epochs=50)
    assert (measured.outcome, measured.epochs) == ("collapsed", 3)
    assert "a constant answer has" in measured.why


def test_a_network_that_learned_and_jumped_is_judged_by_its_best_epoch(objective, tmp_path, monkeypatch):
    constant = objective.terms.constant_cmae_deg
    good, bad = (Epoch(k, 0.3, 9.0, 9.0, share * constant, 1e-3, 1.0, 9.0) for k, share in ((3, 0.5), (4, 2.0)))

    def jumps(*_, on_epoch, **__):
        on_epoch(good, good, 0)
        on_epoch(bad, good, 0)
        return [good, bad]

    monkeypatch.setattr(run_trial, "fit_run", jumps)
    assert run(objective, tmp_path / "0000").outcome == "learned"


def test_one_that_ends_before_its_grace_without_having_learned_has_collapsed_too(objective, tmp_path):
    assert run(objective, tmp_path / "0000", learning_rate=1e-9, epochs=1).outcome == "collapsed"


@pytest.mark.parametrize(
    ("error", "outcome"),
    [(TrainingError("the loss became nan"), "diverged"), (TooLargeError("not even one sample"), "impossible")],
)
def test_a_training_that_cannot_go_on_is_an_outcome_and_says_why(objective, tmp_path, monkeypatch, error, outcome):
    def fails(*_, **__):
        raise error

    monkeypatch.setattr(run_trial, "fit_run", fails)
    measured = run(objective, tmp_path / "0000")
    assert (measured.outcome, measured.why, measured.cmae_deg) == (outcome, str(error), None)


def test_a_network_that_does_not_fit_into_memory_is_not_timed(objective, tmp_path, monkeypatch):
    def too_large(*_, **__):
        raise TooLargeError("not even one sample")

    timed = []
    monkeypatch.setattr(run_trial, "fit_run", too_large)
    monkeypatch.setattr(run_trial, "measure_latency", timed.append)
    assert run(replace(objective, latency=True), tmp_path / "all" / "0000").outcome == "impossible"
    assert timed == []


def test_a_loss_that_is_no_number_is_a_trial_that_diverged(objective, tmp_path, monkeypatch):
    monkeypatch.setattr(trainer.Stepper, "step", lambda *_: math.nan)
    measured = run(objective, tmp_path / "0000")
    assert measured.outcome == "diverged"
    assert "the loss became nan" in measured.why


def test_a_network_that_cannot_be_built_is_an_outcome(objective, tmp_path):
    measured = run(objective, tmp_path / "0000", padding="valid", kernel_size=7, stages=4)
    assert (measured.outcome, measured.parameters) == ("impossible", None)
    assert "too few for its kernel of 7" in measured.why


def test_a_dataset_that_changed_meanwhile_stops_the_search(objective, tmp_path):
    other = make_dataset(tmp_path / "dataset", participants=4, samples=12, seed=1)
    with pytest.raises(SearchError, match="has changed since the search began"):
        run(TrainTrial(other, objective.terms, 3, False), tmp_path / "0000")


def test_the_constant_predictor_knows_the_people_trained_on_alone(objective):
    data, samples = check_dataset(objective.dataset, SMALL)
    aside = np.isin(samples.participants, split_samples(samples, SMALL).validation)
    sides = take_sides(samples, split_samples(samples, SMALL))
    turned = replace(samples, centred_deg=samples.centred_deg + np.where(aside, 30.0, 0.0)[:, None])
    true_deg = sides.validation.centred_deg + 30.0
    constant = np.broadcast_to(constant_deg(sides.train.centred_deg), true_deg.shape)
    assert terms_of(data, turned, SMALL).constant_cmae_deg == pytest.approx(measure(true_deg, constant).cmae_deg)


@pytest.mark.parametrize(
    ("search", "words"),
    [
        (
            {"ranges": {"kernel_size": {"int": [2, 7]}}, "train": {"padding": "valid", "stages": 3}},
            r"kernel_size 7\): vanilla: stage",
        ),
        ({"ranges": {"pct3x3": {"float": [0.2, 0.5]}}}, "pct3x3 is a setting of squeezenet"),
        (
            {"ranges": {"dense": {"int": [16, 20]}}, "train": {"model": "vanila"}},
            "no model 'vanila'; did you mean 'vanilla'",
        ),
    ],
)
def test_ranges_that_hold_an_impossible_network_are_found_before_the_first_trial(search, words):
    train = {"resolutions": "64,32", **search.get("train", {})}
    with pytest.raises(SettingsError, match=words):
        check_networks(TuneSettings.model_validate({**search, "train": train}), lambda number: None)


def test_ranges_of_possible_networks_are_built_at_all_corners():
    built = []
    search = {"ranges": {"kernel_size": {"int": [2, 7]}, "filters": {"int": [5, 9]}}, "train": {"resolutions": "32"}}
    check_networks(TuneSettings.model_validate(search), built.append)
    assert built == [1, 2, 3]
