"""labels.parquet: one row for every source frame, sample or rejection, with why."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from itertools import accumulate, pairwise
from pathlib import Path
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from labelkit.errors import DatasetError
from labelkit.files import replacing

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

    def __init__(self, path: Path) -> None:
        """Open a table; raises as `read_table`."""
        try:
            self._file = pq.ParquetFile(path)
        except (OSError, pa.ArrowException) as error:
            raise _unreadable(path, error) from None
        if not self._file.schema_arrow.equals(COLUMNS):
            raise _of_another_version(path)
        counts = [self._file.metadata.row_group(group).num_rows for group in range(self._file.num_row_groups)]
        self._starts: list[int] = [0, *accumulate(counts)]
        self._group = lru_cache(maxsize=1)(self._file.read_row_group)  # one is enough where ranges ascend

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
        table = pq.read_table(path, partitioning=None)
    except (OSError, pa.ArrowException) as error:
        raise _unreadable(path, error) from None
    if not table.schema.equals(COLUMNS):
        raise _of_another_version(path)
    return table


def _unreadable(path: Path, error: Exception) -> DatasetError:
    return DatasetError(f"{path}: not a readable label table ({error}); build the dataset again")


def _of_another_version(path: Path) -> DatasetError:
    return DatasetError(f"{path}: its columns are not those of this version; build the dataset again")
