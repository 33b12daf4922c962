"""Halve pictures exactly: the multiresolution input of the network."""

from __future__ import annotations

import warnings

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.records import ColorImage

_GREY, _GREY_PER_MM = 150, 1.2  # a hand is some 80 mm deep


def color_pyramid(image: ColorImage, levels: int = 3) -> tuple[ColorImage, ...]:
    """Shrink a picture by halves, each pixel the mean of four above it, rounded half up.

    Args:
        image: (S, S, C) uint8, S divisible by 2 ** (levels - 1).
    Returns:
        The picture itself and `levels - 1` halvings.
    """
    found = [image]
    for _ in range(levels - 1):
        height, width = found[-1].shape[:2]
        # OpenCV's INTER_AREA gives (a + b + c + d + 2) >> 2 here; a test checks it.
        half = cv2.resize(found[-1], (width // 2, height // 2), interpolation=cv2.INTER_AREA)
        found.append(np.asarray(half, dtype=np.uint8))
    return tuple(found)


def grey_from_depth(depth_mm: NDArray[np.uint16]) -> ColorImage:
    """Show depth as a picture: near is light, the median is grey, and what was not seen is black.

    Args:
        depth_mm: (..., S, S) uint16, 0 where nothing was seen.
    Returns:
        (..., S, S, 3) uint8.
    """
    seen = np.where(depth_mm > 0, depth_mm.astype(np.float64), np.nan)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a picture without depth has no median
        nearer_mm = np.nanmedian(seen, axis=(-2, -1), keepdims=True) - seen
    grey = np.where(np.isfinite(nearer_mm), np.clip(_GREY + _GREY_PER_MM * nearer_mm, 40, 255), 0).astype(np.uint8)
    return np.repeat(grey[..., None], 3, axis=-1)


def depth_pyramid(depth_mm: NDArray[np.uint16], levels: int = 3) -> tuple[NDArray[np.uint16], ...]:
    """Shrink a depth picture by halves, each pixel the mean of those of the four above that have depth.

    Args:
        depth_mm: (S, S) uint16, 0 where nothing was seen; S divisible by 2 ** (levels - 1).
    Returns:
        The picture itself and `levels - 1` halvings, rounded half up; 0 where all four saw nothing.
    """
    found = [depth_mm]
    for _ in range(levels - 1):
        image = found[-1]
        four = np.stack([image[::2, ::2], image[::2, 1::2], image[1::2, ::2], image[1::2, 1::2]]).astype(np.uint32)
        seen = np.count_nonzero(four, axis=0)
        divisor = np.maximum(seen, 1)
        found.append(((2 * four.sum(axis=0) + divisor) // (2 * divisor)).astype(np.uint16))
    return tuple(found)
