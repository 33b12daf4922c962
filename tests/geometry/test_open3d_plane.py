"""Open3D's plane, judged as ours."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.errors import DegeneratePointsError
from labelkit.geometry.open3d_plane import segment_plane
from labelkit.geometry.orientation import angle_between
from labelkit.geometry.plane import fit_plane_robustly
from tests.scenes import plane_points

FRONTAL = np.array([0.0, 0.0, -1.0])
TILTED = np.array([np.sin(0.6), 0.0, -np.cos(0.6)])


def segmented(points):
    return segment_plane(points, inlier_m=0.010, sigma_m=0.002, rng=np.random.default_rng(0))


@pytest.mark.parametrize("normal", [FRONTAL, TILTED])
def test_both_engines_agree_within_two_degrees_on_a_clean_plate(normal):
    points = plane_points(normal, 0.7, n=3000, noise_m=0.001, outliers=0.2)
    theirs = segmented(points)
    ours = fit_plane_robustly(points, inlier_m=0.010, refit_m=0.004, sigma_m=0.002, rng=np.random.default_rng(0))
    assert np.rad2deg(angle_between(theirs.plane.normal, ours.plane.normal)) < 2.0
    assert (points[theirs.inlier_mask] @ theirs.plane.normal < 0).all()
    assert theirs.plane.offset_m == pytest.approx(0.7, abs=0.005)


def test_what_lies_on_the_plane_is_judged_as_for_ours():
    points = plane_points(FRONTAL, 0.7, n=3000, noise_m=0.001, outliers=0.2)
    fit = segmented(points)
    distances = fit.plane.distances_m(points)
    np.testing.assert_array_equal(fit.inlier_mask, np.abs(distances) < 0.010)
    assert fit.rms_m == pytest.approx(np.sqrt(np.mean(distances[fit.inlier_mask] ** 2)))
    assert (np.linalg.eigvalsh(fit.normal_cov_rad2) > 0).all()


@pytest.mark.parametrize(
    "points",
    [
        np.array([[0.0, 0.0, 1.0], [0.1, 0.0, 1.0]]),
        np.array([[0.0, 0.0, 1.0]] * 50),
        np.array([[x, 0.0, 1.0] for x in np.linspace(0, 0.2, 50)]),
        np.full((50, 3), np.nan),
    ],
    ids=["two points", "one point", "a line", "NaN"],
)
def test_points_that_span_no_plane_are_refused(points):
    with pytest.raises(DegeneratePointsError):
        segmented(points)
