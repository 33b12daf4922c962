from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.curation.doubts import find_twins, jump_mask, spread, turns_between
from labelkit.geometry.orientation import label_from_centred_deg, normal_from_angles_deg


def test_turns_are_measured_within_a_recording_only():
    normals = normal_from_angles_deg(label_from_centred_deg(np.array([[0, 0], [20, 0], [20, 5], [0, 0.0]])))
    turns = turns_between(normals, np.array([0.0, 0.1, 0.4, 0.5]), np.array(["a", "a", "a", "b"]))
    assert turns.turn_deg[[1, 2]] == pytest.approx([20.0, 5.0], abs=0.35)
    assert turns.pause_s[[1, 2]] == pytest.approx([0.1, 0.3])
    assert np.isnan(turns.turn_deg[[0, 3]]).all()
    assert jump_mask(turns, turn_deg=15, within_s=0.2).tolist() == [False, True, False, False]
    assert not jump_mask(turns, turn_deg=15, within_s=0.05).any()


@pytest.mark.parametrize("n", [0, 1])
def test_no_sample_and_a_single_one_have_no_turns_and_no_twins(n):
    assert len(turns_between(np.zeros((n, 3)), np.zeros(n), np.zeros(n)).turn_deg) == n
    assert len(find_twins(np.zeros((n, 32, 32), np.uint8), np.zeros(n)).pairs) == 0


def all_twins(pictures, groups, rms):
    """Compare every picture with every other, the slow way."""
    best = {}
    for i, one in enumerate(pictures.astype(float)):
        found = [
            (np.sqrt(np.mean((one - other) ** 2)), j)
            for j, other in enumerate(pictures.astype(float))
            if groups[i] != groups[j]
        ]
        if found and min(found)[0] < rms:
            nearest, j = min(found)
            best[min(i, j), max(i, j)] = nearest
    return best


@given(seed=st.integers(0, 10_000), rms=st.floats(0.5, 20))
def test_twins_are_those_that_comparing_all_with_all_finds(seed, rms):
    rng = np.random.default_rng(seed)
    kinds = rng.integers(0, 256, (4, 8, 8))
    pictures = np.clip(kinds[rng.integers(4, size=25)] + rng.normal(0, rng.uniform(0, 9), (25, 8, 8)), 0, 255)
    pictures, groups = pictures.astype(np.uint8), rng.integers(3, size=25)
    twins = find_twins(pictures, groups, rms=rms)
    expected = all_twins(pictures, groups, rms)
    assert {tuple(pair) for pair in twins.pairs.tolist()} == set(expected)
    assert twins.rms == pytest.approx(sorted(expected.values()))


def test_pictures_of_one_recording_are_no_twins():
    same = np.full((6, 32, 32), 90, np.uint8)
    assert len(find_twins(same, np.zeros(6)).pairs) == 0
    assert len(find_twins(same, np.arange(6)).pairs) == 5


@given(n=st.integers(0, 50), most=st.integers(1, 20))
def test_a_spread_choice_keeps_first_and_last_and_repeats_none(n, most):
    chosen = spread(np.arange(n), most).tolist()
    assert len(chosen) == min(n, most)
    assert sorted(set(chosen)) == chosen
    if most > 1 and n:
        assert (chosen[0], chosen[-1]) == (0, n - 1)
