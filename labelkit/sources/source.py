"""What a source gives: a camera that is running, and its shots.

A source is a context manager that opens a camera and closes it: `(wanted) -> Camera`. It knows a driver; it knows
no files and no geometry. docs/add-a-source.md shows one from end to end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

from labelkit.records import ColorImage, FloatArray, Handedness, Intrinsics


@dataclass(frozen=True)
class Wanted:
    """What is to be recorded; a source uses what concerns it.

    Attributes:
        fps: frames a second.
        participant: who will be recorded.
        handedness: the side of the hand.
    """

    fps: float
    participant: str
    handedness: Handedness


class Shot(NamedTuple):
    """One frame of a registered camera.

    Attributes:
        stamp_s: when it was taken; no two alike to a microsecond.
        color: (H, W, 3) RGB uint8.
        depth_m: (H, W), metres along z, NaN where nothing was seen; on the colour picture's pixels.
    """

    stamp_s: float
    color: ColorImage
    depth_m: FloatArray


@dataclass(frozen=True, eq=False)
class Camera:
    """A camera that is running.

    Attributes:
        name: what it is, for people.
        sensor: the name of its profile (labelkit/recordings/profiles.py).
        intrinsics: of both pictures.
        depth_unit_m: its own step of depth, in which it is stored; must reach as far as 16 bits do.
        shots: what it sees, as it comes; ends when there is no more. Shots that nobody waited for are lost.
    """

    name: str
    sensor: str
    intrinsics: Intrinsics
    depth_unit_m: float
    shots: Iterator[Shot]


Source = Callable[[Wanted], AbstractContextManager[Camera]]
