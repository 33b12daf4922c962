from __future__ import annotations

import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from labelkit.errors import RawFrameError
from labelkit.recordings.pictures import color_size, depth_size, header_of, read_color, read_depth
from tests.recordings.made import color_png, depth_png, encoded, write

RNG = np.random.default_rng(0)
NOISY_DEPTH = encoded(RNG.integers(400, 1500, (24, 32), dtype=np.uint16))
NOISY_COLOR = RNG.integers(0, 255, (24, 32, 3), dtype=np.uint8)
NOISY_JPEG = encoded(NOISY_COLOR, ".jpg")


def png_claiming(
    width: int, height: int, bits: int = 16, color_type: int = 0, *, data: bytes = bytes(64), interlaced: bool = False
) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, bits, color_type, 0, 0, interlaced)
    pixels = chunk(b"IDAT", zlib.compress(data, 1))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + pixels + chunk(b"IEND", b"")


def adam7(picture: np.ndarray[Any, Any]) -> bytes:
    """Write an interlaced PNG: seven passes, each over its own grid of pixels."""
    height, width, *rest = picture.shape
    rgb = picture[..., [2, 1, 0, 3][: rest[0]]] if rest else picture[..., None]
    passes = [(0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2), (1, 0, 2, 1)]
    grids = [rgb[y::step_y, x::step_x] for y, x, step_y, step_x in passes]
    data = b"".join(
        b"\0" + row.astype(row.dtype.newbyteorder(">")).tobytes() for grid in grids if grid.size for row in grid
    )
    color_type = {1: 0, 3: 2, 4: 6}[rgb.shape[2]]
    return png_claiming(width, height, 8 * picture.itemsize, color_type, data=data, interlaced=True)


def with_orientation(jpeg: bytes, orientation: int) -> bytes:
    tiff = b"MM\0*\0\0\0\x08" + struct.pack(">H", 1) + struct.pack(">HHIHH", 0x112, 3, 1, orientation, 0) + b"\0" * 4
    exif = b"Exif\0\0" + tiff
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(exif) + 2) + exif + jpeg[2:]


def with_thumbnail(jpeg: bytes, thumbnail: bytes) -> bytes:
    return jpeg[:2] + b"\xff\xe1" + struct.pack(">H", len(thumbnail) + 2) + thumbnail + jpeg[2:]


def test_depth_is_read_as_it_is_stored(tmp_path: Path) -> None:
    stored = read_depth(write(tmp_path / "d.png", depth_png(1234)))
    assert stored.dtype == np.uint16
    assert stored.shape == (24, 32)
    assert (stored == 1234).all()


def test_color_is_rgb(tmp_path: Path) -> None:
    picture = read_color(write(tmp_path / "c.png", color_png((200, 100, 50))))
    assert picture.shape == (24, 32, 3)
    assert picture[0, 0].tolist() == [200, 100, 50]


def test_a_pgm_of_16_bits_is_big_endian_and_is_not_rescaled_by_its_largest_value(tmp_path: Path) -> None:
    values = np.arange(24 * 32, dtype=">u2").reshape(24, 32)
    path = write(tmp_path / "d.pgm", b"P5\n# by a driver\n32 24\n2047\n" + values.tobytes())
    assert (read_depth(path) == values).all()
    assert depth_size(path) == (32, 24)


def pnm(kind: int, white: int, pixels: np.ndarray[Any, Any]) -> bytes:
    return b"P%d\n32 24\n%d\n" % (kind, white) + pixels.astype("u1" if white < 256 else ">u2").tobytes()


@pytest.mark.parametrize("white", [1, 127, 255, 1023, 4095, 65535])
def test_a_ppm_is_scaled_by_the_largest_value_that_it_states(tmp_path: Path, white: int) -> None:
    pixels = RNG.integers(0, white, (24, 32, 3), endpoint=True)
    picture = read_color(write(tmp_path / "c.ppm", pnm(6, white, pixels)))
    assert picture.dtype == np.uint8
    assert np.abs(picture - pixels * 255 / white).max() <= 0.5
    grey = read_color(write(tmp_path / "c.pgm", pnm(5, white, pixels[..., 0])))
    assert np.array_equal(grey, np.repeat(picture[..., :1], 3, axis=2))


@pytest.mark.parametrize(("white", "words"), [(0, "states 0"), (65536, "states 65536"), (100, "holds the value 200")])
def test_a_ppm_whose_largest_value_cannot_be_is_refused(tmp_path: Path, white: int, words: str) -> None:
    path = write(tmp_path / "c.ppm", pnm(6, white, np.full((24, 32, 3), 200)))
    with pytest.raises(RawFrameError, match=words):
        read_color(path)


def test_an_exif_orientation_is_not_applied(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jpg", with_orientation(NOISY_JPEG, 6))
    assert cv2.imread(str(path)).shape == (32, 24, 3), "OpenCV itself would turn it"
    assert read_color(path).shape == (24, 32, 3)
    assert color_size(path) == (32, 24)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"not a picture at all", "is no PNG, JPEG or binary PGM"),
        (NOISY_DEPTH[: len(NOISY_DEPTH) // 2], "cut short or damaged"),
        (NOISY_DEPTH[:-12], "cut short or damaged"),
        (NOISY_DEPTH[:20], "cut short within its header"),
        (NOISY_DEPTH[:200] + bytes([NOISY_DEPTH[200] ^ 1]) + NOISY_DEPTH[201:], "cut short or damaged"),
        (b"P5 32 24 65535\n" + bytes(32 * 24 * 2 - 1), "cut short or damaged"),
        (encoded(np.full((24, 32), 80, np.uint8)), "1 channel of 8 bits, not one of 16"),
        (encoded(np.full((24, 32, 3), 800, np.uint16)), "3 channels of 16 bits"),
        (NOISY_JPEG, "3 channels of 8 bits"),
        (png_claiming(65535, 65535), "claims 65535x65535 pixels"),
        (png_claiming(0, 24), "claims 0x24 pixels"),
        (png_claiming(32, 24), "does not decode"),
        (png_claiming(32, 24, 8, 3), "3 channels of 8 bits"),
        (png_claiming(32, 24, 16, 7), "damaged PNG"),
    ],
)
def test_a_bad_depth_picture_is_refused_with_what_is_wrong(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(RawFrameError, match=words):
        read_depth(write(tmp_path / "d.png", content))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (NOISY_JPEG[: len(NOISY_JPEG) // 2], "cut short"),
        (NOISY_JPEG[:-2], "cut short"),
        (NOISY_JPEG[:-2] + bytes(100), "cut short"),
        (with_thumbnail(NOISY_JPEG, NOISY_JPEG)[:-200], "cut short"),
        (NOISY_JPEG[:20], "header"),
        (NOISY_JPEG[:2] + b"\xff\xda" + NOISY_JPEG[2:], "no frame header"),
        (b"GIF89a" + bytes(100), "is no PNG"),
        (b"P6 99999 99999 255\n", "claims 99999x99999"),
    ],
)
def test_a_bad_color_picture_is_refused_with_what_is_wrong(tmp_path: Path, content: bytes, words: str) -> None:
    with pytest.raises(RawFrameError, match=words):
        read_color(write(tmp_path / "c.jpg", content))


def test_bytes_after_a_whole_jpeg_do_no_harm(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jpg", with_thumbnail(NOISY_JPEG, NOISY_JPEG) + b"what a camera adds")
    assert read_color(path).shape == (24, 32, 3)


def test_the_size_of_a_jpeg_is_found_behind_a_long_preamble(tmp_path: Path) -> None:
    path = write(tmp_path / "c.jpg", with_thumbnail(NOISY_JPEG, bytes(60_000)))
    assert color_size(path) == (32, 24)


def test_a_missing_picture_is_an_os_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_depth(tmp_path / "none.png")


@pytest.mark.parametrize("picture", [NOISY_DEPTH, NOISY_JPEG, b"P5 32 24 65535\n" + bytes(1536)])
def test_no_beginning_of_a_picture_passes_for_a_whole_one(tmp_path: Path, picture: bytes) -> None:
    read = read_color if picture is NOISY_JPEG else read_depth
    path = tmp_path / "cut"
    for length in range(0, len(picture) - 1, max(1, len(picture) // 100)):
        path.write_bytes(picture[:length])
        with pytest.raises(RawFrameError):
            read(path)


def test_the_header_says_where_the_pixels_begin() -> None:
    assert header_of(b"P5 2 1 65535\n\x01\x02\x03\x04").data == 13


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("shape", [(24, 32), (24, 32, 3), (24, 32, 4), (301, 517, 3), (1, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_png_has_the_pixels_that_opencv_alone_reads(tmp_path: Path, dtype, shape, interlaced: bool) -> None:
    picture = np.random.default_rng(1).integers(0, np.iinfo(dtype).max, shape, dtype=dtype)
    content = adam7(picture) if interlaced else encoded(picture)
    alone = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR)
    path = write(tmp_path / "p.png", content)
    assert (read_color(path) == alone[..., ::-1]).all()
    if dtype is np.uint16 and len(shape) == 2:
        assert (read_depth(path) == picture).all()


@pytest.mark.parametrize("pattern", ["kinect_v1_openni/*/*/*.png", "hand_mesh_truth/*.png"])
def test_a_recorded_png_has_the_pixels_that_opencv_alone_reads(real_data: Path, pattern: str) -> None:
    paths = sorted(real_data.glob(pattern))[:8]
    assert paths
    for path in paths:
        alone = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
        found = read_depth(path) if alone.ndim == 2 else read_color(path)[..., ::-1]
        assert (found == alone).all()


def test_a_png_cut_short_or_changed_anywhere_is_refused_or_has_its_own_pixels(tmp_path: Path) -> None:
    whole = read_depth(write(tmp_path / "d.png", NOISY_DEPTH))
    for at in range(len(NOISY_DEPTH)):
        with pytest.raises(RawFrameError):
            read_depth(write(tmp_path / "d.png", NOISY_DEPTH[:at]))
        changed = NOISY_DEPTH[:at] + bytes([NOISY_DEPTH[at] ^ 0x10]) + NOISY_DEPTH[at + 1 :]
        try:
            found = read_depth(write(tmp_path / "d.png", changed))
        except RawFrameError:
            continue
        assert np.array_equal(found, whole)


def test_pixels_that_inflate_to_more_than_the_picture_holds_are_refused_before_they_do(tmp_path: Path) -> None:
    with pytest.raises(RawFrameError, match="does not decode"):
        read_depth(write(tmp_path / "d.png", png_claiming(32, 24, data=bytes(200_000_000))))
