from __future__ import annotations

import dataclasses
from types import SimpleNamespace

import numpy as np
import pytest

from labelkit.errors import RunError, TrainingError
from labelkit.evaluation.measures import measure
from labelkit.models import build_model
from labelkit.runs.folder import BEST, GUARD, GUARD_SCHEMA, LAST, claim_run
from labelkit.settings import TrainSettings
from labelkit.training import trainer
from labelkit.training.backend import start_keras
from labelkit.training.collapse import (
    Event,
    Layer,
    Signs,
    find_reasons,
    find_unfit,
    in_words,
    judge_collapse,
    judge_no_number,
)
from labelkit.training.epochs import Epoch, best_of
from labelkit.training.guard import (
    Guard,
    Watch,
    begin,
    begin_again,
    describe_activation,
    guard_of,
    level,
    spread_of,
    take_few,
)
from labelkit.training.guard_record import GuardRecord, Start, read_journal, write_journal
from labelkit.training.load import copy_values, weights_of
from labelkit.training.step import Stepper
from tests.training.small import fitted, make_sides

SMALL = {"resolutions": "32", "filters": 5, "dense": 16, "stages": 2, "epochs": 3, "batch_size": 8, "seed": 3}


def signs(epoch, ratio, *, loss=0.3, spread=0.5, **others):
    usual = Signs(epoch, loss, 0.5, ratio, spread, 1.0, 0.1, "dense1_leaky", -0.01, "dense1")
    return dataclasses.replace(usual, **others)


def history(*ratios, **others):
    return [signs(epoch, ratio, **others) for epoch, ratio in enumerate(ratios, start=1)]


def after(*ratios, events=(), tries=3, epochs=30, patience=25, **others):
    return judge_collapse(history(*ratios, **others), events, epochs=epochs, patience=patience, tries=tries)


def did(event):
    return event and (event.found, event.did, event.to_epoch, event.rate, event.dropout, event.draw)


def test_what_learns_is_left_alone():
    assert after(1.02, 0.99, 0.9, 0.85, 0.8, 0.7) is None


def test_a_network_that_learned_and_is_no_better_than_the_constant_three_times_goes_back_to_its_best():
    assert after(1.0, 0.6, 0.5, 0.7, 1.0, 1.1) is None
    assert did(after(1.0, 0.6, 0.5, 0.7, 1.0, 1.1, 0.96)) == ("lost", "went-back", 3, 0.5, 1.0, 0)
    assert after(1.0, 0.6, 0.5, 0.7, 1.0, 1.1, 0.94) is None


def test_a_network_that_never_learns_begins_anew():
    assert after(1.0, 1.0, 1.01) is None
    assert did(after(1.0, 1.0, 1.01, 1.0)) == ("stuck", "began-again", 0, 1.0, 0.0, 1)


def test_the_longer_a_training_is_the_longer_a_network_may_take_to_learn():
    assert after(*[1.0] * 9, epochs=80) is None
    assert after(*[1.0] * 10, epochs=80).found == "stuck"


def test_a_network_that_would_be_given_up_before_is_judged_then():
    assert after(1.0, 1.0, epochs=80, patience=2).found == "stuck"


def test_a_slow_network_whose_loss_falls_is_not_stuck():
    slow = [signs(epoch, 1.0, loss=0.30 - 0.004 * epoch) for epoch in range(1, 8)]
    assert judge_collapse(slow, (), epochs=30, patience=25, tries=3) is None
    # the same, of a loss that is a negative likelihood
    slow = [signs(epoch, 1.0, loss=-1.0 - 0.02 * epoch) for epoch in range(1, 8)]
    assert judge_collapse(slow, (), epochs=30, patience=25, tries=3) is None


def test_a_slow_network_is_not_stuck_in_an_odd_number_of_epochs_either():
    slow = [signs(epoch, 1.0, loss=0.30 - 0.006 * epoch) for epoch in range(1, 6)]
    assert judge_collapse(slow, (), epochs=40, patience=25, tries=3) is None


def test_a_loss_below_zero_that_does_not_fall_is_no_sign_of_learning():
    assert after(1.0, 1.0, 1.0, 1.0, loss=-1.0).found == "stuck"


def test_what_a_network_did_at_first_does_not_count_as_falling():
    wild_first = [signs(epoch, 1.0, loss=0.3 + 0.5 * (epoch == 1)) for epoch in range(1, 9)]
    assert judge_collapse(wild_first[:4], (), epochs=30, patience=25, tries=3) is None
    assert judge_collapse(wild_first[:5], (), epochs=30, patience=25, tries=3).found == "stuck"


def test_a_network_that_is_far_off_is_stuck_though_its_loss_falls():
    far = [signs(epoch, 9.0, loss=30.0 - 4 * epoch) for epoch in range(1, 5)]
    event = judge_collapse(far, (), epochs=30, patience=25, tries=3)
    assert did(event) == ("stuck", "began-again", 0, 0.5, 1.0, 1)
    assert event.why == ("it errs 9 times as much as the constant predictor",)


def test_one_that_says_the_same_to_all_has_collapsed_though_another_constant_errs_less():
    assert after(0.9, 0.9, 0.9, 0.9) is None
    assert did(after(0.9, 0.9, 0.9, 0.9, spread=0.05)) == ("stuck", "began-again", 0, 1.0, 0.0, 1)
    # there is nothing to go back to
    assert did(after(0.8, 0.8, spread=0.001)) == ("dead", "began-again", 0, 0.5, 0.0, 1)


def test_a_dead_answer_is_not_waited_for():
    assert did(after(1.0, 1.0, spread=0.001)) == ("dead", "began-again", 0, 0.5, 0.0, 1)
    assert after(1.0, spread=0.001) is None


def test_an_attempt_is_judged_by_its_own_epochs():
    begun = Event(4, "stuck", ("x",), "began-again", 0, 1.0, 0.0, 1)
    assert after(1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, events=[begun]) is None
    assert did(after(*[1.0] * 8, events=[begun])) == ("stuck", "began-again", 0, 0.5, 0.0, 2)


def test_when_tries_are_used_up_it_is_said_once():
    begun = Event(4, "stuck", ("x",), "began-again", 0, 1.0, 0.0, 1)
    last = after(*[1.0] * 8, events=[begun], tries=1)
    assert did(last) == ("stuck", "nothing", 0, 1.0, 0.0, 1)
    assert after(*[1.0] * 12, events=[begun, last], tries=1) is None
    assert "as --tries are used up" in in_words(last)


def test_a_network_that_ends_knowing_next_to_nothing_goes_on_without_dropout():
    slow = [signs(epoch, 1.0, loss=0.30 - 0.004 * epoch) for epoch in range(1, 9)]
    assert did(judge_collapse(slow, (), epochs=8, patience=25, tries=3)) == ("slow", "went-on", 0, 1.0, 0.0, 0)
    assert did(judge_collapse(slow, (), epochs=30, patience=7, tries=3)) == ("slow", "went-on", 0, 1.0, 0.0, 0)
    assert judge_collapse(slow, (), epochs=9, patience=25, tries=3) is None
    assert judge_collapse(slow, (), epochs=8, patience=25, tries=0) is None


def test_who_went_on_and_still_knows_next_to_nothing_begins_anew_with_other_weights():
    on = Event(8, "slow", ("x",), "went-on", 0, 0.5, 0.0, 1)
    slow = [signs(epoch, 1.0, loss=0.30 - 0.004 * epoch) for epoch in range(1, 17)]
    assert did(judge_collapse(slow, (on,), epochs=8, patience=25, tries=3)) == ("slow", "began-again", 0, 0.5, 0.0, 2)
    assert judge_collapse(slow, (on,), epochs=8, patience=25, tries=1) is None


def test_by_default_weights_drawn_for_those_that_went_on_in_vain_may_go_on_too():
    stuck = Event(4, "stuck", ("x",), "began-again", 0, 1.0, 0.0, 1)
    on = dataclasses.replace(stuck, epoch=12, found="slow", did="went-on")
    anew = dataclasses.replace(on, epoch=20, did="began-again", draw=2)
    slow = [signs(epoch, 1.0, loss=0.40 - 0.004 * epoch) for epoch in range(1, 29)]
    last = judge_collapse(slow, (stuck, on, anew), epochs=8, patience=25, tries=TrainSettings().tries)
    assert did(last) == ("slow", "went-on", 0, 1.0, 0.0, 2)


def test_patience_begins_anew_with_what_was_done():
    begun = Event(4, "stuck", ("x",), "began-again", 0, 1.0, 0.0, 1)
    slow = [signs(epoch, 1.0 + 0.001 * epoch, loss=0.30 - 0.004 * epoch) for epoch in range(1, 10)]
    assert judge_collapse(slow[:8], (begun,), epochs=30, patience=5, tries=3) is None
    assert judge_collapse(slow, (begun,), epochs=30, patience=5, tries=3).found == "slow"


def test_a_network_that_ends_knowing_something_has_ended():
    assert after(1.0, 1.0, 1.0, 0.91, 1.0, 1.0, epochs=6) is None


def test_a_network_that_ends_near_the_bound_goes_on_but_is_given_no_other_weights():
    near = (1.0, 1.0, 1.0, 0.94, 0.96, 0.96)
    assert did(after(*near, epochs=6)) == ("slow", "went-on", 0, 1.0, 0.0, 0)
    on = Event(6, "slow", ("x",), "went-on", 0, 1.0, 0.0, 0)
    assert after(*near, *[0.96] * 6, events=[on], epochs=6) is None
    assert did(after(*[0.96] * 12, events=[on], epochs=6)) == ("slow", "began-again", 0, 1.0, 0.0, 1)


def test_one_that_learned_and_ends_after_it_lost_it_again_has_ended():
    back = Event(6, "lost", ("x",), "went-back", 2, 0.5, 1.0, 0)
    assert after(1.0, 0.6, *[1.0] * 8, events=[back], epochs=10) is None


def test_a_training_too_short_to_judge_by_ends_as_it_was_asked_to():
    assert after(1.0, 1.0, 1.0, epochs=3) is None


def test_what_begins_anew_or_goes_on_has_all_its_epochs_and_what_goes_back_has_not():
    begun = Event(4, "stuck", ("x",), "began-again", 0, 1.0, 0.0, 1)
    slow = [signs(epoch, 1.0, loss=0.30 - 0.004 * epoch) for epoch in range(1, 13)]
    assert judge_collapse(slow[:11], (begun,), epochs=8, patience=25, tries=3) is None
    on = judge_collapse(slow, (begun,), epochs=8, patience=25, tries=3)
    assert did(on) == ("slow", "went-on", 0, 1.0, 0.0, 1)
    journal = GuardRecord(Start((), (), False), (), (begun, on))
    assert (journal.earlier_epochs, journal.of(12, 1).earlier_epochs, journal.of(12, 0).earlier_epochs) == (12, 4, 0)
    back = dataclasses.replace(begun, epoch=6, found="lost", did="went-back")
    assert dataclasses.replace(journal, events=(begun, back)).earlier_epochs == 4
    redone = dataclasses.replace(begun, epoch=6, found="no-number")
    assert dataclasses.replace(journal, events=(redone,)).earlier_epochs == 5


def test_a_number_that_is_none_goes_back_where_something_was_learned_and_begins_anew_where_not():
    event = judge_no_number(3, "the loss became nan", history(1.0, 0.6), (), 3)
    assert did(event) == ("no-number", "went-back", 2, 0.5, 1.0, 0)
    assert did(judge_no_number(1, "the loss became nan", [], (), 3)) == ("no-number", "began-again", 0, 0.5, 1.0, 1)
    assert "epoch 3: not a number (NaN or infinite) (the loss became nan" in in_words(event)


@pytest.mark.parametrize(
    ("shown", "words"),
    [
        ({"ratio": 30.0}, "errs 30 times as much"),
        ({"spread": 0.02}, "predictions spread over 2.0% of the labels' spread"),
        ({"silent": 0.8}, "80% of the units of dense1_leaky are silent"),
        ({"bias": -0.9}, "biases of dense1 have drifted to -0.90"),
        ({"gradient_norm": 0.0}, "gradients have vanished"),
        ({"gradient_norm": 50.0}, "gradients have grown to 50, 50 times the usual"),
        ({"largest_loss": 9.0}, "the loss of a step jumped to 9, the mean is 0.3"),
        ({}, "no layer, gradient or loss stands out"),
        ({"loss": -1.0, "largest_loss": -0.5}, "no layer, gradient or loss stands out"),
    ],
)
def test_each_sign_is_a_reason_by_itself(shown, words):
    said = find_reasons([*history(1.0, 1.0), signs(3, **{"ratio": 1.0} | shown)])
    assert len(said) == 1
    assert words in said[0]


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Layer("a", 0.001, 0.5, 0.0), ["a spreads over 0.001"]),
        (Layer("a", 300.0, 0.5, 0.0), ["a spreads over 3e"]),
        (Layer("a", 0.3, 3.0, 0.0), ["a lies 3.0 deviations off zero"]),
        (Layer("a", 0.3, 0.5, 0.5), ["50% of the units of a are silent"]),
        (Layer("a", 0.3, 0.5, 0.2), []),
    ],
)
def test_activations_are_fit_that_are_alive_and_centred(layer, words):
    said = find_unfit([layer])
    assert len(said) == len(words)
    assert all(word in line for word, line in zip(words, said, strict=True))


def test_an_activation_is_described_unit_by_unit():
    layer = describe_activation("a", np.array([[-1.0, 3.0], [-3.0, 5.0]]))
    assert (layer.spread, layer.off_centre, layer.silent) == (1.0, 3.0, 0.5)
    assert describe_activation("relu", np.array([[0.0, 3.0], [0.0, 0.0]])).silent == 0.5


def test_the_spread_of_a_constant_is_0_and_that_of_the_truth_1():
    truth = np.random.default_rng(0).normal(0, 20, (50, 2))
    assert spread_of(truth, truth) == pytest.approx(1)
    assert spread_of(np.full((50, 2), 3.0), truth) == 0
    assert spread_of(truth, np.zeros((50, 2))) == 1  # nothing can be said


@pytest.fixture(scope="module")
def sides(tmp_path_factory):
    return make_sides(tmp_path_factory.mktemp("data"), samples=16)


def trained(run, sides, on_step=lambda: None, **settings):
    return fitted(run, sides, {**SMALL, **settings}, on_step)


@pytest.mark.parametrize("family", ["vanilla", "squeezenet", "mobilenet"])
def test_levelled_layers_are_centred_and_of_one_spread(sides, family):
    settings = TrainSettings(**SMALL, model=family)
    start_keras(0)
    model = build_model(settings)
    watch = Watch(model, sides.train, settings)
    level(model, take_few(sides.train, settings))
    assert find_unfit(watch.layers()) == ()
    said = model.predict_on_batch(take_few(sides.train, settings))
    assert said.mean(axis=0) == pytest.approx(0, abs=1e-4)
    assert np.sqrt((said.std(axis=0) ** 2).mean()) == pytest.approx(0.1, rel=1e-3)


def test_how_sure_a_network_is_at_first_is_not_levelled(sides):
    settings = TrainSettings(**SMALL, uncertainty="gaussian")
    start_keras(0)
    model = build_model(settings)
    sure = model.get_layer("log_scale")
    drawn = copy_values(sure.kernel).tolist(), copy_values(sure.bias).tolist()
    level(model, take_few(sides.train, settings))
    assert (copy_values(sure.kernel).tolist(), copy_values(sure.bias).tolist()) == drawn


@pytest.mark.parametrize(("start", "levelled"), [("auto", True), ("plain", False), ("lsuv", True)])
def test_a_start_with_pixels_that_are_not_centred_is_found_unfit(tmp_path, sides, start, levelled):
    run = claim_run("vanilla", tmp_path / "run")
    trained(run, sides, normalisation="none", start=start, epochs=1)
    found = read_journal(run).start
    assert any("deviations off zero" in each for each in found.unfit)
    assert found.levelled is levelled


def test_a_start_that_is_fit_is_left_as_it_was_drawn(tmp_path, sides):
    auto, plain = (claim_run("vanilla", tmp_path / name) for name in ("auto", "plain"))
    trained(auto, sides, epochs=1)
    trained(plain, sides, epochs=1, start="plain", guard=False)
    assert not read_journal(auto).start.levelled
    assert (auto / LAST).read_bytes() == (plain / LAST).read_bytes()
    assert not (plain / GUARD).exists()


# A rate under which weights fly apart in the first steps: no number, or nothing that is better than the constant.
WILD = {"learning_rate": 1.0, "epochs": 12, "normalisation": "none", "start": "plain", "tries": 2}


def test_a_network_that_collapses_for_its_rate_begins_anew_at_half_of_it(tmp_path, sides, caplog):
    run = claim_run("vanilla", tmp_path / "run")
    _, epochs = trained(run, sides, **WILD)
    journal = read_journal(run)
    assert [did(event) for event in journal.events] == [
        ("stuck", "began-again", 0, 0.5, 1.0, 1),
        ("stuck", "began-again", 0, 0.25, 1.0, 2),
        ("stuck", "nothing", 0, 0.25, 1.0, 2),
    ]
    assert len(epochs) == len(journal.signs) == journal.events[1].epoch + 12
    assert (
        "began again with new weights (draw 1), with 0.5 times the learning rate and 1 times the dropout" in caplog.text
    )
    rates = {epoch.epoch: epoch.learning_rate for epoch in epochs}
    first = journal.events[0].epoch
    assert rates[first + 1] == pytest.approx(0.5 * rates[1])  # of a schedule that begins anew, too


def spoiled_once(monkeypatch, epoch):
    """Let the weights fly apart behind the last step of an epoch, once."""
    real, spoiled = trainer.Training._close_epoch, []

    def spoilt(self, *args):
        if self.progress.epoch == epoch and not spoiled:
            spoiled.append(epoch)
            for variable in self.stepper.model.trainable_variables:
                variable.assign(np.full(variable.shape, np.nan))
        return real(self, *args)

    monkeypatch.setattr(trainer.Training, "_close_epoch", spoilt)


LEARNS = {"augment": False, "normalisation": "scale", "filters": 8, "stages": 3, "dense": 32, "learning_rate": 0.003}


def test_an_answer_that_is_no_number_goes_back_to_the_best_weights(tmp_path, sides, monkeypatch):
    run = claim_run("vanilla", tmp_path / "run")
    with monkeypatch.context() as patched:
        spoiled_once(patched, 6)
        _, epochs = trained(run, sides, epochs=8, **LEARNS)
    (event,) = read_journal(run).events
    best_before = best_of(epochs[:5])
    assert did(event) == ("no-number", "went-back", best_before.epoch, 0.5, 1.0, 0)
    assert [epoch.epoch for epoch in epochs] == list(range(1, 9))
    # half the rate, from weights that know something
    assert epochs[5].learning_rate < 0.5 * epochs[4].learning_rate
    assert epochs[5].cmae_deg < 1.3 * best_before.cmae_deg


def test_a_network_that_loses_what_it_learned_goes_back(tmp_path, sides, monkeypatch):
    real = trainer.cosine_factor
    # three epochs of a rate that no network stands, 4 steps of 8 each
    monkeypatch.setattr(trainer, "cosine_factor", lambda done: 300.0 if 0.5 <= done < 0.8 else real(done))
    run = claim_run("vanilla", tmp_path / "run")
    _, epochs = trained(run, sides, epochs=10, **LEARNS)
    event = read_journal(run).events[0]
    assert (event.found, event.did) == ("lost", "went-back")
    assert event.epoch == 8
    assert event.to_epoch == best_of(epochs[:8]).epoch
    assert epochs[8].cmae_deg < 0.6 * epochs[7].cmae_deg


class KilledError(Exception):
    """Stands for a death without a word."""


@pytest.mark.sweep
@pytest.mark.parametrize("step", [15, 16, 17, 30])
def test_a_run_that_died_before_or_behind_an_event_goes_on_to_the_same_bytes(tmp_path, sides, step):
    whole, broken = (claim_run("vanilla", tmp_path / name) for name in ("whole", "broken"))
    trained(whole, sides, **WILD)
    assert [event.epoch for event in read_journal(whole).events] == [4, 8, 12]  # 32 samples are 4 steps of 8
    steps = iter(range(1, 1000))

    def dying():
        if next(steps) == step:
            raise KilledError

    with pytest.raises(KilledError):
        trained(broken, sides, on_step=dying, checkpoint_s=0.0, **WILD)
    trained(broken, sides, **WILD)
    for name in (LAST, BEST, GUARD):
        assert (whole / name).read_bytes() == (broken / name).read_bytes(), name


def test_a_journal_that_lacks_what_the_checkpoint_knows_is_refused(tmp_path, sides):
    run = claim_run("vanilla", tmp_path / "run")
    trained(run, sides)
    (run / GUARD).unlink()
    with pytest.raises(RunError, match="lacks some of what the checkpoint has seen"):
        trained(run, sides)


def test_a_guard_goes_on_where_the_checkpoint_is_and_no_further_than_its_journal(tmp_path, sides):
    settings = TrainSettings(**SMALL)
    start_keras(0)
    model = build_model(settings)
    begun = Event(2, "stuck", ("x",), "began-again", 0, 1.0, 0.0, 1)
    journal = GuardRecord(Start((), (), False), tuple(history(1.0, 0.9, 0.8)), (begun,))
    write_journal(tmp_path, journal)
    assert guard_of(tmp_path, model, sides, settings, 2, 0).journal == journal.of(2, 0)
    for epochs, events in ((4, 1), (3, 2)):
        with pytest.raises(RunError, match="lacks some of what the checkpoint has seen"):
            guard_of(tmp_path, model, sides, settings, epochs, events)


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"schema": "labelkit-guard/0"}', '{"schema": "labelkit-guard/1"}']
)
def test_a_damaged_journal_is_refused_by_name(tmp_path, content):
    (tmp_path / GUARD).write_text(content)
    with pytest.raises(RunError, match=r"guard.json: no journal of a guard .* train again"):
        read_journal(tmp_path)


def test_a_journal_of_another_version_is_refused_though_it_looks_alike(tmp_path):
    write_journal(tmp_path, GuardRecord(Start((), (), False)))
    stored = (tmp_path / GUARD).read_text()
    (tmp_path / GUARD).write_text(stored.replace(GUARD_SCHEMA, "labelkit-guard/9"))
    with pytest.raises(RunError, match=r"schema 'labelkit-guard/9', this version reads"):
        read_journal(tmp_path)


class Seen:
    """Stands for what watches a network: two layers, of which one is more than half silent."""

    def layers(self):
        return Layer("a", 0.3, 0.5, 0.1), Layer("b", 0.3, 0.5, 0.6)

    def lowest_bias(self):
        return -0.1, "a"


def test_labels_that_are_all_alike_are_no_collapse_and_the_most_silent_layer_is_taken_down(tmp_path):
    alike = SimpleNamespace(centred_deg=np.zeros((5, 2)))
    sides = SimpleNamespace(train=alike, validation=alike)
    guard = Guard(tmp_path, Seen(), sides, TrainSettings(epochs=30), GuardRecord(Start((), (), False)))
    for number in range(1, 9):
        guard.look(Epoch(number, 0.3, 2.0, 2.0, 2.0, 1e-3, 1.0, 9.0), np.zeros((5, 2)), 0.5, 1.0)
        assert guard.judge() is None
    (*_, latest) = read_journal(tmp_path).signs
    assert (latest.epoch, latest.silent, latest.silent_layer) == (8, 0.6, "b")


def test_who_errs_as_the_median_of_the_people_trained_on_has_a_ratio_of_1(tmp_path):
    train, validation = (SimpleNamespace(centred_deg=np.full((5, 2), angle)) for angle in (0.0, 10.0))
    sides = SimpleNamespace(train=train, validation=validation)
    guard = Guard(tmp_path, Seen(), sides, TrainSettings(), GuardRecord(Start((), (), False)))
    cmae_deg = measure(validation.centred_deg, train.centred_deg).cmae_deg
    guard.look(Epoch(1, 0.3, 10.0, 10.0, cmae_deg, 1e-3, 1.0, 9.0), train.centred_deg, 0.5, 1.0)
    assert guard.journal.signs[0].cmae_ratio == pytest.approx(1)


def test_the_lowest_bias_is_a_hidden_layer_s(sides):
    settings = TrainSettings(**SMALL)
    start_keras(0)
    model = build_model(settings)
    for name, bias in (("dense1", -3.0), ("angles_rad", -9.0)):
        variable = model.get_layer(name).bias
        variable.assign(np.full(variable.shape, bias))
    assert Watch(model, sides.train, settings).lowest_bias() == (-3.0, "dense1")


def test_a_journal_comes_back_as_it_was(tmp_path):
    begun = Event(4, "stuck", ("x", "y"), "began-again", 0, 1.0, 0.0, 1)
    last = dataclasses.replace(begun, epoch=8, did="nothing", rate=0.5)
    journal = GuardRecord(Start((Layer("a", 0.1, 0.2, 0.3),), ("b",), True), tuple(history(1.0, 0.9)), (begun, last))
    write_journal(tmp_path, journal)
    assert read_journal(tmp_path) == journal
    assert (journal.rate, journal.since) == (0.5, 4)
    assert journal.of(1, 0) == dataclasses.replace(journal, signs=journal.signs[:1], events=())


def test_a_guard_that_may_do_no_more_lets_the_run_fail(tmp_path, sides, monkeypatch):
    monkeypatch.setattr(Stepper, "step", lambda *_: float("nan"))
    run = claim_run("vanilla", tmp_path / "run")
    with pytest.raises(TrainingError, match=r"the loss became nan in epoch 1, step 1 of 4; .* --learning-rate"):
        trained(run, sides, tries=2)
    assert [event.did for event in read_journal(run).events] == ["began-again", "began-again", "nothing"]


def test_weights_of_another_draw_are_other_weights_and_the_same_ones_again(tmp_path, sides):
    settings = TrainSettings(**SMALL)
    start_keras(3)
    model = build_model(settings)
    drawn = []
    for draw in (1, 2, 1):
        begin_again(model, sides.train, settings, draw)
        drawn.append(weights_of(model)["dense1.kernel"])
    assert np.array_equal(drawn[0], drawn[2])
    assert not np.array_equal(drawn[0], drawn[1])


@pytest.mark.parametrize(("start", "levelled"), [("auto", True), ("plain", False)])
def test_weights_of_another_draw_are_levelled_unless_the_start_is_plain(sides, start, levelled):
    settings = TrainSettings(**SMALL, start=start)
    start_keras(3)
    model = build_model(settings)
    begin_again(model, sides.train, settings, 1)
    said = model.predict_on_batch(take_few(sides.train, settings))
    assert bool(np.sqrt((said.std(axis=0) ** 2).mean()) == pytest.approx(0.1, rel=1e-3)) is levelled


def test_weights_of_another_draw_keep_the_statistics_of_the_dataset(sides):
    settings = TrainSettings(**SMALL, normalisation="dataset")
    start_keras(3)
    model = build_model(settings)

    def statistics():
        return [copy_values(variable).tolist() for variable in model.non_trainable_variables]

    before = statistics()
    begin(model, sides.train, settings)
    learned = statistics()
    begin_again(model, sides.train, settings, 1)
    assert statistics() == learned != before


def test_dropout_is_spared_in_the_steps_themselves(sides):
    """Without dropout two steps of one batch have one loss; with it they have not."""
    settings = TrainSettings(**SMALL, start="plain", dropout=0.6)
    start_keras(3)
    model = build_model(settings)
    batch = take_few(sides.train, settings), np.deg2rad(sides.train.centred_deg[:32]).astype(np.float32)
    for dropout, alike in ((1.0, False), (0.0, True)):
        stepper = Stepper(model, settings, dropout=dropout)
        losses = [stepper.step(*batch, 0.0) for _ in range(2)]
        assert (losses[0] == losses[1]) is alike


def test_the_norm_of_gradients_is_read_off_adam(sides):
    settings = TrainSettings(**SMALL, start="plain")
    start_keras(3)
    model = build_model(settings)
    stepper = Stepper(model, settings)
    assert stepper.gradient_norm() == 0
    batch = take_few(sides.train, settings), np.deg2rad(sides.train.centred_deg[:32]).astype(np.float32)
    stepper.step(*batch, 1e-30)  # so small that every step has the same gradients, but for dropout
    first = stepper.gradient_norm()
    assert first > 0
    for _ in range(5):
        stepper.step(*batch, 1e-30)
    assert stepper.gradient_norm() == pytest.approx(first, rel=0.3)
    assert Stepper(model, settings).gradient_norm() == 0
