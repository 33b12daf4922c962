import numpy as np
import pytest

from labelkit.geometry.camera import project
from labelkit.geometry.orientation import angles_deg_from_normal, view_from_camera
from labelkit.simulator.people import draw_moments, draw_participant
from labelkit.simulator.recorder import INTRINSICS
from labelkit.simulator.stage import stage


@pytest.fixture(scope="module", params=[0, 1])
def staged(request, right_arm, left_arm):
    arm = [right_arm, left_arm][request.param]
    moments = [m for m in draw_moments(5, request.param, 60, 45.0, draw_participant(5, 0)) if m]
    return arm, [(moment, stage(arm, moment, INTRINSICS)) for moment in moments]


def test_hands_lie_inside_the_picture_with_a_margin(staged):
    arm, hands = staged
    for _, hand in hands:
        pixels = project(hand.vertices[arm.outline], INTRINSICS)
        assert pixels.min() >= 9.0
        assert np.all(pixels.max(axis=0) <= (630.0, 470.0))


def test_view_angles_are_exactly_those_asked_for(staged):
    for moment, hand in staged[1]:
        view_angles = 90.0 - angles_deg_from_normal(view_from_camera(hand.ray) @ hand.normal)
        assert view_angles == pytest.approx(moment.angles_deg, abs=1e-9)


def test_the_ray_goes_through_the_middle_of_the_hands_box(staged):
    arm, hands = staged
    for _, hand in hands:
        pixels = project(hand.vertices[arm.outline], INTRINSICS)
        middle = 0.5 * (pixels.min(axis=0) + pixels.max(axis=0))
        assert project(hand.ray, INTRINSICS) == pytest.approx(middle, abs=0.3)


def test_normals_are_unit_and_face_the_camera(staged):
    for _, hand in staged[1]:
        assert np.linalg.norm(hand.normal) == pytest.approx(1.0)
        assert hand.normal @ hand.centre < 0


def test_the_palm_is_as_far_as_asked_for_and_places_differ(staged):
    hands = staged[1]
    assert [h.centre[2] for _, h in hands] == pytest.approx([m.distance_m for m, _ in hands])
    assert np.ptp([project(h.centre, INTRINSICS) for _, h in hands], axis=0).min() > 100.0
