"""Planes: exact, robust, and honest about themselves."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.errors import DegeneratePointsError
from labelkit.geometry.orientation import angle_between, tangent_basis
from labelkit.geometry.plane import Plane, fit_plane, fit_plane_robustly
from tests.scenes import normals_facing_camera, plane_points, turned

ROBUST = {"inlier_m": 0.010, "refit_m": 0.004, "sigma_m": 0.002}


def robustly(points, seed=0, **changed):
    return fit_plane_robustly(points, rng=np.random.default_rng(seed), **(ROBUST | changed))


@given(normal=normals_facing_camera(60.0), offset_m=st.floats(0.4, 3.0))
def test_least_squares_finds_an_exact_plane_and_faces_the_camera(normal, offset_m):
    points = plane_points(normal, offset_m, n=50)
    plane = fit_plane(points)
    assert angle_between(plane.normal, normal) < 1e-6
    assert plane.offset_m == pytest.approx(offset_m)
    assert (points @ plane.normal < 0).all()
    np.testing.assert_allclose(plane.distances_m(points), 0, atol=1e-9)


def test_distances_are_positive_on_the_cameras_side():
    plane = Plane(np.array([0.0, 0.0, -1.0]), 1.0)
    np.testing.assert_allclose(plane.distances_m(np.array([[0, 0, 0.9], [0, 0, 1.1]])), [0.1, -0.1])


@given(normal=normals_facing_camera(), offset_m=st.floats(0.5, 1.5), seed=st.integers(0, 99))
def test_a_plane_is_found_despite_noise_and_40_percent_outliers(normal, offset_m, seed):
    points = plane_points(normal, offset_m, n=1500, noise_m=0.002, outliers=0.4, seed=seed)
    fit = robustly(points, seed)
    assert np.rad2deg(angle_between(fit.plane.normal, normal)) < 0.9  # five sigma at 0.5 m
    assert fit.plane.offset_m == pytest.approx(offset_m, abs=0.002)
    assert 0.55 < fit.inlier_mask.mean() < 0.85
    assert fit.rms_m < 0.005


def test_the_nearer_of_two_planes_does_not_win_if_it_is_the_smaller():
    front = plane_points(np.array([0.0, 0.0, -1.0]), 0.7, n=300)
    tilted = np.array([np.sin(0.5), 0.0, -np.cos(0.5)])
    fit = robustly(np.concatenate([front, plane_points(tilted, 0.9, n=700)]))
    assert np.rad2deg(angle_between(fit.plane.normal, tilted)) < 0.1


@given(seed=st.integers(0, 50))
def test_turning_the_world_turns_the_normal(seed):
    points = plane_points(np.array([0.0, 0.0, -1.0]), 0.8, n=800, noise_m=0.001, seed=seed)
    turn = turned((12.0, -9.0, 40.0))
    before, after = robustly(points).plane.normal, robustly(points @ turn.T).plane.normal
    # not exactly: noise lies along the rays, and the weights follow z
    assert np.rad2deg(angle_between(after, turn @ before)) < 0.1


def test_the_same_points_and_seed_give_the_same_bits_and_other_seeds_nearly_so():
    points = plane_points(np.array([0.2, 0.1, -0.97]), 0.8, n=2000, noise_m=0.002, outliers=0.3)
    normals = [robustly(points, seed).plane.normal for seed in (1, 1, 2, 3, 4, 5)]
    np.testing.assert_array_equal(normals[0], normals[1])
    assert max(np.rad2deg(angle_between(normals[0], other)) for other in normals) < 0.01


def test_the_covariance_says_how_much_the_normal_scatters():
    truth, offset_m = np.array([0.3, -0.2, -np.sqrt(0.87)]), 0.5
    strayed = []
    for seed in range(200):
        fit = robustly(plane_points(truth, offset_m, n=400, noise_m=0.002, seed=seed), inlier_m=0.02, refit_m=0.02)
        error = tangent_basis(fit.plane.normal) @ (truth - fit.plane.normal)
        strayed.append(error @ np.linalg.solve(fit.normal_cov_rad2, error))
    # a round Gaussian holds 68 % within 2.30 and 95 % within 6.18
    assert 0.58 < np.mean(np.array(strayed) < 2.30) < 0.78
    assert np.mean(np.array(strayed) < 6.18) > 0.90


def test_a_start_makes_the_hypotheses_unnecessary():
    points = plane_points(np.array([0.0, 0.0, -1.0]), 0.8, n=500, noise_m=0.001)
    start = Plane(np.array([0.02, 0.0, -np.sqrt(1 - 0.02**2)]), 0.8)
    np.testing.assert_allclose(robustly(points, start=start).plane.normal, robustly(points).plane.normal, atol=1e-5)


@pytest.mark.parametrize(
    ("points", "words"),
    [
        (np.ones((2, 3)), "at least 3 points, not 2"),
        (np.ones((10, 3)), "do not span a plane"),
        (np.linspace(0, 1, 30)[:, None] * [0.1, 0.0, 0.0] + [0, 0, 1], "do not span a plane"),
        (np.array([[0, 0, 1], [0, 1, 1], [1, 0, np.nan]]), "finite"),
        (np.array([[0, 0, 1], [0, 1, 1], [1, 0, np.inf]]), "finite"),
        (np.array([[0, 0, 1], [0, 1, 1], [0.0, 0, 0]]), "in front of the camera"),
    ],
)
def test_points_without_a_plane_are_refused_with_the_reason(points, words):
    for fit in (fit_plane, robustly):
        with pytest.raises(DegeneratePointsError, match=words):
            fit(points)


def test_a_plane_through_the_camera_is_refused():
    rng = np.random.default_rng(0)
    points = rng.uniform(0.1, 1.0, (50, 3)) * [0.0, 1.0, 1.0]
    with pytest.raises(DegeneratePointsError, match="one line"):
        fit_plane(points)


def test_wrong_shapes_are_the_programmers_fault():
    with pytest.raises(ValueError, match=r"must be \(n, 3\), not \(3, 2\)"):
        fit_plane(np.ones((3, 2)))


@given(scale=st.floats(-30, 30))
def test_points_at_any_scale_give_a_unit_normal_or_an_error(scale):
    points = plane_points(np.array([0.1, 0.0, -np.sqrt(0.99)]), 1.0, n=20) * 10.0**scale
    try:
        normal = fit_plane(points).normal
    except DegeneratePointsError:
        return
    assert np.linalg.norm(normal) == pytest.approx(1.0)
