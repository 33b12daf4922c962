from __future__ import annotations

import pytest

from labelkit.tuning.ranking import find_unbeaten, rank_structures, share_latency
from labelkit.tuning.trial import Measured, Trial


def trials(structure, errors, outcome="learned", latency_ms=None):
    return [
        Trial(structure, number, 0, {}, Measured(outcome, error, 5, 3, 10.0, latency_ms=latency_ms))
        for number, error in enumerate(errors)
    ]


def test_a_structure_is_scored_by_the_mean_of_its_best():
    (only,) = rank_structures(trials("a", [9.0, 30.0, 7.0, 8.0]), ["a"], 3)
    assert (only.score_deg, only.scored, only.best_deg, only.spread_deg) == (8.0, 3, 7.0, 1.0)
    assert only.best is not None
    assert only.best.number == 2


def test_the_smaller_mean_ranks_first_whoever_has_the_best_trial():
    found = rank_structures([*trials("lucky", [5.0, 15.0]), *trials("steady", [8.0, 8.0])], ["lucky", "steady"], 2)
    assert [each.structure for each in found] == ["steady", "lucky"]
    assert found[0].spread_deg == 0.0  # two are enough for it


def test_a_structure_with_too_few_that_learned_comes_last_and_says_so():
    short = [*trials("short", [2.0]), *trials("short", [19.0, None], "diverged")]
    found = rank_structures([*short, *trials("full", [12.0, 13.0])], ["short", "full", "none"], 2)
    assert [(each.structure, each.scored, each.is_short) for each in found] == [
        ("full", 2, False),
        ("short", 1, True),
        ("none", 0, True),
    ]
    assert found[1].outcomes == {"diverged": 2}
    assert found[1].seconds == 30.0  # what failed took time, too
    assert found[1].collapsed_share == pytest.approx(2 / 3)
    assert (found[2].score_deg, found[2].collapsed_share, found[2].best) == (None, None, None)


def test_what_did_not_learn_is_never_averaged_over_however_small_its_error():
    (only,) = rank_structures([*trials("a", [10.0]), *trials("a", [1.0], "collapsed")], ["a"], 2)
    assert (only.score_deg, only.scored) == (10.0, 1)


def test_a_trial_is_beaten_by_one_that_is_as_fast_and_better_or_as_good_and_faster():
    fast, slow = trials("a", [12.0, 11.0], latency_ms=1.0), trials("b", [8.0, 11.5], latency_ms=4.0)
    as_good = trials("e", [11.0], latency_ms=2.0)
    untimed, failed = trials("c", [1.0]), trials("d", [1.0], "collapsed", latency_ms=0.1)
    front = find_unbeaten([*slow, *fast, *as_good, *untimed, *failed])
    assert [(trial.structure, trial.number) for trial in front] == [("a", 1), ("b", 0)]


def test_a_time_that_is_shorter_by_noise_is_nothing_to_trade_for_error():
    worse, better = trials("a", [12.0], latency_ms=1.0), trials("b", [8.0], latency_ms=1.15)
    clearly_faster = trials("c", [12.0], latency_ms=0.5)
    assert [trial.structure for trial in find_unbeaten([*worse, *better])] == ["b"]
    assert [trial.structure for trial in find_unbeaten([*worse, *better, *clearly_faster])] == ["c", "b"]
    assert share_latency([*worse, *better, *trials("untimed", [1.0])])
    assert not share_latency([*worse, *better, *clearly_faster])
    assert not share_latency(trials("untimed", [1.0]))
