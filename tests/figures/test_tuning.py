from __future__ import annotations

import numpy as np
import pytest

from labelkit.figures.saving import figure_bytes
from labelkit.figures.tuning import TrialPoint, history_figure, importance_figure, parallel_figure, pareto_figure


def tried(structure, number, error, latency=1.0, **values):
    return TrialPoint(structure, number, error, latency, values or {"filters": 5 + number, "norm": "none"})


TRIALS = [tried("a", 1, 14.0), tried("a", 2, None), tried("a", 3, 9.0), tried("a", 4, 11.0), tried("b", 1, 12.0, 3.0)]


def test_the_history_shows_each_trial_the_best_so_far_and_what_did_not_learn():
    a, b = history_figure(TRIALS, ["a", "b"], 20.0).axes
    constant, errors, failed, best = a.lines
    assert constant.get_ydata() == [20.0, 20.0]
    assert errors.get_xydata().tolist() == [[1, 14.0], [3, 9.0], [4, 11.0]]
    assert failed.get_xydata().tolist() == [[2, 20.0]]
    assert best.get_ydata().tolist() == [14.0, 9.0, 9.0]
    assert a.get_ylim() == b.get_ylim()


def test_trials_are_counted_in_whole_numbers():
    (axes,) = history_figure([tried("a", number, 14.0) for number in range(3)], ["a"], 20.0).axes
    assert all(tick == int(tick) for tick in axes.get_xticks())


def test_a_search_in_which_nothing_learned_yet_has_a_history_too():
    assert figure_bytes(history_figure([tried("a", 1, None)], ["a", "b"], 20.0), "svg")


def test_importance_is_a_bar_each_the_most_important_on_top():
    (axes,) = importance_figure({"a": {"learning_rate": 0.75, "filters": 0.25}}).axes
    assert [bar.get_width() for bar in axes.patches] == [0.75, 0.25]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["learning rate", "filters"]
    assert axes.yaxis.get_inverted()


def lines(figure):
    return [line.get_ydata() for line in figure.axes[0].lines if len(line.get_ydata()) > 2]


def test_a_trial_is_a_line_through_its_settings_with_the_best_on_top():
    trials = [
        tried("a", 1, 9.0, filters=5, learning_rate=1e-4, norm="batch"),
        tried("b", 1, 14.0, filters=25, learning_rate=1e-2, norm="none"),
        tried("a", 2, 12.0, filters=15, learning_rate=1e-3, norm="none"),
    ]
    worst, middle, best = lines(parallel_figure(trials, frozenset({"learning_rate"})))
    assert best == pytest.approx([0.25, 0, 0, 0.25])
    assert middle == pytest.approx([0.25, 0.5, 0.5, 0.75])
    assert worst == pytest.approx([0.75, 1, 1, 0.75])


def test_a_setting_that_a_trial_did_not_draw_breaks_its_line():
    trials = [tried("a", 1, 9.0, filters=5, dense=20, dropout=0.1), tried("a", 2, 8.0, filters=6, dense=30)]
    best = lines(parallel_figure(trials, frozenset()))[-1]
    assert np.isnan(best).tolist() == [False, False, True]


def test_one_trial_of_one_setting_is_drawn():
    assert figure_bytes(parallel_figure([tried("a", 1, 9.0, filters=5)], frozenset()), "svg")


def test_error_against_latency_shows_the_trials_that_were_timed_and_the_unbeaten():
    timed = [tried("a", 1, 14.0, 1.0), tried("a", 2, 9.0, 4.0), tried("b", 1, 12.0, None), tried("b", 2, None, 1.0)]
    a, b, front = pareto_figure(timed, timed[:2]).axes[0].lines
    assert a.get_xydata().tolist() == [[1.0, 14.0], [4.0, 9.0]]
    assert b.get_xydata().tolist() == []
    assert front.get_xydata().tolist() == [[1.0, 14.0], [4.0, 9.0]]


def test_the_same_search_gives_the_same_bytes():
    one, two = (figure_bytes(history_figure(TRIALS, ["a", "b"], 20.0), "svg") for _ in range(2))
    assert one == two
