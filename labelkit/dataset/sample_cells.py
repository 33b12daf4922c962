"""The places of a label table's samples in orientation space, and their coverage."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelkit.cells import Cells, IntArray
from labelkit.curation.coverage import Coverage, coverage_by_group, measure_coverage
from labelkit.curation.distinct import distinct_mask, fill_stamps
from labelkit.dataset.table import SAMPLE
from labelkit.geometry.orientation import centred_from_label_deg, normal_from_angles_deg
from labelkit.records import BoolArray, FloatArray
from labelkit.settings import CoverageSettings


@dataclass(frozen=True, eq=False)
class SampleCells:
    """The samples of a label table, in its order.

    Attributes:
        cells, target: the cells, and the number of distinct samples that makes one full.
        participants: (n,) names.
        recordings: (n,) a number for each recording.
        stamps_s: (n,) times; none is missing.
        index: (n,) their cells, as `Cells.index_of` gives them.
        distinct: (n,) which samples are distinct.
    """

    cells: Cells
    target: int
    participants: NDArray[Any]
    recordings: IntArray
    stamps_s: FloatArray
    index: IntArray
    distinct: BoolArray

    def whole(self) -> Coverage:
        """Count all samples."""
        return measure_coverage(self.index, self.cells, self.target, self.distinct)

    def by_participant(self, names: Iterable[str]) -> dict[str, Coverage]:
        """Count the samples of each participant, and of these names even if they have no samples."""
        none = measure_coverage(np.array([], np.int64), self.cells, self.target)
        found = coverage_by_group(self.index, self.participants, self.cells, self.target, self.distinct)
        return dict(sorted((dict.fromkeys(names, none) | found).items()))


class Placed(NamedTuple):
    """Places of labels: (n,) cells, as `Cells.index_of` gives them, and (n, 3) unit normals."""

    cells: IntArray
    normals: FloatArray


def place_labels(labels_deg: FloatArray, cells: Cells) -> Placed:
    """Find the cells and normals of labels.

    Args:
        labels_deg: (n, 2) azimuth and elevation as a label table holds them.
    Raises:
        OrientationError: a label that is no orientation.
    """
    labels_deg = labels_deg.astype(np.float64)
    normals = normal_from_angles_deg(labels_deg)
    azimuth_deg, elevation_deg = centred_from_label_deg(labels_deg).T
    return Placed(cells.index_of(azimuth_deg, elevation_deg), normals)


def sample_cells(table: pa.Table, settings: CoverageSettings) -> SampleCells:
    """Find the cells of a label table's samples.

    Raises:
        OrientationError: a label that is no orientation.
        SettingsError: the cells do not fit the reach.
    """
    cells = Cells(settings.cell_deg, settings.reach_deg, settings.cells)
    prefix = "view_" if settings.frame == "view" else ""
    is_sample = pc.equal(table["status"], SAMPLE).to_numpy()
    recordings = np.asarray(table["recording"].combine_chunks().dictionary_encode().indices)
    stamps_s = fill_stamps(table["stamp"].to_numpy(), recordings)
    angles_deg = [table[f"{prefix}{name}"].to_numpy()[is_sample] for name in ("azimuth", "elevation")]
    index, normals = place_labels(np.stack(angles_deg, axis=-1), cells)
    return SampleCells(
        cells,
        settings.target,
        table["participant"].to_numpy()[is_sample],
        recordings[is_sample],
        stamps_s[is_sample],
        index,
        distinct_mask(
            normals,
            stamps_s[is_sample],
            recordings[is_sample],
            turn_deg=settings.distinct_deg,
            gap_s=settings.distinct_s,
        ),
    )
