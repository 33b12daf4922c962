"""What a reader gives: the frames of a recording as they are stored.

A reader is a function `(folder, sidecar, max_gap_s) -> sources`. It says which stored pictures belong
together and reads them; units, sentinels and calibration are settled for all readers in settle.py and
recording.py. docs/add-a-reader.md shows one from end to end.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from labelkit.recordings import pictures
from labelkit.recordings.sidecar import Sidecar
from labelkit.records import ColorImage, FrameName


class OtherLayoutError(Exception):
    """A reader does not recognise a folder; the message says what it missed."""


class FrameSource(Protocol):
    """The stored frames of one recording. Picklable and light: no picture is read before it is asked for."""

    @property
    def clip(self) -> str:
        """Its name within the folder, where one folder holds several recordings; else ""."""
        ...

    @property
    def depth_folder(self) -> Path:
        """The folder the depth pictures lie in; recording.toml is looked for from here upward."""
        ...

    @property
    def metadata(self) -> Mapping[str, Mapping[str, Any]]:
        """What the format itself states, in the tables of recording.toml."""
        ...

    @property
    def notes(self) -> Sequence[str]:
        """What a user should know, in words."""
        ...

    def __len__(self) -> int: ...

    def frame_name(self, index: int) -> FrameName:
        """Name a frame's files relative to the folder the reader was given. Cheap."""
        ...

    def depth_size(self, index: int) -> tuple[int, int]:
        """Say width and height without decoding; raises as `read_depth`."""
        ...

    def color_size(self, index: int) -> tuple[int, int]:
        """Say width and height without decoding; raises as `read_color`."""
        ...

    def read_depth(self, index: int) -> NDArray[np.uint16]:
        """Read (H, W) in the stored unit; 0 and 65535 are where nothing was seen.

        Raises:
            RawFrameError: unusable; the message goes on from "the depth picture ...".
            OSError: the file cannot be read.
        """
        ...

    def read_color(self, index: int) -> ColorImage:
        """Read (H, W, 3) RGB uint8.

        Raises:
            RawFrameError: unusable; the message goes on from "the colour picture ...".
            OSError: the file cannot be read.
        """
        ...


class Reader(Protocol):
    """Recognise a folder and give its recordings."""

    def __call__(self, folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[FrameSource]:
        """Give the recordings that `folder` holds, at least one, each of at least one frame.

        Raises:
            OtherLayoutError: the folder is of another layout; says what is missing.
            RecordingError: the folder is of this layout, but cannot be read; says what to do.
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
        pair: says of files alone, by their names relative to `folder`, which belong together, so that a recording
            can be followed as it grows; None where only its reader can say it. What it cannot place yet it leaves out.
        lists: files in `folder` by which `pair` goes, too.
    """

    folder: Path
    pairs: tuple[PicturePair, ...]
    depth_folder: Path
    clip: str = ""
    metadata: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    pair: Callable[[Sequence[str]], Sequence[PicturePair]] | None = None
    lists: tuple[str, ...] = ()

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

    def _depth(self, index: int) -> Path:
        name = self.pairs[index].depth
        assert name is not None
        return self.folder / name

    def _color(self, index: int) -> Path:
        name = self.pairs[index].color
        assert name is not None
        return self.folder / name
