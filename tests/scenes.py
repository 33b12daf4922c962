"""Worlds whose answer is known: planes with noise and outliers, and a hand of simple bodies before a wall.

Everything is cast ray by ray, so that a depth picture here is exact up to the noise that is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from hypothesis import strategies as st

from labelkit.geometry.camera import rays_through
from labelkit.geometry.orientation import unit, view_from_camera
from labelkit.records import BoolArray, Calibration, ColorImage, FloatArray, Frame, Intrinsics

KINECT = Intrinsics(525.0, 525.0, 319.5, 239.5, 640, 480)
REGISTERED = Calibration(KINECT, KINECT)


def normals_facing_camera(max_tilt_deg: float = 45.0) -> st.SearchStrategy[FloatArray]:
    """Draw unit normals within a cone round -z."""
    tilt = st.floats(0.0, np.deg2rad(max_tilt_deg))
    turn = st.floats(-np.pi, np.pi)
    return st.builds(lambda t, a: np.array([np.sin(t) * np.cos(a), np.sin(t) * np.sin(a), -np.cos(t)]), tilt, turn)


def plane_points(
    normal: FloatArray,
    offset_m: float,
    *,
    n: int = 500,
    noise_m: float = 0.0,
    outliers: float = 0.0,
    seed: int = 0,
) -> FloatArray:
    """Scatter points (n, 3) on normal . p + offset_m = 0, seen within 8 degrees of the plane's middle."""
    rng = np.random.default_rng(seed)
    rays = np.concatenate([rng.uniform(-0.07, 0.07, (n, 2)), np.ones((n, 1))], axis=1) @ _looking_along(-normal)
    points = rays * (-offset_m / (rays @ normal))[:, None]
    points = points * (1.0 + rng.normal(0.0, 1.0, n) * noise_m / points[:, 2])[:, None]
    wild = rng.random(n) < outliers
    points[wild] *= rng.uniform(0.8, 1.2, (np.count_nonzero(wild), 1))
    return points


def _looking_along(axis: FloatArray) -> FloatArray:
    # half way between the optical axis and the plane's own: the plane stays in view and before the camera
    return view_from_camera(unit(axis) + np.array([0.0, 0.0, 1.0]))


def turned(angles_deg: tuple[float, float, float]) -> FloatArray:
    """Turn about x, then y, then z, degrees: (3, 3)."""
    a, b, c = np.deg2rad(angles_deg)
    about_x = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    about_y = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    about_z = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return about_z @ about_y @ about_x


def capsules_depth_m(capsules: list[tuple[Any, Any, float]]) -> FloatArray:
    """Cast capsules (start, end, radius), metres in the camera's frame: (480, 640) float32, NaN where none is."""
    v, u = np.mgrid[: KINECT.height, : KINECT.width]
    rays = rays_through(np.stack([u, v], axis=-1), KINECT)
    seen = [
        _capsule(np.zeros(3), rays, np.asarray(a, float), np.asarray(b, float), radius) for a, b, radius in capsules
    ]
    depth = np.minimum.reduce(seen)
    return np.where(np.isfinite(depth), depth, np.nan).astype(np.float32)


@dataclass(frozen=True, eq=False)
class HandScene:
    """A right hand: a plate for the palm, capsules for digits and forearm, perhaps a wall.

    In the hand's own frame x points to the thumb, y to the wrist, z away from the camera; the palm's
    face is z = 0, so its normal is -z.

    Attributes:
        camera_from_hand: (3, 3) rotation.
        middle: (3,) of the palm's face, metres.
        wall_m: depth of a wall, or None for nothing behind the hand.
        bend_deg: of the forearm behind the palm's plane.
        forearm_m: its length; None goes on out of the picture.
        digits: whether the hand has fingers.
        sleeve_m: radius of a sleeve from 60 mm behind the wrist on; 0 for none.
    """

    camera_from_hand: FloatArray = field(default_factory=lambda: np.eye(3))
    middle: FloatArray = field(default_factory=lambda: np.array([0.0, 0.0, 0.7]))
    wall_m: float | None = None
    bend_deg: float = 0.0
    forearm_m: float = 1.0
    digits: bool = True
    sleeve_m: float = 0.0

    @property
    def normal(self) -> FloatArray:
        """The palm's normal, camera frame."""
        return -self.camera_from_hand[:, 2]

    def depth_m(self, intrinsics: Intrinsics = KINECT, *, noise_m: float = 0.0, seed: int = 0) -> FloatArray:
        """Cast the scene: (H, W) float32, NaN where nothing is."""
        v, u = np.mgrid[: intrinsics.height, : intrinsics.width]
        rays = rays_through(np.stack([u, v], axis=-1), intrinsics)
        depth = np.full(u.shape, np.inf if self.wall_m is None else self.wall_m)
        hand_rays = rays @ self.camera_from_hand
        origin = -self.middle @ self.camera_from_hand
        depth = np.minimum(depth, _plate(origin, hand_rays))
        for start, end, radius in self._capsules():
            depth = np.minimum(depth, _capsule(origin, hand_rays, start, end, radius))
        depth += np.random.default_rng(seed).normal(0.0, 1.0, depth.shape) * noise_m
        return np.where(np.isfinite(depth), depth, np.nan).astype(np.float32)

    def frame(self, intrinsics: Intrinsics = KINECT, *, noise_m: float = 0.0) -> Frame:
        """Film the scene; the colour picture is light where the hand is."""
        depth = self.depth_m(intrinsics, noise_m=noise_m)
        near = np.nan_to_num(depth, nan=9.0) < (self.wall_m or 9.0) - 0.05
        return Frame(depth, lambda: color_of(near), 0.0)

    def _capsules(self) -> list[tuple[FloatArray, FloatArray, float]]:
        found = []
        if self.digits:
            for x, length in ((-0.030, 0.055), (-0.010, 0.075), (0.010, 0.080), (0.030, 0.070)):
                root = np.array([x, -0.045, 0.009])
                found.append((root, root + np.array([x * 0.5, -length, 0.0]), 0.009))
            found.append((np.array([0.035, 0.02, 0.012]), np.array([0.085, -0.03, 0.012]), 0.011))
        bend = np.deg2rad(self.bend_deg)
        along = np.array([0.0, np.cos(bend), np.sin(bend)])
        wrist = np.array([0.0, 0.045, 0.026])
        found.append((wrist, wrist + along * self.forearm_m, 0.026))
        found.append((wrist + along * 0.12, wrist + along * self.forearm_m, 0.034))
        if self.sleeve_m:
            found.append((wrist + along * (0.06 + self.sleeve_m), wrist + along * self.forearm_m, self.sleeve_m))
        return found


def color_of(mask: BoolArray) -> ColorImage:
    """Paint a mask in skin, the rest in grey."""
    return np.where(mask[..., None], np.uint8([205, 150, 125]), np.uint8([70, 70, 75])).astype(np.uint8)


def _plate(origin: FloatArray, rays: FloatArray) -> FloatArray:
    """Cast a rounded plate of 84 x 96 mm at z = 0, its corners cut."""
    with np.errstate(divide="ignore", invalid="ignore"):
        depth = -origin[2] / rays[..., 2]
        place = origin + rays * depth[..., None]
        x, y = np.abs(place[..., 0]), np.abs(place[..., 1])
    inside = (x < 0.042) & (y < 0.048) & (x + y < 0.078) & (depth > 0)
    return np.where(inside, depth, np.inf)


def _capsule(origin: FloatArray, rays: FloatArray, start: FloatArray, end: FloatArray, radius: float) -> FloatArray:
    """Cast a cylinder with round ends; depth along z, because rays have z = 1 in the camera's frame."""
    axis = unit(end - start)
    across = rays - (rays @ axis)[..., None] * axis
    offset = (origin - start) - ((origin - start) @ axis) * axis
    found = _nearer_root(np.sum(across**2, -1), 2 * across @ offset, offset @ offset - radius**2)
    with np.errstate(invalid="ignore"):
        along = (origin - start) @ axis + found * (rays @ axis)
    best = np.where((along >= 0) & (along <= np.linalg.norm(end - start)), found, np.inf)
    for centre in (start, end):
        gap = origin - centre
        found = _nearer_root(np.sum(rays**2, -1), 2 * rays @ gap, gap @ gap - radius**2)
        best = np.minimum(best, found)
    return best


def _nearer_root(a: FloatArray, b: FloatArray, c: float) -> FloatArray:
    with np.errstate(divide="ignore", invalid="ignore"):
        root = (-b - np.sqrt(b * b - 4 * a * c)) / (2 * a)
    return np.where(np.isfinite(root) & (root > 0), root, np.inf)
