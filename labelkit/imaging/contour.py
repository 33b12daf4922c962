"""Contour features of a hand: how far its outline is from the wrist.

As in Asad & Slabaugh, "Hand orientation regression using random forest for augmented reality" (AVR 2014): the wrist
point is where the major axis of the hand's ellipse meets the outline at the arm's side; the feature is the distance of
each point of the outline from it, at equal steps round the hand. The paper leaves open how the ellipse is fitted,
which way round the outline is followed, and what divides the distances. Here the ellipse is the one with
the same second moments as the hand's area; the outline is followed clockwise as the picture shows it; distances are
divided by the largest.
"""

from __future__ import annotations

import cv2
import numpy as np

from labelkit.records import CONTOUR_POINTS, BoolArray, FloatArray

# The outline is smoothed over a few pixels: the steps of a slanted edge would make it up to 1.4 times as long.
_SMOOTH = cv2.getGaussianKernel(15, 3.0)[:, 0]  # of points half a pixel apart


def contour_distances(mask: BoolArray, to_arm: FloatArray) -> FloatArray:
    """Measure the distances of a hand's outline from its wrist point.

    They do not change if the hand is moved, and but for the size of a pixel not if it is scaled, or turned together
    with `to_arm`. The mirrored hand has the same distances in the opposite order.

    Args:
        mask: (h, w) the hand without its forearm; of several parts the largest counts, and holes do not.
        to_arm: (2,) right and down: the direction from the palm to the forearm, in the picture.
    Returns:
        (CONTOUR_POINTS,) float32, 0..1: from the wrist point on, clockwise, divided by the largest.
    Raises:
        ValueError: the mask is empty.
    """
    outline = _outline(mask)
    middle, axis = _ellipse_axis(outline)
    if axis @ to_arm < 0:
        axis = -axis
    start = _cross_outline(outline, middle, axis)
    around = np.concatenate([outline[start:], outline[:start], outline[start : start + 1]])
    steps = np.concatenate([[0.0], np.cumsum(np.linalg.norm(np.diff(around, axis=0), axis=1))])
    places = np.arange(CONTOUR_POINTS) * steps[-1] / CONTOUR_POINTS
    points = np.stack([np.interp(places, steps, around[:, k]) for k in range(2)], axis=-1)
    distances = np.linalg.norm(points - around[0], axis=1)
    return np.asarray(distances / max(float(distances.max()), 1e-9), dtype=np.float32)


def _outline(mask: BoolArray) -> FloatArray:
    """Follow the outline of the largest part: (n, 2) right and down, clockwise as the picture shows it.

    A pixel is a square here: the corners are half a pixel outside its middle, so that a part of one pixel has an area.
    """
    contours, _ = cv2.findContours(_double(mask), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    if not contours:
        raise ValueError("the mask of a hand is empty")
    outline = max(contours, key=cv2.contourArea)[:, 0].astype(np.float64) / 2
    outline = _smooth(outline)
    area = _cross(outline, np.roll(outline, -1, axis=0)).sum()
    return np.asarray(outline if area > 0 else outline[::-1])  # y points down: positive is clockwise


def _smooth(outline: FloatArray) -> FloatArray:
    """Smooth a closed outline (n, 2)."""
    side = len(_SMOOTH) // 2
    if len(outline) <= len(_SMOOTH):
        return outline
    padded = np.concatenate([outline[-side:], outline, outline[:side]])
    return np.stack([np.convolve(padded[:, k], _SMOOTH, mode="valid") for k in range(2)], axis=-1)


def _double(mask: BoolArray) -> FloatArray:
    """Double a mask, with a margin: a line of one pixel has an area then."""
    doubled = np.repeat(np.repeat(mask.view(np.uint8), 2, axis=0), 2, axis=1)
    return np.asarray(np.pad(doubled, 1))


def _ellipse_axis(outline: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Give the middle (2,) and the unit major axis (2,) of the ellipse with the second moments of an outline's area."""
    moments = cv2.moments(outline.astype(np.float32)[:, None])
    area = max(moments["m00"], 1e-9)
    middle = np.array([moments["m10"], moments["m01"]]) / area
    spread = np.array([[moments["mu20"], moments["mu11"]], [moments["mu11"], moments["mu02"]]]) / area
    return middle, np.linalg.eigh(spread)[1][:, 1]


def _cross_outline(outline: FloatArray, middle: FloatArray, axis: FloatArray) -> int:
    """Find where a ray from the middle leaves the outline: the number of the point nearest to the last crossing."""
    from_middle = outline - middle
    along, beside = from_middle @ axis, _cross(axis, from_middle)
    crosses = (beside <= 0) != (np.roll(beside, -1) <= 0)
    return int(np.argmax(np.where(crosses, along, -np.inf)))


def _cross(a: FloatArray, b: FloatArray) -> FloatArray:
    return np.asarray(a[..., 0] * b[..., 1] - a[..., 1] * b[..., 0])
