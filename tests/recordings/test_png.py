from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.recordings.pictures import read_color, read_depth
from labelkit.recordings.png import png_bytes

KINDS = [((), np.uint8), ((), np.uint16), ((3,), np.uint8)]


@pytest.mark.parametrize(("tail", "dtype"), KINDS)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(0, 2**32 - 1))
def test_opencv_reads_the_same_pixels_back(tail, dtype, height, width, seed):
    picture = np.random.default_rng(seed).integers(0, np.iinfo(dtype).max, (height, width, *tail), dtype, endpoint=True)
    read = cv2.imdecode(np.frombuffer(png_bytes(picture), np.uint8), cv2.IMREAD_UNCHANGED)
    assert read.dtype == dtype
    assert np.array_equal(read[..., ::-1] if tail else read, picture)


def test_a_build_reads_the_same_pixels_back_also_of_views_that_are_not_contiguous(tmp_path):
    rng = np.random.default_rng(0)
    color, depth = rng.integers(0, 256, (48, 64, 3), np.uint8), rng.integers(0, 65536, (48, 64), np.uint16)
    (tmp_path / "c.png").write_bytes(png_bytes(color[:, ::-1]))
    (tmp_path / "d.png").write_bytes(png_bytes(depth[::2]))
    assert np.array_equal(read_color(tmp_path / "c.png"), color[:, ::-1])
    assert np.array_equal(read_depth(tmp_path / "d.png"), depth[::2])


def test_a_smooth_picture_is_compressed():
    assert len(png_bytes(np.tile(np.arange(640, dtype=np.uint16), (480, 1)))) < 640 * 480 * 2 / 20
