"""Close the specks in which a depth sensor saw nothing."""

from __future__ import annotations

import cv2
import numpy as np

from labelkit.records import FloatArray

# Of a pixel's eight neighbours; beside a straight edge of a large hole three see something, at its corners five.
_LEAST_NEIGHBOURS = 6
# A surface 70 degrees oblique at 1.5 m falls by less over three pixels; what is between differs by more.
_SAME_SURFACE_M = 0.025

_AROUND = np.ones((3, 3), np.uint8)


def fill_specks(depth_m: FloatArray) -> FloatArray:
    """Give pixels without depth that lie within one surface the mean of their neighbours.

    The search for the hand follows surfaces from pixel to pixel, and a speck would cut them. Shadows and
    other holes wider than a pixel stay, and so does what lies on an edge between two surfaces.

    Args:
        depth_m: (H, W), metres, NaN (or any number that is not finite) where nothing was seen.
    Returns:
        (H, W) float32; seen pixels are unchanged.
    """
    seen = np.isfinite(depth_m)
    known = np.where(seen, depth_m, np.float32(0)).astype(np.float32)
    count = cv2.boxFilter(seen.astype(np.float32), -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    rows, columns = np.nonzero(~seen & (count > _LEAST_NEIGHBOURS - 0.5))
    filled = np.where(seen, depth_m, np.float32(np.nan)).astype(np.float32)
    if not len(rows):
        return filled
    total = cv2.boxFilter(known, -1, (3, 3), normalize=False, borderType=cv2.BORDER_CONSTANT)
    nearest = cv2.erode(np.where(seen, known, np.float32(np.inf)), _AROUND, borderType=cv2.BORDER_REPLICATE)
    farthest = cv2.dilate(known, _AROUND, borderType=cv2.BORDER_REPLICATE)
    whole = farthest[rows, columns] - nearest[rows, columns] < _SAME_SURFACE_M
    rows, columns = rows[whole], columns[whole]
    filled[rows, columns] = total[rows, columns] / count[rows, columns]
    return filled
