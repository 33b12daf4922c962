"""Recordings that lie in one file, or whose frames are computed from files: what their sources share.

A frame in a container is called by its file and its number, `take.mkv#12`.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import MissingExtraError
from labelkit.recordings.listing import is_skipped
from labelkit.recordings.reader import Problem
from labelkit.records import FrameName


@dataclass(frozen=True)
class ContainerSource:
    """The names and facts of a recording whose frames are no picture files; a reader's source adds how to read them.

    Attributes:
        names: one for each frame.
        problems: why it cannot be read, if a reader knows; it then has no frames.
    """

    folder: Path
    names: tuple[FrameName, ...]
    clip: str = ""
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def depth_folder(self) -> Path:
        return self.folder

    def __len__(self) -> int:
        return len(self.names)

    def frame_name(self, index: int) -> FrameName:
        return self.names[index]

    def depth_size(self, index: int) -> tuple[int, int]:
        height, width = self.read_depth(index).shape
        return width, height

    def color_size(self, index: int) -> tuple[int, int]:
        height, width, _ = self.read_color(index).shape
        return width, height

    def read_depth(self, index: int) -> NDArray[np.uint16]:
        raise NotImplementedError

    def read_color(self, index: int) -> NDArray[np.uint8]:
        raise NotImplementedError


class Version(NamedTuple):
    """A file as it was when it was read, so that what is kept in memory is not taken for a newer file."""

    path: Path
    bytes: int
    changed_ns: int


def version_of(path: Path) -> Version:
    """Say how a file is now; raises OSError if it is not there."""
    state = path.stat()
    return Version(path, state.st_size, state.st_mtime_ns)


def files_in(folder: Path, suffixes: Sequence[str]) -> list[str]:
    """List the names of the files directly in a folder that end so, sorted; links are left out."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if not is_skipped(entry.name)
            and entry.name.lower().endswith(tuple(suffixes))
            and entry.is_file(follow_symlinks=False)
        )


def describe_missing(format_name: str, module: str, extra: str) -> MissingExtraError:
    """Say that a format needs an optional library."""
    return MissingExtraError(
        f"reading {format_name} needs {module}, which is not installed: pip install 'labelkit-rgbd[{extra}]'"
    )
