"""Pose an arm: turn joint angles into a mesh, by linear blend skinning."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.records import FloatArray
from labelkit.simulator.hand import Arm
from labelkit.simulator.skeleton import FOREARM_BONE, N_BONES, PALM_BONE, UPPER_ARM_BONE, digit_bone


@dataclass(frozen=True, eq=False)
class Pose:
    """Joint angles, radians; zero is the rest pose.

    Attributes:
        splay: (5,), digits away from the middle finger; of the thumb: away from the index.
        curl: (5, 3), toward the palm, per joint from the knuckle outward.
        wrist: flexion (forearm behind the palm positive) and deviation (hand toward the thumb positive).
        upper_arm: (3,), hand frame: direction of the upper arm from the elbow, within the elbow's limit.
    """

    splay: FloatArray
    curl: FloatArray
    wrist: tuple[float, float]
    upper_arm: FloatArray


# With sharper bends the skin at the elbow would fold into itself.
_SHARPEST_ELBOW_RAD = np.deg2rad(100.0)
_OUTWARD = np.array([1.0, 1.0, 0.0, -1.0, -1.0])  # sign of a splay per digit, about z


def rotation(axis: FloatArray, angle_rad: float) -> FloatArray:
    """Rotate about a unit axis: the (3, 3) matrix, by Rodrigues' formula."""
    x, y, z = axis
    cross = np.array([[0.0, -z, y], [z, 0.0, -x], [-y, x, 0.0]])
    return np.asarray(np.eye(3) + np.sin(angle_rad) * cross + (1.0 - np.cos(angle_rad)) * cross @ cross)


def bend(arm: Arm, pose: Pose) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Pose an arm; the palm does not move.

    Returns:
        vertices (n, 3) and unit normals (n, 3) in the hand frame, and the joints (N_BONES, 3).
    """
    turns, shifts, joints = _bone_transforms(arm, pose)
    per_bone = np.concatenate([turns, shifts[:, :, None]], axis=2).reshape(N_BONES, 12)
    blended = np.einsum("nk,nkj->nj", arm.weights, per_bone[arm.bones]).reshape(-1, 3, 4)
    vertices = np.einsum("nij,nj->ni", blended[:, :, :3], arm.vertices) + blended[:, :, 3]
    normals = np.einsum("nij,nj->ni", blended[:, :, :3], arm.normals)
    return vertices, normals / np.linalg.norm(normals, axis=1, keepdims=True), joints


def _bone_transforms(arm: Arm, pose: Pose) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Chain the joints: rotation (N, 3, 3) and shift (N, 3) of each bone, and the new place of its joint."""
    turns = np.tile(np.eye(3), (N_BONES, 1, 1))
    joints = arm.joints.copy()
    side = -1.0 if arm.left else 1.0

    def attach(bone: int, parent: int, turn: FloatArray) -> None:
        joints[bone] = turns[parent] @ (arm.joints[bone] - arm.joints[parent]) + joints[parent]
        turns[bone] = turns[parent] @ turn

    flexion, deviation = pose.wrist
    wrist = rotation(np.array([0.0, 0.0, 1.0]), -side * deviation)
    attach(FOREARM_BONE, PALM_BONE, rotation(np.array([1.0, 0.0, 0.0]), flexion) @ wrist)
    attach(UPPER_ARM_BONE, FOREARM_BONE, np.eye(3))
    turns[UPPER_ARM_BONE] = _toward(turns[FOREARM_BONE][:, 1], pose.upper_arm) @ turns[FOREARM_BONE]
    for digit, local in enumerate(finger_turns(arm.axes, pose, left=arm.left)):
        for segment, turn in enumerate(local):
            bone = digit_bone(digit, segment)
            attach(bone, bone - 1 if segment else PALM_BONE, turn)
    shifts = joints - np.einsum("bij,bj->bi", turns, arm.joints)
    return turns, shifts, joints


def finger_turns(axes: FloatArray, pose: Pose, *, left: bool) -> FloatArray:
    """Turn each bone of the digits against the one before it, from the knuckle outward: (5, 3, 3, 3).

    Args:
        axes: (5, 3), the axis about which each digit curls.
        pose: only `splay` and `curl` are used.
        left: whether it is a left hand.
    """
    turns = np.empty((5, 3, 3, 3))
    for digit in range(5):
        outward = (-1.0 if left else 1.0) * _OUTWARD[digit] * pose.splay[digit]
        for segment in range(3):
            turns[digit, segment] = rotation(axes[digit], pose.curl[digit, segment])
        turns[digit, 0] = rotation(np.array([0.0, 0.0, 1.0]), outward) @ turns[digit, 0]
    return turns


def _toward(direction: FloatArray, target: FloatArray) -> FloatArray:
    axis = np.cross(direction, target)
    length = np.linalg.norm(axis)
    if length < 1e-9:
        return np.eye(3)
    angle = min(np.arctan2(length, direction @ target), _SHARPEST_ELBOW_RAD)
    return rotation(axis / length, angle)
