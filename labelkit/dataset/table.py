"""labels.parquet: one row for every source frame, sample or rejection, with why."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Mapping, Sequence
from io import BufferedReader
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labelkit.dataset.reading import opened
from labelkit.errors import DatasetError

TABLE_NAME = "labels.parquet"

SAMPLE, REJECTED = "sample", "rejected"

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
        *(
            pa.field(name, pa.float32())
            for name in ("azimuth", "elevation", "view_azimuth", "view_elevation", "nx", "ny", "nz")
        ),
        *(pa.field(name, pa.float32()) for name in ("normal_sd", "in_plane", "plane_rms", "inlier_ratio")),
        pa.field("points", pa.int32()),
        pa.field("distance", pa.float32()),
        pa.field("padded", pa.float32()),
        pa.field("mirrored", pa.bool_()),
        pa.field("unit_stated", pa.string()),
        pa.field("intrinsics_stated", pa.string()),
        pa.field("registered_stated", pa.string()),
    ]
)

Row = Mapping[str, Any]

# Times its bytes that a table may say it holds. Rows that differ in nothing but a number take 30 times at most.
_MOST_TIMES = 1000

# What pyarrow raises at a damaged file, beside its own errors.
_UNREADABLE = (OSError, pa.ArrowException, MemoryError, OverflowError, UnicodeError)


def table_bytes(tables: Sequence[pa.Table]) -> bytes:
    """Write tables of COLUMNS, one after the other, as one Parquet file; same tables, same bytes."""
    sink = io.BytesIO()
    with pq.ParquetWriter(sink, COLUMNS, compression="zstd") as writer:
        writer.write_table(pa.concat_tables([COLUMNS.empty_table(), *tables]), row_group_size=65_536)
    return sink.getvalue()


def table_of(rows: Sequence[Row]) -> pa.Table:
    """Collect rows; a column that a row does not name is null there."""
    return pa.Table.from_pylist(rows, schema=COLUMNS)


def read_table(path: Path) -> pa.Table:
    """Read a label table.

    Raises:
        DatasetError: missing, not Parquet, or with other columns.
    """
    try:
        with opened(path.parent, path.name) as file:
            return read_open_table(file, path)
    except OSError as error:
        raise DatasetError(f"{path}: cannot be opened ({error.strerror}); build the dataset again") from None


def read_open_table(file: BufferedReader, path: Path) -> pa.Table:
    """Read a label table that is open already; `path` is for messages.

    Raises:
        DatasetError: not Parquet, with other columns, or claiming far more than its bytes can hold.
    """
    size = os.fstat(file.fileno()).st_size
    try:
        parquet = pq.ParquetFile(file)
        if not parquet.schema_arrow.equals(COLUMNS):
            raise DatasetError(f"{path}: its columns are not those of this version; build the dataset again")
        if _claimed(parquet.metadata) > _MOST_TIMES * size:
            raise DatasetError(f"{path}: claims far more than its {size:,} bytes can hold; build the dataset again")
        table = parquet.read()
        table.validate(full=True)  # text that is UTF-8, indices within their dictionaries
        return table
    except _UNREADABLE as error:
        raise DatasetError(f"{path}: not a readable label table ({error}); build the dataset again") from None


def _claimed(metadata: pq.FileMetaData) -> int:
    """Add up the bytes of the columns as the file's own footer gives them; nothing is negative."""
    groups = [metadata.row_group(k) for k in range(metadata.num_row_groups)]
    columns = [group.column(k).total_uncompressed_size for group in groups for k in range(group.num_columns)]
    rows = [group.num_rows for group in groups]
    return sum(columns) + sum(rows) if min(rows + columns, default=0) >= 0 else sys.maxsize
