import numpy as np
import pytest

from labelkit.simulator.pose import Pose, bend, rotation
from labelkit.simulator.rig import BodyPart
from labelkit.simulator.skeleton import FOREARM_BONE, UPPER_ARM_BONE, digit_bone

DOWN = np.array([0.0, 1.0, 0.0])


def pose(curl=0.0, splay=0.0, wrist=(0.0, 0.0)):
    return Pose(np.full(5, splay), np.full((5, 3), curl), wrist, DOWN)


def test_the_rest_pose_changes_nothing(right_arm):
    vertices, normals, joints = bend(right_arm, pose())
    assert vertices == pytest.approx(right_arm.vertices, abs=1e-5)
    assert normals == pytest.approx(right_arm.normals, abs=1e-5)
    assert joints == pytest.approx(right_arm.joints, abs=1e-5)


@pytest.mark.parametrize("arm", ["right_arm", "left_arm"])
def test_curling_brings_fingertips_toward_the_palms_side(arm, request):
    arm = request.getfixturevalue(arm)
    _, _, joints = bend(arm, pose(curl=0.4))
    for digit in range(1, 5):
        tip = digit_bone(digit, 2)
        assert joints[tip, 2] < arm.joints[tip, 2] - 0.01


@pytest.mark.parametrize("arm", ["right_arm", "left_arm"])
def test_splaying_parts_index_and_little_finger(arm, request):
    arm = request.getfixturevalue(arm)
    index, little = digit_bone(1, 2), digit_bone(4, 2)
    _, _, joints = bend(arm, pose(splay=0.1))
    before = np.linalg.norm(arm.joints[index] - arm.joints[little])
    assert np.linalg.norm(joints[index] - joints[little]) > before + 0.005


def test_flexion_takes_the_forearm_behind_the_palm(right_arm):
    def angle_deg(flexion_deg):
        _, _, joints = bend(right_arm, pose(wrist=(np.deg2rad(flexion_deg), 0.0)))
        _, y, z = joints[UPPER_ARM_BONE] - joints[FOREARM_BONE]
        return np.rad2deg(np.arctan2(z, y))

    assert angle_deg(30.0) - angle_deg(0.0) == pytest.approx(30.0)


def test_the_palm_stays_where_it_is_however_the_wrist_bends(right_arm):
    vertices, _, _ = bend(right_arm, pose(wrist=(1.0, 0.2)))
    palm = np.unique(right_arm.triangles[right_arm.parts == BodyPart.PALM])
    moved = np.linalg.norm(vertices[palm] - right_arm.vertices[palm], axis=1)
    assert np.mean(moved < 1e-6) > 0.95


def test_mirror_images_bend_alike(right_arm, left_arm):
    bent = Pose(np.full(5, 0.05), np.full((5, 3), 0.2), (0.4, 0.1), np.array([0.3, 0.9, 0.2]))
    mirrored = Pose(bent.splay, bent.curl, bent.wrist, bent.upper_arm * [-1, 1, 1])
    right, left = bend(right_arm, bent), bend(left_arm, mirrored)
    for one, other in zip(right, left, strict=True):
        assert other == pytest.approx(one * [-1, 1, 1], abs=1e-9)


def test_rotation_turns_x_to_y_about_z():
    turn = rotation(np.array([0.0, 0.0, 1.0]), np.pi / 2)
    assert turn @ [1.0, 0.0, 0.0] == pytest.approx([0.0, 1.0, 0.0], abs=1e-12)
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-12)
