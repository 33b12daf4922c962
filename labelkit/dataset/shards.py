"""Shards: HDF5 files of fixed-size, contiguous datasets that can be memory-mapped.

A shard's bytes are a function of its content: no times, no links, default library version, one
writer, one order.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from labelkit.dataset.schema import ALL_FIELDS, CONVENTIONS, FIELDS, SCHEMA
from labelkit.errors import DatasetError

Columns = Mapping[str, NDArray[Any]]

_ALIGNMENT = 64  # bytes: a cache line, so that no mapped element straddles its natural boundary


def shard_bytes(columns: Columns, attributes: Mapping[str, str]) -> bytes:
    """Make a shard in memory.

    Args:
        columns: field name -> (n, *tail) array, n >= 1; all fields of FIELDS, those of DEPTH_FIELDS or none.
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
            file.attrs[name] = _fixed_text(value)
        for name, field in ALL_FIELDS.items():
            if name in columns:
                data = np.ascontiguousarray(columns[name], dtype=field.dtype)
                dataset = file.create_dataset(name, shape=(n, *field.tail), dtype=field.dtype, data=data)
                dataset.attrs["what"] = _fixed_text(field.what)
        file.flush()
        image: bytes = file.id.get_file_image()
    return image


def _check_columns(columns: Columns) -> int:
    missing = [field.name for field in FIELDS if field.name not in columns]
    unknown = [name for name in columns if name not in ALL_FIELDS]
    if missing or unknown:
        raise ValueError(f"a shard lacks {missing} or does not know {unknown}")
    n = len(columns["row"])
    for name, data in columns.items():
        if data.shape != (n, *ALL_FIELDS[name].tail) or n == 0:
            raise ValueError(f"{name} is {data.shape}, the schema says ({n}, *{ALL_FIELDS[name].tail}), at least 1")
    return n


def _fixed_text(text: str) -> Any:
    encoded = text.encode()
    return np.array(encoded, dtype=h5py.string_dtype("utf-8", length=max(1, len(encoded))))


def map_shard(path: Path) -> dict[str, NDArray[Any]]:
    """Map a shard's datasets into memory, read-only.

    Nothing is read but the file's structure, and nothing outside the file is ever followed.

    Returns:
        Field name -> (n, *tail) array backed by the file.
    Raises:
        DatasetError: not an HDF5 file, not this schema, or a dataset that is not plainly in the file.
    """
    try:
        with h5py.File(path, "r") as file:
            layout = {name: _plain_layout(path, file, name) for name in sorted(file) if name in ALL_FIELDS}
    except (OSError, RuntimeError, KeyError) as error:
        raise DatasetError(f"{path}: not a readable HDF5 shard ({error}); build the dataset again") from None
    missing = [field.name for field in FIELDS if field.name not in layout]
    lengths = {shape[0] for _, shape in layout.values()}
    if missing or len(lengths) != 1:
        raise DatasetError(f"{path}: not a {SCHEMA} shard (missing: {missing}, lengths: {sorted(lengths)})")
    # One map a file, not one a field: a process may have some 65,000 of them.
    content = np.asarray(np.memmap(path, np.uint8, mode="r"))
    return {name: _field(content, name, offset, shape) for name, (offset, shape) in layout.items()}


def _field(content: NDArray[np.uint8], name: str, offset: int, shape: tuple[int, ...]) -> NDArray[Any]:
    dtype = np.dtype(ALL_FIELDS[name].dtype)
    return content[offset : offset + dtype.itemsize * math.prod(shape)].view(dtype).reshape(shape)


def _plain_layout(path: Path, file: h5py.File, name: str) -> tuple[int, tuple[int, ...]]:
    if not isinstance(file.get(name, getlink=True), h5py.HardLink):
        raise DatasetError(f"{path}: {name} is a link; a shard holds its own data")
    dataset, field = file[name], ALL_FIELDS[name]
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
    if offset is None or offset + dataset.nbytes > path.stat().st_size:
        raise DatasetError(f"{path}: {name} reaches beyond the end of the file; the file was cut short")
    return int(offset), dataset.shape
