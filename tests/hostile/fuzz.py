"""What reads files of strangers, as functions of the file's bytes: each gives what it read, or refuses."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np

from labelkit.dataset.manifest import MANIFEST_NAME, parse_manifest
from labelkit.dataset.reading import open_plain_file
from labelkit.dataset.shards import map_open_shard, read_attributes
from labelkit.dataset.table import TABLE_NAME, read_table
from labelkit.dataset.withdrawal import RECORD_NAME, is_withdrawn
from labelkit.errors import LabelkitError
from labelkit.recordings.pictures import read_color, read_depth
from labelkit.recordings.reader import OtherLayoutError
from labelkit.recordings.readers.tum import COLOR_LIST, DEPTH_LIST, open_tum
from labelkit.recordings.sidecar import FILE_NAME, read_sidecar

LISTED = "rgb/1.0.png"  # the colour picture that the sound list names


@contextlib.contextmanager
def in_a_folder(**files: bytes) -> Iterator[Path]:
    """Put bytes into files of a folder that is gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        for name, content in files.items():
            path = Path(folder) / name
            path.parent.mkdir(exist_ok=True)
            path.write_bytes(content)
        yield Path(folder)


def read_manifest(content: bytes) -> object:
    return parse_manifest(content, Path(MANIFEST_NAME)).digest()


def read_shard(content: bytes) -> object:
    with in_a_folder(shard=content) as folder, open_plain_file(folder, "shard") as file:
        sums = [np.sum(values, dtype=np.float64) for values in map_open_shard(file, Path("shard")).values()]
        return sums and read_attributes(file, Path("shard"))


def read_labels(content: bytes) -> object:
    with in_a_folder(**{TABLE_NAME: content}) as folder:
        return read_table(folder / TABLE_NAME).to_pylist()


def read_record(content: bytes) -> object:
    with in_a_folder(**{RECORD_NAME: content}) as folder:
        return is_withdrawn(folder, "p01")


def read_statements(content: bytes) -> object:
    with in_a_folder(**{FILE_NAME: content}) as folder:
        return read_sidecar(folder, FILE_NAME)


def read_lists(content: bytes) -> object:
    depth_list = b"1.0 depth/1.0.png\n"
    with in_a_folder(**{COLOR_LIST: content, DEPTH_LIST: depth_list, LISTED: b"", "depth/1.0.png": b""}) as folder:
        return open_tum(folder, {}, 0.02)


def read_pictures(content: bytes) -> object:
    with in_a_folder(picture=content) as folder:
        with contextlib.suppress(LabelkitError):
            read_depth(folder / "picture")
        return read_color(folder / "picture").size


TARGETS: dict[str, Callable[[bytes], object]] = {
    "manifest": read_manifest,
    "sidecar": read_statements,
    "list": read_lists,
    "shard": read_shard,
    "table": read_labels,
    "record": read_record,
    "picture": read_pictures,
}


@contextlib.contextmanager
def refusing_in_one_line() -> Iterator[None]:
    """Let a reader refuse with one line that says why; any other exception comes through."""
    try:
        yield
        return
    except (LabelkitError, OtherLayoutError) as refusal:
        said = str(refusal).partition("\n\n")[0]  # lines to copy come after an empty one
    assert len(said.splitlines()) == 1, said


def reads_or_refuses(target: str, content: bytes) -> None:
    """Give bytes to a reader; what comes through is neither a result nor a refusal in one line."""
    with refusing_in_one_line():
        assert TARGETS[target](content) is not None
