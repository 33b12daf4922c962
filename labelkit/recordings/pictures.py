"""Read one picture: bytes first, then its header, then its pixels.

The header is judged before anything is decoded, so that a small file that claims a vast picture costs
nothing, and the end of the file is looked for, because decoders fill up a picture that was cut short.
Messages name no path: they go into the label table, which is the same on every machine.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import reduce
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
from isal import isal_zlib
from numpy.typing import NDArray

from labelkit.errors import RawFrameError
from labelkit.records import ColorImage

# The largest sensor here is the Azure Kinect's, 4096 x 3072 = 12.6 million pixels.
MAX_PIXELS = 50_000_000
MAX_BYTES = 8 * MAX_PIXELS  # four channels of 16 bits, stored as they are

_HEADER_BYTES = 4096  # enough but for a JPEG with a long preamble (EXIF, colour profile)

_PNG_START = b"\x89PNG\r\n\x1a\n"
_PNG_CHANNELS = {0: 1, 2: 3, 3: 3, 4: 2, 6: 4}  # by colour type; a palette holds colours
_STORED_BLOCK = 0xFFFF  # the most that a block of a deflate stream stores
_JPEG_START = b"\xff\xd8\xff"
_JPEG_END = b"\xff\xd9"
# Start of frame: every FFCx but the tables DHT (C4), JPG (C8) and DAC (CC).
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD8)})  # markers without a length
_JPEG_SCAN = 0xDA
# Progressive pictures have some ten scans. Each makes the decoder go over all pixels, for as little as 14 bytes.
_MOST_SCANS = 100
_PNM = re.compile(rb"P([56])" + rb"(?:\s+(?:#[^\n]*\n\s*)*)(\d{1,9})" * 3 + rb"\s")


@dataclass(frozen=True)
class Header:
    """What a picture says of itself."""

    format: str  # "PNG", "JPEG" or "PNM" (binary PGM and PPM)
    width: int
    height: int
    channels: int
    bits: int  # a channel
    data: int  # where in the file the pixels begin
    white: int  # the value of full brightness

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.width, self.height


def read_depth(path: Path) -> NDArray[np.uint16]:
    """Read a depth picture as it is stored.

    Returns:
        (H, W) uint16, in the file's own unit; what its values mean is not known here.
    Raises:
        RawFrameError: no depth picture of 16 bits, or a damaged one.
        OSError: the file cannot be read.
    """
    return depth_from_bytes(_read(path))


def depth_from_bytes(content: bytes) -> NDArray[np.uint16]:
    """Decode a depth picture; as `read_depth`."""

    header = _depth_header(content)
    pixels = _decode(content, header, cv2.IMREAD_UNCHANGED)
    if pixels.dtype != np.uint16 or pixels.ndim != 2:
        raise RawFrameError(f"does not decode to one channel of 16 bits but to {pixels.dtype}, {pixels.ndim}-d")
    return pixels


def read_color(path: Path) -> ColorImage:
    """Read a colour picture.

    Returns:
        (H, W, 3) RGB uint8, as stored: an EXIF orientation is not applied, since depth has none.
    Raises:
        RawFrameError: no picture, or a damaged one.
        OSError: the file cannot be read.
    """
    return color_from_bytes(_read(path))


def color_from_bytes(content: bytes) -> ColorImage:
    """Decode a colour picture; as `read_color`."""
    return _color_from_bytes(content, cv2.IMREAD_COLOR | cv2.IMREAD_IGNORE_ORIENTATION)


def read_photo(path: Path) -> ColorImage:
    """Read a picture as its photographer sees it: an EXIF orientation is applied.

    Returns:
        (H, W, 3) RGB uint8: 16 bits are scaled to 8, grey is repeated, CMYK is converted, alpha is left out.
    Raises:
        RawFrameError: no picture, or a damaged one.
        OSError: the file cannot be read.
    """
    return _color_from_bytes(_read(path), cv2.IMREAD_COLOR)


def _color_from_bytes(content: bytes, flags: int) -> ColorImage:
    header = header_of(content)
    if header.format == "PNM":
        return _scale_to_bytes(_pnm_pixels(content, header), header.white)
    return np.asarray(cv2.cvtColor(_decode(content, header, flags), cv2.COLOR_BGR2RGB))


def depth_size(path: Path) -> tuple[int, int]:
    """Read a depth picture's width and height off its header; raises as `read_depth`."""
    return _depth_header(_read(path, _HEADER_BYTES)).size


def color_size(path: Path) -> tuple[int, int]:
    """Read a colour picture's width and height off its header; raises as `read_color`."""
    content = _read(path, _HEADER_BYTES)
    try:
        return header_of(content).size
    except RawFrameError:
        if len(content) < _HEADER_BYTES:
            raise
        return header_of(_read(path)).size


def header_of(content: bytes) -> Header:
    """Read the header of a PNG, JPEG, PGM or PPM picture and judge its size.

    Raises:
        RawFrameError: empty, of no known format, cut short within the header, or too large.
    """
    if not content:
        raise RawFrameError("is empty")
    try:
        if content.startswith(_PNG_START):
            header = _png_header(content)
        elif content.startswith(_JPEG_START):
            header = _jpeg_header(content)
        elif found := _PNM.match(content):
            header = _pnm_header(found)
        else:
            raise RawFrameError(f"is no PNG, JPEG or binary PGM/PPM (it begins with {content[:8]!r})")
    except (struct.error, IndexError):
        raise RawFrameError("is cut short within its header") from None
    if not 0 < header.width * header.height <= MAX_PIXELS:
        raise RawFrameError(f"claims {header.width}x{header.height} pixels; at most {MAX_PIXELS:,} are read")
    return header


def _depth_header(content: bytes) -> Header:
    header = header_of(content)
    if header.channels != 1 or header.bits != 16:
        is_packed = header.format == "PNG" and header.channels == 3 and header.bits == 8
        channels = "1 channel" if header.channels == 1 else f"{header.channels} channels"
        raise RawFrameError(
            f"is a {header.format} of {channels} of {header.bits} bits, not one of 16 bits: "
            "a picture of the depth, not the depth"
            + (", unless its bytes are packed (depth_stored_as in recording.toml)" if is_packed else "")
        )
    return header


def _png_header(content: bytes) -> Header:
    kind, width, height, bits, color_type = struct.unpack_from(">4sIIBB", content, 12)
    if kind != b"IHDR" or color_type not in _PNG_CHANNELS:
        raise RawFrameError("is a damaged PNG (no header chunk)")
    bits = 8 if color_type == 3 else bits
    return Header("PNG", width, height, _PNG_CHANNELS[color_type], bits, data=8, white=2**bits - 1)


def _jpeg_header(content: bytes) -> Header:
    position = 2
    while True:
        marker, code = content[position], content[position + 1]
        if marker != 0xFF or code == _JPEG_SCAN:
            raise RawFrameError("is a damaged JPEG (no frame header)")
        if code in _JPEG_FRAMES:
            bits, height, width, channels = struct.unpack_from(">BHHB", content, position + 4)
            return Header("JPEG", width, height, channels, bits, data=position, white=2**bits - 1)
        position += 1 if code == 0xFF else 2 if code in _JPEG_BARE else 2 + _u16(content, position + 2)


def _pnm_header(found: re.Match[bytes]) -> Header:
    kind, width, height, white = (int(number) for number in found.groups())
    if not 0 < white < 2**16:
        raise RawFrameError(f"states {white} as its largest value; a PNM has 1 to 65535")
    return Header("PNM", width, height, 1 if kind == 5 else 3, 8 if white < 256 else 16, data=found.end(), white=white)


def _u16(content: bytes, position: int) -> int:
    (value,) = struct.unpack_from(">H", content, position)
    return int(value)


def _decode(content: bytes, header: Header, flags: int) -> NDArray[Any]:
    if header.format == "PNG":
        content = _with_stored_pixels(content, header)
    elif not _is_whole(content, header):
        raise _cut_short(content, header)
    try:
        pixels = cv2.imdecode(np.frombuffer(content, np.uint8), flags)
    except cv2.error:
        pixels = None
    if pixels is None or sorted(pixels.shape[:2]) != sorted(header.size):  # an orientation may swap them
        raise RawFrameError(f"is a {header.format} that does not decode")
    return np.asarray(pixels)


def _pnm_pixels(content: bytes, header: Header) -> NDArray[Any]:
    """Read the pixels of a PGM or PPM, (H, W, 3) as stored; OpenCV does not scale them by the stated largest value."""
    if not _is_whole(content, header):
        raise _cut_short(content, header)
    shape = (header.height, header.width, header.channels)
    kind = np.uint8 if header.bits == 8 else np.dtype(">u2")
    pixels = np.frombuffer(content, kind, count=int(np.prod(shape)), offset=header.data).reshape(shape)
    if pixels.max() > header.white:
        raise RawFrameError(f"holds the value {pixels.max()}, but states {header.white} as its largest")
    return np.broadcast_to(pixels, (*shape[:2], 3))


def _scale_to_bytes(pixels: NDArray[Any], white: int) -> ColorImage:
    """Scale brightness so that white becomes 255, rounded."""
    levels = (np.arange(white + 1) * 255 + white // 2) // white
    return np.take(levels.astype(np.uint8), pixels)


def _cut_short(content: bytes, header: Header) -> RawFrameError:
    return RawFrameError(f"is cut short or damaged: a {header.format} of {len(content)} bytes without its end")


def _is_whole(content: bytes, header: Header) -> bool:
    if header.format == "JPEG":
        if content.count(bytes([0xFF, _JPEG_SCAN]), header.data) > _MOST_SCANS:
            raise RawFrameError(f"is a JPEG of more than {_MOST_SCANS} scans")
        # Within the coded pixels FF is always followed by 00 or a restart marker, so the first end
        # marker after the frame header is the picture's (a thumbnail's lies before it).
        return content.find(_JPEG_END, header.data) > 0
    return len(content) - header.data >= header.width * header.height * header.channels * header.bits // 8


def _with_stored_pixels(content: bytes, header: Header) -> bytes:
    """Inflate a PNG's pixels and put them back as they are, uncompressed.

    Inflating is most of the work of decoding, and ISA-L does it in half the time of the zlib in OpenCV. The
    same PNG otherwise, so OpenCV reads the same pixels from it.
    """
    chunks = _png_chunks(content, header.data)
    if chunks is None:
        raise _cut_short(content, header)
    view = memoryview(content)
    pixels = [chunk for chunk in chunks if chunk.kind == b"IDAT"]
    inflater = isal_zlib.decompressobj()
    try:
        inflated = inflater.decompress(
            b"".join(view[chunk.start + 8 : chunk.end - 4] for chunk in pixels), _most_inflated(header)
        )
    except isal_zlib.IsalError:  # type: ignore[misc]  # its stubs take the class for an instance
        inflated = b""
    if not inflater.eof:
        raise RawFrameError(f"is a {header.format} that does not decode")
    before = view[: pixels[0].start]
    after = [view[chunk.start : chunk.end] for chunk in chunks[chunks.index(pixels[-1]) + 1 :]]
    stored = [b"IDAT", *_as_stored_blocks(inflated)]
    sum_of = reduce(lambda so_far, part: isal_zlib.crc32(part, so_far), stored, 0)
    length = sum(len(part) for part in stored) - 4
    return b"".join([before, struct.pack(">I", length), *stored, struct.pack(">I", sum_of), *after])


def _most_inflated(header: Header) -> int:
    # Of eight bytes a pixel at most, with a byte before each row; interlaced there are up to seven times more rows.
    return 8 * header.width * header.height + 8 * (header.height + 8)


def _as_stored_blocks(data: bytes) -> Iterator[bytes | memoryview]:
    """Frame data as a zlib stream that is not compressed (RFC 1950 and 1951)."""
    view = memoryview(data)
    yield b"\x78\x01"
    for start in range(0, max(1, len(data)), _STORED_BLOCK):
        block = view[start : start + _STORED_BLOCK]
        is_last = start + _STORED_BLOCK >= len(data)
        yield struct.pack("<BHH", is_last, len(block), len(block) ^ 0xFFFF)
        yield block
    yield struct.pack(">I", isal_zlib.adler32(data))


class _Chunk(NamedTuple):
    kind: bytes
    start: int
    end: int


def _png_chunks(content: bytes, position: int) -> list[_Chunk] | None:
    """Walk the chunks, checking the sums of those that a decoder must understand; None if the last is missing."""
    view = memoryview(content)
    chunks: list[_Chunk] = []
    while position + 12 <= len(content):
        length, kind = struct.unpack_from(">I4s", content, position)
        chunk = _Chunk(kind, position, position + 12 + length)
        if chunk.end > len(content):
            return None
        is_critical = kind[:1].isupper()
        stated = int.from_bytes(view[chunk.end - 4 : chunk.end], "big")
        if is_critical and isal_zlib.crc32(view[position + 4 : chunk.end - 4]) != stated:
            return None
        chunks.append(chunk)
        if kind == b"IEND":
            return chunks if any(chunk.kind == b"IDAT" for chunk in chunks) else None
        position = chunk.end
    return None


def _read(path: Path, most: int = MAX_BYTES) -> bytes:
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if size > MAX_BYTES:
            raise RawFrameError(f"is larger than {MAX_BYTES:,} bytes")
        return file.read(min(size, most))  # a read of `most` would ask for as much memory
