"""Write PNG fast enough for a camera: 8 ms for a colour and a depth picture of 640 x 480, where OpenCV takes 22.

One filter for all rows, and ISA-L (docs/decisions/inflate.md) at its fastest level that compresses.

Source: https://www.w3.org/TR/png-3/
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import Any

import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

_GREY, _RGB = 0, 2  # colour types
_SUB = 1  # the filter: each pixel less the one to its left. On depth a fifth smaller than less the one above.
_LEVEL = 1


def png_bytes(picture: NDArray[Any]) -> bytes:
    """Write a picture as PNG.

    Args:
        picture: (H, W, 3) RGB uint8, or (H, W) uint8 or uint16.
    """
    height, width = picture.shape[:2]
    bits = 8 * picture.dtype.itemsize
    header = struct.pack(">IIBBBBB", width, height, bits, _RGB if picture.ndim == 3 else _GREY, 0, 0, 0)
    pixels = isal_zlib.compress(_filter_rows(picture), _LEVEL)
    chunks = (
        part for kind, data in ((b"IHDR", header), (b"IDAT", pixels), (b"IEND", b"")) for part in _chunk(kind, data)
    )
    return b"".join([b"\x89PNG\r\n\x1a\n", *chunks])


def _filter_rows(picture: NDArray[Any]) -> NDArray[np.uint8]:
    """Give (H, 1 + bytes a row): the filter's number, then the row."""
    height, width = picture.shape[:2]
    big_endian = np.ascontiguousarray(picture, dtype=picture.dtype.newbyteorder(">"))
    rows = big_endian.view(np.uint8).reshape(height, -1)
    pixel = rows.shape[1] // width
    filtered = np.empty((height, 1 + rows.shape[1]), np.uint8)
    filtered[:, 0] = _SUB
    filtered[:, 1 : 1 + pixel] = rows[:, :pixel]
    np.subtract(rows[:, pixel:], rows[:, :-pixel], out=filtered[:, 1 + pixel :])
    return filtered


def _chunk(kind: bytes, data: bytes) -> Iterator[bytes]:
    yield struct.pack(">I", len(data))
    yield kind
    yield data
    yield struct.pack(">I", isal_zlib.crc32(data, isal_zlib.crc32(kind)))
