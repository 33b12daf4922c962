"""Pixels, rays and points: round trips."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.geometry.camera import deproject, fit_distortion, project, rays_through, transform_points
from tests.scenes import KINECT, turned

LENS = dataclasses.replace(KINECT, distortion=(0.05, -0.08, 0.001, -0.0005, 0.02))


@pytest.mark.parametrize("camera", [KINECT, LENS])
@given(u=st.floats(0, 639), v=st.floats(0, 479), z=st.floats(0.3, 5))
def test_a_pixel_seen_along_its_ray_projects_to_itself(camera, u, v, z):
    ray = rays_through(np.array([u, v]), camera)
    assert ray[2] == 1.0
    np.testing.assert_allclose(project(ray * z, camera), [u, v], atol=0.01)


@pytest.mark.parametrize("camera", [KINECT, LENS])
def test_no_pixel_has_no_ray_and_no_point_no_pixel(camera):
    assert rays_through(np.empty((0, 2)), camera).shape == (0, 3)
    assert project(np.empty((0, 3)), camera).shape == (0, 2)


def test_a_lens_is_found_again_from_pixels_and_the_rays_that_fall_on_them():
    u, v = np.meshgrid(np.arange(0, 640, 40.0), np.arange(0, 480, 40.0))
    pixels = np.stack([u, v], axis=-1).reshape(-1, 2)
    rays = rays_through(pixels, LENS)
    found = fit_distortion(project(rays, LENS), 2.0 * rays, KINECT)
    np.testing.assert_allclose(found.distortion, LENS.distortion, atol=1e-6)
    assert dataclasses.replace(found, distortion=()) == KINECT


def test_the_principal_point_looks_straight_ahead_and_the_axes_point_right_and_down():
    np.testing.assert_allclose(rays_through(np.array([319.5, 239.5]), KINECT), [0, 0, 1])
    right, down = rays_through(np.array([[400.0, 239.5], [319.5, 300.0]]), KINECT)
    assert right[0] > 0
    assert right[1] == 0
    assert down[1] > 0
    assert down[0] == 0


def test_deprojection_keeps_depth_and_order_and_leaves_out_what_was_not_seen():
    depth = np.full((480, 640), np.nan, dtype=np.float32)
    depth[10, 20], depth[10, 30], depth[11, 5] = 0.5, 0.75, 1.0
    mask = np.ones(depth.shape, dtype=bool)
    mask[10, 30] = False
    points = deproject(depth, mask, KINECT)
    np.testing.assert_allclose(points[:, 2], [0.5, 1.0])
    np.testing.assert_allclose(project(points, KINECT), [[20, 10], [5, 11]], atol=1e-9)


def test_a_transform_there_and_back_changes_nothing():
    there = np.eye(4)
    there[:3, :3], there[:3, 3] = turned((10, -20, 30)), (0.1, -0.2, 0.3)
    points = np.random.default_rng(0).normal(size=(5, 3))
    moved = transform_points(there, points)
    np.testing.assert_allclose(transform_points(np.linalg.inv(there), moved), points, atol=1e-12)
    np.testing.assert_allclose(moved[0], there[:3, :3] @ points[0] + there[:3, 3])
