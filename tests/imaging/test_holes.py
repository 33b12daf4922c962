from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from labelkit.imaging.holes import fill_specks


def slope(height=20, width=30):
    v, u = np.mgrid[:height, :width]
    return (0.7 + 0.001 * u + 0.002 * v).astype(np.float32)


def test_a_speck_within_a_surface_gets_the_surface_s_depth():
    depth = slope()
    expected = depth[7, 9]
    depth[7, 9] = np.nan
    np.testing.assert_allclose(fill_specks(depth)[7, 9], expected, atol=1e-6)


@given(st.integers(0, 2**32 - 1))
def test_what_was_seen_is_left_as_it_is_and_most_specks_are_closed(seed):
    exact = slope()
    lost = np.random.default_rng(seed).random(exact.shape) < 0.1
    filled = fill_specks(np.where(lost, np.float32(np.nan), exact))
    np.testing.assert_array_equal(filled[~lost], exact[~lost])
    inside = lost[1:-1, 1:-1]
    assert np.isnan(filled[1:-1, 1:-1][inside]).mean() < 0.3
    np.testing.assert_allclose(filled[np.isfinite(filled)], exact[np.isfinite(filled)], atol=0.003)


def test_a_shadow_keeps_its_size():
    depth = slope()
    depth[5:12, 10:14] = np.nan
    np.testing.assert_array_equal(np.isnan(fill_specks(depth)), np.isnan(depth))


def test_an_edge_between_two_surfaces_is_not_bridged():
    depth = slope()
    depth[:, 15:] += 0.5
    depth[8, 14] = np.nan
    assert np.isnan(fill_specks(depth)[8, 14])


def test_infinite_depth_counts_as_nothing_seen():
    depth = slope()
    depth[7, 9] = np.inf
    depth[:, 0] = -np.inf
    filled = fill_specks(depth)
    assert np.isfinite(filled[7, 9])
    assert np.isnan(filled[:, 0]).all()


def test_a_picture_without_any_depth_stays_empty():
    assert np.isnan(fill_specks(np.full((5, 5), np.nan, np.float32))).all()
