from __future__ import annotations

import numpy as np
import pytest

from labelkit.simulator.player import Player, Whim


def played(player, goal, times):
    return np.array([player.turn(float(now), goal) for now in times])


def test_a_goal_is_not_turned_to_before_the_reaction_time_and_then_no_faster_than_the_speed():
    player = Player(np.random.default_rng(0), speed_deg_s=60, reaction_s=0.3, noise_deg=0)
    times = np.arange(40) / 20
    azimuth = played(player, (30.0, 0.0), times)[:, 0]
    assert np.allclose(azimuth[times < 0.3], 0.0)
    assert np.allclose(azimuth, np.clip(60 * (times - 0.25), 0, 30))  # the last frame before 0.3 s is at 0.25 s


def test_no_hand_turns_faster_than_its_speed_however_far_the_goal_and_the_straying():
    player = Player(np.random.default_rng(1), speed_deg_s=60, noise_deg=5)
    goals = Whim(np.random.default_rng(2), 45.0)
    path = np.array([player.turn(k / 15, goals.goal(player.here_deg)) for k in range(2000)])
    assert np.linalg.norm(np.diff(path, axis=0), axis=1).max() <= 60 / 15 + 1e-9
    assert np.linalg.norm(path, axis=1).max() <= 60.0 + 1e-9


def test_no_hand_goes_where_it_would_be_edge_on():
    player = Player(np.random.default_rng(6), noise_deg=5)
    assert np.linalg.norm(played(player, (57.0, 0.0), np.arange(500) / 15), axis=1).max() == pytest.approx(60.0)


def test_a_hand_strays_about_its_goal_by_the_noise_in_either_angle():
    player = Player(np.random.default_rng(3), speed_deg_s=10_000, noise_deg=5)
    path = played(player, (10.0, -20.0), np.arange(20_000) / 15)[100:]
    assert path.mean(axis=0) == pytest.approx([10.0, -20.0], abs=0.4)
    assert path.std(axis=0) == pytest.approx([5.0, 5.0], rel=0.06)


def test_straying_does_not_depend_on_how_often_one_looks():
    spreads = []
    for fps in (5, 60):
        player = Player(np.random.default_rng(4), speed_deg_s=10_000, noise_deg=5)
        spreads.append(played(player, (0.0, 0.0), np.arange(600 * fps) / fps).std())
    assert spreads[0] == pytest.approx(spreads[1], rel=0.15)


def test_goals_are_taken_in_the_order_in_which_they_were_shown_and_the_last_one_stays():
    player = Player(np.random.default_rng(0), speed_deg_s=10_000, reaction_s=0.3, noise_deg=0)
    player.turn(0.0, (10.0, 0.0))
    player.turn(0.1, (20.0, 0.0))
    assert player.turn(0.31, None)[0] == 10.0
    assert player.turn(0.41, None)[0] == 20.0
    assert player.turn(9.0, None)[0] == 20.0


def test_the_same_seed_plays_the_same():
    one, other, third = (
        played(Player(np.random.default_rng(seed)), (20.0, 5.0), np.arange(50) / 15) for seed in (7, 7, 8)
    )
    assert np.array_equal(one, other)
    assert not np.allclose(one, third)


def test_whims_are_spread_evenly_over_the_disc_and_change_when_the_hand_is_there():
    whim = Whim(np.random.default_rng(5), 45.0)
    goals = [whim.goal((90.0, 90.0))]
    assert whim.goal((90.0, 90.0)) == goals[0]
    for _ in range(4000):
        goals.append(whim.goal(goals[-1]))
    radius = np.hypot(*np.array(goals).T)
    assert radius.max() <= 45.0
    assert np.mean(radius < 22.5) == pytest.approx(0.25, abs=0.03)
