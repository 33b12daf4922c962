from __future__ import annotations

import json

import numpy as np
import pytest

from labelkit.cells import Cells
from labelkit.evaluation.comparison import compare
from labelkit.evaluation.judged_samples import JudgedSamples, prediction_rows, side_report


def judged(errors, *, sd_deg=None, people="aabb", step=100):
    errors = np.asarray(errors, dtype=float)
    true = np.column_stack([np.linspace(-20, 20, len(errors)), np.zeros(len(errors))])
    return JudgedSamples(
        participants=np.array([people[k % len(people)] for k in range(len(errors))]),
        rows=np.arange(len(errors)) * step,
        true_deg=true,
        predicted_deg=true + np.column_stack([errors, np.zeros(len(errors))]),
        sd_deg=sd_deg,
    )


def test_a_side_s_report_is_json_and_agrees_with_itself():
    report = side_report(judged([1, 2, 30, 4]), np.array([0.0, 0.0]), Cells(10, 45))
    assert json.loads(json.dumps(report, allow_nan=False)) == report
    assert report["mae_azimuth_deg"] == pytest.approx(37 / 4)
    assert report["participants"]["b"]["mae_azimuth_deg"] == pytest.approx(17)
    assert report["cmae_ratio"] == pytest.approx(report["cmae_deg"] / report["constant_cmae_deg"])
    assert report["outcomes"]["azimuth"]["failure"]["samples"] == 1
    assert sum(map(sum, report["cells"]["counts"])) == 4
    assert report["calibration"] is None
    assert report["worst_rows"] == [200, 300]
    assert report["best_rows"] == [0, 100, 300]


def test_an_uncertainty_that_is_stated_is_measured():
    report = side_report(judged([1, 2, 3, 4], sd_deg=np.full(4, 2.0)), np.zeros(2), Cells(10, 45))
    assert report["calibration"]["mean_sd_deg"] == pytest.approx(2.0)


def test_a_constant_predictor_that_is_never_wrong_leaves_no_ratio():
    still = JudgedSamples(np.array(["a"]), np.array([0]), np.zeros((1, 2)), np.ones((1, 2)))
    assert side_report(still, np.zeros(2), Cells())["cmae_ratio"] is None


def test_rows_hold_the_label_s_angles_and_the_stated_uncertainty():
    (row, *_) = prediction_rows("test", judged([1, 2], sd_deg=np.array([3.0, 4.0])))
    assert row == {
        **{"side": "test", "participant": "a", "row": 0},
        **{"view_azimuth": 110.0, "view_elevation": 90.0},
        **{"predicted_view_azimuth": 109.0, "predicted_view_elevation": 90.0, "predicted_sd": 3.0},
    }


def test_two_networks_are_compared_sample_by_sample_and_person_by_person():
    found = compare(judged([4, 4, 10, 10]), judged([2, 2, 13, 9]))
    assert found.difference_deg == pytest.approx((-2 - 2 + 3 - 1) / 4, abs=0.1)
    assert found.second_better == pytest.approx(3 / 4)
    assert found.participants["a"] == pytest.approx(-2, abs=0.1)
    assert found.participants["b"] == pytest.approx(1, abs=0.1)


def test_the_order_of_the_samples_does_not_matter_to_a_comparison():
    first, turned = judged([4, 5, 6, 7]), judged([4, 5, 6, 7])
    order = np.array([3, 1, 0, 2])
    turned = JudgedSamples(
        turned.participants[order], turned.rows[order], turned.true_deg[order], turned.predicted_deg[order]
    )
    found = compare(first, turned)
    assert found.second_better == 0.0
    assert found.participants == {"a": pytest.approx(0.0, abs=1e-9), "b": pytest.approx(0.0, abs=1e-9)}


def test_networks_asked_about_other_samples_are_not_compared():
    assert compare(judged([1, 2]), judged([1, 2], step=101)) is None


def test_the_best_are_successes_and_of_the_surer_half_if_that_is_stated():
    errors = [1, 2, 3, 4, 6, 7]
    assert judged(errors).best() == [0, 1, 2, 3]
    sure = np.array([9.0, 1.0, 9.0, 1.0, 1.0, 9.0])
    assert judged(errors, sd_deg=sure).best() == [1, 3]
    assert judged([20, 30]).best() == []
    assert judged([20, 30]).worst() == [1]
