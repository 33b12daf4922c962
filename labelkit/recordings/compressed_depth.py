"""Depth as ROS's compressed_depth_image_transport packs it: a header of twelve bytes, and a PNG or RVL in it.

Source: ros-perception/image_transport_plugins, compressed_depth_image_transport (BSD); RVL: Wilson 2017, Fast lossless
    depth image compression, ISS '17.
"""

from __future__ import annotations

import struct

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import RawFrameError
from labelkit.recordings.encodings import steps_from_metres
from labelkit.recordings.pictures import MAX_PIXELS, depth_from_bytes

_HEADER = struct.Struct("<iff")  # a format that is not used, and the two numbers of the quantisation
_SIZE = struct.Struct("<ii")
_NIBBLES = np.arange(28, -4, -4, dtype=np.uint32)  # of a word, in the order in which they are packed
_MOST_NIBBLES = 6  # of a number: twice the largest depth has 17 bits, three in each


def unpack_depth(content: bytes, how: str) -> NDArray[np.uint16]:
    """Unpack a message's data.

    Args:
        how: the message's format, such as "16UC1; compressedDepth png".
    Returns:
        (H, W): as stored for 16UC1; for 32FC1 in steps of `encodings.STEP_M`; 0 where nothing was seen.
    Raises:
        RawFrameError: it is damaged, or packed in another way.
    """
    if len(content) <= _HEADER.size:
        raise RawFrameError(f"is cut short: {len(content)} bytes")
    _, scale, offset = _HEADER.unpack_from(content)
    packed = content[_HEADER.size :]
    stored = unpack_rvl(packed) if "rvl" in how.lower() else depth_from_bytes(packed)
    if not how.startswith("32FC1"):
        return stored
    with np.errstate(divide="ignore", invalid="ignore"):
        return steps_from_metres(np.where(stored > 0, scale / (stored - np.float64(offset)), np.nan))


def unpack_rvl(content: bytes) -> NDArray[np.uint16]:
    """Unpack RVL: the sizes, then runs of zeros and of differences as numbers of three bits a nibble.

    Raises:
        RawFrameError: it is damaged.
    """
    if len(content) < _SIZE.size:
        raise RawFrameError("is cut short within its header")
    width, height = _SIZE.unpack_from(content)
    if not (width > 0 and height > 0 and width * height <= MAX_PIXELS):
        raise RawFrameError(f"claims {width}x{height} pixels; at most {MAX_PIXELS:,} are read")
    numbers = _numbers_of(content[_SIZE.size :])
    pixels = np.zeros(width * height, np.int64)
    place, read, before = 0, 0, 0
    while place < len(pixels):
        if read + 2 > len(numbers):
            raise RawFrameError(f"is cut short: {place:,} of {len(pixels):,} pixels")
        zeros, seen = int(numbers[read]), int(numbers[read + 1])
        place, read = place + zeros, read + 2
        if place + seen > len(pixels) or read + seen > len(numbers) or zeros + seen == 0:
            raise RawFrameError("is damaged: a run of its pixels does not end in it")
        if seen:
            coded = numbers[read : read + seen]
            run = before + np.cumsum((coded >> 1) ^ -(coded & 1))
            pixels[place : place + seen] = run
            place, read, before = place + seen, read + seen, int(run[-1])
    if pixels.min() < 0 or pixels.max() > np.iinfo(np.uint16).max:
        raise RawFrameError("is damaged: its values leave 16 bits")
    return pixels.astype(np.uint16).reshape(height, width)


def _numbers_of(content: bytes) -> NDArray[np.int64]:
    """Split packed words into the numbers whose nibbles they hold; the fourth bit says that another follows."""
    words = np.frombuffer(content, "<u4", count=len(content) // 4)
    nibbles = ((words[:, None] >> _NIBBLES) & 0xF).ravel().astype(np.int64)
    ends = np.flatnonzero(nibbles < 8)
    if not len(ends):
        return np.empty(0, np.int64)
    nibbles = nibbles[: ends[-1] + 1]
    starts = np.concatenate([[0], ends[:-1] + 1])
    lengths = ends + 1 - starts
    if lengths.max() > _MOST_NIBBLES + 2:
        raise RawFrameError("is damaged: a number of it has too many digits")
    place = np.arange(len(nibbles)) - np.repeat(starts, lengths)
    return np.add.reduceat((nibbles & 7) << (3 * place), starts)
