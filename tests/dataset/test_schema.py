from __future__ import annotations

from itertools import chain
from pathlib import Path

import numpy as np
import pytest

import labelkit
from labelkit.dataset.schema import OPTIONAL_FIELDS, SAMPLE_FIELDS
from labelkit.dataset.table import COLUMNS

PAGE = Path(labelkit.__file__).parents[1] / "docs" / "shard-format.md"


def row_of(field):
    shape = f"(N, {', '.join(map(str, field.tail))})" if field.tail else "(N,)"
    in_shard = f"{shape} {np.dtype(field.dtype)}" if field.in_shard else "-"
    columns = " ".join(f"`{column}`" for column in field.columns) or "-"
    return f"| `{field.name}` | {in_shard} | {columns} | {field.what} |"


def test_the_page_lists_every_field_as_it_is_declared():
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    first = lines.index("| name | in a shard | in `labels.parquet` | what |") + 2
    declared = [row_of(field) for field in chain(SAMPLE_FIELDS, *OPTIONAL_FIELDS.values())]
    assert lines[first : first + len(declared) + 1] == [*declared, ""]


def test_the_page_names_the_other_columns_of_the_table():
    page = PAGE.read_text(encoding="utf-8")
    assert [name for name in COLUMNS.names if f"`{name}`" not in page] == []


@pytest.mark.parametrize("field", SAMPLE_FIELDS, ids=lambda field: field.name)
def test_a_field_has_a_column_for_each_component_or_none(field):
    assert len(field.columns) in (0, int(np.prod(field.tail, dtype=int)))
    assert field.in_shard or field.columns
