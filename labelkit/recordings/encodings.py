"""Depth that programs store in other ways than as numbers of one channel: each becomes 16-bit steps when it is read.

recording.toml states which one under `depth_stored_as`; a format that knows it says so itself.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import RawFrameError
from labelkit.recordings.pictures import read_color, read_depth
from labelkit.records import FloatArray

# Metres are stored as steps of a tenth of a millimetre: finer than the noise of every sensor here (0.5 mm at best),
# and 16 bits of them reach 6.5 m, four times as far as a hand may be.
STEP_M = 0.0001

DISPARITY_BITS = 11
DISPARITY_NONE = 2**DISPARITY_BITS - 1

# Nominal conversion of a Kinect v1's raw disparity; units differ by some per cent.
# Source: https://openkinect.org/wiki/Imaging_Information
_SLOPE, _OFFSET = -0.0030711016, 3.3309495161


class Encoding(NamedTuple):
    """A way to store depth.

    Attributes:
        read: gives (H, W) uint16 steps, 0 where nothing was seen; raises as `pictures.read_depth`.
        unit_m: metres a step, if the encoding says it.
    """

    read: Callable[[Path], NDArray[np.uint16]]
    unit_m: float | None = None


def steps_from_metres(depth_m: FloatArray, step_m: float = STEP_M) -> NDArray[np.uint16]:
    """Turn metres into stored steps.

    Args:
        depth_m: (H, W), metres; not finite, or not in front of the camera, where nothing was seen.
    Returns:
        (H, W); 0 where nothing was seen, also where the depth is beyond 65534 steps.
    """
    with np.errstate(invalid="ignore"):
        steps = np.rint(depth_m / step_m)
        seen = np.isfinite(steps) & (steps > 0) & (steps < np.iinfo(np.uint16).max)
    return np.where(seen, steps, 0).astype(np.uint16)


def metres_from_disparity(disparity: FloatArray, slope: float = _SLOPE, offset: float = _OFFSET) -> FloatArray:
    """Turn disparity into metres, 1 / (slope d + offset); NaN where that is not in front of the camera."""
    inverse = slope * np.asarray(disparity, np.float64) + offset
    with np.errstate(divide="ignore"):
        return np.where(inverse > 0, 1 / inverse, np.nan)


@lru_cache(maxsize=1)
def _nominal_steps() -> NDArray[np.uint16]:
    """Give the steps of each disparity."""
    depth_m = metres_from_disparity(np.arange(DISPARITY_NONE + 1))
    depth_m[DISPARITY_NONE] = np.nan
    return steps_from_metres(depth_m)


def read_disparity(path: Path) -> NDArray[np.uint16]:
    """Read a Kinect v1's raw disparity as steps of STEP_M, by the nominal formula."""
    return np.take(_nominal_steps(), order_bytes(read_depth(path)))


def order_bytes(stored: NDArray[np.uint16]) -> NDArray[np.uint16]:
    """Put the bytes of raw disparity in order: 11 bits show it.

    Raises:
        RawFrameError: the values are no disparity in either order.
    """
    for ordered in (stored, stored.byteswap()):
        if ordered.max() <= DISPARITY_NONE:
            return ordered
    raise RawFrameError(
        f"holds {stored.max()}, where raw disparity of a Kinect v1 has {DISPARITY_BITS} bits (0 to {DISPARITY_NONE})"
    )


def read_swapped(path: Path) -> NDArray[np.uint16]:
    """Read 16-bit values whose bytes lie in the other order than the file's format says."""
    return read_depth(path).byteswap()


def _read_rotated(path: Path) -> NDArray[np.uint16]:
    stored = read_depth(path)
    return ((stored >> 3) | (stored << 13)).astype(np.uint16)


def _read_packed(high: int, low: int, path: Path) -> NDArray[np.uint16]:
    """Read depth whose high and low byte are in two channels of an RGB picture."""
    rgb = read_color(path)
    if not path.suffix.lower() == ".png":
        raise RawFrameError("is no PNG: depth packed into colours survives no lossy format")
    return rgb[..., high].astype(np.uint16) * np.uint16(256) + rgb[..., low]


ENCODINGS: Mapping[str, Encoding] = {
    "kinect-v1-disparity": Encoding(read_disparity, STEP_M),
    "little-endian": Encoding(read_swapped),  # NYU Depth's PGM, some Kinect dumps
    "rotated-by-3": Encoding(_read_rotated),  # SUN RGB-D, the Kinect SDK's packed depth
    "packed-gb": Encoding(partial(_read_packed, 1, 2)),  # 256 G + B: NYU hand poses
    "packed-gr": Encoding(partial(_read_packed, 1, 0)),  # 256 G + R: the Stereo Hand Pose benchmark
}
