"""A little drawn hand, turned to an orientation."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.patches import PathPatch
from matplotlib.path import Path

from labelkit.geometry.orientation import label_from_centred_deg, normal_from_angles_deg, view_from_camera
from labelkit.records import FloatArray

SKIN, OUTLINE, NORMAL = "#d9dee6", "#3c4450", "#b3400e"

# An open right palm as the camera sees it, fingers up, in hand lengths about the palm's centre, x right, y down:
# bones (from, to, half width), drawn as capsules.
_BONES = (
    ((-0.13, -0.06), (-0.12, 0.22), 0.11),
    ((0.00, -0.08), (0.00, 0.24), 0.12),
    ((0.13, -0.06), (0.10, 0.22), 0.11),
    ((-0.19, -0.16), (-0.26, -0.42), 0.050),
    ((-0.07, -0.19), (-0.10, -0.55), 0.055),
    ((0.06, -0.19), (0.07, -0.58), 0.055),
    ((0.19, -0.17), (0.23, -0.50), 0.053),
    ((0.14, 0.16), (0.42, -0.12), 0.065),
    ((0.00, 0.25), (0.00, 0.52), 0.105),
)
_CAMERA_DISTANCE = 1.6  # hand lengths; near, so that the tilt shows
_NORMAL_LENGTH = 0.75


class HandDrawing(NamedTuple):
    """A hand's outlines, each (n, 2), and where its normal ends (2,): hand lengths about the palm, x right, y down."""

    outlines: list[FloatArray]
    normal_tip: FloatArray


def hand_drawing(azimuth_deg: float, elevation_deg: float) -> HandDrawing:
    """Outline a hand whose palm has this orientation (centred); the outlines overlap."""
    normal = normal_from_angles_deg(label_from_centred_deg(np.array([azimuth_deg, elevation_deg])))
    camera_from_hand = view_from_camera(-normal).T
    return HandDrawing([_project(_capsule(*bone), camera_from_hand) for bone in _BONES], normal[:2] * _NORMAL_LENGTH)


def draw_hand(axes: Axes, centre: tuple[float, float], length: float, azimuth_deg: float, elevation_deg: float) -> None:
    """Draw a hand whose palm has this orientation (centred), and its normal as an arrow.

    Args:
        axes: with y downward and equal aspect.
        centre, length: of the hand, in data coordinates.
    """
    drawing = hand_drawing(azimuth_deg, elevation_deg)
    hand = Path.make_compound_path(*(Path(outline * length + centre, closed=True) for outline in drawing.outlines))
    axes.add_patch(PathPatch(hand, facecolor=OUTLINE, edgecolor=OUTLINE, linewidth=1.6, zorder=4))
    axes.add_patch(PathPatch(hand, facecolor=SKIN, edgecolor="none", zorder=5))  # leaves the outline of the whole
    if azimuth_deg or elevation_deg:
        axes.annotate(
            "",
            tuple(drawing.normal_tip * length + centre),
            centre,
            arrowprops={"arrowstyle": "-|>", "color": NORMAL, "linewidth": 1.6, "shrinkA": 0, "shrinkB": 0},
            zorder=6,
        )
    axes.plot(*centre, marker="o", markersize=3.5, color=NORMAL, zorder=6)


def _capsule(start: tuple[float, float], end: tuple[float, float], half_width: float) -> FloatArray:
    a, b = np.array(start), np.array(end)
    along = np.arctan2(*(b - a)[::-1])
    turns = along + np.linspace(-np.pi / 2, np.pi / 2, 7)
    cap = half_width * np.stack([np.cos(turns), np.sin(turns)], axis=-1)
    return np.concatenate([b + cap, a - cap, (b + cap)[:1]])


def _project(points: FloatArray, camera_from_hand: FloatArray) -> FloatArray:
    """Project points (n, 2) of the hand's plane as a near camera sees them: (n, 2), x right, y down."""
    x, y, z = camera_from_hand[:, :2] @ points.T
    scale = _CAMERA_DISTANCE / (_CAMERA_DISTANCE + z)
    return np.stack([x * scale, y * scale], axis=-1)
