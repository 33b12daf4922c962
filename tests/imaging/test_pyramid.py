"""Halving pictures: exact means."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelkit.imaging.pyramid import color_pyramid, depth_pyramid, grey_from_depth


@given(image=arrays(np.uint8, (16, 16, 3)))
def test_each_level_is_the_exact_mean_of_four_pixels_rounded_half_up(image):
    levels = color_pyramid(image)
    assert [level.shape for level in levels] == [(16, 16, 3), (8, 8, 3), (4, 4, 3)]
    for above, below in itertools.pairwise(levels):
        exact = above.astype(float).reshape(len(below), 2, len(below), 2, 3).mean(axis=(1, 3))
        np.testing.assert_array_equal(below, np.floor(exact + 0.5))
    assert all(level.dtype == np.uint8 for level in levels)


def test_half_is_rounded_up_and_not_to_even():
    image = np.zeros((4, 4, 3), np.uint8)
    image[0, 0], image[0, 1] = 1, 1  # a mean of 0.5
    assert color_pyramid(image)[1][0, 0, 0] == 1


@pytest.mark.parametrize(
    ("four", "mean"),
    [((0, 0, 0, 0), 0), ((800, 0, 0, 0), 800), ((800, 803, 0, 0), 802), ((1, 2, 3, 4), 3), ((65535,) * 4, 65535)],
)
def test_depth_is_the_mean_of_what_was_seen(four, mean):
    image = np.tile(np.array(four, np.uint16).reshape(2, 2), (2, 2))
    levels = depth_pyramid(image)
    assert levels[1].dtype == np.uint16
    np.testing.assert_array_equal(levels[1], mean)


@given(image=arrays(np.uint16, (8, 8), elements=st.integers(0, 65535)))
def test_depth_never_mixes_in_what_was_not_seen(image):
    for above, below in itertools.pairwise(depth_pyramid(image)):
        four = above.reshape(len(below), 2, len(below), 2).swapaxes(1, 2).reshape(len(below), len(below), 4)
        seen = four.astype(float)
        seen[four == 0] = np.nan
        nothing = (four == 0).all(axis=-1)
        assert (below[nothing] == 0).all()
        assert (below[~nothing] >= np.nanmin(seen[~nothing], axis=-1)).all()
        assert (below[~nothing] <= np.nanmax(seen[~nothing], axis=-1)).all()


def test_depth_is_shown_near_light_and_unseen_black():
    depth_mm = np.full((2, 4, 4), 700, np.uint16)
    depth_mm[0, 0, :2] = 650, 0
    depth_mm[1] = 0
    grey = grey_from_depth(depth_mm)
    assert grey.shape == (2, 4, 4, 3)
    assert grey[0, 0, 0, 0] > grey[0, 3, 3, 0] > grey[0, 0, 1, 0] == 0
    assert not grey[1].any()
