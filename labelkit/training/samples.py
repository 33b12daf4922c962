"""The labels of a dataset's samples, checked, and the samples of one side of a split."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.curation.splits import FrameSplit, Split
from labelkit.dataset.dataset import Dataset
from labelkit.dataset.table import TABLE_NAME
from labelkit.errors import DatasetError
from labelkit.geometry.orientation import centred_from_label_deg, label_from_centred_deg, normal_from_angles_deg
from labelkit.records import BoolArray, FloatArray
from labelkit.training.batches import BatchSource, Indices

_FIELDS = ("view_azimuth", "view_elevation")
_UNIT_TOLERANCE = 1e-5  # float32 angles of an edge-on hand, as in geometry.orientation


@dataclass(frozen=True, eq=False)
class Samples:
    """Some samples of a dataset, and what is known of them.

    Attributes:
        source: where their pictures are.
        indices: (n,) their numbers there.
        centred_deg: (n, 2) centred azimuth and elevation, degrees, view frame.
        participants: (n,) names.
        rows: (n,) rows in labels.parquet.
    """

    source: BatchSource
    indices: Indices
    centred_deg: FloatArray
    participants: NDArray[np.str_]
    rows: NDArray[np.integer[Any]]

    def __len__(self) -> int:
        return len(self.indices)

    @cached_property
    def normals(self) -> FloatArray:
        """(n, 3) unit normals, view frame, facing the camera."""
        return normal_from_angles_deg(label_from_centred_deg(self.centred_deg))  # centring undoes itself

    def at(self, chosen: BoolArray | Indices) -> Samples:
        """Keep the samples of a mask (n,), or of these positions, in their order."""
        return replace(
            self,
            indices=self.indices[chosen],
            centred_deg=self.centred_deg[chosen],
            participants=self.participants[chosen],
            rows=self.rows[chosen],
        )

    def of(self, participants: Iterable[str]) -> Samples:
        """Keep the samples of these participants."""
        return self.at(np.isin(self.participants, list(participants)))


@dataclass(frozen=True, eq=False)
class Sides:
    """The samples on each side of a split."""

    train: Samples
    validation: Samples
    test: Samples


def read_samples(dataset: Dataset) -> Samples:
    """Read the labels of all samples.

    Raises:
        DatasetError: no sample, or a label that is no orientation; names its row.
    """
    if not len(dataset):
        raise DatasetError(f"{dataset.path}: holds no sample, only rejected frames; see the reasons in {TABLE_NAME}")
    angles_deg = np.stack([dataset.column(field) for field in _FIELDS], axis=-1).astype(np.float64)
    rows = dataset.rows
    squared = np.sum(np.cos(np.deg2rad(angles_deg)) ** 2, axis=-1)
    wrong = np.flatnonzero(~(squared <= 1.0 + _UNIT_TOLERANCE))  # NaN is wrong too
    if len(wrong):
        azimuth, elevation = angles_deg[wrong[0]]
        raise DatasetError(
            f"{dataset.path}: row {rows[wrong[0]]} of {TABLE_NAME} has {_FIELDS[0]} {azimuth:g} and "
            f"{_FIELDS[1]} {elevation:g}, which is no orientation; build the dataset again"
        )
    return Samples(dataset, np.arange(len(dataset)), centred_from_label_deg(angles_deg), dataset.participants, rows)


def take_sides(samples: Samples, split: Split | FrameSplit) -> Sides:
    """Deal the samples out to the sides of a split."""
    return Sides(*(samples.at(mask) for mask in split.deal(samples.participants)))
