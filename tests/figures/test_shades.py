from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.figures.shades import shade_index, shades_for


@given(target=st.integers(1, 10**7))
def test_shades_follow_one_another_from_1_up_without_gaps(target):
    shades = shades_for(target)
    assert (shades[0].low, shades[-1].high) == (1, None)
    assert all(shade.high + 1 == after.low for shade, after in pairwise(shades))


@given(target=st.integers(1, 10**7))
def test_a_shade_begins_at_the_target_and_it_and_those_above_are_full(target):
    shades = shades_for(target)
    assert target in [shade.low for shade in shades]
    assert [shade.full for shade in shades] == [shade.low >= target for shade in shades]


def test_a_full_cell_looks_the_same_whatever_the_target():
    looks = {next(shade for shade in shades_for(target) if shade.full).look for target in (1, 2, 3, 10, 1000)}
    assert len(looks) == 1


def test_shades_darken_with_the_count_also_in_grey_most_at_the_target():
    def grey(color):
        return np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) @ [0.299, 0.587, 0.114]

    steps = -np.diff([255, *(grey(shade.look.color) for shade in shades_for(10))])
    assert (steps > 12).all()
    assert steps.argmax() == 3


@pytest.mark.parametrize("target", [1, 10])
def test_writing_stands_out_from_its_cell(target):
    def luminance(color):  # WCAG 2.2
        channels = np.array([int(color[k : k + 2], 16) for k in (1, 3, 5)]) / 255
        return np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4) @ [
            0.2126,
            0.7152,
            0.0722,
        ]

    for shade in shades_for(target):
        light, dark = sorted([luminance(shade.look.color), luminance(shade.look.ink)], reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 4.5, shade


def test_counts_find_their_shade_and_nothing_has_none():
    shades = shades_for(10)
    assert shade_index(np.array([0, 1, 3, 4, 9, 10, 39, 40, 10**6]), shades).tolist() == [-1, 0, 0, 1, 2, 3, 4, 5, 5]
