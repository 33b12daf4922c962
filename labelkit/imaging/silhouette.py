"""What finding a hand and finding its palm have in common."""

from __future__ import annotations

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.records import BoolArray, FloatArray


def radius_px(mask: BoolArray) -> FloatArray:
    """Measure each marked pixel's distance (H, W) from the nearest edge, in pixels."""
    # OpenCV counts no border as an edge, so what leaves the picture counts as going on.
    if mask.all():
        return np.full(mask.shape, np.float32(max(mask.shape)))
    return np.asarray(cv2.distanceTransform(mask.astype(np.uint8), cv2.DIST_L2, 5))


def farthest(steps: NDArray[np.int32]) -> tuple[int, int]:
    """Find the row and column of the largest number, the first of equals."""
    row, column = np.unravel_index(int(np.argmax(steps)), steps.shape)
    return int(row), int(column)
