"""The arm at rest: a mesh from fingertips to upper arm, in the hand frame (skeleton.py).

The frame's origin is the centre of the palm's plane, and the plane's normal is -z exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.records import FloatArray
from labelkit.simulator.rig import BodyPart, along_digits, creases, palm_frame, palmarity, parts_of, skin_weights
from labelkit.simulator.skeleton import (
    FOREARM_MM,
    MM,
    UPPER_ARM_MM,
    HandShape,
    Skeleton,
    build_skeleton,
    curl_axes,
    joints_of,
)
from labelkit.simulator.surface import Capsule, Field, IntArray, mesh_of, smooth_union

_ARM_END_MM = FOREARM_MM + UPPER_ARM_MM
_CLOTH_MM = 7.0  # distance of the sleeve from the arm

# A flat triangle on a curve of radius r errs by cell^2 / 8 r: 0.1 mm on a finger, 0.3 mm on an arm.
_HAND_CELL_M = 2.6 * MM
_ARM_CELL_M = 9.0 * MM


@dataclass(frozen=True, eq=False)
class Arm:
    """An arm at rest, in the hand frame, with a right hand or mirrored to a left one.

    Attributes:
        vertices, normals: (n, 3).
        triangles: (m, 3), counter-clockwise from outside.
        parts: (m,) BodyPart of each triangle.
        bones, weights: (n, 3): the bones that move a vertex, and their weights.
        joints: (N_BONES, 3): the point about which each bone turns.
        axes: (5, 3): the axis about which each digit curls toward the palm.
        skin: (n, 2): 0..1, how palmar the skin is, and how deep in a crease.
        outline: indices of the vertices of palm and fingers.
        left: whether it is a left hand.
    """

    vertices: FloatArray
    normals: FloatArray
    triangles: IntArray
    parts: IntArray
    bones: IntArray
    weights: FloatArray
    joints: FloatArray
    axes: FloatArray
    skin: FloatArray
    outline: IntArray
    left: bool


def build_arm(shape: HandShape) -> Arm:
    """Make the arm of a participant."""
    skeleton = build_skeleton(shape)
    hand = _hand_field(skeleton, shape)
    arm = _arm_field(shape)
    scale = shape.size * MM

    def whole(points: FloatArray) -> FloatArray:
        return smooth_union(hand(points), arm(points), 12 * scale)

    def cloth(points: FloatArray) -> FloatArray:
        return arm(points) - _CLOTH_MM * scale

    # under the sleeve only the skin near the cuff can be seen
    skin_end = _ARM_END_MM if shape.sleeve_mm is None else shape.sleeve_mm + 40.0
    meshes = [
        mesh_of(whole, _mm(-85, -225, -50) * scale, _mm(115, 30, 45) * scale, _HAND_CELL_M),
        mesh_of(whole, _mm(-75, 20, -65) * scale, _mm(75, skin_end, 65) * scale, _ARM_CELL_M),
    ]
    if shape.sleeve_mm is not None:
        low, high = _mm(-95, shape.sleeve_mm, -85), _mm(95, _ARM_END_MM, 85)
        meshes.append(mesh_of(cloth, low * scale, high * scale, _ARM_CELL_M))
    return _assemble(meshes, skeleton, shape)


def _mm(x: float, y: float, z: float) -> FloatArray:
    """Make a point of an average hand, mm, in the wrist's frame."""
    return np.array([x, y, z], dtype=np.float64)


def _hand_field(skeleton: Skeleton, shape: HandShape) -> Field:
    """Join palm and digits; fingers blend into the palm but not into one another."""
    scale = shape.size * MM
    palm = _palm_capsules(skeleton, shape)
    chains = [
        [Capsule(d[k], d[k + 1], r[k], r[k + 1]) for k in range(3)]
        for d, r in zip(skeleton.digits, skeleton.radii, strict=True)
    ]

    def field(points: FloatArray) -> FloatArray:
        body = palm[0](points)
        for capsule in palm[1:]:
            body = smooth_union(body, capsule(points), 9 * scale)
        fingers = _join_nearest(chains[1:], points, 3 * scale)
        body = smooth_union(body, fingers, 7 * scale)
        return smooth_union(body, _join_nearest(chains[:1], points, 4 * scale), 16 * scale)

    return field


def _palm_capsules(skeleton: Skeleton, shape: HandShape) -> list[Capsule]:
    scale = shape.size * MM
    thick = scale * shape.thickness
    bones = [
        Capsule(start, digit[0], 13.5 * thick, 12.0 * thick)
        for start, digit in zip(skeleton.carpus, skeleton.digits[1:], strict=True)
    ]
    rise = np.array([0.0, 0.0, -shape.hollow_mm * scale])
    thumb = skeleton.digits[0]
    thenar_end = 0.35 * thumb[0] + 0.65 * thumb[1]
    thenar = Capsule(thumb[0] + 0.5 * rise, thenar_end + 0.5 * rise, 13.5 * thick, 12.0 * thick)
    low, high = skeleton.carpus[3], 0.3 * skeleton.carpus[3] + 0.7 * skeleton.digits[4, 0]
    ulnar = np.array([-5.0 * scale * shape.breadth, 0.0, 0.0])
    hypothenar = Capsule(low + ulnar + rise * 0.8, high + ulnar * 0.6 + rise * 0.8, 13.0 * thick, 11.5 * thick)
    heel = Capsule(skeleton.carpus[0], skeleton.carpus[3], 14.0 * thick, 14.0 * thick)
    return [*bones, heel, thenar, hypothenar]


def _arm_field(shape: HandShape) -> Field:
    """Build forearm and upper arm, straight along the y axis; a pose bends the elbow."""
    scale = shape.size * MM
    wide = scale * (0.5 + 0.5 * shape.thickness)
    # y and radius at both ends of each piece, and its flatness
    pieces = [
        Capsule(_mm(0, y0, 1) * scale, _mm(0, y1, 1) * scale, r0 * wide, r1 * wide, flatness)
        for y0, y1, r0, r1, flatness in (
            (-4.0, 60.0, 26.5, 28.0, 1.35),
            (60.0, 0.75 * FOREARM_MM, 28.0, 43.0, 1.2),
            (0.75 * FOREARM_MM, FOREARM_MM, 43.0, 42.0, 1.1),
            (FOREARM_MM, _ARM_END_MM, 43.0, 50.0, 1.0),
        )
    ]

    def field(points: FloatArray) -> FloatArray:
        body = pieces[0](points)
        for piece in pieces[1:]:
            body = smooth_union(body, piece(points), 10 * scale)
        return body

    return field


def _join_nearest(chains: list[list[Capsule]], points: FloatArray, blend: float) -> FloatArray:
    best = None
    for chain in chains:
        body = chain[0](points)
        for capsule in chain[1:]:
            body = smooth_union(body, capsule(points), blend)
        best = body if best is None else np.minimum(best, body)
    assert best is not None
    return best


def _assemble(meshes: list[tuple[FloatArray, IntArray, FloatArray]], skeleton: Skeleton, shape: HandShape) -> Arm:
    scale = shape.size * MM
    starts = np.cumsum([0, *(len(mesh[0]) for mesh in meshes)])
    vertices = np.concatenate([mesh[0] for mesh in meshes])
    triangles = np.concatenate([mesh[1] + start for mesh, start in zip(meshes, starts, strict=False)])
    normals = np.concatenate([mesh[2] for mesh in meshes])
    digit, along = along_digits(vertices, skeleton)
    bones, weights = skin_weights(vertices, digit, along, skeleton, scale)
    parts = parts_of(vertices, normals, digit, along, scale)
    parts[starts[2] :] = BodyPart.SLEEVE  # no triangle, if there is no sleeve
    parts = parts[triangles].max(axis=1)
    palmar, crease = palmarity(vertices, normals, scale), creases(vertices, digit, along, skeleton, scale)
    hand_from_wrist, origin = palm_frame(vertices, triangles, parts)
    mirror = np.array([-1.0 if shape.left else 1.0, 1.0, 1.0])
    turn = hand_from_wrist.T * mirror
    return Arm(
        vertices=(vertices - origin) @ turn,
        normals=normals @ turn,
        triangles=triangles[:, ::-1] if shape.left else triangles,
        parts=parts,
        bones=bones,
        weights=weights,
        joints=(joints_of(skeleton, shape) - origin) @ turn,
        axes=curl_axes(skeleton) @ turn * mirror[0],  # an axis of rotation is a pseudovector
        skin=np.stack([palmar, crease], axis=-1),
        outline=np.unique(triangles[np.isin(parts, [BodyPart.PALM, BodyPart.EDGE, BodyPart.FINGERS])]),
        left=shape.left,
    )
