"""The interface of a reader: it gives the frames of a recording as they are stored.

A reader is a function `(folder, sidecar, max_gap_s) -> sources`. It pairs the stored pictures and reads
them. Units, sentinels and calibration are handled for all readers in settle.py and recording.py.
docs/add-a-reader.md shows a whole reader.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from labelkit.recordings import pictures
from labelkit.recordings.sidecar import Sidecar
from labelkit.records import ColorImage, FrameName

LOOKED_BACK = 2  # frames with which a frame is compared
_BLOCK_BYTES = 65_536


class OtherLayoutError(Exception):
    """A reader does not recognise a folder; the message says what is missing."""


@dataclass(frozen=True)
class Problem:
    """Why a recording cannot be read: in words, and the lines that recording.toml lacks."""

    says: str
    table: str = ""
    lines: tuple[str, ...] = ()


class FrameSource(Protocol):
    """The stored frames of one recording. Picklable and light: no picture is read until it is needed."""

    @property
    def clip(self) -> str:
        """The name within the folder, if one folder holds several recordings; else ""."""
        ...

    @property
    def depth_folder(self) -> Path:
        """The folder of the depth pictures; recording.toml is searched from here upward."""
        ...

    @property
    def metadata(self) -> Mapping[str, Mapping[str, Any]]:
        """What the format itself states, as tables and keys of recording.toml."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """Notes for the user, in words."""
        ...

    def __len__(self) -> int: ...

    def frame_name(self, index: int) -> FrameName:
        """Name a frame's files relative to the folder the reader was given. Cheap."""
        ...

    def depth_size(self, index: int) -> tuple[int, int]:
        """Read width and height without decoding; raises as `read_depth`."""
        ...

    def color_size(self, index: int) -> tuple[int, int]:
        """Read width and height without decoding; raises as `read_color`."""
        ...

    def read_depth(self, index: int) -> NDArray[np.uint16]:
        """Read (H, W) in the stored unit; 0 and 65535 mean no depth.

        Raises:
            RawFrameError: the picture cannot be used; the message continues "the depth picture ...".
            OSError: the file cannot be read.
        """
        ...

    def read_color(self, index: int) -> ColorImage:
        """Read (H, W, 3) RGB uint8.

        Raises:
            RawFrameError: the picture cannot be used; the message continues "the colour picture ...".
            OSError: the file cannot be read.
        """
        ...


class Reader(Protocol):
    """Recognise a folder and give its recordings."""

    def __call__(self, folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[FrameSource]:
        """Give the recordings that `folder` holds, at least one, each of at least one frame.

        Raises:
            OtherLayoutError: the folder has another layout; the message says what is missing.
            RecordingError: the folder has this layout but cannot be read; the message says what to do.
        """
        ...


class PicturePair(NamedTuple):
    """The files of one source frame, relative to the recording's folder; one of the two may be None."""

    depth: str | None
    color: str | None
    stamp: float = float("nan")  # seconds


@dataclass(frozen=True)
class PictureSource:
    """A recording of separate picture files: the FrameSource of every built-in reader.

    Attributes:
        pair: pairs files by their names relative to `folder`, so that a recording can be followed while it grows;
            it leaves out files that it cannot place yet. None if only the reader can pair them.
        lists: files in `folder` that `pair` reads.
        problems: facts that the reader found missing.
    """

    folder: Path
    pairs: tuple[PicturePair, ...]
    depth_folder: Path
    clip: str = ""
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    pair: Callable[[Sequence[str]], Sequence[PicturePair]] | None = None
    lists: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    def __len__(self) -> int:
        return len(self.pairs)

    def frame_name(self, index: int) -> FrameName:
        return FrameName(*self.pairs[index])

    def depth_size(self, index: int) -> tuple[int, int]:
        return pictures.depth_size(self._depth(index))

    def color_size(self, index: int) -> tuple[int, int]:
        return pictures.color_size(self._color(index))

    def read_depth(self, index: int) -> NDArray[np.uint16]:
        return pictures.read_depth(self._depth(index))

    def read_color(self, index: int) -> ColorImage:
        return pictures.read_color(self._color(index))

    def places(self) -> set[str]:
        """List the folders of the pictures, relative to `folder`."""
        return {posixpath.dirname(file) for pair in self.pairs for file in (pair.depth, pair.color) if file}

    def find_repeat(self, index: int) -> str | None:
        """Say which picture of a pair is byte for byte one of the two before it, as of a stream that hangs.

        A sensor's noise never repeats. Cheap: only files of the same size are compared.

        Returns:
            "depth" or "colour"; None if neither is.
        """
        pair = self.pairs[index]
        before = self.pairs[max(0, index - LOOKED_BACK) : index]
        for kind, file, earlier in (
            ("depth", pair.depth, [one.depth for one in before]),
            ("colour", pair.color, [one.color for one in before]),
        ):
            if file and any(_is_same(self.folder / file, self.folder / other) for other in earlier if other):
                return kind
        return None

    def _depth(self, index: int) -> Path:
        name = self.pairs[index].depth
        assert name is not None
        return self.folder / name

    def _color(self, index: int) -> Path:
        name = self.pairs[index].color
        assert name is not None
        return self.folder / name


def _is_same(one: Path, other: Path) -> bool:
    """Whether two files hold the same bytes; False if one cannot be read."""
    try:
        if one.stat().st_size != other.stat().st_size:
            return False
        with one.open("rb") as first, other.open("rb") as second:
            while block := first.read(_BLOCK_BYTES):
                if block != second.read(_BLOCK_BYTES):
                    return False
    except OSError:
        return False
    return True
