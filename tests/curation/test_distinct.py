from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.curation.distinct import FRAME_S, DistinctSamples, distinct_mask, fill_stamps
from labelkit.geometry.orientation import label_from_centred_deg, normal_from_angles_deg


def normals_at(azimuth_deg, elevation_deg=0.0):
    """Normals (n, 3) at centred angles."""
    return normal_from_angles_deg(
        label_from_centred_deg(np.stack(np.broadcast_arrays(azimuth_deg, elevation_deg), axis=-1))
    )


def number_of(normals, stamps=None, recordings=None, **rule):
    stamps = np.arange(len(normals)) / 30 if stamps is None else np.asarray(stamps, float)
    recordings = np.full(len(normals), "a") if recordings is None else np.asarray(recordings)
    return distinct_mask(normals, stamps, recordings, **rule)


def test_a_still_hand_counts_once_however_long_it_is_held():
    assert number_of(normals_at(np.full(9000, 12.0))).nonzero()[0].tolist() == [0]


def test_a_hand_whose_label_trembles_soon_counts_no_more():
    rng = np.random.default_rng(0)
    mask = number_of(normals_at(*rng.normal(0, 0.4, (2, 9000))))
    assert mask.sum() < 45  # of 9,000: now and then one reaches a place where none was recently


def test_a_hand_that_turns_counts_a_sample_for_each_degree_at_any_speed():
    for degrees_per_frame in (0.1, 0.3, 0.9):
        azimuth = np.arange(0, 40, degrees_per_frame)
        steps = np.diff(azimuth[number_of(normals_at(azimuth))])
        assert steps.min() >= 1.0 - 1e-9
        assert steps.max() <= 1.0 + degrees_per_frame
    assert number_of(normals_at(np.arange(0, 40, 1.001))).all()


def test_a_place_left_for_less_than_the_time_is_still_known_and_then_it_is_new():
    away_and_back = normals_at([0.0, 20.0, 0.0])
    assert number_of(away_and_back, [0.0, 0.1, 0.29]).tolist() == [True, True, False]
    assert number_of(away_and_back, [0.0, 0.1, 0.3]).tolist() == [True, True, True]


def test_a_repeat_sees_its_place_again():
    assert number_of(normals_at([0.0] * 4), [0.0, 0.2, 0.4, 0.6]).tolist() == [True, False, False, False]
    assert number_of(normals_at([0.0] * 3), [0.0, 0.2, 0.5]).tolist() == [True, False, True]


def test_time_that_runs_back_is_as_far_as_time_that_runs_on():
    assert number_of(normals_at([0.0] * 3), [10.0, 9.9, 5.0]).tolist() == [True, False, True]


def test_recordings_do_not_see_each_other_even_interleaved():
    names = np.array(["a", "b"] * 10, dtype=object)
    assert number_of(normals_at(np.zeros(20)), recordings=names).nonzero()[0].tolist() == [0, 1]


@pytest.mark.parametrize("rule", [{"turn_deg": 0.0}, {"gap_s": 0.0}])
def test_either_limit_at_nought_counts_everything(rule):
    assert number_of(normals_at(np.zeros(50)), **rule).all()


moves = st.lists(st.tuples(st.floats(-30, 30), st.floats(-30, 30), st.floats(0, 0.5)), max_size=60)


@given(moves=moves, turn_deg=st.floats(0.1, 5), gap_s=st.floats(0.01, 1))
def test_one_after_the_other_is_the_same_as_all_at_once_and_the_first_always_counts(moves, turn_deg, gap_s):
    azimuth, elevation, pauses = np.array(moves).reshape(-1, 3).T
    normals, stamps = normals_at(azimuth, elevation).reshape(-1, 3), np.cumsum(pauses)
    rule = DistinctSamples(turn_deg=turn_deg, gap_s=gap_s)
    one_by_one = [rule.add(normal, stamp) for normal, stamp in zip(normals, stamps, strict=True)]
    assert number_of(normals, stamps, turn_deg=turn_deg, gap_s=gap_s).tolist() == one_by_one
    assert one_by_one[:1] == [True] * min(1, len(moves))


@given(moves=moves)
def test_a_sample_at_least_the_angle_from_all_others_always_counts(moves):
    azimuth, elevation, pauses = np.array(moves).reshape(-1, 3).T
    normals = normals_at(azimuth, elevation).reshape(-1, 3)
    close = normals @ normals.T > np.cos(np.deg2rad(1.0)) - 1e-9
    alone = close.sum(axis=1) == 1
    assert number_of(normals, np.cumsum(pauses))[alone].all()


def test_frames_without_a_time_follow_the_one_before_by_a_thirtieth():
    nan = np.nan
    stamps = fill_stamps(np.array([nan, nan, 5.0, nan, nan, 7.0, nan]), np.array(list("aaabbbb")))
    assert stamps == pytest.approx([0, FRAME_S, 5.0, 0, FRAME_S, 7.0, 7.0 + FRAME_S])
    assert fill_stamps(np.array([]), np.array([], str)).tolist() == []
