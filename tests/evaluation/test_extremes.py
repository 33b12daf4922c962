from __future__ import annotations

import numpy as np

from labelkit.evaluation.extremes import NEAR_ROWS, keep_apart_in_time


def test_neighbours_of_a_sample_already_taken_are_left_out():
    rows = np.array([100, 101, 100 + NEAR_ROWS, 99 + NEAR_ROWS, 500])
    assert keep_apart_in_time(np.array([0, 1, 3, 2, 4]), rows, 9) == [0, 2, 4]


def test_no_more_are_taken_than_asked_for_and_in_the_order_given():
    assert keep_apart_in_time(np.array([2, 0, 1]), np.array([0, 100, 200]), 2) == [2, 0]
