"""Place a posed hand in front of the camera, with an exactly known orientation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.geometry.camera import project, rays_through
from labelkit.geometry.orientation import view_from_camera
from labelkit.records import FloatArray, Intrinsics
from labelkit.simulator.hand import Arm
from labelkit.simulator.people import Moment, hand_turn
from labelkit.simulator.pose import bend

_MARGIN_PX = 10.0  # free border between hand and picture


@dataclass(frozen=True, eq=False)
class Staged:
    """An arm in the camera frame.

    Attributes:
        vertices, normals: (n, 3), camera frame.
        joints: (N_BONES, 3), camera frame.
        turn: (3, 3) rotation from hand to camera frame.
        centre: (3,) the palm's centre, in its plane.
        ray: (3,) unit, through the centre of the hand's box.
        box: x0, y0, x1, y1 of hand and fingers, pixels.
        marks: (21, 3) of a whole person: wrist, then four joints of each digit, camera frame.
    """

    vertices: FloatArray
    normals: FloatArray
    joints: FloatArray
    turn: FloatArray
    centre: FloatArray
    ray: FloatArray
    box: FloatArray
    marks: FloatArray | None = None

    @property
    def normal(self) -> FloatArray:
        """The palm plane's unit normal, camera frame, facing the camera."""
        return -self.turn[:, 2]


def stage(arm: Arm, moment: Moment, intrinsics: Intrinsics) -> Staged:
    """Place the whole hand in the picture; its orientation is exact along the ray to its box's centre."""
    vertices, normals, joints = bend(arm, moment.pose)
    turn, centre, ray, box = aim(vertices[arm.outline], moment, intrinsics)
    return Staged(
        vertices=vertices @ turn.T + centre,
        normals=normals @ turn.T,
        joints=joints @ turn.T + centre,
        turn=turn,
        centre=centre,
        ray=ray,
        box=box,
    )


def aim(
    outline: FloatArray, moment: Moment, intrinsics: Intrinsics
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Place the outline (k, 3) of a hand, hand frame, whole in the picture.

    Returns:
        The rotation (3, 3) and shift (3,) from hand to camera frame, the unit ray (3,) through the middle of the box,
        and the box (4,) x0, y0, x1, y1, pixels.
    """
    view = hand_turn(moment.angles_deg, moment.in_plane_rad)
    middle = np.array([intrinsics.width - 1, intrinsics.height - 1]) / 2.0
    target = middle + (2.0 * moment.place - 1.0) * _room(outline @ view.T, moment.distance_m, intrinsics)
    while True:
        turn, centre, box = _aim(outline, view, target, moment.distance_m, intrinsics)
        if _fits(box, intrinsics) or np.allclose(target, middle, atol=1.0):
            break
        target = middle + 0.8 * (target - middle)
    ray = rays_through(target, intrinsics)
    return turn, centre, ray / np.linalg.norm(ray), box


def _room(outline: FloatArray, distance_m: float, intrinsics: Intrinsics) -> FloatArray:
    """Compute how far the hand's box may be from the middle of the picture: (2,) pixels."""
    span = np.ptp(outline[:, :2], axis=0) * (intrinsics.fx, intrinsics.fy) / distance_m
    size = np.array([intrinsics.width, intrinsics.height])
    return np.asarray(np.clip(0.5 * (size - span) - _MARGIN_PX, 0.0, None))


def _aim(
    outline: FloatArray, view: FloatArray, target: FloatArray, distance_m: float, intrinsics: Intrinsics
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Shift the hand until its box's centre is at the target; the distance of the palm's centre stays."""
    ray = rays_through(target, intrinsics)
    turn = view_from_camera(ray).T @ view
    turned = outline @ turn.T
    centre = ray * distance_m
    for _ in range(4):  # each step leaves a tenth of the error
        u, v = project(turned + centre, intrinsics).T
        box = np.array([u.min(), v.min(), u.max(), v.max()])
        miss = target - 0.5 * (box[:2] + box[2:])
        centre = centre + np.array([*miss / (intrinsics.fx, intrinsics.fy), 0.0]) * distance_m
    return turn, centre, box


def _fits(box: FloatArray, intrinsics: Intrinsics) -> bool:
    size = np.array([intrinsics.width - 1, intrinsics.height - 1])
    return bool(np.all(box[:2] >= _MARGIN_PX) and np.all(box[2:] <= size - _MARGIN_PX))
