"""Angles, normals and the view frame: round trips and signs."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.errors import OrientationError
from labelkit.geometry.orientation import (
    angle_between,
    angles_deg_from_normal,
    centred_from_label_deg,
    mirror_vectors,
    normal_from_angles_deg,
    tangent_basis,
    unit,
    view_from_camera,
)
from tests.scenes import normals_facing_camera

rays = st.builds(lambda x, y: unit(np.array([x, y, 1.0])), st.floats(-1.5, 1.5), st.floats(-1.5, 1.5))


@given(normal=normals_facing_camera(89.0))
def test_normal_to_angles_and_back_is_the_same_normal(normal):
    back = normal_from_angles_deg(angles_deg_from_normal(normal))
    assert angle_between(back, normal) < 1e-6


def test_a_hand_facing_the_camera_is_90_90():
    np.testing.assert_allclose(angles_deg_from_normal([0.0, 0.0, -1.0]), [90.0, 90.0])


@pytest.mark.parametrize(
    ("normal", "sign"),
    [((0.5, 0, -1), (1, 0)), ((-0.5, 0, -1), (-1, 0)), ((0, 0.5, -1), (0, 1)), ((0, -0.5, -1), (0, -1))],
)
def test_centred_angles_are_positive_toward_the_right_and_the_bottom(normal, sign):
    centred = centred_from_label_deg(angles_deg_from_normal(unit(np.array(normal, dtype=float))))
    np.testing.assert_array_equal(np.sign(np.round(centred, 9)), sign)


@given(azimuth=st.floats(0, 180), elevation=st.floats(0, 180))
def test_a_pair_of_angles_is_an_orientation_exactly_where_the_cosines_fit_the_unit_circle(azimuth, elevation):
    squared = np.cos(np.deg2rad([azimuth, elevation])) @ np.cos(np.deg2rad([azimuth, elevation]))
    if squared > 1 + 1e-4:
        with pytest.raises(OrientationError, match=r"no orientation: cos\^2 azimuth"):
            normal_from_angles_deg([azimuth, elevation])
    elif squared < 1:
        normal = normal_from_angles_deg([azimuth, elevation])
        assert normal[2] <= 0
        assert np.linalg.norm(normal) == pytest.approx(1.0)


def test_angles_that_are_not_finite_are_no_orientation():
    with pytest.raises(OrientationError, match="nan"):
        normal_from_angles_deg([np.nan, 90.0])


@given(ray=rays)
def test_the_view_rotation_takes_the_ray_to_z_and_turns_no_more_than_needed(ray):
    rotation = view_from_camera(ray)
    np.testing.assert_allclose(rotation @ ray, [0, 0, 1], atol=1e-12)
    np.testing.assert_allclose(rotation @ rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(rotation) == pytest.approx(1.0)
    turned_by = np.arccos(np.clip((np.trace(rotation) - 1) / 2, -1, 1))
    assert turned_by == pytest.approx(np.arccos(min(1.0, ray[2])), abs=1e-6)
    axis = np.cross(ray, [0.0, 0.0, 1.0])
    np.testing.assert_allclose(rotation @ axis, axis, atol=1e-12)


@given(ray=rays, normal=normals_facing_camera(80.0))
def test_mirroring_and_the_minimal_rotation_commute(ray, normal):
    mirrored_after = mirror_vectors(view_from_camera(ray) @ normal)
    mirrored_before = view_from_camera(mirror_vectors(ray)) @ mirror_vectors(normal)
    np.testing.assert_allclose(mirrored_after, mirrored_before, atol=1e-12)


@given(ray=rays)
def test_a_surface_square_to_its_ray_is_frontal_in_the_view_frame(ray):
    np.testing.assert_allclose(angles_deg_from_normal(view_from_camera(ray) @ -ray), [90, 90], atol=1e-5)


@pytest.mark.parametrize("ray", [(0.0, 0.0, -1.0), (1.0, 0.0, 0.0), (0.0, 0.0, np.nan)])
def test_a_ray_that_does_not_point_forward_has_no_view(ray):
    with pytest.raises(OrientationError, match="does not point forward"):
        view_from_camera(np.array(ray))


@given(normal=normals_facing_camera(90.0))
def test_the_tangent_basis_is_right_handed_and_orthonormal(normal):
    frame = np.vstack([tangent_basis(normal), normal])
    np.testing.assert_allclose(frame @ frame.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(frame) == pytest.approx(1.0)


def test_azimuth_falls_fastest_along_the_first_tangent():
    normal = unit(np.array([0.3, -0.4, -1.0]))
    first, second = tangent_basis(normal)
    step = 1e-4
    before = angles_deg_from_normal(normal)[0]
    along, across = (angles_deg_from_normal(unit(normal + step * axis))[0] - before for axis in (first, second))
    assert along < 0
    assert abs(across) < abs(along) / 1000


@given(a=normals_facing_camera(90.0), small=st.floats(1e-9, 1e-3))
def test_small_angles_are_measured_exactly(a, small):
    moved = np.cos(small) * a + np.sin(small) * tangent_basis(a)[0]
    assert angle_between(a, moved) == pytest.approx(small, rel=1e-5)
