"""Render a person in the light of a place: exact depth, parts, and a lit colour picture."""

from __future__ import annotations

from typing import Any

import cv2
import numpy as np

from labelkit.records import BoolArray, FloatArray, Intrinsics
from labelkit.simulator.backdrop import Backdrop
from labelkit.simulator.body import Person
from labelkit.simulator.light import Place
from labelkit.simulator.look import Appearance, cloth_mark_at, mark_at
from labelkit.simulator.rays import cast, find_blocked, scene_of
from labelkit.simulator.render import SUBPIXELS, Rendered, cover_outline, find_window, spread
from labelkit.simulator.rig import BodyPart
from labelkit.simulator.stage import Staged
from labelkit.simulator.surface import IntArray

_LIFT_M = 0.003  # shadow rays start so far above the skin, so that a coarse mesh does not shade itself
_SHADOW_STEP = 8  # pixels between samples of the shadow on the room
# Light that enters skin leaves it some millimetres away, which softens the edge of shade, red most.
_SOFT = np.array([0.28, 0.12, 0.06], dtype=np.float32)
_JUMP_M = 0.015  # a step in depth that is an edge
_BARE = [BodyPart.PALM, BodyPart.FINGERS, BodyPart.EDGE, BodyPart.FOREARM]
_FRESNEL = 0.04  # of skin, straight on


def draw_person_frame(
    person: Person,
    look: Appearance,
    staged: Staged,
    place: Place,
    backdrop: Backdrop,
    rays: FloatArray,
    intrinsics: Intrinsics,
) -> Rendered:
    """Render a person in front of the room.

    Args:
        look: the colours of the person's vertices.
        staged: the person in the camera frame.
        rays: (H, W, 3) of all pixels.
    """
    window = find_window(staged.vertices[person.shown], intrinsics)
    scene = scene_of(staged.vertices, person.triangles)
    hits = cast(scene, rays[window])
    behind = backdrop.depth_m[window]
    hit = hits.hit_mask & ~(hits.depth_m > behind)
    depth, cos_tilt = backdrop.depth_m.copy(), backdrop.cos_tilt.copy()
    parts = np.zeros(depth.shape, dtype=np.uint8)
    depth[window][hit] = hits.depth_m[hit]
    triangle = hits.triangle[hit]
    parts[window][hit] = person.parts[triangle]
    ray = rays[window][hit]
    ray = ray / np.linalg.norm(ray, axis=1, keepdims=True)
    cos_tilt[window][hit] = np.abs(np.einsum("ij,ij->i", hits.normals[hit], ray))
    points = ray * (hits.depth_m[hit] / ray[:, 2])[:, None]
    lit = _shade(person, look, staged, place, triangle, hits.weights[hit], points, ray, scene)
    linear = backdrop.linear * _shadow_on_room(scene, backdrop, rays, place)
    cover = cover_outline(scene, hit, rays[window], behind, intrinsics)[..., None]
    color = np.zeros((*hit.shape, 3), dtype=np.float32)
    color[hit] = lit
    _soften_edges(scene, color, np.where(hit, hits.depth_m, np.inf).astype(np.float32), rays[window], intrinsics)
    linear[window] += cover * (spread(color, hit) - linear[window])
    return Rendered(depth, cos_tilt, parts, linear)


def _shade(
    person: Person,
    look: Appearance,
    staged: Staged,
    place: Place,
    triangle: IntArray,
    weights: FloatArray,
    points: FloatArray,
    ray: FloatArray,
    scene: Any,
) -> FloatArray:
    """Shade the hits: diffuse light of the place, its lamp with shadows, and a gloss."""
    side = -1.0 if person.left else 1.0
    per_vertex = np.concatenate(
        [
            look.albedo,
            place.diffuse(staged.normals),
            staged.normals,
            person.vertices * (side, 1.0, 1.0),
            look.gloss[:, None],
            person.palmar[:, None],
            person.shirt[:, None],
            person.locks[:, None],
        ],
        axis=1,
    ).astype(np.float32)
    corners = person.triangles[triangle]
    mixed = sum(weights[:, k, None].astype(np.float32) * per_vertex[corners[:, k]] for k in range(3))
    assert not isinstance(mixed, int)
    albedo, diffuse, normals, rest = mixed[:, :3], mixed[:, 3:6], mixed[:, 6:9], mixed[:, 9:12]
    gloss, palmar, cloth = mixed[:, 12], mixed[:, 13], mixed[:, 14] > 0.0
    # sharp hems, although the mesh is coarse
    albedo[mixed[:, 15] > 0.0] = look.hair
    albedo[cloth] = look.cloth
    gloss[cloth] = 0.0
    bare = ~cloth & np.isin(person.parts[triangle], _BARE)
    share = np.clip(2.0 * palmar[bare] - 0.5, 0.0, 1.0)[:, None]

    def mark(back: FloatArray, palm: FloatArray) -> FloatArray:
        on_back = mark_at(back, rest[bare])
        return np.asarray(on_back + share * (mark_at(palm, rest[bare]) - on_back))

    albedo[bare] *= mark(look.back_marks, look.palm_marks)
    albedo[cloth] *= cloth_mark_at(look, rest[cloth])
    # the slopes of the hand at rest, carried along by the palm
    normals[bare] -= mark(look.back_slopes, look.palm_slopes) @ (staged.turn[:, :2] * (side, 1.0)).T
    normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-6)
    normals = normals.astype(np.float32)
    diffuse[bare] = place.diffuse(normals[bare])
    facing = normals @ place.lamp.astype(np.float32)
    lamp = np.clip((facing[:, None] + _SOFT) / (1.0 + _SOFT), 0.0, None)
    lamp[cloth] = np.clip(facing[cloth], 0.0, None)[:, None]
    lit = facing > -_SOFT[0]
    direction = place.lamp.astype(np.float32)
    blocked = np.zeros(len(points), dtype=bool)
    blocked[lit] = find_blocked(
        scene, np.broadcast_to(direction, points[lit].shape), points[lit] + _LIFT_M * normals[lit]
    )
    lamp *= np.where(blocked, np.float32(0.0), np.float32(1.0))[:, None]
    out = albedo * (diffuse + lamp * place.lamp_light.astype(np.float32))
    shiny = gloss > 0.01
    out[shiny] += _gloss(place, normals[shiny], ray[shiny], gloss[shiny], ~blocked[shiny])
    return np.asarray(out, dtype=np.float32)


def _gloss(place: Place, normals: FloatArray, ray: FloatArray, gloss: FloatArray, lit: BoolArray) -> FloatArray:
    """Reflect the place in skin: a blurred mirror, stronger at grazing angles (Schlick 1994), and the lamp."""
    cosine = np.clip(-np.einsum("ij,ij->i", normals, ray), 0.0, 1.0)
    mirrored = ray + 2.0 * cosine[:, None] * normals
    grazing = 1.0 - cosine
    grazing *= (grazing * grazing) * (grazing * grazing)
    fresnel = (_FRESNEL + (0.4 - _FRESNEL) * grazing) * gloss
    # products, since powers take longer: here to the 24th
    toward = np.clip(mirrored @ place.lamp.astype(np.float32), 0.0, 1.0)
    toward = (toward * toward * toward) * lit
    for _ in range(3):
        toward *= toward
    lamp = (2.0 * toward)[:, None] * place.lamp_light.astype(np.float32)
    return np.asarray(fresnel[:, None] * (place.mirror(mirrored) + lamp))


def _soften_edges(scene: Any, color: FloatArray, depth_m: FloatArray, rays: FloatArray, intrinsics: Intrinsics) -> None:
    """Mix the colours where a near part of the person borders on a far one, by four more rays per pixel.

    Each of the four takes the colour of the neighbour whose depth is nearest to its own.
    """
    filled = np.where(np.isfinite(depth_m), depth_m, np.float32(0.0))
    around = np.ones((3, 3), dtype=np.uint8)
    near = cv2.erode(np.where(filled > 0.0, filled, np.float32(99.0)), around)
    v, u = np.nonzero((cv2.dilate(filled, around) - near > _JUMP_M) & (filled > 0.0))
    if len(v) == 0:
        return
    shifts = np.array([[du / intrinsics.fx, dv / intrinsics.fy, 0.0] for du, dv in SUBPIXELS], dtype=np.float32)
    seen = cast(scene, rays[v, u][:, None] + shifts).depth_m
    dv, du = np.mgrid[-1:2, -1:2].reshape(2, 9)
    rows = np.clip(v[:, None] + dv, 0, filled.shape[0] - 1)
    columns = np.clip(u[:, None] + du, 0, filled.shape[1] - 1)
    neighbours = np.where(filled > 0.0, filled, np.float32(1e3))[rows, columns]
    chosen = np.argmin(np.abs(seen[..., None] - neighbours[:, None]), axis=-1)
    pick = np.arange(len(v))[:, None]
    mixed = color[rows[pick, chosen], columns[pick, chosen]]
    kept = np.isfinite(seen)[..., None]
    count = kept.sum(axis=1)
    whole = count[:, 0] > 0
    color[v[whole], u[whole]] = ((mixed * kept).sum(axis=1) / np.maximum(count, 1))[whole]


def _shadow_on_room(scene: Any, backdrop: Backdrop, rays: FloatArray, place: Place) -> FloatArray:
    """Compute what the person's shadow leaves of the room's light: (H, W, 3) factors."""
    height, width = backdrop.depth_m.shape
    coarse = rays[::_SHADOW_STEP, ::_SHADOW_STEP]
    points = coarse * np.nan_to_num(backdrop.depth_m[::_SHADOW_STEP, ::_SHADOW_STEP], nan=0.0)[..., None]
    dark = np.zeros(coarse.shape[:2], dtype=np.float32)
    wall = points[..., 2] > 0
    dark[wall] = find_blocked(scene, np.broadcast_to(place.lamp, points[wall].shape), points[wall])
    dark = cv2.resize(cv2.GaussianBlur(dark, (0, 0), 0.8), (width, height), interpolation=cv2.INTER_LINEAR)
    strength = float(place.lamp_light.mean())
    left = 1.0 - dark * np.float32(strength / (strength + 1.0))
    return np.asarray(cv2.merge([left, left, left]))
