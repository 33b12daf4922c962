from __future__ import annotations

import numpy as np
import pytest

from labelkit.evaluation.outcomes import outcomes

TRUE = np.array([[10.0, 1.0], [-20.0, 2.0], [30.0, -3.0], [40.0, 4.0]])
PREDICTED = TRUE + np.array([[4.9, 0.0], [-5.0, 0.0], [15.0, 20.0], [-15.1, 0.0]])


def test_each_angle_has_its_own_successes_and_failures():
    found = outcomes(TRUE, PREDICTED)
    azimuth, elevation = found["azimuth"], found["elevation"]
    assert [azimuth.success.samples, azimuth.between.samples, azimuth.failure.samples] == [1, 2, 1]
    assert [elevation.success.samples, elevation.between.samples, elevation.failure.samples] == [3, 0, 1]
    assert azimuth.failure.share == pytest.approx(0.25)


def test_magnitudes_are_of_the_labels_and_not_of_the_errors():
    found = outcomes(TRUE, PREDICTED)
    assert found["azimuth"].between.label_azimuth_deg == pytest.approx((20 + 30) / 2)
    assert found["azimuth"].between.label_elevation_deg == pytest.approx((2 + 3) / 2)
    assert found["elevation"].failure.label_azimuth_deg == pytest.approx(30)


def test_an_outcome_that_never_came_has_no_magnitude():
    between = outcomes(TRUE, PREDICTED)["elevation"].between
    assert (between.share, between.label_azimuth_deg, between.label_elevation_deg) == (0.0, None, None)
