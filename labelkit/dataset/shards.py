"""Shards: HDF5 files of fixed-size, contiguous datasets that can be memory-mapped.

A shard's bytes are a function of its content: no times, no links, default library version, one
writer, one order.
"""

from __future__ import annotations

import math
import mmap
import os
from collections.abc import Container, Iterator, Mapping
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from labelkit.dataset.schema import ALL_FIELDS, COLOR_FIELDS, CONVENTIONS, DEPTH_FIELDS, FIELDS, SCHEMA
from labelkit.errors import DatasetError

Columns = Mapping[str, NDArray[Any]]

_ALIGNMENT = 64  # bytes: a cache line, so that no mapped element straddles its natural boundary

_MOST_TEXT = 65_536  # bytes of an attribute; HDF5 itself keeps larger ones apart from their object

# What h5py raises at a damaged file: types without a counterpart in NumPy are a ValueError, names that are no
# text a TypeError, objects that are not there a KeyError.
_UNREADABLE = (OSError, RuntimeError, KeyError, TypeError, ValueError, MemoryError)


def shard_bytes(columns: Columns, attributes: Mapping[str, str]) -> bytes:
    """Make a shard in memory.

    Args:
        columns: field name -> (n, *tail) array, n >= 1; all fields of FIELDS, and of each of
            OPTIONAL_FIELDS all or none; with those of DEPTH_FIELDS, those of COLOR_FIELDS may be missing.
        attributes: what else the file says about itself, as text.
    Returns:
        The file's bytes; the same columns and attributes give the same bytes.
    Raises:
        ValueError: a field is missing, unknown, or has another shape than the schema says.
    """
    n = _check_columns(columns)
    with h5py.File(
        "shard.h5",
        "w",
        driver="core",
        backing_store=False,
        alignment_threshold=1,
        alignment_interval=_ALIGNMENT,
    ) as file:
        for name, value in {"schema": SCHEMA, "conventions": CONVENTIONS, **attributes}.items():
            file.attrs[name] = _as_fixed_text(value)
        for name, field in ALL_FIELDS.items():
            if name in columns:
                data = np.ascontiguousarray(columns[name], dtype=field.dtype)
                dataset = file.create_dataset(name, shape=(n, *field.tail), dtype=field.dtype, data=data)
                dataset.attrs["what"] = _as_fixed_text(field.what)
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def _check_columns(columns: Columns) -> int:
    missing = _list_missing(columns)
    unknown = [name for name in columns if name not in ALL_FIELDS]
    if missing or unknown:
        raise ValueError(f"a shard lacks {missing} or does not know {unknown}")
    n = len(columns["row"])
    for name, data in columns.items():
        if data.shape != (n, *ALL_FIELDS[name].tail) or n == 0:
            raise ValueError(f"{name} is {data.shape}, the schema says ({n}, *{ALL_FIELDS[name].tail}), at least 1")
    return n


def _list_missing(there: Container[str]) -> list[str]:
    """List the fields that a shard lacks; one of depth only has no colour."""
    depth_only = all(field.name in there for field in DEPTH_FIELDS) and not any(
        field.name in there for field in COLOR_FIELDS
    )
    return [f.name for f in FIELDS if f.name not in there and not (depth_only and f in COLOR_FIELDS)]


def _as_fixed_text(text: str) -> Any:
    encoded = text.encode()
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", length=max(1, len(encoded))))


def map_open_shard(file: BufferedReader, path: Path) -> dict[str, NDArray[Any]]:
    """Map an open shard's datasets into memory, read-only.

    Nothing is read but the file's structure, and nothing outside the file is ever followed.

    Args:
        path: for messages.
    Returns:
        Field name -> (n, *tail) array backed by the file.
    Raises:
        DatasetError: not an HDF5 file, not this schema, or a dataset that is not plainly in the file.
    """
    size = os.fstat(file.fileno()).st_size
    with _structure(file, path) as shard:
        layout = {name: _plain_layout(path, shard, name, size) for name in ALL_FIELDS if name in shard}
    missing = _list_missing(layout)
    lengths = {shape[0] for _, shape in layout.values()}
    if missing or len(lengths) != 1:
        raise DatasetError(f"{path}: not a {SCHEMA} shard (missing: {missing}, lengths: {sorted(lengths)})")
    # One map for all fields: each map keeps a file open, and a process may often have only 1,024 of those.
    content = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    return {
        name: np.ndarray(shape, ALL_FIELDS[name].dtype, buffer=content, offset=offset)
        for name, (offset, shape) in layout.items()
    }


def read_attributes(file: BufferedReader, path: Path) -> dict[str, str]:
    """Read what an open shard says about itself.

    Returns:
        Attribute -> text, of those attributes that are text of a fixed, small size.
    Raises:
        DatasetError: not an HDF5 file, or it holds what the schema does not know.
    """
    with _structure(file, path) as shard:
        if unknown := [name for name in shard if name not in ALL_FIELDS]:
            raise DatasetError(f"{path}: holds {unknown[0]!r}, which {SCHEMA} does not know")
        texts = {}
        for name in shard.attrs:
            stored = shard.attrs.get_id(name)
            kind = stored.get_type()
            plain = isinstance(kind, h5py.h5t.TypeStringID) and not kind.is_variable_str() and stored.shape == ()
            if plain and kind.get_size() <= _MOST_TEXT:
                texts[str(name)] = bytes(shard.attrs[name]).rstrip(b"\0").decode("utf-8", "replace")
        return texts


@contextmanager
def _structure(file: BufferedReader, path: Path) -> Iterator[h5py.File]:
    """Open a file that is open already with h5py, so that it is the same file whatever its name leads to now."""
    try:
        # Without a lock: nobody writes into a finished shard, and some disks have no locks.
        with h5py.File(f"/dev/fd/{file.fileno()}", "r", locking=False) as shard:
            yield shard
    except DatasetError:
        raise
    except _UNREADABLE as error:
        raise DatasetError(f"{path}: not a readable HDF5 shard ({error}); build the dataset again") from None


def _plain_layout(path: Path, shard: h5py.File, name: str, size: int) -> tuple[int, tuple[int, ...]]:
    if not isinstance(shard.get(name, getlink=True), h5py.HardLink):
        raise DatasetError(f"{path}: {name} is a link; a shard holds its own data")
    dataset, field = shard[name], ALL_FIELDS[name]
    plain = (
        isinstance(dataset, h5py.Dataset)
        and dataset.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS
        and not dataset.external
        and dataset.dtype == np.dtype(field.dtype)
        and dataset.ndim == 1 + len(field.tail)
        and dataset.shape[1:] == field.tail
        and dataset.shape[0] > 0
    )
    if not plain:
        raise DatasetError(f"{path}: {name} is not a contiguous {field.dtype} array (n, *{field.tail})")
    offset = dataset.id.get_offset()
    claimed = math.prod(dataset.shape) * dataset.dtype.itemsize  # of Python's numbers, which do not overflow
    if offset is None or offset + claimed > size:
        raise DatasetError(f"{path}: {name} reaches beyond the end of the file; the file was cut short")
    return int(offset), tuple(int(length) for length in dataset.shape)
