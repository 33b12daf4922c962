"""Turn, mirror, scale, shift and light pictures, and move their labels along.

The label is the direction of the normal in the picture, so it moves exactly: a turn of the picture
about its centre, where the view frame's z axis passes, turns (n_x, n_y), and a mirror flips n_x. Scale
and light change nothing. Only a shift is not exact: it turns the view by what it moves the ray.
"""

from __future__ import annotations

import cv2
import numpy as np

from labelkit.imaging.pyramid import color_pyramid
from labelkit.records import ColorImage, FloatArray

# A quarter turn each way and the mirror make eight people's light and habits into many (docs/decisions/network.md).
_LARGEST_TURN_RAD = np.deg2rad(90.0)
_MIRRORED_SHARE = 0.5
_SCALE = 0.1  # of the logarithm: how large the hand is in its crop depends on how its fingers lie
# Share of the picture. A hand of 0.2 m at 0.7 m fills the crop with 16 degrees, so this turns the view by under 1.
_SHIFT = 0.04
# Lamps and white balance: about half a stop, and a fifth between the colours.
_GAIN, _TINT, _OFFSET = 0.3, 0.2, 15.0


def augmented(
    rgb128: ColorImage, in_picture: FloatArray, rng: np.random.Generator
) -> tuple[tuple[ColorImage, ...], FloatArray]:
    """Draw a changed copy of each sample.

    Args:
        rgb128: (n, 128, 128, 3), the largest pictures.
        in_picture: (n, 2) n_x and n_y, view frame.
    Returns:
        The pyramids of the changed pictures, largest first, and their n_x and n_y.
    """
    n = len(rgb128)
    turns = rng.uniform(-_LARGEST_TURN_RAD, _LARGEST_TURN_RAD, n)
    mirrors = np.where(rng.random(n) < _MIRRORED_SHARE, -1.0, 1.0)
    scales = np.exp(rng.uniform(-_SCALE, _SCALE, n))
    shifts_px = rgb128.shape[1] * rng.uniform(-_SHIFT, _SHIFT, (n, 2))
    gains = np.exp(rng.uniform(-_GAIN, _GAIN, (n, 1)) + rng.uniform(-_TINT, _TINT, (n, 3)))
    offsets = rng.uniform(-_OFFSET, _OFFSET, (n, 1))
    pyramids, moved = [], np.empty_like(in_picture)
    for k in range(n):
        move = turn_and_mirror(turns[k], mirrors[k])
        pyramids.append(
            color_pyramid(relit(moved_picture(rgb128[k], scales[k] * move, shifts_px[k]), gains[k], offsets[k]))
        )
        moved[k] = move @ in_picture[k]
    return tuple(np.stack(level) for level in zip(*pyramids, strict=True)), moved


def turn_and_mirror(turn_rad: float, mirror: float) -> FloatArray:
    """Make the (2, 2) matrix that mirrors x (mirror = -1, or 1 for not), then turns x toward y."""
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    return np.array([[cos * mirror, -sin], [sin * mirror, cos]])


def moved_picture(picture: ColorImage, move: FloatArray, shift_px: FloatArray) -> ColorImage:
    """Move a square picture (S, S, 3) about its centre by a (2, 2) matrix, then shift it; the border is repeated."""
    centre = np.full(2, (picture.shape[0] - 1) / 2.0)
    matrix = np.column_stack([move, centre - move @ centre + shift_px])
    return np.asarray(
        cv2.warpAffine(picture, matrix, picture.shape[1::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE),
        dtype=np.uint8,
    )


def relit(picture: ColorImage, gain: FloatArray, offset: FloatArray) -> ColorImage:
    """Multiply the colours (S, S, 3) by `gain` (3,) and add `offset` grey levels."""
    table = np.clip(np.arange(256)[:, None] * gain + offset, 0.0, 255.0).round().astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table[None]), dtype=np.uint8)
