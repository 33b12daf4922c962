"""Finding the palm in a view of the hand straight on."""

from __future__ import annotations

import importlib.resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelkit.imaging.palm import ABOVE_M, BESIDE_M, CELL_M, COLUMNS, NEAR_M, RELIEF_M, ROWS, SUBCELLS, cells, find_palm

SHAPE = (ROWS * SUBCELLS, COLUMNS * SUBCELLS)


def hand(*, shift_m=(0.0, 0.0)):
    """Draw the relief of a right hand straight on: a plate, four fingers, a thumb and a wrist."""
    step = CELL_M / SUBCELLS
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    x = (x + 0.5) * step - BESIDE_M - shift_m[0]
    y = (y + 0.5) * step - ABOVE_M - shift_m[1]
    palm = (np.abs(x) < 0.041) & (np.abs(y) < 0.046)
    fingers = (np.abs((x + 0.04) % 0.021 - 0.01) < 0.0085) & (np.abs(x) < 0.041) & (y < -0.04) & (y > -0.115)
    thumb = (np.abs((x - 0.055) * 0.8 + y) < 0.013) & (x > 0.03) & (x < 0.075)
    wrist = (np.abs(x) < 0.028) & (y > 0.04)
    relief = np.where(palm | wrist, 0.0, np.where(fingers | thumb, 0.002, np.nan))
    return relief.astype(np.float32)


def test_the_palm_is_what_lies_between_wrist_and_fingers():
    palm = find_palm(hand())
    rows, columns = np.nonzero(palm.share * palm.cover > 0.5)
    middle_row, middle_column = rows.mean() - len(palm.share) / 2, columns.mean() - len(palm.share) / 2
    assert abs(middle_row * CELL_M) < 0.015
    assert abs(middle_column * CELL_M) < 0.012
    assert 25e-4 < len(rows) * CELL_M**2 < 80e-4
    np.testing.assert_allclose(palm.fingers, [0, -1], atol=0.25)
    np.testing.assert_allclose(palm.middle_m, [0, 0], atol=0.015)
    assert 0.7 < palm.size < 1.3


@pytest.mark.parametrize("shift_m", [(0.02, 0.0), (-0.015, 0.0), (0.0, 0.02), (0.0, -0.015)])
def test_the_palm_is_found_where_it_is(shift_m):
    moved = find_palm(hand(shift_m=shift_m)).middle_m - find_palm(hand()).middle_m
    np.testing.assert_allclose(moved, shift_m, atol=0.01)


relief = arrays(
    np.float32, SHAPE, elements=st.sampled_from([np.nan, 0.0, 0.01, -0.02, 0.5]), fill=st.just(np.float32(0))
)


@settings(max_examples=20, deadline=None)
@given(relief_m=relief)
def test_a_mirrored_view_gives_the_mirrored_palm(relief_m):
    there, back = find_palm(relief_m), find_palm(np.ascontiguousarray(relief_m[:, ::-1]))
    np.testing.assert_allclose(back.share[:, ::-1], there.share, atol=1e-5)
    np.testing.assert_allclose(back.middle_m * [-1, 1], there.middle_m, atol=1e-6)
    np.testing.assert_allclose(back.fingers * [-1, 1], there.fingers, atol=1e-4)
    assert back.size == pytest.approx(there.size, rel=1e-5)


@settings(max_examples=20, deadline=None)
@given(relief_m=relief)
def test_whatever_is_seen_shares_and_pose_are_numbers(relief_m):
    palm = find_palm(relief_m)
    assert np.isfinite(palm.share).all()
    assert ((palm.share >= 0) & (palm.share <= 1)).all()
    assert np.isfinite([*palm.middle_m, *palm.fingers, palm.size]).all()


def test_where_nothing_is_seen_no_palm_is():
    palm = find_palm(np.full(SHAPE, np.nan, np.float32))
    assert (palm.share * palm.cover).sum() == 0


def test_cells_average_what_they_see_and_leave_out_what_is_far_from_the_plane():
    relief_m = np.full(SHAPE, np.nan, np.float32)
    relief_m[:2, :2] = [[0.01, 0.02], [np.nan, NEAR_M + 0.01]]
    seen = cells(relief_m)
    np.testing.assert_allclose(seen[0, 0], [0.5, 0.015 / RELIEF_M], rtol=1e-6)
    assert not seen[1:].any()


def test_the_networks_file_holds_plain_numbers_and_stays_small():
    path = importlib.resources.files("labelkit.imaging") / "palm.npz"
    assert len(path.read_bytes()) < 1_000_000
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        assert all(stored[name].dtype == np.float16 and np.isfinite(stored[name]).all() for name in stored.files)
