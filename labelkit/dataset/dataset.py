"""A finished dataset, read through memory maps."""

from __future__ import annotations

import errno
import math
import os
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelkit.dataset.manifest import FileEntry, Manifest, describe_difference, read_manifest
from labelkit.dataset.notebook import CROPS, html_of
from labelkit.dataset.reading import allow_open_files, open_plain_file
from labelkit.dataset.schema import ALL_FIELDS, COLOR_FIELDS, OPTIONAL_FIELDS, Field
from labelkit.dataset.shards import map_open_shard
from labelkit.dataset.table import SAMPLE, TABLE_NAME, read_table
from labelkit.errors import DatasetError
from labelkit.imaging.pyramid import grey_from_depth
from labelkit.wording import shell_command

Batch = dict[str, NDArray[Any]]  # field -> array

_HOW = {
    **{field.name: f"; build it with {option}" for option, fields in OPTIONAL_FIELDS.items() for field in fields},
    **dict.fromkeys((field.name for field in COLOR_FIELDS), ", since recordings of depth only are in it"),
}


def open_dataset(path: Path | str = "dataset", fields: Sequence[str] | None = None) -> Dataset:
    """Open a finished dataset; pictures are read when they are asked for.

    Args:
        fields: the fields that a sample holds; all fields of the dataset, if None.
    Raises:
        DatasetError: no dataset, an unfinished one, one of another version, or one without these fields.
    """
    folder = Path(path)
    dataset = Dataset(folder, read_manifest(folder), None if fields is None else tuple(fields))
    if fields is not None:
        dataset.check_fields(fields)
    return dataset


class Dataset:
    """Random access to the samples of a finished dataset.

    Samples are numbered 0..len-1, shard after shard in the order of their names. Pictures stay on
    disk until they are gathered; label columns are read whole on first use. It can be pickled, for
    worker processes.
    """

    def __init__(self, path: Path, manifest: Manifest, fields: tuple[str, ...] | None = None) -> None:
        self.path = path
        self.manifest = manifest
        self._chosen = fields

    def __len__(self) -> int:
        return self.manifest.samples

    def __getitem__(self, index: int | slice | Sequence[int] | NDArray[np.integer[Any]]) -> Batch:
        """Read a sample, or several at once.

        Args:
            index: a number, which may count from the end; or a slice, or a sequence of numbers.
        Returns:
            Field name -> array of the shape in the schema, with an axis of samples before it for several.
        """
        if isinstance(index, slice):
            return self[range(*index.indices(len(self)))]
        numbers = np.asarray(index, dtype=np.int64)
        if numbers.ndim:
            return self.gather_fields(self.fields, numbers)
        number = int(numbers)
        if not -len(self) <= number < len(self):
            raise IndexError(f"sample {number} of {len(self)}")  # ends a plain `for sample in dataset` too
        return {field: column[0] for field, column in self[[number % len(self)]].items()}

    def __repr__(self) -> str:
        return f"<Dataset {self.path}: {self.manifest.samples_of_whom()}, {self.manifest.frames:,} frames>"

    def _repr_html_(self) -> str:
        shown = np.linspace(0, len(self) - 1, min(CROPS, len(self))).round().astype(np.int64)
        return html_of(self.path, self.manifest, self.gather_shown(64, shown) if len(self) else ())

    def __getstate__(self) -> dict[str, Any]:
        return {
            "path": self.path,
            "manifest": self.manifest,
            "_chosen": self._chosen,
        }  # maps and columns are opened again

    @cached_property
    def shard_names(self) -> tuple[str, ...]:
        """The shards relative to the dataset, in sample order."""
        return tuple(sorted(name for name in self.manifest.files if name.startswith("shards/")))

    @cached_property
    def _shards(self) -> list[dict[str, NDArray[Any]]]:
        shards = []
        allow_open_files(len(self.shard_names))
        for name in self.shard_names:
            path = self.path / name
            try:
                with open_plain_file(self.path, name) as file:
                    if os.fstat(file.fileno()).st_size != self.manifest.files[name].bytes:
                        raise DatasetError(f"{path}: its size is not the one in the manifest; build the dataset again")
                    shards.append(map_open_shard(file, path))
            except OSError as error:
                if error.errno == errno.EMFILE:
                    raise DatasetError(
                        f"{self.path}: each of its {len(self.shard_names):,} shards is one open file, more than this "
                        "process may have; raise the limit (ulimit -n), or build with a larger --shard-frames"
                    ) from None
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
    def held(self) -> tuple[str, ...]:
        """The fields that every shard holds."""
        if not self._shards:
            return ()
        return tuple(name for name in self._shards[0] if all(name in shard for shard in self._shards))

    @property
    def fields(self) -> tuple[str, ...]:
        """The fields a sample is read with."""
        return self.held if self._chosen is None else self._chosen

    def gather(self, field: str, indices: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[Any]:
        """Copy some samples of one field into memory.

        Args:
            field: a field of the schema, such as "rgb128".
            indices: (n,) sample numbers, 0..len-1, in any order.
        Returns:
            (n, ...), in the order asked for.
        Raises:
            DatasetError: the dataset does not hold that field.
            IndexError: there is no such sample.
        """
        return self.gather_fields([field], indices)[field]

    def gather_shown(self, size: int, indices: Sequence[int] | NDArray[np.integer[Any]]) -> NDArray[np.uint8]:
        """Copy crops to show: (n, size, size, 3) RGB; depth in grey, if there are recordings of depth only."""
        if f"rgb{size}" in self.held or f"depth{size}" not in self.held:
            return self.gather(f"rgb{size}", indices)
        return grey_from_depth(self.gather(f"depth{size}", indices))

    def gather_fields(self, fields: Sequence[str], indices: Sequence[int] | NDArray[np.integer[Any]]) -> Batch:
        """Copy some samples of several fields into memory. As `gather`."""
        self.check_fields(fields)
        numbers = np.asarray(indices, dtype=np.int64)
        if len(numbers) and not 0 <= numbers.min() <= numbers.max() < len(self):
            raise IndexError(f"samples {numbers.min()}..{numbers.max()} of {len(self)}")
        places = [each.tolist() for each in self._place(numbers)]
        return {field: self._join(ALL_FIELDS[field], *places) for field in fields}

    def _join(self, field: Field, shards: list[int], places: list[int]) -> NDArray[Any]:
        """Copy samples, by their shards and their places there; numpy's own indexing takes three times as long."""
        views, size = self._views(field.name), np.dtype(field.dtype).itemsize * math.prod(field.tail)
        rows = [views[shard][place * size : (place + 1) * size] for shard, place in zip(shards, places, strict=True)]
        return np.frombuffer(bytearray().join(rows), field.dtype).reshape(len(rows), *field.tail)

    def _views(self, field: str) -> list[memoryview]:
        """The bytes of a field, shard by shard."""
        if field not in self._bytes:
            self._bytes[field] = [shard[field].reshape(-1).view(np.uint8).data for shard in self._shards]
        return self._bytes[field]

    @cached_property
    def _bytes(self) -> dict[str, list[memoryview]]:
        return {}

    def column(self, field: str) -> NDArray[Any]:
        """Read one field of all samples into memory: (n, ...). For labels; gather pictures instead."""
        self.check_fields([field])
        return np.concatenate([shard[field] for shard in self._shards])

    def check_fields(self, fields: Iterable[str]) -> None:
        """Refuse fields that the dataset does not hold.

        Raises:
            DatasetError: names the first of them.
        """
        for field in fields:
            if field not in self.held:
                how = _HOW.get(field, "") if self.held else ""
                held = ", ".join(self.held) or "no samples"
                raise DatasetError(f"{self.path}: holds no {field!r}{how}; it has {held}")

    @cached_property
    def participants(self) -> NDArray[np.str_]:
        """(n,) the participant of each sample."""
        table = self.table()
        table = table.filter(pc.equal(table["status"], SAMPLE))
        name_of_shard = dict(zip(table["shard"].to_pylist(), table["participant"].to_pylist(), strict=True))
        if strange := sorted(set(self.shard_names) - name_of_shard.keys()):
            raise DatasetError(
                f"{self.path / TABLE_NAME}: no row names {strange[0]}; see {shell_command('verify', self.path)}"
            )
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

    def check_hashes(
        self,
        names: Iterable[str] | None = None,
        on_file: Callable[[FileEntry], None] = lambda entry: None,  # noqa: ARG005
    ) -> None:
        """Hash the dataset's files against the manifest.

        Args:
            names: the files that matter; all if None.
            on_file: called after each file, with what the manifest says of it.
        Raises:
            DatasetError: names the first file that is missing or changed.
        """
        for name in self.manifest.files if names is None else names:
            try:
                with open_plain_file(self.path, name) as file:
                    says = describe_difference(file, self.manifest.files[name])
            except OSError as error:
                raise DatasetError(
                    f"{self.path / name}: cannot be opened ({error.strerror}); build the dataset again"
                ) from None
            if says:
                raise DatasetError(
                    f"{self.path / name}: changed since the dataset was built ({says}); build the dataset again"
                )
            on_file(self.manifest.files[name])
