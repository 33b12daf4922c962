"""Cut a depth picture into limbs: strips no thicker than a hand on an arm, on a small picture.

Surfaces in the working range are separated at steps in depth. Parts thicker than any hand (a body, a head, a wall)
are cores; the strips that remain, at a core or at the picture's border, are the limbs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.records import BoolArray, FloatArray

# A pixel of the search is the nearest of four readings in 4 x 4 pixels of a Kinect v1: 5 mm at 0.7 m, a third of a
# finger. If the sensor missed a pixel, one of the other readings stands for the block.
_SEARCH_COLUMNS = 160
# Skin 70 degrees oblique at 1 m falls back 21 mm from one pixel of the search to the next, and twice that where one
# reading is from a block's near end and the next from its far end. A hand in front of a chest is farther away from it.
_STEP_M = 0.04
# The largest circle in a man's flat hand has a radius of 50 mm, in a head 70 mm or more; taking the nearest of four
# readings adds 3 mm.
_THICK_RADIUS_M = 0.062
# The palm of a large hand with its thumb at the side is as thick, but its disc is smaller than a head, and fingers of
# at least this area start from it.
_LEAST_THICK_M2 = 0.016
_FINGER_M2 = 6e-4
# A third of the 80 cm^2 of a woman's palm; one that is turned by 60 degrees shows half.
LEAST_AREA_M2 = 25e-4
# The margin in which a registered depth picture is always empty (Kinect v1: 40 of 640 columns).
_DEAD_MARGIN = 0.12
_DEAD_FILLED = 0.3
# Contact with the border is searched within so many pixels.
BORDER = 1

_CROSS = np.array([[0, 1, 0], [1, 1, 1], [0, 1, 0]], np.uint8)


@dataclass(frozen=True, eq=False)
class SearchView:
    """The small depth picture and what is derived from it; all arrays have one shape."""

    stride: int
    origin: tuple[int, int]  # x, y of the first pixel in the full picture
    z: FloatArray  # metres; infinite where nothing was seen
    pixel_m: FloatArray  # width of a pixel at its depth; 0 outside the working range
    standing_mask: BoolArray  # within the working range, without the far side of edges
    radius_m: FloatArray  # distance from the nearest edge in depth


@dataclass(frozen=True, eq=False)
class Limb:
    """A part of the search thinner than a body, cut out with a border of four pixels.

    Attributes:
        row, column: (n,) its pixels, in the box.
        radius_m: (n,) how far each is from the nearest edge.
        pixel_m: (n,) width of each.
    """

    picture_shape: tuple[int, ...]
    box: tuple[slice, slice]
    mask: BoolArray
    core_mask: BoolArray  # what is thicker, and joined to it
    core_m2: float  # area of all of that
    border_mask: BoolArray  # the picture's border
    z: FloatArray
    row: NDArray[np.intp]
    column: NDArray[np.intp]
    radius_m: FloatArray
    pixel_m: FloatArray

    @property
    def is_rooted(self) -> bool:
        """Whether it comes from beyond the picture's border or grows from something thicker."""
        return self.core_m2 > 0 or bool((self.mask & self.border_mask).any())

    def of(self, picture: NDArray[Any]) -> NDArray[Any]:
        """Read a picture of the box at the limb's pixels: (n,)."""
        return np.asarray(picture[self.row, self.column])

    def place(self, pixel: int) -> tuple[int, int]:
        """Say where one of the limb's pixels is: row and column."""
        return int(self.row[pixel]), int(self.column[pixel])

    def distances_from(self, place: tuple[float, float]) -> FloatArray:
        """Measure how far the limb's pixels are from a row and column: (n,), pixels."""
        return np.asarray(np.hypot(self.row - place[0], self.column - place[1]))

    def middle_of(self, chosen: BoolArray) -> tuple[float, float]:
        """Find the mean row and column of chosen (n,) pixels."""
        return float(self.row[chosen].mean()), float(self.column[chosen].mean())

    def mark(self, chosen: BoolArray) -> BoolArray:
        """Mark chosen (n,) pixels in the box."""
        marked = np.zeros(self.mask.shape, dtype=bool)
        marked[self.row[chosen], self.column[chosen]] = True
        return marked


def shrink_to_search(depth_m: FloatArray, focal_px: float, range_m: tuple[float, float]) -> SearchView | None:
    """Shrink a depth picture, (H, W) metres, for the search; None if nothing is in the working range.

    Args:
        focal_px: focal length of the depth camera.
        range_m: nearest and farthest depth at which a hand may be.
    """
    stride = 2 * max(1, round(depth_m.shape[1] / (2 * _SEARCH_COLUMNS)))
    z = _shrink(depth_m, stride, range_m[0])
    if not z.size:
        return None
    rows, columns = _crop_dead_margins(np.isfinite(z))
    z = z[rows, columns]
    in_range = z <= range_m[1]
    if not in_range.any():
        return None
    standing_mask = in_range & ~_find_steps(z, _STEP_M)
    pixel_m = np.where(in_range, z * np.float32(stride / focal_px), np.float32(0))
    origin = (columns.start * stride, rows.start * stride)
    return SearchView(stride, origin, z, pixel_m, standing_mask, _radius_px(standing_mask) * pixel_m)


def _shrink(depth_m: FloatArray, stride: int, nearest_m: float) -> FloatArray:
    """Take the nearest of four readings of each block of `stride` pixels; infinite if there is none."""
    fine = np.array(depth_m[:: stride // 2, :: stride // 2], dtype=np.float32, order="C")
    fine = fine[: fine.shape[0] // 2 * 2]
    if not fine.size:
        return fine
    cv2.patchNaNs(fine, np.inf)
    if cv2.minMaxLoc(fine)[0] < nearest_m:
        fine[fine < nearest_m] = np.inf
    lines = np.minimum(fine[::2], fine[1::2])
    even = lines.shape[1] // 2 * 2
    return np.asarray(np.minimum(lines[:, :even:2], lines[:, 1:even:2]))


def _radius_px(mask: BoolArray) -> FloatArray:
    """Measure each marked pixel's distance (H, W) from the nearest edge, in pixels."""
    # For OpenCV the border is no edge: a surface that leaves the picture counts as continuing.
    if mask.all():
        return np.full(mask.shape, np.float32(max(mask.shape)))
    return np.asarray(cv2.distanceTransform(mask.view(np.uint8), cv2.DIST_L2, 5))


def _crop_dead_margins(seen_mask: BoolArray) -> tuple[slice, slice]:
    """Leave out the margins in which a registered sensor never sees anything.

    A margin is dead if its lines are nearly empty and most other lines are well filled. If there is nothing
    behind the hand, few lines are filled, and the border stays as it is.
    """
    return _crop_dead_lines(seen_mask.mean(axis=1)), _crop_dead_lines(seen_mask.mean(axis=0))


def _crop_dead_lines(filled: FloatArray) -> slice:
    return slice(_count_dead_lines(filled), len(filled) - _count_dead_lines(filled[::-1]))


def _count_dead_lines(filled: FloatArray) -> int:
    if filled[0] >= _DEAD_FILLED:
        return 0
    margin = filled[: int(len(filled) * _DEAD_MARGIN) + 1]
    full = 0.9 * float(margin.max())
    return int(np.argmax(margin >= full)) if min(full, float(np.median(filled))) > _DEAD_FILLED else 0


def _find_steps(z: FloatArray, step_m: float) -> BoolArray:
    """Mark pixels that lie behind a neighbour by more than a step: they separate surfaces."""
    nearest = cv2.erode(z, _CROSS, borderType=cv2.BORDER_REPLICATE)
    with np.errstate(invalid="ignore"):  # infinity minus infinity, for pixels without depth
        return np.asarray(z - nearest > step_m)


def limbs_of(search: SearchView) -> Iterator[Limb]:
    """Divide every surface into parts thicker than a hand and the limbs that remain."""
    border_mask = np.ones(search.z.shape, dtype=bool)
    border_mask[BORDER:-BORDER, BORDER:-BORDER] = False
    for surface_mask, box in _large_parts(search.standing_mask, search.pixel_m):
        radius_m, pixel_m = search.radius_m[box], search.pixel_m[box]
        core_mask = _find_core(surface_mask, radius_m, pixel_m)
        core_m2 = float((pixel_m[core_mask] ** 2).sum())
        for limb_mask, inner in _large_parts(surface_mask & ~core_mask, pixel_m) if core_m2 else [(surface_mask, ...)]:
            y, x = (box[k].start + (0 if inner is ... else inner[k].start) for k in range(2))
            inside = (slice(y, y + limb_mask.shape[0]), slice(x, x + limb_mask.shape[1]))
            row, column = np.nonzero(limb_mask)
            yield Limb(
                picture_shape=search.z.shape,
                box=inside,
                mask=limb_mask,
                core_mask=core_mask[inner],
                core_m2=core_m2,
                border_mask=border_mask[inside],
                z=search.z[inside],
                row=row,
                column=column,
                radius_m=search.radius_m[inside][row, column],
                pixel_m=search.pixel_m[inside][row, column],
            )


def cores_of(search: SearchView) -> Iterator[tuple[BoolArray, tuple[slice, slice]]]:
    """Yield the parts of all surfaces that are thicker than a hand, each in its box."""
    for surface_mask, box in _large_parts(search.standing_mask, search.pixel_m):
        core_mask = _find_core(surface_mask, search.radius_m[box], search.pixel_m[box])
        if core_mask.any():
            yield core_mask, box


def _large_parts(mask: BoolArray, pixel_m: FloatArray) -> Iterator[tuple[BoolArray, tuple[slice, slice]]]:
    """Yield the connected parts of a mask that are as large as a hand, each in its box."""
    count, labels, stats, _ = cv2.connectedComponentsWithStatsWithAlgorithm(
        mask.view(np.uint8), 4, cv2.CV_16U, cv2.CCL_BBDT
    )
    least = LEAST_AREA_M2 / float(pixel_m.max()) ** 2
    for label in 1 + np.flatnonzero(stats[1:count, cv2.CC_STAT_AREA] >= least):
        x, y, width, height = (int(value) for value in stats[label, :4])
        box = (slice(max(y - 4, 0), y + height + 4), slice(max(x - 4, 0), x + width + 4))
        part_mask = labels[box] == label
        if float((pixel_m[box][part_mask] ** 2).sum()) >= LEAST_AREA_M2:
            yield part_mask, box


def _find_core(surface_mask: BoolArray, radius_m: FloatArray, pixel_m: FloatArray) -> BoolArray:
    """Open a surface with a disc wider than any hand."""
    middle = surface_mask & (radius_m > _THICK_RADIUS_M)
    if not middle.any():
        return middle
    core_mask = surface_mask & (_radius_px(~middle) * pixel_m < _THICK_RADIUS_M)
    if (pixel_m[core_mask] ** 2).sum() < _LEAST_THICK_M2 and _has_fingers(surface_mask & ~core_mask, pixel_m):
        return np.zeros_like(core_mask)
    return core_mask


def _has_fingers(around_mask: BoolArray, pixel_m: FloatArray) -> bool:
    """Say whether an arm and at least two fingers start from something thick."""
    count, labels = cv2.connectedComponents(around_mask.view(np.uint8), connectivity=4, ltype=cv2.CV_16U)
    areas = np.bincount(labels[around_mask], pixel_m[around_mask] ** 2, count)
    return int(np.count_nonzero(areas > _FINGER_M2)) > 2
