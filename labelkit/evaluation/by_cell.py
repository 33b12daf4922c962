"""Errors over orientation space: where a network is good, and which way it errs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from labelkit.cells import OUTSIDE, Cells, IntArray
from labelkit.evaluation.measures import normals_apart_deg
from labelkit.records import FloatArray


@dataclass(frozen=True, eq=False)
class CellErrors:
    """Errors by the cell in which the truth lies. Arrays: row elevation, column azimuth, as in `Cells`.

    Attributes:
        counts: (side, side) samples.
        mean_deg: (side, side) mean angle between true and predicted normal; NaN without a sample.
        drift_deg: (side, side, 2) mean of predicted minus true azimuth and elevation; NaN without a sample.
        outside: samples whose truth lies in no reachable cell.
    """

    cells: Cells
    counts: IntArray
    mean_deg: FloatArray
    drift_deg: FloatArray
    outside: int

    def as_plain(self) -> dict[str, Any]:
        """Give all of it in plain values, for JSON: `null` without a sample."""
        return {
            "cell_deg": self.cells.cell_deg,
            "reach_deg": self.cells.reach_deg,
            "edges_deg": self.cells.edges_deg.tolist(),
            "outside": self.outside,
            "counts": self.counts.tolist(),
            "mean_deg": _as_lists(self.mean_deg),
            "drift_azimuth_deg": _as_lists(self.drift_deg[..., 0]),
            "drift_elevation_deg": _as_lists(self.drift_deg[..., 1]),
        }


def errors_by_cell(true_deg: FloatArray, predicted_deg: FloatArray, cells: Cells) -> CellErrors:
    """Gather errors by the cell of the truth.

    Args:
        true_deg, predicted_deg: (n, 2), centred, degrees.
    """
    true_deg = np.asarray(true_deg, dtype=np.float64)
    index = cells.index_of(true_deg[:, 0], true_deg[:, 1])
    inside = index != OUTSIDE
    counts = np.bincount(index[inside], minlength=cells.side**2)
    values = np.column_stack([normals_apart_deg(true_deg, predicted_deg), np.asarray(predicted_deg) - true_deg])
    sums = np.stack([np.bincount(index[inside], values[inside, k], cells.side**2) for k in range(3)], axis=-1)
    means = np.divide(sums, counts[:, None], out=np.full(sums.shape, np.nan), where=counts[:, None] > 0)
    square = (cells.side, cells.side)
    return CellErrors(
        cells=cells,
        counts=counts.reshape(square),
        mean_deg=means[:, 0].reshape(square),
        drift_deg=means[:, 1:].reshape(*square, 2),
        outside=int((~inside).sum()),
    )


def _as_lists(values: FloatArray) -> list[list[float | None]]:
    return [[None if np.isnan(value) else round(float(value), 3) for value in row] for row in values]
