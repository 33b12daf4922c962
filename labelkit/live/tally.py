"""The samples of one recording, counted as they are recorded by the rules of the coverage map."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from labelkit.building.shard import row_of
from labelkit.cells import Cells
from labelkit.curation.coverage import Coverage, measure_coverage
from labelkit.curation.distinct import DistinctSamples, fill_stamps
from labelkit.dataset.sample_cells import Placed, place_labels
from labelkit.records import FloatArray, FrameName, Reason, Recording, Rejection, Sample
from labelkit.settings import CoverageSettings

Angles = tuple[float, float]


@dataclass(frozen=True)
class Label:
    """What came of a frame, as far as the game needs it.

    Attributes:
        camera_deg, view_deg: azimuth and elevation in the camera's and the view's axes, as the label table holds
            them; None for a rejected frame.
        reason, detail: why it was rejected.
    """

    camera_deg: Angles | None = None
    view_deg: Angles | None = None
    reason: Reason | None = None
    detail: str = ""


def label_of(recording: Recording, name: FrameName, outcome: Sample | Rejection) -> Label:
    """Take from an outcome what the label table would say of the frame."""
    if isinstance(outcome, Rejection):
        return Label(reason=outcome.reason, detail=outcome.detail)
    row = row_of(recording, name, outcome)
    return Label((row["azimuth"], row["elevation"]), (row["view_azimuth"], row["view_elevation"]))


class Tally:
    """The counts of one recording: the same that `sample_cells` gets from its rows in the label table."""

    def __init__(self, settings: CoverageSettings) -> None:
        self.cells = Cells(settings.cell_deg, settings.reach_deg, settings.cells)
        self._settings = settings
        self.recount([], [])

    def angles_deg(self, label: Label) -> Angles | None:
        """Give the angles of a label that are counted: the view's or the camera's; None for a rejected frame."""
        return label.view_deg if self._settings.frame == "view" else label.camera_deg

    def recount(self, stamps_s: Sequence[float], labels: Sequence[Label | None]) -> None:
        """Count all frames again, in their order.

        Args:
            stamps_s: of all source frames; NaN for a frame without a time.
            labels: one for each of them; None if it has no label yet.
        """
        self._rule = DistinctSamples(turn_deg=self._settings.distinct_deg, gap_s=self._settings.distinct_s)
        self.coverage = measure_coverage(np.array([], np.int64), self.cells, self._settings.target)
        found = [(k, angles) for k, label in enumerate(labels) if label and (angles := self.angles_deg(label))]
        if found:
            which, angles_deg = zip(*found, strict=True)
            self._count(angles_deg, _fill_stamps(stamps_s)[list(which)].tolist())

    def add(self, stamps_s: Sequence[float], label: Label) -> None:
        """Count one more frame; it must be later than all that were counted.

        Args:
            stamps_s: of all source frames up to this one; NaN for a frame without a time.
        """
        if angles := self.angles_deg(label):
            stamp_s = stamps_s[-1] if np.isfinite(stamps_s[-1]) else float(_fill_stamps(stamps_s)[-1])
            self._count([angles], [stamp_s])

    def _count(self, angles_deg: Sequence[Angles], stamps_s: Sequence[float]) -> None:
        samples = self._place(angles_deg)
        distinct = [self._rule.add(n, stamp) for n, stamp in zip(samples.normals.tolist(), stamps_s, strict=True)]
        more = measure_coverage(samples.cells, self.cells, self._settings.target, np.array(distinct))
        so_far = self.coverage
        self.coverage = Coverage(
            self.cells,
            so_far.target,
            so_far.counts + more.counts,
            so_far.outside + more.outside,
            so_far.repeats + more.repeats,
        )

    def _place(self, angles_deg: Sequence[Angles]) -> Placed:
        return place_labels(np.array(angles_deg, np.float32), self.cells)  # the table's precision


def _fill_stamps(stamps_s: Sequence[float]) -> FloatArray:
    return fill_stamps(np.array(stamps_s, np.float64), np.zeros(len(stamps_s), np.int64))
