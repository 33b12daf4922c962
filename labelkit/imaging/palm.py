"""Find the palm in the silhouette of a hand that is seen straight on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.imaging.silhouette import farthest, radius_px
from labelkit.records import BoolArray, FloatArray

# The palm as the plane's region; in shares of the radius of its largest circle, as seen straight on. Its frame hangs
# on what the thumb does not move: one radius below the fingers' roots, one from the edge of the little finger.
_PALM_SHIFT_M = 0.06
_FINGER = 0.4
_LOOKS = 3
# Columns between the outer fingers, and the farthest that fingers spread.
_BETWEEN = 0.6
_ACROSS = 1.4
# Where the roots are taken to be, above the largest circle's middle, if closed fingers hide them.
_CLOSED_ROOTS = 1.2
# What of the palm is fitted: chosen so that, over simulated hands, its plane has no bias against the whole palm's.
_TO_THUMB, _TO_EDGE = 0.9, 1.05
_TO_WRIST, _TO_FINGERS = 1.4, 0.7
_THUMB_RIGHT, _THUMB_UP, _THUMB_RADIUS = 1.2, -0.65, 0.6
# The hand ends a little below: grown palms are longer than simulated ones.
_TO_CUT = 1.6
# Of a thumb that stands off, this much shows beside the palm without its rim, in squares of the palm's radius.
_THUMB_SHOWS = 0.15
_FEW_PIXELS = 20
# Mixed and laterally displaced pixels: Nguyen 2012 finds 0.8 pixels, 1.5 mm at 1 m.
_RIM_M = 0.005


@dataclass(frozen=True, eq=False)
class Palm:
    """The palm in a picture of the hand as seen straight on.

    Attributes:
        mask: (h, w) the palm without its rim; empty where there is no palm.
        middle: (2,) x, y of the middle of its largest circle, pixels.
        radius_px: of that circle.
        fingers: (2,) unit x, y: the direction of the fingers.
    """

    mask: BoolArray
    middle: FloatArray
    radius_px: float
    fingers: FloatArray

    @property
    def wrist(self) -> FloatArray:
        """Say where the hand ends: x, y in the middle of the wrist."""
        return np.asarray(self.middle - _TO_CUT * self.radius_px * self.fingers)


def find_palm(mask: BoolArray, *, pixel_m: float, start: tuple[float, float], thumb_side: int) -> Palm:
    """Find the palm in a picture of the hand as seen straight on, fingers roughly up.

    The palm holds the largest circle. It is what is wider than a finger round that, from the crease of
    the wrist to the roots of the fingers, without the root of the thumb, which moves with the thumb.

    Args:
        mask: (h, w) the hand.
        pixel_m: width of a pixel.
        start: x, y near which the palm's middle is.
        thumb_side: where the thumb is expected: 1 right, -1 left of fingers that point up.
    """
    radius = radius_px(np.pad(mask, 1))[1:-1, 1:-1]
    rows, columns = (axis.astype(np.float32) for axis in np.ogrid[: mask.shape[0], : mask.shape[1]])
    near = np.hypot(columns - start[0], rows - start[1]) * pixel_m < _PALM_SHIFT_M
    row, column = farthest(np.where(near & mask, radius * 1e3, 0).astype(np.int32))
    widest, middle = float(radius[row, column]), np.array([column, row], dtype=np.float64)
    fingers = np.array([0.0, -1.0])
    if not widest > 0:
        return Palm(np.zeros_like(mask), middle, 0.0, fingers)
    opened = mask & (radius_px(~(radius > _FINGER * widest)) < _FINGER * widest)
    digits = mask & ~opened
    up, right = _along(fingers, rows - middle[1], columns - middle[0], widest)
    side = _thumb_side(digits & (radius * pixel_m > _RIM_M), up, right, widest, thumb_side)
    for _ in range(_LOOKS):
        up, right = _along(fingers, rows - middle[1], columns - middle[0], widest)
        fingers = _finger_direction(digits & (up > 1.0) & (np.abs(right) < _ACROSS), middle, fingers)
        up, right = _along(fingers, rows - middle[1], columns - middle[0], widest)
        # The fingers' roots and the edge of the little finger stay where they are, whatever the thumb does.
        body = opened & (np.abs(right) < _BETWEEN)
        roots = _edge(up[body], right[body] * widest)
        if np.count_nonzero(digits & (up > roots)) < widest**2:
            roots = _CLOSED_ROOTS  # the fingers lie side by side and hide where they begin
        beside = mask & (up < roots - 0.3) & (up > roots - 1.3) & (right * side < 0)
        edge = _edge(-side * right[beside], up[beside] * widest)
        across = np.array([-fingers[1], fingers[0]])
        middle = middle + widest * ((roots - 1.0) * fingers + side * (1.0 - edge) * across)
    up, right = _along(fingers, rows - middle[1], columns - middle[0], widest)
    within = (right * side < _TO_THUMB) & (right * side > -_TO_EDGE) & (up > -_TO_WRIST) & (up < _TO_FINGERS)
    thumb = np.hypot(right - side * _THUMB_RIGHT, up - _THUMB_UP) < _THUMB_RADIUS
    return Palm(opened & within & ~thumb & (radius * pixel_m > _RIM_M), middle, widest, fingers)


def _edge(out: FloatArray, along_px: FloatArray) -> float:
    """Find how far out a shape reaches: the median over its lines of pixels; 1 where there is none."""
    if not len(out):
        return 1.0
    line = np.round(along_px - along_px.min()).astype(int)
    reach = np.full(line.max() + 1, -np.inf)
    np.maximum.at(reach, line, out)
    return float(np.median(reach[reach > -np.inf]))


def _along(
    fingers: FloatArray, down_px: FloatArray, right_px: FloatArray, unit_px: float
) -> tuple[FloatArray, FloatArray]:
    """Measure along the fingers and across them, from the palm's middle, in palm radii."""
    x, y = fingers / unit_px
    return right_px * x + down_px * y, down_px * x - right_px * y


def _finger_direction(fingers_mask: BoolArray, middle: FloatArray, before: FloatArray) -> FloatArray:
    rows, columns = np.nonzero(fingers_mask)
    if len(rows) < _FEW_PIXELS:
        return before
    offset = np.array([columns.mean(), rows.mean()]) - middle
    return np.asarray(offset / np.linalg.norm(offset))


def _thumb_side(digits: BoolArray, up: FloatArray, right: FloatArray, unit_px: float, expected: int) -> int:
    """Say on which side of the palm the thumb is: 1 right, -1 left.

    It is where it is expected, unless the silhouette shows it plainly on the other side and nothing there.
    """
    beside = digits & (np.abs(up) < 1.0)
    here = np.count_nonzero(beside & (right * expected > 0.8))
    there = np.count_nonzero(beside & (right * expected < -0.8))
    return -expected if there > _THUMB_SHOWS * unit_px**2 and there > 5 * here else expected
