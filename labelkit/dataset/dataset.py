"""A finished dataset, read through memory maps."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelkit.dataset.manifest import Manifest, difference, read_manifest
from labelkit.dataset.reading import opened
from labelkit.dataset.shards import map_open_shard
from labelkit.dataset.table import SAMPLE, TABLE_NAME, read_table
from labelkit.errors import DatasetError


def open_dataset(path: Path | str = "dataset") -> Dataset:
    """Open a finished dataset; pictures are read only as they are asked for.

    Raises:
        DatasetError: no dataset, an unfinished one, or one of another version.
    """
    folder = Path(path)
    return Dataset(folder, read_manifest(folder))


class Dataset:
    """Random access to the samples of a finished dataset.

    Samples are numbered 0..len-1, shard after shard in the order of their names. Pictures stay on
    disk until they are gathered; label columns are read whole on first use. It can be pickled.
    """

    def __init__(self, path: Path, manifest: Manifest) -> None:
        self.path = path
        self.manifest = manifest

    def __len__(self) -> int:
        return self.manifest.samples

    def __getitem__(self, index: int) -> dict[str, NDArray[Any]]:
        """Read one sample: field name -> array, of the shapes in the schema."""
        if not -len(self) <= index < len(self):
            raise IndexError(f"sample {index} of {len(self)}")
        shard, local = self._place(np.array([index % len(self)]))
        return {name: np.array(column[local[0]]) for name, column in self._shards[shard[0]].items()}

    def __repr__(self) -> str:
        m = self.manifest
        return f"<Dataset {self.path}: {m.samples} samples of {len(m.participants)} participants, {m.frames} frames>"

    def __getstate__(self) -> dict[str, Any]:
        return {"path": self.path, "manifest": self.manifest}  # maps and columns are opened anew

    @cached_property
    def shard_names(self) -> tuple[str, ...]:
        """The shards relative to the dataset, in sample order."""
        return tuple(sorted(name for name in self.manifest.files if name.startswith("shards/")))

    @cached_property
    def _shards(self) -> list[dict[str, NDArray[Any]]]:
        shards = []
        for name in self.shard_names:
            path = self.path / name
            try:
                with opened(self.path, name) as file:
                    if os.fstat(file.fileno()).st_size != self.manifest.files[name].bytes:
                        raise DatasetError(f"{path}: of another size than the manifest says; build the dataset again")
                    shards.append(map_open_shard(file, path))
            except OSError as error:
                raise DatasetError(f"{path}: cannot be opened ({error.strerror}); build the dataset again") from None
        if sum(len(shard["row"]) for shard in shards) != len(self):
            raise DatasetError(f"{self.path}: the shards do not hold the {len(self)} samples of the manifest")
        return shards

    @cached_property
    def _starts(self) -> NDArray[np.int64]:
        return np.cumsum([0, *(len(shard["row"]) for shard in self._shards)], dtype=np.int64)

    def _place(self, indices: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        shard = np.searchsorted(self._starts, indices, side="right") - 1
        return shard, indices - self._starts[shard]

    @cached_property
    def fields(self) -> tuple[str, ...]:
        """The fields every shard holds."""
        if not self._shards:
            return ()
        return tuple(name for name in self._shards[0] if all(name in shard for shard in self._shards))

    def gather(self, field: str, indices: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Copy some samples of one field into memory.

        Args:
            field: a field of the schema, such as "rgb128".
            indices: (n,) sample numbers, in any order.
        Returns:
            (n, *tail), in the order asked for.
        Raises:
            DatasetError: the dataset does not hold that field.
        """
        self._check_field(field)
        shard, local = self._place(np.asarray(indices, dtype=np.int64))
        first = self._shards[0][field]
        gathered = np.empty((len(shard), *first.shape[1:]), first.dtype)
        for number in np.unique(shard):
            here = shard == number
            gathered[here] = self._shards[number][field][local[here]]
        return gathered

    def column(self, field: str) -> NDArray[Any]:
        """Read one field of all samples into memory: (n, *tail). For labels; gather pictures instead."""
        self._check_field(field)
        return np.concatenate([shard[field] for shard in self._shards])

    def _check_field(self, field: str) -> None:
        if field not in self.fields:
            raise DatasetError(f"{self.path}: holds no {field!r}; it has {', '.join(self.fields) or 'no samples'}")

    @cached_property
    def participants(self) -> NDArray[np.str_]:
        """(n,) the participant of each sample."""
        table = self.table().filter(pc.field("status") == SAMPLE)
        name_of_shard = dict(zip(table["shard"].to_pylist(), table["participant"].to_pylist(), strict=True))
        if strange := sorted(set(self.shard_names) - name_of_shard.keys()):
            raise DatasetError(f"{self.path / TABLE_NAME}: no row names {strange[0]}; see labelkit verify {self.path}")
        counts = np.diff(self._starts)
        return np.repeat([name_of_shard[name] for name in self.shard_names], counts) if len(self) else np.array([], str)

    @cached_property
    def rows(self) -> NDArray[np.int64]:
        """(n,) the row of each sample in labels.parquet."""
        placed = self.table().select(["shard", "index"])
        number_of = {name: number for number, name in enumerate(self.shard_names)}
        rows = np.empty(len(self), np.int64)
        for row, (shard, index) in enumerate(zip(*(column.to_pylist() for column in placed.columns), strict=True)):
            if shard is not None:
                rows[self._starts[number_of[shard]] + index] = row
        return rows

    def table(self) -> pa.Table:
        """Read labels.parquet: one row for every source frame."""
        return read_table(self.path / TABLE_NAME)

    def check_hashes(self) -> None:
        """Hash every file of the dataset against the manifest.

        Raises:
            DatasetError: names the first file that is missing or changed.
        """
        for name, entry in self.manifest.files.items():
            try:
                with opened(self.path, name) as file:
                    says = difference(file, entry)
            except OSError as error:
                raise DatasetError(
                    f"{self.path / name}: cannot be opened ({error.strerror}); build the dataset again"
                ) from None
            if says:
                raise DatasetError(
                    f"{self.path / name}: changed since the dataset was built ({says}); build the dataset again"
                )
