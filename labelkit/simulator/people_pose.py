"""Pose a whole person: the hand is given, and arm, torso and head follow it, by dual quaternion skinning."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from labelkit.records import FloatArray
from labelkit.simulator.body import (
    BONES,
    ELBOW_BONE,
    HEAD_BONE,
    OTHER_FOREARM_BONE,
    OTHER_HAND_BONE,
    OTHER_UPPER_BONE,
    TORSO_BONE,
    Person,
    shortest_turn,
)
from labelkit.simulator.pose import Pose, finger_turns, rotation
from labelkit.simulator.skeleton import FOREARM_BONE, UPPER_ARM_BONE, digit_bone
from labelkit.simulator.surface import IntArray

_TWIST_AT_WRIST = 0.4  # share of the forearm's twist that its half near the wrist takes


def pose_hand(person: Person, pose: Pose) -> FloatArray:
    """Pose palm and fingers alone.

    Returns:
        (k, 3) the vertices of `person.outline`, hand frame.
    """
    turns, shifts = _finger_bones(person, pose)
    own = person.outline
    return blend_rigid(person.vertices[own], person.bones[own], person.weights[own], turns, shifts)


def pose_person(
    person: Person, pose: Pose, body_turn: FloatArray, *, hide_hand: bool
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Pose the whole body; the palm does not move.

    Args:
        person: at rest.
        pose: its `upper_arm` points from the elbow to the shoulder.
        body_turn: (3, 3), the body's left, up and front as columns, hand frame.
        hide_hand: whether the back hides the other hand; else it lies in front of the body.
    Returns:
        vertices (n, 3) and unit normals (n, 3), the bones' joints (len(BONES), 3) and the marks (21, 3), hand frame.
    """
    turns, shifts = _finger_bones(person, pose)
    joints = person.joints
    side = -1.0 if person.left else 1.0
    at = np.array(joints)

    def settle(bone: int, turn: FloatArray, parent: int) -> None:
        at[bone] = turns[parent] @ joints[bone] + shifts[parent]
        turns[bone], shifts[bone] = turn, at[bone] - turn @ joints[bone]

    flexion, deviation = pose.wrist
    bent = rotation(np.array([1.0, 0.0, 0.0]), flexion) @ rotation(np.array([0.0, 0.0, 1.0]), -side * deviation)
    forearm = -(bent @ -person.forearm)  # from the elbow to the wrist
    upper = -pose.upper_arm / np.linalg.norm(pose.upper_arm)
    # the elbow is a hinge, so the two bones say how the upper arm is turned about its own axis
    hinged = _frame(upper, forearm)
    upper_turn = hinged @ _frame(person.upper_arm, person.forearm).T
    carried = _frame(forearm, upper) @ _frame(person.forearm, person.upper_arm).T
    twist = _twist_about(person.forearm, bent.T @ carried)
    settle(FOREARM_BONE, bent @ rotation(person.forearm, _TWIST_AT_WRIST * twist), 0)
    # both halves of the forearm turn about its one axis
    at[ELBOW_BONE] = at[UPPER_ARM_BONE] = bent @ (joints[UPPER_ARM_BONE] - joints[FOREARM_BONE]) + at[FOREARM_BONE]
    elbow_turn = bent @ rotation(person.forearm, twist)
    for bone, turn in ((ELBOW_BONE, elbow_turn), (UPPER_ARM_BONE, upper_turn)):
        turns[bone], shifts[bone] = turn, at[bone] - turn @ joints[bone]
    settle(TORSO_BONE, body_turn @ person.body_frame.T, UPPER_ARM_BONE)
    settle(HEAD_BONE, turns[TORSO_BONE], TORSO_BONE)
    _rest_other_arm(person, turns, settle, body_turn, behind=hide_hand)
    vertices, normals = blend_dual(person, turns, shifts)
    own = person.mark_bones
    marks = np.einsum("nij,nj->ni", turns[own], person.marks) + shifts[own]
    return vertices, normals, at, marks


def _rest_other_arm(
    person: Person,
    turns: FloatArray,
    settle: Callable[[int, FloatArray, int], None],
    body_turn: FloatArray,
    *,
    behind: bool,
) -> None:
    joints, torso = person.joints, turns[TORSO_BONE]
    outward, up, front = body_turn.T
    if (torso @ (joints[OTHER_UPPER_BONE] - joints[TORSO_BONE])) @ outward < 0.0:
        outward = -outward
    way = torso @ (joints[OTHER_FOREARM_BONE] - joints[OTHER_UPPER_BONE])
    down = 0.25 * outward - up + (-0.3 if behind else 0.12) * front
    turn = shortest_turn(way / np.linalg.norm(way), down / np.linalg.norm(down)) @ torso
    settle(OTHER_UPPER_BONE, turn, TORSO_BONE)
    way = turn @ (joints[OTHER_HAND_BONE] - joints[OTHER_FOREARM_BONE])
    goal = -outward - 0.25 * up - 0.5 * front if behind else -0.75 * outward - 0.15 * up + 0.8 * front
    turn = shortest_turn(way / np.linalg.norm(way), goal / np.linalg.norm(goal)) @ turn
    settle(OTHER_FOREARM_BONE, turn, OTHER_UPPER_BONE)
    settle(OTHER_HAND_BONE, turn, OTHER_FOREARM_BONE)


def _finger_bones(person: Person, pose: Pose) -> tuple[FloatArray, FloatArray]:
    """Turn the fingers; every other bone stays."""
    turns, shifts = np.tile(np.eye(3), (len(BONES), 1, 1)), np.zeros((len(BONES), 3))
    for digit, local in enumerate(finger_turns(person.axes, pose, left=person.left)):
        parent = 0
        for segment, turn in enumerate(local):
            bone = digit_bone(digit, segment)
            place = turns[parent] @ person.joints[bone] + shifts[parent]
            turns[bone] = turns[parent] @ turn
            shifts[bone] = place - turns[bone] @ person.joints[bone]
            parent = bone
    return turns, shifts


def _frame(first: FloatArray, second: FloatArray) -> FloatArray:
    """Make the right-handed frame (3, 3) whose first column is `first` and whose third is normal to both."""
    third = np.cross(first, second)
    third /= max(float(np.linalg.norm(third)), 1e-9)
    return np.stack([first, np.cross(third, first), third], axis=1)


def _twist_about(axis: FloatArray, turn: FloatArray) -> float:
    """Find the angle by which a rotation turns about an axis that it keeps, radians."""
    spin = np.array([turn[2, 1] - turn[1, 2], turn[0, 2] - turn[2, 0], turn[1, 0] - turn[0, 1]])
    return float(np.arctan2(0.5 * spin @ axis, 0.5 * (np.trace(turn) - 1.0)))


def blend_rigid(
    points: FloatArray, bones: IntArray, weights: FloatArray, turns: FloatArray, shifts: FloatArray
) -> FloatArray:
    """Move points (n, 3) by dual quaternion skinning with bones (n, 4) of weights (n, 4)."""
    turn, shift = _blend(bones, weights, turns, shifts)
    return np.asarray(np.einsum("nij,nj->ni", turn, points) + shift)


def blend_dual(person: Person, turns: FloatArray, shifts: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Move a person's vertices and normals by dual quaternion skinning.

    Source: Kavan et al. 2008, Geometric skinning with approximate dual quaternion blending. Unlike linear blends, it
    keeps the volume of a bent finger and of a twisted forearm.
    """
    turn, shift = _blend(person.bones, person.weights, turns, shifts)
    vertices = np.einsum("nij,nj->ni", turn, person.vertices) + shift
    return vertices, np.einsum("nij,nj->ni", turn, person.normals)


def _blend(
    bones: IntArray, weights: FloatArray, turns: FloatArray, shifts: FloatArray
) -> tuple[FloatArray, FloatArray]:
    real = _quaternions(turns)
    pure = np.concatenate([np.zeros((len(shifts), 1)), shifts], axis=1)
    dual = 0.5 * _multiply(pure, real)
    q, d = real[bones], dual[bones]
    signed = weights * np.where(np.einsum("nkc,nc->nk", q, q[:, 0]) < 0.0, -1.0, 1.0)
    q0, qd = np.einsum("nk,nkc->nc", signed, q), np.einsum("nk,nkc->nc", signed, d)
    length = np.linalg.norm(q0, axis=1, keepdims=True)
    q0, qd = q0 / length, qd / length
    conjugate = q0 * (1.0, -1.0, -1.0, -1.0)
    return _matrices(q0), np.asarray(2.0 * _multiply(qd, conjugate)[:, 1:])


def _multiply(a: FloatArray, b: FloatArray) -> FloatArray:
    w, x, y, z = a.T
    s, i, j, k = b.T
    return np.stack(
        [
            w * s - x * i - y * j - z * k,
            w * i + x * s + y * k - z * j,
            w * j - x * k + y * s + z * i,
            w * k + x * j - y * i + z * s,
        ],
        axis=-1,
    )


def _quaternions(turns: FloatArray) -> FloatArray:
    """Turn rotations (n, 3, 3) into unit quaternions (n, 4), real part first, by the largest of its four parts."""
    found = np.empty((len(turns), 4))
    for k, m in enumerate(turns):
        squares = 1.0 + np.array(
            [np.trace(m), 2 * m[0, 0] - np.trace(m), 2 * m[1, 1] - np.trace(m), 2 * m[2, 2] - np.trace(m)]
        )
        largest = int(np.argmax(squares))
        a, b, c = m[2, 1] - m[1, 2], m[0, 2] - m[2, 0], m[1, 0] - m[0, 1]
        xy, xz, yz = m[0, 1] + m[1, 0], m[0, 2] + m[2, 0], m[1, 2] + m[2, 1]
        row = ([squares[0], a, b, c], [a, squares[1], xy, xz], [b, xy, squares[2], yz], [c, xz, yz, squares[3]])
        found[k] = np.array(row[largest]) / (2.0 * np.sqrt(squares[largest]))
    return np.asarray(found / np.linalg.norm(found, axis=1, keepdims=True))


def _matrices(q: FloatArray) -> FloatArray:
    w, x, y, z = q.T
    rows = [
        np.stack([1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)], axis=-1),
        np.stack([2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)], axis=-1),
        np.stack([2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], axis=-1),
    ]
    return np.stack(rows, axis=1)
