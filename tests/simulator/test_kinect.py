import numpy as np
import pytest

from labelkit.geometry.noise import depth_sigma_m, disparity_step_m
from labelkit.simulator.kinect import sense, shadow_mask


def flat(depth_m, tilt_deg=0.0):
    shape = (240, 320)
    return np.full(shape, depth_m, dtype=np.float32), np.full(shape, np.cos(np.deg2rad(tilt_deg)), dtype=np.float32)


@pytest.fixture
def step():
    """A square at 0.7 m before a wall at 1.3 m."""
    depth, cos_tilt = flat(1.3)
    depth[80:160, 120:200] = 0.7
    return depth, cos_tilt


@pytest.mark.parametrize("correlated", [False, True])
@pytest.mark.parametrize(("depth_m", "tilt_deg"), [(0.6, 0.0), (0.8, 0.0), (1.0, 45.0)])
def test_readings_scatter_as_the_formula_says(depth_m, tilt_deg, correlated):
    seen = sense(*flat(depth_m, tilt_deg), np.random.default_rng(0), correlated=correlated)
    expected = depth_sigma_m("kinect-v1", depth_m, np.deg2rad(tilt_deg))
    assert np.nanstd(seen) == pytest.approx(expected, rel=0.1)
    assert np.nanmean(seen) == pytest.approx(depth_m, abs=1e-3)


@pytest.mark.parametrize(("correlated", "near", "further"), [(False, 0.0, 0.0), (True, 0.73, 0.13)])
def test_noise_of_neighbours_is_correlated_only_if_asked_for(correlated, near, further):
    seen = sense(*flat(0.5), np.random.default_rng(0), correlated=correlated).astype(np.float64)
    error = np.nan_to_num(seen - 0.5)
    for shift, expected in ((1, near), (8, further)):
        together = np.mean(error[:, shift:] * error[:, :-shift]) / np.var(error)
        assert together == pytest.approx(expected, abs=0.1)


def test_depths_come_in_disparity_steps():
    seen = sense(*flat(0.8), np.random.default_rng(0))
    levels = np.unique(seen[np.isfinite(seen)])
    assert len(levels) < 20
    near = levels[np.abs(levels - 0.8) < 0.005]
    assert np.diff(near) == pytest.approx(disparity_step_m(0.8), rel=0.02)


def test_the_shadow_lies_left_of_a_near_edge_and_is_as_wide_as_the_disparities_differ(step):
    shadow = shadow_mask(step[0])
    row = np.flatnonzero(shadow[120])
    width = 580.0 * 0.075 * (1 / 0.7 - 1 / 1.3)
    assert row.max() == 119
    assert len(row) == pytest.approx(width, abs=2)
    assert not shadow[:80].any()
    assert not shadow[:, 120:].any()


def test_a_plane_throws_no_shadow_on_itself():
    depth = np.tile(np.linspace(0.6, 1.2, 320, dtype=np.float32), (10, 1))
    assert not shadow_mask(depth).any()
    assert not shadow_mask(depth[:, ::-1]).any()


def test_nothing_is_read_in_the_shadow(step):
    seen = sense(*step, np.random.default_rng(0))
    assert np.isnan(seen[90:150, 100:116]).all()


def test_rims_are_frayed_holed_and_flown_between(step):
    seen = sense(*step, np.random.default_rng(0))
    rim = seen[82:158, 198:203]  # the right rim, away from the shadow
    assert np.isnan(rim).any()
    assert np.any((rim > 0.75) & (rim < 1.25))
    inside = seen[85:155, 125:195]
    assert np.mean(np.isfinite(inside)) > 0.98
    assert np.nanmax(np.abs(inside - 0.7)) < 0.012


def test_edge_on_surfaces_vanish():
    assert np.mean(np.isnan(sense(*flat(0.8, 87.0), np.random.default_rng(0)))) > 0.8
    assert np.mean(np.isnan(sense(*flat(0.8, 60.0), np.random.default_rng(0)))) < 0.01


@pytest.mark.parametrize("depth_m", [0.35, 4.5, np.nan])
def test_nothing_is_seen_too_near_too_far_and_where_nothing_is(depth_m):
    assert np.isnan(sense(*flat(depth_m), np.random.default_rng(0))).all()


def test_the_same_generator_gives_the_same_picture(step):
    one, other = (sense(*step, np.random.default_rng([1, 2])) for _ in range(2))
    assert np.array_equal(one, other, equal_nan=True)


def test_what_is_sensed_leaves_the_exact_picture_alone(step):
    before = step[0].copy()
    sense(*step, np.random.default_rng(0))
    assert np.array_equal(step[0], before)
