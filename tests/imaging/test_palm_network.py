"""Finding the palm in a view of the hand straight on."""

from __future__ import annotations

import functools
import importlib.resources

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelkit.geometry.plane import Plane
from labelkit.imaging.palm_network import CELL_M, COLUMNS, NEAR_M, RELIEF_M, ROWS, SUBCELLS, average_cells, find_palm
from labelkit.labelling.palm import Straight
from labelkit.simulator.people import draw_moments
from labelkit.simulator.recorder import INTRINSICS, FilmSet

SHAPE = (ROWS * SUBCELLS, COLUMNS * SUBCELLS)


@functools.cache
def filmed():
    """Film a simulated hand, and look at it straight on: what is true, and the view."""
    film_set = FilmSet(811, 1)
    moment = draw_moments(811, 1, 12, 40.0, film_set.participant)[9]
    staged, rendered = film_set.shoot(moment)
    depth_m, _ = film_set.develop(moment, rendered, np.random.default_rng(0))
    plane = Plane(staged.normal, -float(staged.normal @ staged.centre))
    down = staged.turn[:, 1]
    return depth_m, Straight(plane, staged.centre, np.cross(plane.normal, down), down, INTRINSICS), film_set


def moved(shift_m):
    depth_m, view, _ = filmed()
    origin = view.origin - shift_m[0] * view.right - shift_m[1] * view.down
    return find_palm(Straight(view.plane, origin, view.right, view.down, INTRINSICS).relief_m(depth_m))


def test_the_palm_is_what_lies_between_wrist_and_fingers():
    palm = moved((0.0, 0.0))
    rows, columns = np.nonzero(palm.share * palm.cover > 0.5)
    assert abs(rows.mean() + 0.5 - len(palm.share) / 2) * CELL_M < 0.01
    assert abs(columns.mean() + 0.5 - len(palm.share) / 2) * CELL_M < 0.01
    assert 25e-4 < palm.area_m2 < 80e-4
    np.testing.assert_allclose(palm.fingers, [0, -1], atol=0.15)
    np.testing.assert_allclose(palm.middle_m, [0, 0], atol=0.008)
    assert palm.size == pytest.approx(filmed()[2].participant.shape.size, rel=0.15)


@pytest.mark.parametrize("shift_m", [(0.02, 0.0), (-0.015, 0.0), (0.0, 0.02), (0.0, -0.015)])
def test_the_palm_is_found_where_it_is(shift_m):
    np.testing.assert_allclose(moved(shift_m).middle_m, shift_m, atol=0.008)


relief = arrays(
    np.float32, SHAPE, elements=st.sampled_from([np.nan, 0.0, 0.01, -0.02, 0.5]), fill=st.just(np.float32(0))
)


@settings(max_examples=20, deadline=None)
@given(relief_m=relief)
def test_a_mirrored_view_gives_exactly_the_mirrored_palm(relief_m):
    there, back = find_palm(relief_m), find_palm(np.ascontiguousarray(relief_m[:, ::-1]))
    np.testing.assert_array_equal(back.share[:, ::-1], there.share)
    np.testing.assert_array_equal(back.middle_m * [-1, 1], there.middle_m)
    np.testing.assert_array_equal(back.fingers * [-1, 1], there.fingers)
    assert back.size == there.size


@settings(max_examples=20, deadline=None)
@given(relief_m=relief)
def test_shares_and_pose_are_numbers_for_any_view(relief_m):
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
    seen = average_cells(relief_m)
    np.testing.assert_allclose(seen[0, 0], [0.5, 0.015 / RELIEF_M], rtol=1e-6)
    assert not seen[1:].any()


def test_the_networks_file_holds_plain_numbers_and_stays_small():
    path = importlib.resources.files("labelkit.imaging") / "palm.npz"
    assert len(path.read_bytes()) < 1_000_000
    with path.open("rb") as file, np.load(file, allow_pickle=False) as stored:
        assert all(stored[name].dtype == np.float16 and np.isfinite(stored[name]).all() for name in stored.files)
