"""Finding the hand: not the wall, not the arm, not nothing."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelkit.geometry.camera import project
from labelkit.imaging.segment import Hand, Shows, find_hand
from labelkit.records import Reason, Rejection
from tests.scenes import KINECT, HandScene, capsules_depth_m, turned


def found(depth_m, range_m=(0.4, 1.5)):
    return find_hand(depth_m, focal_px=525.0, range_m=range_m)


def box(hand):
    rows, columns = np.nonzero(hand.mask)
    x, y = hand.corner
    return columns.min() + x, rows.min() + y, columns.max() + x, rows.max() + y


SCENES = {
    "nothing behind": HandScene(),
    "wall 0.3 m behind": HandScene(wall_m=1.0),
    "wall out of range": HandScene(wall_m=2.5),
    "bent wrist": HandScene(bend_deg=60, wall_m=2.5),
    "sleeve": HandScene(sleeve_m=0.045, wall_m=1.2),
    "tilted": HandScene(camera_from_hand=turned((30, 20, 0)), wall_m=1.3),
    "fingers to the left": HandScene(camera_from_hand=turned((0, 0, -80)), wall_m=1.3),
    "off-centre and far": HandScene(middle=np.array([-0.3, -0.15, 1.1]), wall_m=1.45),
}


@pytest.mark.parametrize("scene", SCENES.values(), ids=SCENES.keys())
@pytest.mark.parametrize("noise_m", [0.0, 0.0015])
def test_the_hand_is_found_whole_and_without_its_forearm(scene, noise_m):
    hand = found(scene.depth_m(noise_m=noise_m))
    assert isinstance(hand, Hand)
    middle = project(scene.middle, KINECT)
    assert np.hypot(*(hand.palm_px - middle)) < 0.03 * 525 / scene.middle[2]
    assert 0.025 < hand.palm_radius_m < 0.055
    in_hand = np.array([[-0.03, -0.09, 0], [0.03, -0.1, 0], [0.04, 0, 0], [-0.04, 0, 0], [0, 0.03, 0]])
    u, v = project(in_hand @ scene.camera_from_hand.T + scene.middle, KINECT).T
    x0, y0, x1, y1 = box(hand)
    assert x0 - 1 <= u.min()
    assert u.max() <= x1 + 1
    assert y0 - 1 <= v.min()
    assert v.max() <= y1 + 1
    elbow = project(scene.camera_from_hand @ [0, 0.2, 0.05] + scene.middle, KINECT)
    assert not (x0 < elbow[0] < x1 and y0 < elbow[1] < y1)
    to_wrist = project(scene.camera_from_hand @ [0, 0.05, 0] + scene.middle, KINECT) - middle
    assert hand.to_arm @ to_wrist > 0.85 * np.linalg.norm(to_wrist)


def room(*boxes):
    """Build a wall at 1.3 m with boxes (x0, y0, x1, y1, depth) before it, pixels."""
    depth = np.full((480, 640), 1.3, dtype=np.float32)
    for x0, y0, x1, y1, z in boxes:
        depth[y0:y1, x0:x1] = z
    return depth


EMPTY = {
    "a wall": room(),
    "a slanted wall": np.tile(np.linspace(0.6, 1.4, 640, dtype=np.float32), (480, 1)),
    "a box larger than a hand": room((200, 100, 450, 380, 0.8)),
    "a head that comes in": room((0, 30, 110, 200, 0.75)),
    "a toy on a shelf": room((250, 200, 300, 260, 1.22)),
    "a pencil": room((300, 100, 308, 300, 0.8)),
    "only holes": np.full((480, 640), np.nan, dtype=np.float32),
    "zeros": np.zeros((480, 640), dtype=np.float32),
    "beyond the range": np.full((480, 640), 4.0, dtype=np.float32),
    "before the range": np.full((480, 640), 0.2, dtype=np.float32),
}


@pytest.mark.parametrize("depth_m", EMPTY.values(), ids=EMPTY.keys())
def test_what_is_no_hand_is_rejected_as_no_hand(depth_m):
    rejection = found(depth_m)
    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.NO_HAND


def nearer(*depths):
    return np.fmin.reduce(depths)


def test_two_hands_are_told_from_one():
    left, right = (HandScene(middle=np.array([x, 0, 0.8]), wall_m=1.4).depth_m() for x in (-0.25, 0.2))
    rejection = found(nearer(left, right))
    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.TWO_HANDS


def test_a_bar_that_hangs_in_the_air_is_no_second_hand():
    bar = room((90, 80, 130, 300, 0.9))
    bar[bar > 1.0] = 1.9
    hand = found(nearer(HandScene(wall_m=1.9).depth_m(), bar))
    assert isinstance(hand, Hand)
    assert np.hypot(*(hand.palm_px - project(HandScene().middle, KINECT))) < 25


@pytest.mark.parametrize("middle", [(0.38, 0, 0.7), (0, -0.26, 0.7), (0, 0.29, 0.7)])
def test_a_hand_that_leaves_the_picture_is_rejected_though_an_arm_may(middle):
    rejection = found(HandScene(middle=np.array(middle), wall_m=1.4).depth_m())
    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.HAND_CUT_BY_BORDER


def test_margins_that_the_sensor_never_sees_are_no_border_of_the_hand():
    depth = HandScene(middle=np.array([0.05, 0, 0.7]), wall_m=1.4).depth_m()
    depth[:, :40] = np.nan
    depth[:36] = np.nan
    assert isinstance(found(depth), Hand)


def test_a_hand_before_a_body_is_found_on_its_arm():
    scene = HandScene(forearm_m=0.3)
    depth = nearer(scene.depth_m(), room((150, 350, 500, 480, 0.78)))
    hand = found(depth)
    assert isinstance(hand, Hand)
    assert np.hypot(*(hand.palm_px - project(scene.middle, KINECT))) < 20


def found_at(depth_m, *palms):
    """Find the hand as if the palm network knew the places of all open palms (u, v), and nothing else."""

    def judge(hand):
        if any(np.hypot(*(hand.palm_px - palm)) < 25 for palm in palms):
            return Shows.PALM
        return Shows.FIST if hand.on_arm else Shows.NOTHING

    return find_hand(depth_m, focal_px=525.0, range_m=(0.4, 1.5), judge=judge)


def is_at(hand, palm):
    return isinstance(hand, Hand) and np.hypot(*(hand.palm_px - palm)) < 25


def person(scene, shoulder):
    """Film a person: the scene's hand, an upper arm from its elbow to a shoulder (x, y, z), and a trunk below that."""
    elbow = scene.camera_from_hand @ [0, 0.045 + scene.forearm_m, 0.026] + scene.middle
    trunk = np.add(shoulder, [0, 0.05, 0.1])
    return nearer(
        scene.depth_m(),
        capsules_depth_m([(elbow, shoulder, 0.04), (trunk, np.add(trunk, [0, 0.6, 0]), 0.13)]),
    )


@pytest.mark.parametrize(
    ("turn_deg", "middle", "shoulder"),
    [
        ((0, 0, -50), (0.11, 0.03, 0.67), (-0.08, 0.06, 0.72)),  # the hand ends next to its own shoulder
        ((-4, -8, 42), (0.10, 0.01, 0.68), (0.27, -0.05, 0.80)),
        ((17, 18, -59), (-0.05, -0.02, 0.68), (-0.33, -0.06, 0.96)),
    ],
)
def test_the_hand_of_a_bent_arm_is_found_though_the_elbow_is_farther_out(turn_deg, middle, shoulder):
    scene = HandScene(camera_from_hand=turned(turn_deg), middle=np.array(middle), forearm_m=0.24)
    palm = project(scene.middle, KINECT)
    assert is_at(found_at(person(scene, shoulder), palm), palm)


def test_a_hand_at_rest_is_no_second_hand_but_one_held_up_next_to_the_first_is():
    first = HandScene(middle=np.array([-0.2, 0, 0.7]))
    for z, raised in ((0.78, True), (0.95, False)):
        second = HandScene(middle=np.array([0.25 * z / 0.7, 0, z]))
        palms = [project(scene.middle, KINECT) for scene in (first, second)]
        answer = found_at(nearer(first.depth_m(), second.depth_m()), *palms)
        if raised:
            assert isinstance(answer, Rejection)
            assert answer.reason is Reason.TWO_HANDS
        else:
            assert is_at(answer, palms[0])


def test_an_open_palm_counts_and_a_fist_next_to_it_does_not():
    palm, fist = (HandScene(middle=np.array([x, 0, 0.8]), wall_m=1.4) for x in (-0.25, 0.2))
    depth = nearer(palm.depth_m(), fist.depth_m())
    assert is_at(found_at(depth, project(palm.middle, KINECT)), project(palm.middle, KINECT))
    answer = found_at(depth)
    assert isinstance(answer, Rejection)
    assert answer.reason is Reason.TWO_HANDS


def test_a_hand_half_hidden_by_something_in_front_is_none():
    depth = HandScene(wall_m=1.4).depth_m()
    assert isinstance(found(depth), Hand)
    depth[:, 330:] = 0.45
    answer = found(depth)
    assert isinstance(answer, Rejection)
    assert answer.reason is Reason.NO_HAND


@given(
    depth=arrays(
        np.float32, (24, 32), elements=st.one_of(st.floats(0, 3, width=32), st.sampled_from([np.nan, np.inf, 0.7]))
    )
)
def test_any_depth_picture_gives_a_hand_or_a_reason(depth):
    assert isinstance(find_hand(depth, focal_px=26.0, range_m=(0.4, 20.0)), Hand | Rejection)


@pytest.mark.parametrize("shape", [(1, 640), (480, 1), (1, 1), (3, 3)])
def test_pictures_of_any_shape_give_a_reason(shape):
    assert isinstance(found(np.full(shape, 0.7, np.float32)), Rejection)
