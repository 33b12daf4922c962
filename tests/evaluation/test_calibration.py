from __future__ import annotations

import numpy as np
import pytest

from labelkit.evaluation.calibration import NOMINAL, calibrate


def drawn(stated, actual, n=40_000):
    """Draw normal errors along both directions of the tangent plane."""
    rng = np.random.default_rng(1)
    sd = np.broadcast_to(actual, n)
    return np.hypot(*(rng.normal(0.0, 1.0, (2, n)) * sd)), np.broadcast_to(stated, n)


def test_a_right_uncertainty_holds_what_it_says():
    sd = np.random.default_rng(0).uniform(2.0, 12.0, 40_000)
    found = calibrate(*drawn(sd, sd))
    assert found.within_68 == pytest.approx(
        0.683, abs=0.01
    )  # chi-square, two degrees of freedom: 2.30 holds 68 %, 6.18 holds 95 %
    assert found.within_95 == pytest.approx(0.954, abs=0.01)
    assert found.mean_d2 == pytest.approx(2.0, abs=0.05)
    assert found.observed == pytest.approx(NOMINAL, abs=0.01)
    assert found.worst_gap < 0.01
    assert found.bin_error_deg == pytest.approx(found.bin_sd_deg, rel=0.04)


def test_an_uncertainty_half_as_large_as_the_errors_is_seen():
    found = calibrate(*drawn(3.0, 6.0))
    assert found.mean_d2 == pytest.approx(8.0, abs=0.2)
    assert found.within_68 == pytest.approx(1 - np.exp(-2.30 / 8), abs=0.01)
    assert found.worst_gap > 0.4


def test_an_uncertainty_that_says_nothing_about_which_sample_is_bad_is_seen():
    actual = np.random.default_rng(0).uniform(2.0, 12.0, 40_000)
    said = np.random.default_rng(5).permutation(actual)
    found = calibrate(*drawn(said, actual))
    assert found.bin_sd_deg[0] < 3 < 11 < found.bin_sd_deg[-1]
    assert found.bin_error_deg[0] == pytest.approx(found.bin_error_deg[-1], rel=0.05)


def test_one_sample_can_be_measured():
    assert calibrate(np.array([3.0]), np.array([3.0])).mean_d2 == pytest.approx(1.0)
