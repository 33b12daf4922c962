"""Change a finished dataset together with all its hashes, as somebody would who knows how."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from labelkit.dataset.manifest import FileEntry, Manifest, read_manifest, write_manifest
from labelkit.dataset.shards import shard_bytes
from labelkit.dataset.table import TABLE_NAME, read_table, table_bytes, table_of
from tests.datasets import SETTINGS_DIGEST, map_shard


def put(folder: Path, name: str, content: bytes) -> None:
    """Replace a file, and its entry in the manifest."""
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(content)
    entry = FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    edit_manifest(folder, lambda m: m.model_copy(update={"files": {**m.files, name: entry}}))


def edit_manifest(folder: Path, edit: Callable[[Manifest], Manifest]) -> None:
    """Replace the manifest by an edited one, and its hash."""
    write_manifest(folder, edit(read_manifest(folder)))


def edit_shard(folder: Path, name: str, edit: Callable[[dict[str, Any]], object], **attributes: str) -> None:
    """Edit the columns of a shard in place."""
    columns = {key: np.array(values) for key, values in map_shard(folder / name).items()}
    edit(columns)
    participant = Path(name).name[:3]
    says = {"participant": participant, "recordings": participant, "settings_digest": SETTINGS_DIGEST, **attributes}
    put(folder, name, shard_bytes(columns, says))


def edit_table(folder: Path, edit: Callable[[list[dict[str, Any]]], object]) -> None:
    """Edit the rows of the label table in place."""
    rows = read_table(folder / TABLE_NAME).to_pylist()
    edit(rows)
    put(folder, TABLE_NAME, table_bytes([table_of(rows)]))
