"""Skin on bones: the body part of each vertex, the bones that move it, and the basis of its colour."""

from __future__ import annotations

import itertools
from enum import IntEnum

import numpy as np

from labelkit.records import FloatArray
from labelkit.simulator.skeleton import FOREARM_BONE, FOREARM_MM, PALM_BONE, UPPER_ARM_BONE, Skeleton
from labelkit.simulator.surface import Capsule, IntArray

# The skin of a finger begins here, measured along it from the knuckle's centre. The web and the crease lie
# farther out, but this skin already turns with the finger.
_ROOT_MM = 8.0
_THENAR_MM = 12.0
_CREASE_MM = -8.0  # y of the wrist crease
_FACING = 0.75  # palmar skin: its normal within 41 degrees of the palm's


class BodyPart(IntEnum):
    """The body part that a pixel shows: the values of the masks in OUT/truth."""

    BACKGROUND = 0
    PALM = 1  # palmar skin between wrist crease and finger roots; the true plane is fitted to it
    FINGERS = 2
    FOREARM = 3
    SLEEVE = 4
    EDGE = 5  # edge and back of the palm's body, and the moving part of the ball of the thumb
    BODY = 6  # the rest of a participant: torso, head, upper arms and the other forearm, with their clothes
    SECOND_HAND = 7


def along_digits(vertices: FloatArray, skeleton: Skeleton) -> tuple[IntArray, FloatArray]:
    """Find each vertex's nearest digit, and its distance along it from the knuckle (negative: palm)."""
    best = np.full(len(vertices), np.inf)
    digit, along = np.zeros(len(vertices), dtype=int), np.zeros(len(vertices))
    for k in range(5):
        joints = skeleton.digits[k]
        root = joints[0] if k == 0 else skeleton.carpus[k - 1]
        ends = [(root, joints[0], -1), *((joints[i], joints[i + 1], i) for i in range(3))]
        for start, end, segment in ends:
            axis = end - start
            length = np.linalg.norm(axis)
            if length == 0.0:  # the thumb's metacarpal is its first segment
                continue
            position = (vertices - start) @ axis / length
            inside = np.clip(position, 0.0, length)
            distance = np.linalg.norm(vertices - start - inside[:, None] * axis / length, axis=1)
            distance -= skeleton.radii[k, max(segment, 0)]
            before = sum(np.linalg.norm(joints[i + 1] - joints[i]) for i in range(max(segment, 0)))
            nearer = distance < best
            best[nearer], digit[nearer] = distance[nearer], k
            along[nearer] = (before + position - (length if segment < 0 else 0.0))[nearer]
    return digit, along


def _ramp(x: FloatArray, low: float, high: float) -> FloatArray:
    share = np.clip((x - low) / (high - low), 0.0, 1.0)
    return np.asarray(share * share * (3.0 - 2.0 * share))


def skin_weights(
    vertices: FloatArray, digit: IntArray, along: FloatArray, skeleton: Skeleton, scale: float
) -> tuple[IntArray, FloatArray]:
    """Weigh three bones per vertex: the one it lies on and its neighbours up the chain."""
    n = len(vertices)
    y = vertices[:, 1]
    forearm = _ramp(y, -8 * scale, 16 * scale)
    upper = _ramp(y, (FOREARM_MM - 40) * scale, (FOREARM_MM + 40) * scale)
    bones = np.tile([PALM_BONE, FOREARM_BONE, UPPER_ARM_BONE], (n, 1))
    weights = np.stack([1.0 - forearm, forearm - upper, upper], axis=-1)

    lengths = np.linalg.norm(np.diff(skeleton.digits, axis=1), axis=2)
    first, second = lengths[:, 0][digit], (lengths[:, 0] + lengths[:, 1])[digit]
    start = np.where(digit == 0, _ramp(along, 2 * scale, 34 * scale), _ramp(along, 5 * scale, 19 * scale))
    bend = _ramp(along - first, -8 * scale, 8 * scale)
    tip = _ramp(along - second, -7 * scale, 7 * scale)
    on_digit = (start > 0) & (y < -8 * scale)
    # beyond the first joint the palm's weight is 0, so three bones are always enough
    outer = on_digit & (bend > 0)
    base = 3 + 3 * digit
    inner = on_digit & ~outer
    bones[inner] = np.stack([np.full(n, PALM_BONE), base, base + 1], axis=-1)[inner]
    weights[inner] = np.stack([1.0 - start, start, np.zeros(n)], axis=-1)[inner]
    bones[outer] = np.stack([base, base + 1, base + 2], axis=-1)[outer]
    weights[outer] = np.stack([1.0 - bend, bend - tip * bend, tip * bend], axis=-1)[outer]
    return bones, weights


def parts_of(vertices: FloatArray, normals: FloatArray, digit: IntArray, along: FloatArray, scale: float) -> IntArray:
    """Find the BodyPart (n,) of each vertex of a bare arm."""
    y = vertices[:, 1]
    parts = np.where(normals[:, 2] < -_FACING, int(BodyPart.PALM), int(BodyPart.EDGE))
    # the thumb counts as a finger from where its metacarpal leaves the palm; the ball of the thumb moves with
    # it and is neither palm nor finger
    parts[(digit == 0) & (along > _THENAR_MM * scale)] = BodyPart.EDGE
    root = np.where(digit == 0, 26.0, _ROOT_MM) * scale
    parts[(along > root) & (y < _CREASE_MM * scale)] = BodyPart.FINGERS
    parts[y > _CREASE_MM * scale] = BodyPart.FOREARM
    return parts


def palm_frame(vertices: FloatArray, triangles: IntArray, parts: IntArray) -> tuple[FloatArray, FloatArray]:
    """Fit the palm's plane: the area-weighted least squares over its palmar skin.

    Returns:
        hand_from_wrist (3, 3) and the origin (3,) in the wrist's frame.
    """
    corners = vertices[triangles[parts == BodyPart.PALM]]
    areas = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    centres = corners.mean(axis=1)
    origin = np.average(centres, axis=0, weights=areas)
    spread = np.cov(centres.T, aweights=areas)
    back = np.linalg.eigh(spread)[1][:, 0]
    back = back * np.sign(back[2])
    down = np.array([0.0, 1.0, 0.0]) - back[1] * back
    down /= np.linalg.norm(down)
    return np.stack([np.cross(down, back), down, back]), origin


def palmarity(vertices: FloatArray, normals: FloatArray, scale: float) -> FloatArray:
    """Compute how palmar the skin is, 0..1; palmar skin is lighter and redder than the rest."""
    return _ramp(-normals[:, 2], -0.5, 0.3) * (1.0 - 0.7 * _ramp(vertices[:, 1], -4 * scale, 24 * scale))


_CREASE_WIDTH_MM = 1.8  # a narrower line would break into dots on this mesh

# The three lines of the palm, mm in the wrist's frame: head, heart and life.
_LINES = (
    ((35.0, -66.0), (18.0, -60.0), (0.0, -50.0), (-18.0, -42.0)),
    ((16.0, -80.0), (4.0, -73.0), (-14.0, -66.0), (-34.0, -64.0)),
    ((34.0, -68.0), (22.0, -55.0), (12.0, -36.0), (9.0, -14.0)),
)


def creases(vertices: FloatArray, digit: IntArray, along: FloatArray, skeleton: Skeleton, scale: float) -> FloatArray:
    """Compute how deep each vertex lies in a crease of wrist, palm or fingers: (n,), 0..1."""
    lengths = np.linalg.norm(np.diff(skeleton.digits, axis=1), axis=2)
    width = _CREASE_WIDTH_MM * scale
    distances = [np.abs(vertices[:, 1] - 2 * scale)]
    for joint in (np.full(5, 18 * scale), lengths[:, 0], lengths[:, 0] + lengths[:, 1]):
        distances.append(np.where(along > 0, np.abs(along - joint[digit]), np.inf))
    flat = vertices * np.array([1.0, 1.0, 0.0])
    for line in _LINES:
        points = np.array([[x, y, 0.0] for x, y in line]) * scale
        distances += [Capsule(start, end, 0.0, 0.0)(flat) for start, end in itertools.pairwise(points)]
    return np.asarray(np.exp(-((np.min(distances, axis=0) / width) ** 2)))
