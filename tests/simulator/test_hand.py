import numpy as np
import pytest

from labelkit.simulator.hand import build_arm
from labelkit.simulator.rig import BodyPart
from labelkit.simulator.skeleton import HandShape, digit_bone


def palm_triangles(arm):
    return arm.vertices[arm.triangles[arm.parts == BodyPart.PALM]]


def test_the_palms_plane_is_the_least_squares_plane_of_its_skin(right_arm):
    corners = palm_triangles(right_arm)
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    centres = corners.mean(axis=1)
    assert np.average(centres, axis=0, weights=areas) == pytest.approx(0.0, abs=1e-9)
    normal = np.linalg.eigh(np.cov(centres.T, aweights=areas))[1][:, 0]
    assert abs(normal[2]) == pytest.approx(1.0, abs=1e-9)


@pytest.mark.parametrize("hollow_mm", [1.0, 3.0])
def test_the_palm_is_as_flat_as_real_ones(hollow_mm):
    # fitted hand meshes of real open hands: 1.7-2.0 mm rms about the plane
    arm = build_arm(HandShape(hollow_mm=hollow_mm))
    z = palm_triangles(arm)[..., 2]
    assert 0.0010 < z.std() < 0.0023
    assert np.ptp(z) < 0.012


def test_a_hand_has_the_size_of_a_hand(right_arm):
    x, y, z = np.ptp(right_arm.vertices[right_arm.outline], axis=0)
    assert 0.12 < x < 0.17  # with the thumb abducted
    assert 0.18 < y < 0.21
    assert 0.025 < z < 0.06


def test_fingers_lead_up_and_the_thumb_right_on_a_right_hand(right_arm):
    knuckles = right_arm.joints[[digit_bone(digit, 0) for digit in range(1, 5)]]
    assert np.all(np.diff(knuckles[:, 0]) < 0)
    assert np.all(knuckles[:, 1] < 0)
    assert right_arm.joints[digit_bone(0, 2), 0] > knuckles[0, 0]


def test_a_left_hand_is_the_mirror_image(right_arm, left_arm):
    assert np.array_equal(left_arm.vertices, right_arm.vertices * [-1, 1, 1])
    assert np.array_equal(left_arm.joints, right_arm.joints * [-1, 1, 1])
    assert np.array_equal(left_arm.parts, right_arm.parts)


@pytest.mark.parametrize("arm", ["right_arm", "left_arm"])
def test_triangles_face_outward_on_both_hands(arm, request):
    arm = request.getfixturevalue(arm)
    a, b, c = np.moveaxis(arm.vertices[arm.triangles], 1, 0)
    outward = np.einsum("ij,ij->i", np.cross(b - a, c - a), arm.normals[arm.triangles[:, 0]])
    assert np.mean(outward > 0) > 0.999


def test_weights_share_each_vertex_out_fully(right_arm):
    assert np.all(right_arm.weights >= 0)
    assert right_arm.weights.sum(axis=1) == pytest.approx(1.0)


def test_the_palms_skin_hardly_moves_with_fingers_and_wrist(right_arm):
    vertices = np.unique(right_arm.triangles[right_arm.parts == BodyPart.PALM])
    on_palm = np.where(right_arm.bones[vertices] == 0, right_arm.weights[vertices], 0.0).sum(axis=1)
    assert on_palm.min() > 0.6
    assert np.mean(on_palm > 0.99) > 0.7


def test_only_a_sleeved_arm_has_a_sleeve(right_arm):
    assert BodyPart.SLEEVE in right_arm.parts
    assert BodyPart.SLEEVE not in build_arm(HandShape()).parts
