"""What is behind the hand: a wall, a cluttered room, or nothing within the sensor's reach."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from labelkit.records import FloatArray, Intrinsics
from labelkit.simulator.people import FARTHEST_M, Participant
from labelkit.simulator.rays import cast, full_rays, scene_of
from labelkit.simulator.surface import IntArray

_N_BOXES = 22


@dataclass(frozen=True, eq=False)
class Backdrop:
    """One room, seen from a camera that does not move.

    Attributes:
        depth_m: (H, W), NaN where nothing is within reach.
        cos_tilt: (H, W), cosine between surface normal and viewing ray.
        linear: (H, W, 3) linear colour, lit.
    """

    depth_m: FloatArray
    cos_tilt: FloatArray
    linear: FloatArray


def make_backdrop(participant: Participant, intrinsics: Intrinsics, rng: np.random.Generator) -> Backdrop:
    """Furnish the room of a participant."""
    rays = full_rays(intrinsics)
    height, width = rays.shape[:2]
    albedo = rng.uniform(0.25, 0.85) + rng.normal(0.0, 0.05, 3)
    paint = np.clip(albedo, 0.08, 0.92) ** 2
    cloudy = np.exp(rng.uniform(0.01, 0.06) * _clouds(rng, height, width))
    if participant.backdrop == "none":
        dim = 0.4 * paint * np.exp(0.3 * _clouds(rng, height, width))[..., None]
        nothing = np.full((height, width), np.nan, dtype=np.float32)
        return Backdrop(nothing, nothing, np.clip(dim, 0.0, 1.0).astype(np.float32))
    far = FARTHEST_M + participant.wall_m if participant.backdrop == "wall" else rng.uniform(2.2, 3.0)
    vertices, triangles, colors = _wall(rng, far, paint)
    if participant.backdrop == "clutter":
        for _ in range(_N_BOXES):
            box, sides, color = _box(rng, FARTHEST_M + 0.3, far)
            triangles = np.concatenate([triangles, sides + len(vertices)])
            vertices = np.concatenate([vertices, box])
            colors = np.concatenate([colors, np.tile(color, (len(sides), 1))])
    hits = cast(scene_of(vertices, triangles), rays)
    lit = _lit(hits.normals, participant) * cloudy[..., None]
    linear = np.where(hits.hit_mask[..., None], colors[hits.triangle] * lit, 0.0)
    # pictures are taken with some depth of field; edges in the room are never knife-sharp
    linear = cv2.GaussianBlur(linear.astype(np.float32), (0, 0), 1.0)
    cos_tilt = np.abs(np.einsum("hwc,hwc->hw", hits.normals, rays / np.linalg.norm(rays, axis=-1, keepdims=True)))
    depth_m = np.where(hits.hit_mask, hits.depth_m, np.nan).astype(np.float32)
    return Backdrop(depth_m, cos_tilt.astype(np.float32), linear)


def _lit(normals: FloatArray, participant: Participant) -> FloatArray:
    facing = np.abs(np.einsum("hwc,c->hw", normals, participant.light))[..., None]
    return np.asarray((participant.ambient + (1.0 - participant.ambient) * facing) * participant.tint)


def _wall(rng: np.random.Generator, far: float, paint: FloatArray) -> tuple[FloatArray, IntArray, FloatArray]:
    """Stand a wall at `far` on the axis, turned a little."""
    turn, nod = np.tan(np.deg2rad(rng.normal(0.0, 6.0, 2).clip(-12, 12)))
    side = 4.0
    corners = np.array([[-side, -side], [side, -side], [side, side], [-side, side]])
    # the picture's edge is 0.6 off the axis per metre: a wall turned by 12 degrees is 13 % nearer there
    z = far + 0.5 * corners @ np.array([turn, nod])
    vertices = np.concatenate([corners, z[:, None]], axis=1)
    return vertices, np.array([[0, 1, 2], [0, 2, 3]]), np.tile(paint, (2, 1))


def _box(rng: np.random.Generator, near: float, far: float) -> tuple[FloatArray, IntArray, FloatArray]:
    """Put a box of any colour somewhere between `near` and `far`, all of it beyond `near`."""
    size = rng.uniform(0.05, 0.5, 3)
    unit = np.array([[x, y, z] for x in (-0.5, 0.5) for y in (-0.5, 0.5) for z in (-0.5, 0.5)])
    angle = rng.uniform(0.0, np.pi)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    z = rng.uniform(near + 0.36, max(near + 0.4, far))
    centre = np.array([rng.uniform(-0.65, 0.65) * z, rng.uniform(-0.5, 0.5) * z, z])
    quads = np.array([[0, 1, 3, 2], [4, 6, 7, 5], [0, 4, 5, 1], [2, 3, 7, 6], [0, 2, 6, 4], [1, 5, 7, 3]])
    sides = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    color = np.clip(rng.uniform(0.15, 0.85) + rng.normal(0.0, 0.15, 3), 0.05, 0.95) ** 2
    return (unit * size) @ turn.T + centre, sides, color


def _clouds(rng: np.random.Generator, height: int, width: int) -> FloatArray:
    """Draw smooth stains, about standard normal."""
    coarse = rng.standard_normal((6, 8)).astype(np.float32)
    fine = rng.standard_normal((24, 32)).astype(np.float32)
    size = (width, height)
    stains = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    stains += 0.3 * cv2.resize(fine, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.GaussianBlur(stains, (0, 0), 8.0))
