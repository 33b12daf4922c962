"""The interface of a source: a running camera and its shots.

A source is a context manager that opens and closes a camera: `(wanted) -> Camera`. It knows a driver, but no files
and no geometry. docs/add-a-source.md shows a whole source.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import NamedTuple

from labelkit.records import ColorImage, FloatArray, Handedness, Intrinsics


@dataclass(frozen=True)
class Wanted:
    """What to record; a source uses the parts that it needs.

    Attributes:
        fps: frames per second.
        participant: name of the participant.
        handedness: side of the hand.
    """

    fps: float
    participant: str
    handedness: Handedness


class Shot(NamedTuple):
    """One frame of a registered camera.

    Attributes:
        stamp_s: time of the shot; all differ by a microsecond or more.
        color: (H, W, 3) RGB uint8.
        depth_m: (H, W), metres along z, NaN for no depth; aligned to the colour picture.
    """

    stamp_s: float
    color: ColorImage
    depth_m: FloatArray


@dataclass(frozen=True, eq=False)
class Camera:
    """A running camera.

    Attributes:
        name: for people.
        sensor: the name of its profile (labelkit/recordings/profiles.py).
        intrinsics: of both pictures.
        depth_unit_m: its own step of depth, in which depth is stored; 65535 steps must reach beyond the hand.
        shots: come in real time and end with the recording. Shots that are not taken in time are lost.
        simulated: whether no person is recorded.
    """

    name: str
    sensor: str
    intrinsics: Intrinsics
    depth_unit_m: float
    shots: Iterator[Shot]
    simulated: bool = False


Source = Callable[[Wanted], AbstractContextManager[Camera]]
