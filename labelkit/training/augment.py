"""Turn, mirror, scale, shift, light, blur and add noise to pictures, and move their labels along.

The label is the direction of the normal in the picture, so it moves exactly: a turn of the picture
about its centre, where the view frame's z axis passes, turns (n_x, n_y), and a mirror flips n_x. Scale,
light, blur and noise change nothing. Only a shift is not exact: it turns the view by what it moves the ray.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.records import ColorImage, FloatArray

_MIRRORED_SHARE = 0.5
_SCALE = 0.1  # of the logarithm: how large the hand is in its crop depends on how its fingers lie
# Share of the picture. A hand of 0.2 m at 0.7 m fills the crop with 16 degrees, so this turns the view by under 1.
_SHIFT = 0.04
# Lamps and white balance: about half a stop, and a fifth between the colours.
_GAIN, _TINT, _OFFSET = 0.3, 0.2, 15.0


@dataclass(frozen=True)
class Augmentation:
    """How strong the changes are that can be set; the rest is fixed.

    Attributes:
        turn_deg: largest turn either way, degrees.
        noise: largest standard deviation of the noise of a picture, grey levels.
        blur: largest standard deviation of a Gaussian blur, as pixels of a picture of 128.
    """

    turn_deg: float
    noise: float = 0.0
    blur: float = 0.0


def augment_pictures(
    pictures: Mapping[str, NDArray[Any]], in_picture: FloatArray, rng: np.random.Generator, most: Augmentation
) -> tuple[dict[str, NDArray[Any]], FloatArray]:
    """Draw a changed copy of each sample.

    Colour and depth move together; light, blur and noise are colour's alone.

    Args:
        pictures: "rgb" (n, S, S, 3) uint8, "depth" (n, S, S) uint16 millimetres, or both.
        in_picture: (n, 2) n_x and n_y, view frame.
    Returns:
        The changed pictures, and their n_x and n_y.
    """
    first = next(iter(pictures.values()))
    n, side = len(first), int(first.shape[1])
    turns_rad = np.deg2rad(most.turn_deg) * rng.uniform(-1.0, 1.0, n)
    mirrors = np.where(rng.random(n) < _MIRRORED_SHARE, -1.0, 1.0)
    scales = np.exp(rng.uniform(-_SCALE, _SCALE, n))
    shifts_px = side * rng.uniform(-_SHIFT, _SHIFT, (n, 2))
    gains = np.exp(rng.uniform(-_GAIN, _GAIN, (n, 1)) + rng.uniform(-_TINT, _TINT, (n, 3)))
    offsets = rng.uniform(-_OFFSET, _OFFSET, (n, 1))
    blurs_px = most.blur * side / 128.0 * rng.random(n)
    noises = most.noise * rng.random(n)
    changed: dict[str, NDArray[Any]] = {kind: np.empty_like(stack) for kind, stack in pictures.items()}
    moved = np.empty_like(in_picture)
    for k in range(n):
        move = turn_and_mirror(turns_rad[k], mirrors[k])
        for kind, stack in pictures.items():
            changed[kind][k] = move_picture(stack[k], scales[k] * move, shifts_px[k])
        if "rgb" in changed:
            lit = blur(relight(changed["rgb"][k], gains[k], offsets[k]), float(blurs_px[k]))
            changed["rgb"][k] = add_noise(lit, float(noises[k]), rng)
        moved[k] = move @ in_picture[k]
    return changed, moved


def turn_and_mirror(turn_rad: float, mirror: float) -> FloatArray:
    """Make the (2, 2) matrix that mirrors x (mirror = -1, or 1 for not), then turns x toward y."""
    cos, sin = np.cos(turn_rad), np.sin(turn_rad)
    return np.array([[cos * mirror, -sin], [sin * mirror, cos]])


def move_picture(picture: NDArray[Any], move: FloatArray, shift_px: FloatArray) -> NDArray[Any]:
    """Move a square picture about its centre by a (2, 2) matrix, then shift it; the border is repeated.

    Args:
        picture: (S, S, 3) uint8, interpolated; or (S, S) uint16 depth, which is not: a mean of near and far, or of
            seen and unseen, is no depth.
    """
    centre = np.full(2, (picture.shape[0] - 1) / 2.0)
    matrix = np.column_stack([move, centre - move @ centre + shift_px])
    flags = cv2.INTER_LINEAR if picture.ndim == 3 else cv2.INTER_NEAREST
    return np.asarray(
        cv2.warpAffine(picture, matrix, picture.shape[1::-1], flags=flags, borderMode=cv2.BORDER_REPLICATE),
        dtype=picture.dtype,
    )


def relight(picture: ColorImage, gain: FloatArray, offset: FloatArray) -> ColorImage:
    """Multiply the colours (S, S, 3) by `gain` (3,) and add `offset` grey levels."""
    table = np.clip(np.arange(256)[:, None] * gain + offset, 0.0, 255.0).round().astype(np.uint8)
    return np.asarray(cv2.LUT(picture, table[None]), dtype=np.uint8)


def blur(picture: ColorImage, sd_px: float) -> ColorImage:
    """Blur a picture (S, S, 3) by a Gaussian of this standard deviation; none at 0."""
    return picture if sd_px == 0 else np.asarray(cv2.GaussianBlur(picture, (0, 0), sd_px), dtype=np.uint8)


def add_noise(picture: ColorImage, sd: float, rng: np.random.Generator) -> ColorImage:
    """Add independent noise of this standard deviation, grey levels, to every number; none at 0."""
    if sd == 0:
        return picture
    noise = sd * rng.standard_normal(picture.shape, dtype=np.float32)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)
