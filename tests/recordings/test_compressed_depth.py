from __future__ import annotations

import contextlib
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelkit.errors import RawFrameError
from labelkit.recordings.compressed_depth import unpack_depth, unpack_rvl
from tests.recordings.made import encoded

HEADER = struct.pack("<iff", 0, 0.0, 0.0)


def pack_rvl(depth: np.ndarray) -> bytes:
    """Pack as Wilson 2017, figure 6, does, one nibble after the other."""
    nibbles: list[int] = []

    def put(value: int) -> None:
        while True:
            nibble, value = value & 7, value >> 3
            nibbles.append(nibble | (8 if value else 0))
            if not value:
                return

    pixels, place, before = depth.ravel().tolist(), 0, 0
    while place < len(pixels):
        start = place
        while place < len(pixels) and pixels[place] == 0:
            place += 1
        put(place - start)
        start = place
        while place < len(pixels) and pixels[place] != 0:
            place += 1
        put(place - start)
        for pixel in pixels[start:place]:
            delta, before = pixel - before, pixel
            put((delta << 1) ^ (delta >> 63))
    nibbles += [0] * (-len(nibbles) % 8)
    words = [
        sum(nibble << (28 - 4 * k) for k, nibble in enumerate(nibbles[i : i + 8])) for i in range(0, len(nibbles), 8)
    ]
    return struct.pack("<ii", depth.shape[1], depth.shape[0]) + np.array(words, "<u4").tobytes()


@given(arrays(np.uint16, (5, 7), elements=st.sampled_from([0, 0, 0, 1, 700, 701, 703, 1500, 65535])))
def test_rvl_gives_back_what_was_packed(depth: np.ndarray) -> None:
    assert np.array_equal(unpack_rvl(pack_rvl(depth)), depth)


@given(st.binary(max_size=60), st.integers(1, 20))
def test_rvl_of_any_bytes_is_a_picture_or_an_error(content: bytes, width: int) -> None:
    with contextlib.suppress(RawFrameError):
        assert unpack_rvl(struct.pack("<ii", width, 3) + content).shape == (3, width)


@pytest.mark.parametrize("size", [(0, 5), (-1, 5), (65535, 65535)])
def test_rvl_that_claims_a_size_is_refused_before_it_is_unpacked(size: tuple[int, int]) -> None:
    with pytest.raises(RawFrameError, match="claims"):
        unpack_rvl(struct.pack("<ii", *size) + bytes(100))


def test_the_two_ways_to_pack_are_told_by_the_format() -> None:
    depth = np.arange(700, 735, dtype=np.uint16).reshape(5, 7)
    for how, content in (("16UC1; compressedDepth", encoded(depth)), ("16UC1; compressedDepth rvl", pack_rvl(depth))):
        assert np.array_equal(unpack_depth(HEADER + content, how), depth)
    for content in (b"", HEADER, HEADER + b"no picture", HEADER + encoded(depth)[:40]):
        with pytest.raises(RawFrameError):
            unpack_depth(content, "16UC1; compressedDepth png")


def test_quantised_metres_become_steps() -> None:
    scale, offset = 100.0, -20.0
    inverse = np.full((2, 3), 100, np.uint16)
    inverse[0, 0] = 0
    found = unpack_depth(struct.pack("<iff", 0, scale, offset) + encoded(inverse), "32FC1; compressedDepth")
    assert found.tolist() == [[0, 8333, 8333], [8333] * 3]
