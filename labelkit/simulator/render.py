"""Render an arm in front of its background: exact depth, parts, and a lit colour picture."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.geometry.camera import project
from labelkit.records import BoolArray, ColorImage, FloatArray, Intrinsics
from labelkit.simulator.backdrop import Backdrop
from labelkit.simulator.hand import Arm
from labelkit.simulator.people import ColorCamera, Moment, Participant
from labelkit.simulator.rays import Hits, cast, find_blocked, scene_of
from labelkit.simulator.rig import BodyPart
from labelkit.simulator.stage import Staged

_SHADOW_STEP = 4  # pixels between samples of the shadow on the wall; a blur makes it soft
SUBPIXELS = ((-0.25, -0.25), (0.25, -0.25), (-0.25, 0.25), (0.25, 0.25))
_SHININESS = 18.0


@dataclass(frozen=True, eq=False)
class Rendered:
    """One exact picture.

    Attributes:
        depth_m: (H, W) float32, NaN for no surface.
        cos_tilt: (H, W) float32, cosine between surface normal and viewing ray.
        parts: (H, W) uint8, BodyPart.
        linear: (H, W, 3) float32 linear colour.
    """

    depth_m: FloatArray
    cos_tilt: FloatArray
    parts: NDArray[np.uint8]
    linear: FloatArray


def skin_colors(arm: Arm, participant: Participant, rng: np.random.Generator) -> FloatArray:
    """Colour the arm's vertices (n, 3), linear: palm and back, creases, blotches, cloth."""
    palmar, crease = arm.skin.T
    color = participant.skin + palmar[:, None] * (participant.palm_skin - participant.skin)
    waves = rng.normal(0.0, 1.0, (8, 3)) * 130.0  # blotches of about 15-50 mm
    blotch = np.cos(arm.vertices @ waves.T + rng.uniform(0, 2 * np.pi, 8)).mean(axis=1)
    color = color * (1.0 + 0.12 * blotch[:, None] * (0.6, 1.0, 1.0)) * (1.0 - 0.16 * crease[:, None])
    cloth = np.zeros(len(color), dtype=np.bool_)
    cloth[arm.triangles[arm.parts == BodyPart.SLEEVE]] = True
    color[cloth] = participant.cloth * (1.0 + 0.05 * np.cos(arm.vertices[cloth] @ waves[:1].T))
    return np.asarray(np.clip(color, 0.02, 0.98) ** 2)  # approximately the curve of sRGB


def draw_empty(backdrop: Backdrop) -> Rendered:
    """Render the room alone."""
    parts = np.zeros(backdrop.depth_m.shape, dtype=np.uint8)
    return Rendered(backdrop.depth_m, backdrop.cos_tilt, parts, backdrop.linear)


def draw(
    arm: Arm,
    colors: FloatArray,
    staged: Staged,
    moment: Moment,
    participant: Participant,
    backdrop: Backdrop,
    rays: FloatArray,
    intrinsics: Intrinsics,
) -> Rendered:
    """Render the arm in front of the room.

    Args:
        colors: (n, 3) linear colour of the arm's vertices.
        rays: (H, W, 3) of all pixels.
    """
    scene = scene_of(staged.vertices, arm.triangles)
    window = find_window(staged.vertices, intrinsics)
    hits = cast(scene, rays[window])
    behind = backdrop.depth_m[window]
    hit = hits.hit_mask & ~(hits.depth_m > behind)

    depth, cos_tilt = backdrop.depth_m.copy(), backdrop.cos_tilt.copy()
    parts = np.zeros(depth.shape, dtype=np.uint8)
    depth[window][hit] = hits.depth_m[hit]
    parts[window][hit] = arm.parts[hits.triangle[hit]]
    ray = rays[window][hit]
    ray = ray / np.linalg.norm(ray, axis=1, keepdims=True)
    lit = _shade(arm, colors, staged, moment, participant, hits, hit, ray, scene)
    cos_tilt[window][hit] = np.abs(np.einsum("ij,ij->i", hits.normals[hit], ray))

    linear = backdrop.linear * _repeat_thrice(_wall_light(scene, backdrop, rays, moment, participant))
    cover = cover_outline(scene, hit, rays[window], behind, intrinsics)[..., None]
    arm_color = np.zeros((*hit.shape, 3), dtype=np.float32)
    arm_color[hit] = lit
    linear[window] += cover * (spread(arm_color, hit) - linear[window])
    return Rendered(depth, cos_tilt, parts, linear)


def photograph(linear: FloatArray, exposure: float, camera: ColorCamera, rng: np.random.Generator) -> ColorImage:
    """Turn a linear picture into that of a camera: lens, colours, curve, 8 bits, noise.

    Args:
        linear: (H, W, 3), 1 is white.
    """
    height, width = linear.shape[:2]
    light = cv2.transform(linear, np.float32(exposure) * _saturation(camera.saturation))
    light *= _vignette(height, width, camera.vignette)
    levels = np.sqrt(np.clip(light, 0.0, 1.0, out=light), out=light)
    # Eight bits before the blur, which makes it fast. The rounding is smaller than any camera's noise.
    picture = cv2.convertScaleAbs(levels, alpha=255.0)
    picture = cv2.GaussianBlur(picture, (0, 0), camera.blur_px)
    picture = cv2.LUT(picture, np.rint(255.0 * (np.arange(256) / 255.0) ** camera.tone).astype(np.uint8))
    grain = rng.standard_normal((height, width), dtype=np.float32) * np.float32(camera.noise)
    # all channels use shifts of one noise field: most of a Bayer sensor's noise is common to them
    shifted = [0.8 * grain + 0.6 * np.roll(grain, 97 + 31 * shift, axis) for shift, axis in ((0, 0), (7, 1), (13, 0))]
    return np.asarray(cv2.add(picture, cv2.merge(shifted), dtype=cv2.CV_8U), dtype=np.uint8)


def _saturation(times: float) -> FloatArray:
    """Make the (3, 3) matrix that moves colours away from grey or toward it."""
    grey = np.tile(np.array([0.299, 0.587, 0.114], dtype=np.float32), (3, 1))
    return np.asarray(np.float32(times) * np.eye(3, dtype=np.float32) + np.float32(1.0 - times) * grey)


@lru_cache(maxsize=2)  # a recording has one camera
def _vignette(height: int, width: int, lost: float) -> FloatArray:
    """Compute each pixel's share of the light: (height, width, 3), 1 in the middle and 1 - lost in the corners."""
    v, u = np.ogrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    return _repeat_thrice(np.asarray(1.0 - lost * (u**2 + v**2) / 2.0, dtype=np.float32))


def _repeat_thrice(picture: FloatArray) -> FloatArray:
    """Repeat (H, W) for three channels; multiplying by it is several times faster than broadcasting."""
    return np.asarray(cv2.merge([picture, picture, picture]))


def find_window(vertices: FloatArray, intrinsics: Intrinsics) -> tuple[slice, slice]:
    """Find the part of the picture that can show the arm."""
    if vertices[:, 2].min() < 0.05:  # a point at the camera has no pixel
        return slice(0, intrinsics.height), slice(0, intrinsics.width)
    u, v = project(vertices, intrinsics).T
    rows = np.clip([int(v.min()) - 2, int(v.max()) + 3], 0, intrinsics.height)
    columns = np.clip([int(u.min()) - 2, int(u.max()) + 3], 0, intrinsics.width)
    return slice(*rows), slice(*columns)


def _shade(
    arm: Arm,
    colors: FloatArray,
    staged: Staged,
    moment: Moment,
    participant: Participant,
    hits: Hits,
    hit: BoolArray,
    ray: FloatArray,
    scene: Any,
) -> FloatArray:
    """Shade the hits: ambient, Lambert and Blinn-Phong, with the arm's own shadow."""
    corners = arm.triangles[hits.triangle[hit]]
    weights = hits.weights[hit].astype(np.float32)
    normals = np.einsum("nk,nkc->nc", weights, staged.normals.astype(np.float32)[corners])
    albedo = np.einsum("nk,nkc->nc", weights, colors.astype(np.float32)[corners])
    normals /= np.linalg.norm(normals, axis=1, keepdims=True)
    normals *= -np.sign(np.einsum("ij,ij->i", normals, ray) + 1e-9)[:, None]
    light = moment.light.astype(np.float32)
    # 2 mm above the skin, so that a mesh of 2 mm triangles does not shade itself
    points = ray * (hits.depth_m[hit] / ray[:, 2])[:, None] + 0.002 * normals
    open_sky = ~find_blocked(scene, np.broadcast_to(light, points.shape), points)
    facing = np.clip(np.einsum("ij,j->i", normals, light), 0.0, None) * open_sky
    half = light - ray
    half /= np.linalg.norm(half, axis=1, keepdims=True)
    gloss = participant.gloss * np.clip(np.einsum("ij,ij->i", normals, half), 0, None) ** _SHININESS * open_sky
    # skin that faces away from the open room gets less ambient light
    round_about = participant.ambient * (0.65 - 0.35 * normals[:, 2])
    bright = (round_about + (1.0 - participant.ambient) * facing)[:, None] * participant.tint
    return np.asarray(albedo * bright + gloss[:, None], dtype=np.float32)


def _wall_light(
    scene: Any, backdrop: Backdrop, rays: FloatArray, moment: Moment, participant: Participant
) -> FloatArray:
    """Compute the light on the room, (H, W): 1, less in the shadow of the arm."""
    height, width = backdrop.depth_m.shape
    coarse = rays[::_SHADOW_STEP, ::_SHADOW_STEP]
    points = coarse * np.nan_to_num(backdrop.depth_m[::_SHADOW_STEP, ::_SHADOW_STEP], nan=0.0)[..., None]
    dark = np.zeros(coarse.shape[:2], dtype=np.float32)
    wall = points[..., 2] > 0
    dark[wall] = find_blocked(scene, np.broadcast_to(moment.light, points[wall].shape), points[wall])
    dark = cv2.resize(cv2.GaussianBlur(dark, (0, 0), 1.2), (width, height), interpolation=cv2.INTER_LINEAR)
    return np.asarray(1.0 - np.float32(0.8 * (1.0 - participant.ambient)) * dark)


def cover_outline(
    scene: Any, hit: BoolArray, rays: FloatArray, behind: FloatArray, intrinsics: Intrinsics
) -> FloatArray:
    """Compute the share of each pixel that the arm covers, with four more rays per pixel of its outline."""
    whole = hit.astype(np.uint8)
    window = np.ones((3, 3), dtype=np.uint8)
    outline = cv2.dilate(whole, window) != cv2.erode(whole, window)
    cover = hit.astype(np.float32)
    between = rays[outline]
    shifts = np.array([[du / intrinsics.fx, dv / intrinsics.fy, 0.0] for du, dv in SUBPIXELS], dtype=np.float32)
    depth = cast(scene, between[:, None] + shifts).depth_m
    cover[outline] = np.mean(np.isfinite(depth) & ~(depth > behind[outline][:, None]), axis=1)
    return cover


def spread(color: FloatArray, hit: BoolArray) -> FloatArray:
    """Extend the arm's colour by one pixel beyond its outline, for the pixels that it covers in part."""
    weight = cv2.blur(hit.astype(np.float32), (3, 3))
    around = cv2.blur(color, (3, 3)) / np.maximum(weight, 1e-6)[..., None]
    return np.where(hit[..., None], color, around)
