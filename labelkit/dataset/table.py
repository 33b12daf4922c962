"""labels.parquet: one row for every source frame, sample or rejection, with why."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

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
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise DatasetError(f"{path}: not a readable label table ({error}); build the dataset again") from None
    if not table.schema.equals(COLUMNS):
        raise DatasetError(f"{path}: its columns are not those of this version; build the dataset again")
    return table
