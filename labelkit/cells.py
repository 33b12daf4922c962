"""Orientation space cut into cells, and the words for its directions.

The space is centred azimuth x elevation, degrees: (0, 0) is a hand that faces the camera, positive
azimuth a normal toward the picture's right, positive elevation toward its bottom. Rows are
elevations from the top down, columns azimuths from left to right, so an array of cells looks like
the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import SettingsError
from labelkit.records import BoolArray, FloatArray

IntArray = NDArray[np.integer[Any]]

OUTSIDE = -1  # the index of an orientation that lies in no reachable cell

# The regions of the disc in words: the front, then eight directions, clockwise as the picture shows them.
REGIONS = (
    "at the front",
    "to the right",
    "down and to the right",
    "down",
    "down and to the left",
    "to the left",
    "up and to the left",
    "up",
    "up and to the right",
)
FRONT = 0


@dataclass(frozen=True)
class Cells:
    """Square cells, symmetric about the front, over the disc of orientations within reach.

    A cell is reachable if its centre lies in the disc; the outermost cells may stick out of it. An
    orientation on the edge between two cells belongs to the one nearer the front, on an axis to the
    right or lower one.

    Raises:
        SettingsError: the sizes are not positive, or the cells are larger than the disc's radius.
    """

    cell_deg: float = 5.0
    reach_deg: float = 45.0

    def __post_init__(self) -> None:
        if not 0 < self.cell_deg <= self.reach_deg:
            raise SettingsError(
                f"cell-deg must be more than 0 and at most reach-deg ({self.reach_deg:g}), not {self.cell_deg:g}"
            )

    @cached_property
    def side(self) -> int:
        """Cells along a side of the square that holds the disc; always even."""
        return 2 * int(np.ceil(round(self.reach_deg / self.cell_deg, 9)))

    @cached_property
    def edges_deg(self) -> FloatArray:
        """(side + 1,) edges along either axis, ascending."""
        return np.arange(-self.side // 2, self.side // 2 + 1) * self.cell_deg

    @cached_property
    def centres_deg(self) -> FloatArray:
        """(side,) centres along either axis, ascending."""
        return (np.arange(self.side) - (self.side - 1) / 2) * self.cell_deg

    @cached_property
    def reachable_mask(self) -> BoolArray:
        """(side, side), row elevation, column azimuth: which cells have their centre in the disc."""
        radius = np.hypot(self.centres_deg[:, None], self.centres_deg)
        return radius <= self.reach_deg * (1 + 1e-12)  # a centre on the rim counts, however it rounds

    @cached_property
    def regions(self) -> IntArray:
        """(side, side): where in REGIONS each cell lies."""
        return region_of(self.centres_deg, self.centres_deg[:, None], self.reach_deg)

    def index_of(self, azimuth_deg: FloatArray, elevation_deg: FloatArray) -> IntArray:
        """Find the cells in which orientations lie.

        Args:
            azimuth_deg, elevation_deg: (...), centred.
        Returns:
            (...) row * side + column, or OUTSIDE where no reachable cell holds the orientation.
        """
        row, column = self._along(elevation_deg), self._along(azimuth_deg)
        inside = (row >= 0) & (row < self.side) & (column >= 0) & (column < self.side)
        index = np.where(inside, row * self.side + column, 0)
        return np.where(inside & self.reachable_mask.ravel()[index], index, OUTSIDE)

    def _along(self, angle_deg: FloatArray) -> IntArray:
        angle = np.asarray(angle_deg, dtype=np.float64)
        half = self.side // 2
        # From the front outward, so that the mirrored hand falls in the mirrored cell.
        ring = np.maximum(np.searchsorted(self.edges_deg[half:], np.abs(angle), side="left") - 1, 0)
        return np.where(angle >= 0, half + ring, half - 1 - ring)


def region_of(azimuth_deg: FloatArray, elevation_deg: FloatArray, reach_deg: float) -> IntArray:
    """Find the region of orientation space in which orientations lie.

    The front is the inner third of the disc's radius; the rest is cut into eight sectors.

    Args:
        azimuth_deg, elevation_deg: (...), centred.
        reach_deg: the disc's radius.
    Returns:
        (...) indices into REGIONS.
    """
    sector = np.rint(np.arctan2(elevation_deg, azimuth_deg) / (np.pi / 4)).astype(np.int64) % 8
    return np.where(np.hypot(azimuth_deg, elevation_deg) <= reach_deg / 3, FRONT, 1 + sector)
