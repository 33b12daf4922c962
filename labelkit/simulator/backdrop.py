"""The background: a wall, a cluttered room, or nothing within the sensor's range."""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from labelkit.records import FloatArray, Intrinsics
from labelkit.simulator.light import Place
from labelkit.simulator.people import FARTHEST_M, Participant
from labelkit.simulator.rays import cast, full_rays, scene_of
from labelkit.simulator.surface import IntArray

_N_BOXES = 22

# Patterns on walls and objects: the share that has one, the range of the period and of the contrast.
_PATTERNED_SHARE = 0.6
_PERIOD_M = 0.02, 0.4
_CONTRAST = 0.1, 0.7

# A panorama of 512 pixels would be a blur through a camera that sees 62 degrees of it: twice as much of it is shown.
_WIDER = 2.0
_N_PIECES, _STANDING_SHARE = 10, 0.7  # floor, furniture and pictures of a room with a person
_REAL_SHARE = 0.7  # of rooms with a whole person: seen as in the panorama; else a painted wall and boxes


@dataclass(frozen=True, eq=False)
class Backdrop:
    """One room, seen from a camera that does not move.

    Attributes:
        depth_m: (H, W), NaN if nothing is within range.
        cos_tilt: (H, W), cosine between surface normal and viewing ray.
        linear: (H, W, 3) linear colour, lit.
    """

    depth_m: FloatArray
    cos_tilt: FloatArray
    linear: FloatArray


def make_backdrop(
    participant: Participant, intrinsics: Intrinsics, rng: np.random.Generator, place: Place | None = None
) -> Backdrop:
    """Make the room of a participant.

    Args:
        place: its light, and what is seen where nothing is within range; None: one lamp, and blurred shapes.
    """
    rays = full_rays(intrinsics)
    height, width = rays.shape[:2]
    if participant.backdrop == "body" and place is not None and rng.random() < _REAL_SHARE:
        return _look_at(place, rays, rng)
    albedo = rng.uniform(0.25, 0.85) + rng.normal(0.0, 0.05, 3)
    paint = np.clip(albedo, 0.08, 0.92) ** 2
    cloudy = np.exp(rng.uniform(0.01, 0.06) * _draw_clouds(rng, height, width))
    if participant.backdrop == "none":
        nothing = np.full((height, width), np.nan, dtype=np.float32)
        far_away = _draw_far_away(rng, paint, height, width) if place is None else place.look(rays, _WIDER)
        return Backdrop(nothing, nothing, far_away)
    far = FARTHEST_M + participant.wall_m if participant.backdrop == "wall" else rng.uniform(2.2, 3.0)
    vertices, triangles, colors = _make_wall(rng, far, paint)
    things = np.zeros(len(triangles), dtype=np.int64)  # the object of each triangle; 0 is the wall
    furnished = participant.backdrop == "body"
    if furnished or participant.backdrop == "clutter":
        for number in range(1, (_N_PIECES if furnished else _N_BOXES) + 1):
            box, sides, color = _make_piece(rng, number, far) if furnished else _make_box(rng, FARTHEST_M + 0.3, far)
            triangles = np.concatenate([triangles, sides + len(vertices)])
            vertices = np.concatenate([vertices, box])
            colors = np.concatenate([colors, np.tile(color, (len(sides), 1))])
            things = np.concatenate([things, np.full(len(sides), number)])
    hits = cast(scene_of(vertices, triangles), rays)
    lit = _light(hits.normals, participant) if place is None else _light_from(place, hits.normals, rays)
    lit = lit * cloudy[..., None]
    points = rays * np.where(hits.hit_mask, hits.depth_m, 0.0)[..., None]
    lit *= _draw_patterns(rng, points, things[hits.triangle])
    linear = np.where(hits.hit_mask[..., None], colors[hits.triangle] * lit, 0.0)
    # the room is slightly out of focus, so its edges are never quite sharp
    linear = cv2.GaussianBlur(linear.astype(np.float32), (0, 0), 1.0)
    cos_tilt = np.abs(np.einsum("hwc,hwc->hw", hits.normals, rays / np.linalg.norm(rays, axis=-1, keepdims=True)))
    depth_m = np.where(hits.hit_mask, hits.depth_m, np.nan).astype(np.float32)
    return Backdrop(depth_m, cos_tilt.astype(np.float32), linear)


def _light(normals: FloatArray, participant: Participant) -> FloatArray:
    facing = np.abs(np.einsum("hwc,c->hw", normals, participant.light))[..., None]
    return np.asarray((participant.ambient + (1.0 - participant.ambient) * facing) * participant.tint)


def _look_at(place: Place, rays: FloatArray, rng: np.random.Generator) -> Backdrop:
    """Show a real place; half of them lie out of range, the others at 1.8-3.5 m, seen as a wall by the depth sensor."""
    picture = cv2.GaussianBlur(place.look(rays, rng.uniform(1.2, 2.2)), (0, 0), rng.uniform(0.6, 3.0))
    height, width = rays.shape[:2]
    nothing = np.full((height, width), np.nan, dtype=np.float32)
    if rng.random() < 0.5:
        return Backdrop(nothing, nothing, picture)
    corners, wall, _ = _make_wall(rng, rng.uniform(1.8, 3.5), np.ones(3))
    hits = cast(scene_of(corners, wall), rays)
    cos_tilt = np.abs(np.einsum("hwc,hwc->hw", hits.normals, rays / np.linalg.norm(rays, axis=-1, keepdims=True)))
    return Backdrop(
        np.where(hits.hit_mask, hits.depth_m, np.nan).astype(np.float32), cos_tilt.astype(np.float32), picture
    )


def _light_from(place: Place, normals: FloatArray, rays: FloatArray) -> FloatArray:
    facing = -np.sign(np.einsum("hwc,hwc->hw", normals, rays))[..., None] * normals
    lamp = np.clip(facing @ place.lamp, 0.0, None)[..., None] * place.lamp_light
    return np.asarray(place.diffuse(facing) + lamp)


def _make_wall(rng: np.random.Generator, far: float, paint: FloatArray) -> tuple[FloatArray, IntArray, FloatArray]:
    """Place a wall at `far` on the axis, turned a little."""
    turn, nod = np.tan(np.deg2rad(rng.normal(0.0, 6.0, 2).clip(-12, 12)))
    side = 4.0
    corners = np.array([[-side, -side], [side, -side], [side, side], [-side, side]])
    # at the edge of the picture, 0.6 m off the axis per metre, a wall turned by 12 degrees is 13 % nearer
    z = far + 0.5 * corners @ np.array([turn, nod])
    vertices = np.concatenate([corners, z[:, None]], axis=1)
    return vertices, np.array([[0, 1, 2], [0, 2, 3]]), np.tile(paint, (2, 1))


def _make_box(rng: np.random.Generator, near: float, far: float) -> tuple[FloatArray, IntArray, FloatArray]:
    """Place a box of a random colour between `near` and `far`, all of it beyond `near`."""
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


def _make_piece(rng: np.random.Generator, number: int, far: float) -> tuple[FloatArray, IntArray, FloatArray]:
    """Place the floor (piece 1), or a box that stands on it or hangs on the wall: furniture, in a rough way."""
    floor_m = 0.75  # below the camera, which stands on a desk
    box, sides, color = _make_box(rng, FARTHEST_M + 0.7, far)
    color = color.mean() + 0.5 * (color - color.mean())  # furniture is seldom bright
    low, high = box.min(axis=0), box.max(axis=0)
    if number == 1:
        size, corner = np.array([8.0, 0.1, far + 2.0]), np.array([-4.0, floor_m, 0.4])
        return (box - low) / (high - low) * size + corner, sides, color
    if rng.random() < _STANDING_SHARE:
        box = (box - (0.0, high[1], 0.0)) * (1.5, rng.uniform(1.0, 4.0), 1.0) + (0.0, floor_m, 0.0)
    else:
        box = (box - (0.0, 0.0, high[2])) * (1.0, 1.0, 0.2) + (0.0, -0.2, far)
    return box, sides, color


def _draw_patterns(rng: np.random.Generator, points: FloatArray, things: IntArray) -> FloatArray:
    """Draw stripes, checks and waves on the objects, as factors for their colours.

    Args:
        points: (H, W, 3) metres.
        things: (H, W) the object that each pixel shows.
    Returns:
        (H, W, 3).
    """
    n = int(things.max()) + 1
    patterned = rng.random(n) < _PATTERNED_SHARE
    checked = rng.random(n) < 0.4
    waves = np.ones((2, *things.shape))
    sharpness = np.exp(rng.uniform(-1.0, 2.5, n))[things]  # from soft waves to sharp edges
    for wave in waves:
        along = rng.normal(0.0, (1.0, 1.0, 0.3), (n, 3))  # mostly across the view, since that is the visible part
        along *= (2 * np.pi / np.linalg.norm(along, axis=1) / _log_uniform(rng, *_PERIOD_M, n))[:, None]
        wave[...] = np.tanh(sharpness * np.sin(np.einsum("hwc,hwc->hw", points, along[things])))
    wave = np.where(checked[things], waves[0] * waves[1], waves[0])
    strength = patterned * rng.uniform(*_CONTRAST, n) * rng.choice([-1.0, 1.0], n)
    colored = strength[:, None] * (1.0 + rng.normal(0.0, 0.3, (n, 3)))
    return np.asarray(np.exp(0.5 * colored[things] * (wave - 1.0)[..., None]))


def _draw_far_away(rng: np.random.Generator, paint: FloatArray, height: int, width: int) -> FloatArray:
    """Draw a background out of range, as outdoors or in a hall: blurred shapes of all sizes and brightnesses."""
    light = rng.uniform(0.2, 1.2)
    scene = np.zeros((height, width, 3), dtype=np.float32)
    for cells in (3, 6, 12, 24, 48, 96):
        shape = cells, cells * width // height
        drawn = rng.normal(0.0, 1.0, (*shape, 1)) + rng.normal(0.0, 0.4, (*shape, 3))
        scene += cells**-0.5 * cv2.resize(drawn.astype(np.float32), (width, height), interpolation=cv2.INTER_CUBIC)
    drawn_light = light * paint * np.exp(rng.uniform(0.1, 0.8) * scene)
    return np.asarray(np.clip(drawn_light, 0.0, 1.0), dtype=np.float32)


def _log_uniform(rng: np.random.Generator, low: float, high: float, n: int) -> FloatArray:
    return np.asarray(np.exp(rng.uniform(np.log(low), np.log(high), n)))


def _draw_clouds(rng: np.random.Generator, height: int, width: int) -> FloatArray:
    """Draw smooth stains with a distribution close to standard normal."""
    coarse = rng.standard_normal((6, 8)).astype(np.float32)
    fine = rng.standard_normal((24, 32)).astype(np.float32)
    size = (width, height)
    stains = cv2.resize(coarse, size, interpolation=cv2.INTER_CUBIC)
    stains += 0.3 * cv2.resize(fine, size, interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.GaussianBlur(stains, (0, 0), 8.0))
