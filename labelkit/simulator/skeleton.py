"""Proportions, joints and bones of hands.

Hand frame, metres: x toward the thumb of a right hand, y from the fingers to the wrist, z from the
palm's skin to the back of the hand. A right hand in the identity pose therefore faces the camera
with its fingers up. Left hands are the mirror image in x.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.records import FloatArray

MM = 1e-3

# A hand of average size, 190 mm from wrist crease to fingertip and 86 mm across the knuckles (Greiner
# 1991, Hand Anthropometry of U.S. Army Personnel), in mm, in a frame whose origin is the wrist.
_WRIST = (0.0, 2.0, 1.0)
_CARPUS = ((13.0, -14.0, 0.5), (4.0, -13.0, 1.5), (-6.0, -13.0, 1.5), (-15.0, -15.0, 0.0))
_KNUCKLES = ((27.0, -87.0, -0.5), (7.5, -91.0, 0.8), (-12.0, -86.0, 0.6), (-30.0, -75.0, -0.8))
_SPLAY_DEG = (11.0, 2.0, -7.0, -18.0)  # of the rest pose; poses add to it
_PHALANGES = ((45.0, 25.0, 21.0), (49.0, 29.0, 22.0), (45.0, 27.0, 22.0), (36.0, 20.0, 20.0))
_FINGER_RADII = ((9.6, 8.7, 7.8, 6.4), (9.8, 8.9, 8.0, 6.6), (9.2, 8.4, 7.5, 6.2), (8.0, 7.2, 6.4, 5.4))
_THUMB = ((22.0, -19.0, -3.0), (48.0, -50.0, -8.0), (66.0, -77.0, -9.0), (76.0, -102.0, -7.0))
_THUMB_RADII = (14.0, 11.8, 9.8, 7.6)

FOREARM_MM = 250.0
UPPER_ARM_MM = 1100.0  # longer than a real one, so that the arm always leaves the picture

# Bones: 0 palm, 1 forearm, 2 upper arm, then three per digit: thumb, index, middle, ring, little.
PALM_BONE, FOREARM_BONE, UPPER_ARM_BONE = 0, 1, 2
N_BONES = 18


def digit_bone(digit: int, segment: int) -> int:
    """Number the bones of a digit (0 thumb .. 4 little) from the palm outward (0..2)."""
    return 3 + 3 * digit + segment


@dataclass(frozen=True)
class HandShape:
    """The proportions of a participant's hand.

    Attributes:
        size: relative to an average hand.
        breadth, thickness: of palm and fingers, multiplied with size.
        fingers: (5,), length of thumb..little, multiplied with size.
        hollow_mm: depth that thenar, hypothenar and hollow add to the palm.
        sleeve_mm: distance of the cuff from the wrist, or None for a bare arm.
        left: whether it is a left hand.
    """

    size: float = 1.0
    breadth: float = 1.0
    thickness: float = 1.0
    fingers: tuple[float, ...] = (1.0,) * 5
    hollow_mm: float = 2.0
    sleeve_mm: float | None = None
    left: bool = False


@dataclass(frozen=True, eq=False)
class Skeleton:
    """Joint positions of the right hand, metres, in the wrist's frame."""

    wrist: FloatArray
    carpus: FloatArray  # (4, 3)
    digits: FloatArray  # (5, 4, 3): thumb, index..little; knuckle to tip
    radii: FloatArray  # (5, 4)


def build_skeleton(shape: HandShape) -> Skeleton:
    """Scale the average right hand to a participant's."""
    scale = shape.size * MM * np.array([shape.breadth, 1.0, 1.0])
    knuckles = np.array(_KNUCKLES) * scale
    thumb = np.array(_THUMB) * scale
    thumb[2:] = thumb[1] + (thumb[2:] - thumb[1]) * shape.fingers[0]
    digits = [thumb]
    for finger in range(4):
        splay = np.deg2rad(_SPLAY_DEG[finger])
        along = np.array([np.sin(splay), -np.cos(splay), 0.0])
        reach = np.concatenate([[0.0], np.cumsum(_PHALANGES[finger])])
        # the last joint is the tip's centre, a radius short of the tip
        reach[-1] -= _FINGER_RADII[finger][-1]
        digits.append(knuckles[finger] + reach[:, None] * along * shape.size * MM * shape.fingers[finger + 1])
    carpus = np.array(_CARPUS) * scale
    radii = np.array([_THUMB_RADII, *_FINGER_RADII]) * shape.size * MM * shape.thickness
    return Skeleton(np.array(_WRIST) * scale, carpus, np.array(digits), radii)


def joints_of(skeleton: Skeleton, shape: HandShape) -> FloatArray:
    """Find the point about which each bone turns: (N_BONES, 3), the wrist's frame."""
    joints = np.empty((N_BONES, 3))
    joints[[PALM_BONE, FOREARM_BONE]] = skeleton.wrist
    joints[UPPER_ARM_BONE] = np.array([0.0, FOREARM_MM, 1.0]) * shape.size * MM
    joints[3:] = skeleton.digits[:, :3].reshape(-1, 3)
    return joints


def curl_axes(skeleton: Skeleton) -> FloatArray:
    """Find the axis (5, 3) about which each digit curls toward the palm."""
    axes = np.cross(np.array([0.0, 0.0, 1.0]), skeleton.digits[:, 1] - skeleton.digits[:, 0])
    return np.asarray(axes / np.linalg.norm(axes, axis=1, keepdims=True))
