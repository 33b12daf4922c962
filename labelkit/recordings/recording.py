"""A recording that is ready to be read: a source with its unit, sentinels and calibration."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import RawFrameError
from labelkit.recordings.listing import portable_from_name
from labelkit.recordings.reader import FrameSource
from labelkit.recordings.sidecar import FILE_NAME
from labelkit.records import (
    Calibration,
    ColorImage,
    FloatArray,
    Frame,
    FrameName,
    Handedness,
    Intrinsics,
    Reason,
    Unreadable,
)

# No sensor for hands measures farther; if half of a picture does, the unit is wrong.
_FARTHEST_M = 20.0

# What a Kinect v1 stores as disparity if it saw nothing: the largest number of 11 or of 10 bits. It casts shadows, so
# no picture is without them; the four real ones at hand hold 2 to 17 %.
_DISPARITY_NONE = (2047, 1023)
_LEAST_NONE = 0.01
# Every so many lines decide whether bytes are swapped and bits rotated, if they hold this many values.
_SOME_LINES = 16
_LEAST_SEEN = 1000
# Real depth gets 20 to 200 times rougher when its bytes are swapped; noise stays as it is.
_SMOOTHER = 4.0
# So many different multiples of eight are no chance: one in 8^32.
_LEAST_DIFFERENT = 32
_MULTIPLES = 0.95
_EIGHTH_MM = 0.000125

_NOTHING = 0  # stored by sensors and drivers for pixels without depth
_SATURATED = np.iinfo(np.uint16).max  # stored for pixels beyond the range


@dataclass(frozen=True, eq=False)
class StoredRecording:
    """The Recording of every reader; see records.Recording for what the attributes mean."""

    source: FrameSource
    folder: str  # relative to RAW; the source's names are relative to it; "" for RAW
    name: str
    place: str
    layout: str
    participant: str
    handedness: Handedness
    sensor: str | None
    simulated: bool
    depth_only: bool
    range_m: tuple[float, float]
    depth_unit_m: float
    calibration: Calibration
    stated: Mapping[str, str]

    def __len__(self) -> int:
        return len(self.source)

    def under_pseudonyms(self, participant: str, name: str) -> StoredRecording:
        """Return the same recording without any name of its folders and files."""
        stated = {key: FILE_NAME if FILE_NAME in origin else origin for key, origin in self.stated.items()}
        return replace(self, participant=participant, name=name, stated=stated)

    def files(self, index: int) -> FrameName:
        """Name a frame's files relative to RAW."""
        return name_below(self.folder, self.source.frame_name(index))

    def frame_name(self, index: int) -> FrameName:
        """Name a frame by its files; under pseudonyms by its number, as a file name may hold a person's name."""
        files = self.files(index)
        if self.name == self.place:
            return files
        number = f"{self.name}/{index:06d}"
        return FrameName(files.depth and number, files.color and number, files.stamp)

    def __getitem__(self, index: int) -> Frame | Unreadable:
        """Read one frame; of the colour picture only the header, until it is needed."""
        name = self.source.frame_name(index)
        if name.depth is None or (name.color is None and not self.depth_only):
            return Unreadable(Reason.MISSING_PAIR, f"no {'depth' if name.depth is None else 'colour'} picture with it")
        kind = "depth"
        try:
            stored = self.source.read_depth(index)
            kind = "colour"
            color_size = None if self.depth_only else self.source.color_size(index)
        except RawFrameError as error:
            return Unreadable(Reason.DECODE, f"the {kind} picture {error}")
        except OSError as error:
            return Unreadable(Reason.IO, f"the {kind} picture cannot be read ({error.strerror})")
        return (
            _check_size("depth", (stored.shape[1], stored.shape[0]), self.calibration.depth)
            or (color_size and _check_size("colour", color_size, self.calibration.color))
            or _check_unit(stored, self.depth_unit_m)
            or _check_repeat(self.source, index)
            or Frame(
                metres_from_stored(stored, self.depth_unit_m),
                None if self.depth_only else partial(_read_color, self.source, index),
                name.stamp,
            )
        )


def name_below(folder: str, name: FrameName) -> FrameName:
    """Turn names relative to a folder into names relative to RAW."""
    prefix = f"{folder}/" if folder else ""
    depth, color = (None if part is None else portable_from_name(prefix + part) for part in (name.depth, name.color))
    return FrameName(depth, color, name.stamp)


def metres_from_stored(stored: NDArray[np.uint16], unit_m: float) -> FloatArray:
    """Turn stored depth into metres.

    Args:
        stored: (H, W).
    Returns:
        (H, W) float32, NaN where nothing was seen.
    """
    depth_m = stored * np.float32(unit_m)
    depth_m[(stored == _NOTHING) | (stored == _SATURATED)] = np.nan
    return depth_m


def describe_wrong_values(stored: NDArray[np.uint16], unit_m: float | None) -> str | None:
    """Say which values cannot be depth in the stated unit, or in any; None if nothing speaks against it.

    Args:
        stored: (H, W).
        unit_m: None if it is not stated.
    """
    largest = int(stored.max())
    if largest in _DISPARITY_NONE and stored.min() > 0:
        share = np.count_nonzero(stored == largest) / stored.size
        if share >= _LEAST_NONE:
            return (
                f"no pixel is 0, and {share:.0%} are {largest}, the largest value: raw disparity of a Kinect v1, not "
                "depth; no unit turns it into metres; state"
                ' depth_stored_as = "kinect-v1-disparity" for the nominal formula, and no depth_unit_m'
            )
    if is_swapped(stored):
        return (
            "neighbouring values differ as noise does until the two bytes of each are swapped: store it big-endian, or "
            'state depth_stored_as = "little-endian"'
        )
    if _is_rotated(np.ascontiguousarray(stored[::_SOME_LINES])) and not (
        unit_m == _EIGHTH_MM and not np.bitwise_or.reduce(stored, axis=None) & 7
    ):
        return (
            "nearly every value is a multiple of 8: depth whose bits were rotated by three, as SUN RGB-D and the "
            'Kinect SDK store it; state depth_stored_as = "rotated-by-3"'
        )
    return None


def is_swapped(stored: NDArray[np.uint16]) -> bool:
    """Say whether the values (H, W) are much smoother along their lines with the two bytes of each swapped."""
    stored = np.ascontiguousarray(stored[::_SOME_LINES])
    seen_mask = (stored[:, 1:] != _NOTHING) & (stored[:, :-1] != _NOTHING)
    if np.count_nonzero(seen_mask) < _LEAST_SEEN:
        return False
    here, swapped = (
        float(np.abs(np.diff(values.astype(np.int32)))[seen_mask].mean()) for values in (stored, stored.byteswap())
    )
    return here > _SMOOTHER * swapped


def _is_rotated(stored: NDArray[np.uint16]) -> bool:
    """Say whether many different values are multiples of eight, and few are not: depth beyond 8192 steps."""
    values = stored[(stored != _NOTHING) & (stored != _SATURATED)]
    multiples = values[values & 7 == 0]
    if values.size < _LEAST_SEEN or multiples.size < _MULTIPLES * values.size:
        return False
    return len(np.unique(multiples)) >= _LEAST_DIFFERENT


def _read_color(source: FrameSource, index: int) -> ColorImage:
    try:
        return source.read_color(index)
    except RawFrameError as error:
        raise RawFrameError(f"the colour picture {error}") from None
    except OSError as error:
        # Without the file's name, so that the message is the same on every machine.
        raise OSError(error.errno, f"the colour picture cannot be read ({error.strerror})") from None


def _check_size(kind: str, size: tuple[int, int], camera: Intrinsics) -> Unreadable | None:
    if size == (camera.width, camera.height):
        return None
    return Unreadable(
        Reason.SIZE,
        f"the {kind} picture is {size[0]}x{size[1]}, its intrinsics are for {camera.width}x{camera.height}",
    )


def _check_unit(stored: NDArray[np.uint16], unit_m: float) -> Unreadable | None:
    if wrong := describe_wrong_values(stored, unit_m):
        return Unreadable(Reason.UNIT, wrong)
    if unit_m * _SATURATED <= _FARTHEST_M:
        return None
    n_far = np.count_nonzero(stored > _FARTHEST_M / unit_m) - np.count_nonzero(stored == _SATURATED)
    if 2 * n_far <= np.count_nonzero(stored):
        return None
    return Unreadable(
        Reason.UNIT, f"half of the depth lies beyond {_FARTHEST_M:g} m: depth_unit_m = {unit_m:g} is not its unit"
    )


def _check_repeat(source: FrameSource, index: int) -> Unreadable | None:
    find_repeat = getattr(source, "find_repeat", None)  # not every format can tell cheaply
    kind = find_repeat(index) if find_repeat else None
    if kind is None:
        return None
    return Unreadable(Reason.DUPLICATE, f"the {kind} picture is, byte for byte, one of the two before it")
