from __future__ import annotations

import json

import numpy as np
import pytest

from labelkit.cells import Cells
from labelkit.evaluation.by_cell import errors_by_cell

CELLS = Cells(15.0, 45.0)  # 6 x 6


def test_an_error_stands_in_the_cell_of_the_truth_where_the_picture_has_it():
    true = np.array([[20.0, -40.0], [16.0, -31.0], [-5.0, 5.0]])
    found = errors_by_cell(true, true + np.array([[4.0, 0.0], [0.0, 0.0], [0.0, 3.0]]), CELLS)
    assert found.counts[0, 4] == 2  # right of the front is a later column, up is an earlier row
    assert found.counts[3, 2] == 1
    assert found.counts.sum() == 3
    assert found.mean_deg[3, 2] == pytest.approx(3.0, abs=0.03)
    assert found.drift_deg[0, 4].tolist() == [2.0, 0.0]


def test_drift_keeps_its_sign_where_errors_cancel_to_none():
    true = np.full((2, 2), 5.0)
    found = errors_by_cell(true, true + np.array([[6.0, -2.0], [-6.0, -2.0]]), CELLS)
    assert found.drift_deg[3, 3] == pytest.approx([0.0, -2.0])
    assert found.mean_deg[3, 3] > 6


def test_a_truth_out_of_reach_is_counted_apart():
    found = errors_by_cell(np.array([[44.0, 44.0], [0.0, 0.0]]), np.zeros((2, 2)), CELLS)
    assert (found.outside, found.counts.sum()) == (1, 1)


def test_plain_values_are_json_with_null_where_no_sample_is():
    plain = errors_by_cell(np.array([[1.0, 1.0]]), np.array([[3.0, 1.0]]), CELLS).as_plain()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["mean_deg"][0][0] is None
    assert plain["mean_deg"][3][3] == pytest.approx(2.0, abs=0.01)
    assert plain["drift_azimuth_deg"][3][3] == pytest.approx(2.0)
