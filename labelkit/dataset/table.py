"""labels.parquet: one row for every source frame, sample or rejection, with why."""

from __future__ import annotations

import io
import os
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from io import BufferedReader
from itertools import accumulate, pairwise
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from labelkit.dataset.reading import open_plain_file
from labelkit.dataset.schema import TABLE_FIELDS
from labelkit.errors import DatasetError
from labelkit.files import replacing

TABLE_NAME = "labels.parquet"

SAMPLE, REJECTED = "sample", "rejected"

# HDF5 has no truth values, so that shards hold them as numbers.
_TYPES = {"<f4": pa.float32(), "<i4": pa.int32(), "|u1": pa.bool_()}

COLUMNS = pa.schema(
    [
        pa.field("participant", pa.string(), nullable=False),
        pa.field("recording", pa.string(), nullable=False),
        pa.field("frame", pa.string(), nullable=False),
        pa.field("color_frame", pa.string()),
        pa.field("stamp", pa.float64()),
        pa.field("status", pa.string(), nullable=False),
        pa.field("reason", pa.string()),
        pa.field("detail", pa.string()),
        pa.field("shard", pa.string()),
        pa.field("index", pa.int32()),
        *(pa.field(name, _TYPES[field.dtype]) for field in TABLE_FIELDS for name in field.columns),
        pa.field("unit_stated", pa.string()),
        pa.field("intrinsics_stated", pa.string()),
        pa.field("registered_stated", pa.string()),
    ]
)

Row = Mapping[str, Any]

# Read as they are stored, each text once: a table of a few bytes can say a long text a million times.
_TEXTS = [field.name for field in COLUMNS if field.type == pa.string()]

# What a byte of a table may stand for at most. Rejections that differ in nothing but a number take 3.7 bytes a
# row, and 13 times less room than they say.
_MOST_ROWS, _MOST_TIMES = 8, 1000

# What pyarrow raises at a damaged file: its own errors and these.
_UNREADABLE = (OSError, pa.ArrowException, MemoryError, OverflowError, RuntimeError, UnicodeError)

_GROUP_ROWS = 65_536


def write_table(path: Path, tables: Iterable[pa.Table]) -> None:
    """Write tables of COLUMNS, one after the other, as one Parquet file; only a group of rows is in memory at a time.

    The same rows give the same bytes, however they are spread over the tables.

    Raises:
        OutputError: no space or no permission.
    """
    with replacing(path) as scratch, scratch.open("wb") as sink:
        _write_to(sink, tables)


def table_bytes(tables: Iterable[pa.Table]) -> bytes:
    """Give what `write_table` would write."""
    sink = io.BytesIO()
    _write_to(sink, tables)
    return sink.getvalue()


def _write_to(sink: IO[bytes], tables: Iterable[pa.Table]) -> None:
    with pq.ParquetWriter(sink, COLUMNS, compression="zstd") as writer:
        rest = COLUMNS.empty_table()
        for table in tables:
            rest = pa.concat_tables([rest, table])
            while rest.num_rows > _GROUP_ROWS:
                writer.write_table(rest.slice(0, _GROUP_ROWS).combine_chunks())
                rest = rest.slice(_GROUP_ROWS)
        writer.write_table(rest.combine_chunks())


class StoredRows:
    """A label table on disk of which ranges of rows are asked for, best in ascending order."""

    def __init__(self, file: BufferedReader, path: Path) -> None:
        """Keep a table that is open; the caller may close `file`. Raises as `read_open_table`."""
        parquet = _check_table(os.fdopen(os.dup(file.fileno()), "rb"), path)
        counts = [parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups)]
        self._starts: list[int] = [0, *accumulate(counts)]
        size = os.fstat(file.fileno()).st_size
        # One is enough where ranges ascend.
        self._group = lru_cache(maxsize=1)(
            lambda group: _plain(parquet.read_row_group(group, use_threads=False), path, size)
        )

    def __len__(self) -> int:
        return self._starts[-1]

    def rows(self, start: int, stop: int) -> pa.Table:
        """Read the rows from `start` up to `stop`."""
        parts = [COLUMNS.empty_table()]
        for group, (first, beyond) in enumerate(pairwise(self._starts)):
            if first < stop and start < beyond:
                low, high = max(start, first), min(stop, beyond)
                parts.append(self._group(group).slice(low - first, high - low))
        return pa.concat_tables(parts)


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Collect rows; a column that a row does not name is null there."""
    return pa.Table.from_pylist(rows, schema=COLUMNS)


def read_table(path: Path) -> pa.Table:
    """Read a label table.

    Raises:
        DatasetError: missing, not Parquet, or with other columns.
    """
    try:
        with open_plain_file(path.parent, path.name) as file:
            return read_open_table(file, path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be opened ({error.strerror}); build the dataset again") from None


def read_own_table(path: Path, columns: Sequence[str] | None = None) -> pa.Table:
    """Read a table that this very build wrote, with its metadata.

    In this thread: if there is too little memory to start another, Arrow waits for it forever. So do all readers here.
    """
    with pq.ParquetFile(path) as parquet:
        return parquet.read(columns, use_threads=False)


def read_open_table(file: BufferedReader, path: Path) -> pa.Table:
    """Read a label table that is open already; `path` is for messages.

    Raises:
        DatasetError: not Parquet, with other columns, or claiming far more than its bytes can hold.
    """
    parquet = _check_table(file, path)
    try:
        return _plain(parquet.read(use_threads=False), path, os.fstat(file.fileno()).st_size)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None


def _check_table(file: BufferedReader, path: Path) -> pq.ParquetFile:
    size = os.fstat(file.fileno()).st_size
    try:
        if not pq.read_schema(file).equals(COLUMNS):
            raise DatasetError(f"{path}: its columns are not those of this version; build the dataset again")
        parquet = pq.ParquetFile(file, read_dictionary=_TEXTS)
        too_much = _claims_too_much(parquet.metadata, size)
    except _UNREADABLE as error:
        raise _unreadable(path, error) from None
    if too_much:
        raise _too_much(path)
    return parquet


def _plain(table: pa.Table, path: Path, size: int) -> pa.Table:
    """Write out texts that are stored once each, unless that is far more than the file's bytes can hold."""
    table.validate(full=True)  # text that is UTF-8, indices within their dictionaries
    if sum(_text_bytes(table[name]) for name in _TEXTS) > _MOST_TIMES * size:
        raise _too_much(path)
    return table.cast(COLUMNS)


def _too_much(path: Path) -> DatasetError:
    return DatasetError(f"{path}: claims far more than its bytes can hold; build the dataset again")


def _unreadable(path: Path, error: Exception) -> DatasetError:
    why = " ".join(str(error).split())  # Arrow's own words may take several lines
    return DatasetError(f"{path}: not a readable label table ({why}); build the dataset again")


def _text_bytes(column: pa.ChunkedArray) -> int:
    """Say how long a column of text is when each text is written out as often as it stands there."""
    chunks = (pc.sum(pc.take(pc.binary_length(chunk.dictionary), chunk.indices)) for chunk in column.chunks)
    return sum(length.as_py() or 0 for length in chunks)


def _claims_too_much(metadata: pq.FileMetaData, size: int) -> bool:
    """Judge what a file's own footer says, before anything is made room for.

    By row groups: asking pyarrow for a damaged column's metadata ends the process.
    """
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    rows, bytes_ = [group.num_rows for group in groups], [group.total_byte_size for group in groups]
    return min(rows + bytes_, default=0) < 0 or sum(rows) > _MOST_ROWS * size or sum(bytes_) > _MOST_TIMES * size
