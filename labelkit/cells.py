"""Orientation space divided into cells, and words for its directions.

The space is centred azimuth x elevation, degrees: (0, 0) is a hand that faces the camera, positive
azimuth a normal toward the picture's right, positive elevation toward its bottom. Rows are
elevations from the top down, columns azimuths from left to right, so an array of cells looks like
the picture.

There are two kinds of cells. Square cells have the same angles along their sides everywhere, so that
errors in degrees can be compared with them. Equal-area cells all hold the same part of the sphere, so
that hands turned evenly in all directions fill them evenly. The two differ little: a
square cell covers cos(azimuth) cos(elevation) / |n_z| of the area that it covers at the front. This is 1
on both axes; on the diagonals it is 1.08 at the rim of a disc of 45 degrees, and 1.81 at 60 degrees.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import SettingsError
from labelkit.records import BoolArray, FloatArray

IntArray = NDArray[np.integer[Any]]

Kind = Literal["square", "equal-area"]

OUTSIDE = -1  # the index of an orientation outside all reachable cells

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
    """Cells, symmetric about the front, over the disc of orientations within reach.

    They are squares of a plane: of the centred angles themselves, or of Lambert's azimuthal equal-area
    projection of the normals' sphere about the front, in degrees. A cell is reachable if its centre
    lies in the disc of centred angles; the outermost cells may stick out of it. An orientation on the
    edge between two cells belongs to the one nearer the front, on an axis to the right or lower one.

    Attributes:
        cell_deg: side of a cell, degrees.
        reach_deg: radius of the disc of centred angles, degrees.
        kind: square or equal-area.
    Raises:
        SettingsError: the sizes are not positive, or the cells are larger than the disc's radius.
    Source: Snyder 1987, USGS Professional Paper 1395, 182 (Lambert's projection).
    """

    cell_deg: float = 5.0
    reach_deg: float = 45.0
    kind: Kind = "square"

    def __post_init__(self) -> None:
        if not 0 < self.cell_deg <= self.reach_deg:
            raise SettingsError(
                f"cell-deg must be more than 0 and at most reach-deg ({self.reach_deg:g}), not {self.cell_deg:g}"
            )

    @cached_property
    def side(self) -> int:
        """Cells along a side of the square that holds the disc; always even."""
        limit_deg = float(self._plane_of(np.array(self.reach_deg), np.array(0.0))[0])  # the disc is widest on the axes
        return 2 * int(np.ceil(round(limit_deg / self.cell_deg, 9)))

    @cached_property
    def edges_deg(self) -> FloatArray:
        """(side + 1,) edges along either axis of the plane, ascending; of square cells, centred angles."""
        return np.arange(-self.side // 2, self.side // 2 + 1) * self.cell_deg

    @cached_property
    def centres_deg(self) -> FloatArray:
        """(side,) centres along either axis of the plane, ascending; of square cells, centred angles."""
        return (np.arange(self.side) - (self.side - 1) / 2) * self.cell_deg

    @cached_property
    def centre_angles_deg(self) -> FloatArray:
        """(side, side, 2), row elevation, column azimuth: centred azimuth and elevation of each cell's centre."""
        return self._angles_at(self.centres_deg)

    @cached_property
    def corner_angles_deg(self) -> FloatArray:
        """(side + 1, side + 1, 2): centred azimuth and elevation where the cells' edges cross.

        A corner beyond the edge of the hemisphere is given as the nearest orientation on that edge.
        """
        return self._angles_at(self.edges_deg)

    @cached_property
    def reachable_mask(self) -> BoolArray:
        """(side, side), row elevation, column azimuth: which cells have their centre in the disc."""
        radius: FloatArray = np.linalg.norm(self.centre_angles_deg, axis=-1)
        return np.less_equal(radius, self.reach_deg * (1 + 1e-12))  # with room for rounding: a centre on the rim counts

    @cached_property
    def regions(self) -> IntArray:
        """(side, side): where in REGIONS each cell lies."""
        centres = self.centre_angles_deg
        return region_of(centres[..., 0], centres[..., 1], self.reach_deg)

    def index_of(self, azimuth_deg: FloatArray, elevation_deg: FloatArray) -> IntArray:
        """Find the cells in which orientations lie.

        Args:
            azimuth_deg, elevation_deg: (...), centred.
        Returns:
            (...) row * side + column, or OUTSIDE if no reachable cell holds the orientation.
        """
        azimuth, elevation = np.asarray(azimuth_deg, np.float64), np.asarray(elevation_deg, np.float64)
        x, y = self._plane_of(azimuth, elevation)
        row, column = self._along(y, elevation), self._along(x, azimuth)
        inside = (row >= 0) & (row < self.side) & (column >= 0) & (column < self.side)
        index = np.where(inside, row * self.side + column, 0)
        return np.where(inside & self.reachable_mask.ravel()[index], index, OUTSIDE)

    def _along(self, place_deg: FloatArray, angle_deg: FloatArray) -> IntArray:
        """Find the cells along one axis: the place gives the distance from the front, the exact angle the side."""
        half = self.side // 2
        # From the front outward, so that a mirrored hand lies in the mirrored cell.
        ring = np.maximum(np.searchsorted(self.edges_deg[half:], np.abs(place_deg), side="left") - 1, 0)
        return np.where(angle_deg >= 0, half + ring, half - 1 - ring)

    def _plane_of(self, azimuth_deg: FloatArray, elevation_deg: FloatArray) -> tuple[FloatArray, FloatArray]:
        if self.kind == "square":
            return azimuth_deg, elevation_deg
        with np.errstate(invalid="ignore"):  # angles that are no orientation have no place: NaN
            n_x, n_y = np.sin(np.deg2rad(azimuth_deg)), np.sin(np.deg2rad(elevation_deg))
            scale = np.rad2deg(np.sqrt(2.0 / (1.0 + np.sqrt(1.0 - n_x**2 - n_y**2))))
        return scale * n_x, scale * n_y

    def _angles_at(self, places_deg: FloatArray) -> FloatArray:
        """Find the centred angles where columns and rows at these places of the plane cross."""
        x, y = np.meshgrid(places_deg, places_deg)
        if self.kind == "equal-area":
            x, y = np.deg2rad(x), np.deg2rad(y)
            stretch = np.minimum(1.0, np.sqrt(2.0) / np.maximum(np.hypot(x, y), 1e-12))  # to the hemisphere's edge
            x, y = x * stretch, y * stretch
            scale = np.sqrt(np.maximum(1.0 - (x**2 + y**2) / 4.0, 0.0))
            x, y = (np.rad2deg(np.arcsin(np.clip(scale * n, -1.0, 1.0))) for n in (x, y))
        return np.stack([x, y], axis=-1)


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
