from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from labelkit.errors import RawFrameError
from labelkit.recordings import find_recordings
from labelkit.recordings.recording import describe_wrong_values, metres_from_stored
from labelkit.records import Frame, Reason, Recording, Unreadable
from labelkit.workflows.inspect import inspect
from tests.recordings.made import SIDECAR, color_png, depth_png, encoded, write, write_pairs, write_tum

RNG = np.random.default_rng(0)


def with_one_bad(folder: Path, bad: str, content: bytes | None) -> Recording:
    """Three pairs, of which the middle one has a bad file (None: none)."""
    write_pairs(folder)
    path = folder / bad
    path.unlink()
    if content is not None:
        write(path, content)
    (recording,) = find_recordings(folder)
    return recording


DEPTH, COLOR = "depth/depth_00001.png", "color/color_00001.png"


@pytest.mark.parametrize(
    ("bad", "content", "reason", "words"),
    [
        (DEPTH, None, Reason.MISSING_PAIR, "no depth picture with it"),
        (COLOR, None, Reason.MISSING_PAIR, "no colour picture with it"),
        (DEPTH, b"", Reason.DECODE, "the depth picture is empty"),
        (DEPTH, b"text", Reason.DECODE, "the depth picture is no PNG"),
        (DEPTH, depth_png()[:-20], Reason.DECODE, "the depth picture is cut short"),
        (DEPTH, encoded(np.full((24, 32), 90, np.uint8)), Reason.DECODE, "8 bits"),
        (DEPTH, depth_png(size=(30, 24)), Reason.SIZE, "the depth picture is 30x24, its intrinsics are for 32x24"),
        (COLOR, color_png(size=(30, 24)), Reason.SIZE, "the colour picture is 30x24"),
        (COLOR, b"", Reason.DECODE, "the colour picture is empty"),
        (COLOR, b"text", Reason.DECODE, "the colour picture is no PNG"),
        (DEPTH, depth_png(40_000), Reason.UNIT, "beyond 20 m: depth_unit_m = 0.001 is not its unit"),
    ],
)
def test_a_bad_file_costs_one_frame_and_says_why(
    tmp_path: Path, bad: str, content: bytes | None, reason: Reason, words: str
) -> None:
    recording = with_one_bad(tmp_path, bad, content)
    assert len(recording) == 3
    frame = recording[1]
    assert isinstance(frame, Unreadable)
    assert frame.reason is reason
    assert words in frame.detail
    assert str(tmp_path) not in frame.detail, "what is said of a frame is the same on every machine"
    assert isinstance(recording[0], Frame)
    assert isinstance(recording[2], Frame)


@pytest.mark.parametrize("bad", [DEPTH, COLOR])
def test_a_file_that_cannot_be_opened_costs_one_frame(tmp_path: Path, bad: str) -> None:
    write_pairs(tmp_path)
    (recording,) = find_recordings(tmp_path)
    (tmp_path / bad).unlink()  # after the listing; a file without permission ends the same way
    frame = recording[1]
    assert isinstance(frame, Unreadable)
    assert frame.reason is Reason.IO
    assert "cannot be read (No such file" in frame.detail


def test_a_frame_is_metres_and_rgb(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    (recording,) = find_recordings(tmp_path)
    frame = recording[2]
    assert isinstance(frame, Frame)
    assert frame.depth_m.dtype == np.float32
    np.testing.assert_allclose(frame.depth_m, 0.802, rtol=1e-6)
    assert frame.read_color()[0, 0].tolist() == [2, 100, 50]
    assert np.isnan(frame.stamp)


def test_colour_cut_short_is_told_when_it_is_asked_for(tmp_path: Path) -> None:
    frame = with_one_bad(tmp_path, COLOR, color_png()[:-20])[1]
    assert isinstance(frame, Frame)
    with pytest.raises(RawFrameError, match="the colour picture is cut short"):
        frame.read_color()
    (tmp_path / COLOR).unlink()
    with pytest.raises(OSError, match=r"the colour picture cannot be read \(No such file") as caught:
        frame.read_color()
    assert str(tmp_path) not in str(caught.value)


def test_depth_without_any_reading_is_a_frame_of_nan(tmp_path: Path) -> None:
    frame = with_one_bad(tmp_path, DEPTH, depth_png(0))[1]
    assert isinstance(frame, Frame)
    assert np.isnan(frame.depth_m).all()


def test_zero_and_the_largest_value_mean_that_nothing_was_seen() -> None:
    depth_m = metres_from_stored(np.array([[0, 1, 1000, 65534, 65535]], np.uint16), 0.001)
    assert depth_m.dtype == np.float32
    np.testing.assert_allclose(depth_m, [[np.nan, 0.001, 1.0, 65.534, np.nan]])


@pytest.mark.parametrize(
    ("unit", "value", "is_read"), [(0.0002, 65534, True), (0.001, 1500, True), (0.01, 2500, False)]
)
def test_a_unit_is_doubted_only_where_half_of_a_picture_lies_beyond_every_sensor(
    tmp_path: Path, unit: float, value: int, is_read: bool
) -> None:
    write_pairs(tmp_path, 1, sidecar=SIDECAR.replace("0.001", str(unit)))
    write(tmp_path / "depth/depth_00000.png", depth_png(value))
    (recording,) = find_recordings(tmp_path)
    assert isinstance(recording[0], Frame) is is_read


SLOPE = np.add.outer(np.arange(480), np.arange(640)).astype(np.uint16)  # depth as smooth as a wall's


def disparity(none: int, share: float) -> np.ndarray[Any, Any]:
    stored = none - 500 + SLOPE // 4
    stored[: round(480 * share)] = none
    return stored


def with_holes(stored: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    return np.where(SLOPE < 200, 0, stored)


@pytest.mark.parametrize(
    ("stored", "unit_m", "words"),
    [
        (disparity(2047, 0.02), 0.001, "2047"),
        (disparity(1023, 0.1), 0.0002, "1023"),
        (with_holes(700 + SLOPE).byteswap(), 0.001, "big-endian"),
        (with_holes(8 * (700 + SLOPE)), 0.001, "rotated"),
        (with_holes(8 * (700 + SLOPE) | (SLOPE == 900)), 0.000125, "rotated"),
    ],
)
def test_values_that_are_no_depth_in_the_stated_unit_are_told(
    stored: np.ndarray[Any, Any], unit_m: float, words: str
) -> None:
    said = describe_wrong_values(stored.astype(np.uint16), unit_m)
    assert said is not None
    assert words in said


@pytest.mark.parametrize(
    ("stored", "unit_m"),
    [
        (with_holes(700 + SLOPE), 0.001),
        (with_holes(5 * (700 + SLOPE)), 0.0002),
        (with_holes(disparity(2047, 0.02)), 0.001),  # depth cut off at 2047 mm
        (disparity(2047, 0.0), 0.001),
        (with_holes(8 * (700 + SLOPE)), 0.000125),
        (np.full((480, 640), 800), 0.001),
        (np.zeros((480, 640)), 0.001),
        (RNG.integers(1, 65535, (480, 640)), 0.001),
    ],
)
def test_depth_that_may_be_right_is_not_doubted(stored: np.ndarray[Any, Any], unit_m: float) -> None:
    assert describe_wrong_values(stored.astype(np.uint16), unit_m) is None


def test_a_frame_of_disparity_is_unreadable_for_its_unit(tmp_path: Path) -> None:
    write_pairs(tmp_path)
    stored = np.full((24, 32), 700, np.uint16)
    stored[0] = 2047
    write(tmp_path / DEPTH, encoded(stored))
    frame = find_recordings(tmp_path)[0][1]
    assert isinstance(frame, Unreadable)
    assert frame.reason is Reason.UNIT
    assert "disparity" in frame.detail


def test_frames_can_be_iterated_and_end(tmp_path: Path) -> None:
    (recording,) = find_recordings(write_tum(tmp_path, [1.0, 2.0, 3.0], [1.0, 3.0]))
    frames = [recording[index] for index in range(len(recording))]
    assert [isinstance(frame, Frame) for frame in frames] == [True, False, True]
    assert recording.frame_name(1).color is None
    assert recording.frame_name(1).key == "depth/2.000000.png"
    with pytest.raises(IndexError):
        recording[3]


@pytest.mark.parametrize("kind", ["depth", "rgb"])
def test_a_picture_that_a_hanging_stream_stores_again_is_a_duplicate(tmp_path: Path, kind: str) -> None:
    stamps = [1.0, 1.033, 1.067, 1.1, 1.133, 1.167]
    (recording,) = find_recordings(write_tum(tmp_path, stamps, stamps))
    assert all(isinstance(recording[index], Frame) for index in range(6))
    pictures = sorted((tmp_path / kind).iterdir())
    for copy, original in ((2, 1), (3, 1), (5, 3)):  # the last one comes back after another picture
        shutil.copy(pictures[original], pictures[copy])
    outcomes = [recording[index] for index in range(6)]
    assert [isinstance(outcome, Frame) for outcome in outcomes] == [True, True, False, False, True, False]
    for outcome in outcomes:
        assert isinstance(outcome, Frame) or (
            outcome.reason is Reason.DUPLICATE and {"depth": "depth", "rgb": "colour"}[kind] in outcome.detail
        )
    notes = inspect(tmp_path).recordings[0].notes
    assert any("3 frames repeat" in note and pictures[2].name in note for note in notes)


def test_pictures_of_one_size_that_differ_are_no_duplicates(tmp_path: Path) -> None:
    (recording,) = find_recordings(write_tum(tmp_path, [1.0, 1.033], [1.0, 1.033]))
    one, other = ((tmp_path / "depth" / f"{stamp}.png") for stamp in ("1.000000", "1.033000"))
    assert one.stat().st_size == other.stat().st_size
    assert isinstance(recording[1], Frame)


def test_an_empty_picture_after_another_is_damaged_and_no_duplicate(tmp_path: Path) -> None:
    (recording,) = find_recordings(write_tum(tmp_path, [1.0, 1.033, 1.067], [1.0, 1.033, 1.067]))
    for path in sorted((tmp_path / "depth").iterdir())[1:]:
        path.write_bytes(b"")
    outcome = recording[2]
    assert isinstance(outcome, Unreadable)
    assert outcome.reason is Reason.DECODE


def test_a_gap_given_decides_what_pairs(tmp_path: Path) -> None:
    write_tum(tmp_path, [1.0], [1.03])
    assert len(find_recordings(tmp_path)[0]) == 2
    assert len(find_recordings(tmp_path, max_gap_s=0.05)[0]) == 1
