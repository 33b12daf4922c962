"""How well samples cover orientation space: counts per cell, shares, gaps, balance.

Only distinct samples count toward the target (labelkit.curation.distinct).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.cells import FRONT, OUTSIDE, REGIONS, Cells, IntArray
from labelkit.records import BoolArray


class Gap(NamedTuple):
    """A region of orientation space, in words, and the share of its target that is missing."""

    region: str
    missing_share: float


@dataclass(frozen=True, eq=False)
class Coverage:
    """Samples counted by cell.

    Attributes:
        cells: the cells.
        target: distinct samples that make a cell full.
        counts: (side, side), row elevation, column azimuth: distinct samples; 0 in cells out of reach.
        outside: distinct samples outside all reachable cells.
        repeats: samples that are not distinct, wherever they lie.
    """

    cells: Cells
    target: int
    counts: IntArray
    outside: int
    repeats: int = 0

    @property
    def distinct(self) -> int:
        """The distinct samples, with those outside."""
        return int(self.counts.sum()) + self.outside

    @property
    def samples(self) -> int:
        """All samples, with those outside and repeats."""
        return self.distinct + self.repeats

    @property
    def reachable_cells(self) -> int:
        """Cells within reach."""
        return int(self.cells.reachable_mask.sum())

    @property
    def filled_mask(self) -> BoolArray:
        """(side, side): reachable cells that hold the target."""
        return self.cells.reachable_mask & np.greater_equal(self.counts, self.target)

    @property
    def empty_mask(self) -> BoolArray:
        """(side, side): reachable cells that hold nothing."""
        return self.cells.reachable_mask & np.equal(self.counts, 0)

    @property
    def filled_cells(self) -> int:
        """Reachable cells that hold the target."""
        return int(self.filled_mask.sum())

    @property
    def empty_cells(self) -> int:
        """Reachable cells that hold nothing."""
        return int(self.empty_mask.sum())

    @property
    def filled_share(self) -> float:
        """Share of the reachable cells that hold the target."""
        return self.filled_cells / self.reachable_cells

    @property
    def started_share(self) -> float:
        """Share of the reachable cells that hold at least one sample."""
        return 1.0 - self.empty_cells / self.reachable_cells

    @property
    def entropy_share(self) -> float | None:
        """Entropy over the reachable cells, divided by the maximum: 1 even, 0 all in one; None without samples."""
        counts = self.counts[self.cells.reachable_mask]
        if not counts.any():
            return None
        share = counts[counts > 0] / counts.sum()
        return float(-(share * np.log(share)).sum() / np.log(len(counts))) + 0.0  # no "-0"

    @property
    def gini(self) -> float | None:
        """Gini coefficient over the reachable cells: 0 even, near 1 all in one; None without samples.

        Source: Damgaard & Weiner 2000, Ecology 81, 1139 (formula for sorted values).
        """
        counts = np.sort(self.counts[self.cells.reachable_mask])
        if not counts.any():
            return None
        n = len(counts)
        return float((2 * np.arange(1, n + 1) - n - 1) @ counts / (n * counts.sum()))

    @property
    def emptiest(self) -> Gap | None:
        """The region with the largest missing share; None if every cell is full."""
        missing = np.clip(self.target - self.counts, 0, None) / self.target
        reachable = self.cells.reachable_mask
        shares = {
            region: float(missing[here].mean())
            for region in range(len(REGIONS))
            if (here := reachable & (self.cells.regions == region)).any()
        }
        worst = max(shares.values())
        tied = [region for region, share in shares.items() if share == worst]
        if worst == 0.0:
            return None
        if len(tied) == len(shares):
            return Gap("everywhere", worst)
        if len(tied) == len(shares) - 1 and FRONT not in tied:
            return Gap("all round the rim", worst)
        return Gap(REGIONS[tied[0]], worst)

    def as_plain(self) -> dict[str, Any]:
        """Convert to plain values for JSON; counts of cells out of reach are `null`."""
        reachable, centres = self.cells.reachable_mask, self.cells.centre_angles_deg
        return {
            "samples": self.samples,
            "distinct": self.distinct,
            "outside": self.outside,
            "reachable_cells": self.reachable_cells,
            "filled_cells": self.filled_cells,
            "filled_share": self.filled_share,
            "started_share": self.started_share,
            "entropy_share": self.entropy_share,
            "gini": self.gini,
            "emptiest": None if (gap := self.emptiest) is None else gap._asdict(),
            "empty_cells": [
                {"azimuth": azimuth, "elevation": elevation}
                for azimuth, elevation in centres[self.empty_mask].round(6).tolist()
            ],
            "counts": [
                [int(count) if reached else None for count, reached in zip(*row, strict=True)]
                for row in zip(self.counts, reachable, strict=True)
            ],
        }


def cell_rows(coverage: Coverage) -> Iterator[dict[str, Any]]:
    """List the reachable cells from the top down and from left to right, in plain values."""
    cells = coverage.cells
    for row, column in zip(*np.nonzero(cells.reachable_mask), strict=True):
        azimuth, elevation = cells.centre_angles_deg[row, column].round(6).tolist()
        count = int(coverage.counts[row, column])
        yield {
            "row": int(row),
            "column": int(column),
            "azimuth": azimuth,
            "elevation": elevation,
            "region": REGIONS[cells.regions[row, column]],
            "distinct": count,
            "full": count >= coverage.target,
        }


def measure_coverage(index: IntArray, cells: Cells, target: int, distinct: BoolArray | None = None) -> Coverage:
    """Count samples by cell.

    Args:
        index: (n,) the samples' cells, from `cells_of_labels`.
        cells: the cells.
        target: distinct samples that make a cell full.
        distinct: (n,) which samples count; None: all.
    """
    (coverage,) = _count(index, np.zeros(len(index), np.int64), 1, cells, target, distinct)
    return coverage


def coverage_by_group(
    index: IntArray,
    groups: Sequence[str] | NDArray[Any],
    cells: Cells,
    target: int,
    distinct: BoolArray | None = None,
) -> dict[str, Coverage]:
    """Count samples by cell, separately for each group (participant, split).

    Args:
        index: (n,) the samples' cells, from `cells_of_labels`.
        groups: (n,) the group of each sample.
        cells, target, distinct: as for `measure_coverage`.
    Returns:
        Group -> coverage, in the order of the groups' names.
    """
    names, number = _number_groups(np.asarray(groups))
    return dict(zip(names, _count(index, number, len(names), cells, target, distinct), strict=True))


def sum_coverages(parts: Iterable[Coverage], cells: Cells, target: int) -> Coverage:
    """Add up coverages of the same cells, such as those of the participants in one part of a split."""
    counts = np.zeros((cells.side, cells.side), dtype=np.int64)
    outside = repeats = 0
    for part in parts:
        counts, outside, repeats = counts + part.counts, outside + part.outside, repeats + part.repeats
    return Coverage(cells, target, counts, outside, repeats)


def _number_groups(groups: NDArray[Any]) -> tuple[list[str], IntArray]:
    # Samples are ordered by participant: sorting the names of the runs is much faster than sorting all.
    starts = np.flatnonzero(np.r_[True, groups[1:] != groups[:-1]]) if len(groups) else np.array([], np.int64)
    names, of_run = np.unique(groups[starts].astype(str), return_inverse=True)
    return names.tolist(), np.repeat(of_run, np.diff(np.r_[starts, len(groups)]))


def _count(
    index: IntArray, group: IntArray, n_groups: int, cells: Cells, target: int, distinct: BoolArray | None
) -> list[Coverage]:
    bins = cells.side**2 + 2  # two more at the end: samples outside, and repeats
    place = np.where(index == OUTSIDE, bins - 2, index)
    if distinct is not None:
        place = np.where(distinct, place, bins - 1)
    counts = np.bincount(group * bins + place, minlength=n_groups * bins).reshape(n_groups, bins)
    return [
        Coverage(cells, target, row[:-2].reshape(cells.side, cells.side), int(row[-2]), int(row[-1])) for row in counts
    ]


def rank_groups(groups: Mapping[str, Coverage]) -> list[tuple[str, Coverage]]:
    """Sort groups by the share of full cells, then of started cells, the best first; then by name."""
    return sorted(groups.items(), key=lambda item: (-item[1].filled_share, -item[1].started_share, item[0]))
