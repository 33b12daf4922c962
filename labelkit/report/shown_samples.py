"""The samples of a dataset as a report needs them: in the order of recording, pictures on demand."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import cv2
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelkit.dataset.dataset import Dataset
from labelkit.dataset.sample_cells import SampleCells
from labelkit.dataset.table import SAMPLE
from labelkit.geometry.orientation import normal_from_angles_deg
from labelkit.records import ColorImage, FloatArray

_AT_ONCE = 2048  # pictures in memory at a time


class ShownSamples:
    """All samples, numbered in the order of the label table.

    Attributes:
        cells: their cells, and what else is counted of them.
        split: participant -> side of the split.
    """

    def __init__(self, source: Dataset, cells: SampleCells, split: Mapping[str, str]) -> None:
        self._source = source
        self.cells, self.split = cells, split
        table = source.table()
        self._table = table.filter(pc.equal(table["status"], SAMPLE))
        self._columns: dict[str, NDArray[Any]] = {}

    def __len__(self) -> int:
        return len(self.cells.index)

    def column(self, name: str) -> NDArray[Any]:
        """Read a column of the label table: (n,), numbers as float64, NaN where there is none."""
        if name not in self._columns:
            column = self._table[name]
            self._columns[name] = (column if pa.types.is_string(column.type) else column.cast("float64")).to_numpy()
        return self._columns[name]

    @cached_property
    def view_normals(self) -> FloatArray:
        """(n, 3) in the view frame, as the crops show the hands."""
        return normal_from_angles_deg(
            np.stack([self.column("view_azimuth"), self.column("view_elevation")], axis=-1, dtype=np.float64)
        )

    def intrinsics(self, numbers: NDArray[np.int64]) -> FloatArray:
        """Read fx fy cx cy of the colour pictures: (m, 4)."""
        if not len(numbers):
            return np.empty((0, 4))
        return self._source.gather("intrinsics", self._numbers[numbers])

    @cached_property
    def _numbers(self) -> NDArray[np.int64]:
        """(n,) the number of each in the dataset, which goes shard after shard."""
        return np.argsort(self._source.rows, kind="stable")

    def crops(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Read crops of 64 x 64 pixels: (m, 64, 64, 3) RGB."""
        if not len(numbers):
            return np.empty((0, 64, 64, 3), np.uint8)
        return self._source.gather_shown(64, self._numbers[numbers])

    def grey(self, numbers: NDArray[np.int64]) -> NDArray[np.uint8]:
        """Read the smallest crops in grey: (m, 32, 32)."""
        pictures = np.empty((len(numbers), 32, 32), np.uint8)
        for start in range(0, len(numbers), _AT_ONCE):
            here = slice(start, start + _AT_ONCE)
            for k, picture in enumerate(self._source.gather_shown(32, self._numbers[numbers[here]]), start):
                pictures[k] = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY)
        return pictures


def thumbnail(picture: ColorImage, width: int) -> ColorImage:
    """Shrink a whole colour picture."""
    height = max(1, round(picture.shape[0] * width / picture.shape[1]))
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)
