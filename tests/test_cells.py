from __future__ import annotations

import numpy as np
import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from labelkit.cells import FRONT, OUTSIDE, REGIONS, Cells, region_of
from labelkit.errors import SettingsError

KINDS = ["square", "equal-area"]
grids = st.builds(Cells, cell_deg=st.floats(2, 20), reach_deg=st.floats(20, 60), kind=st.sampled_from(KINDS))
squares = st.builds(Cells, cell_deg=st.floats(2, 20), reach_deg=st.floats(20, 60))
angles = st.floats(-90, 90)


def test_the_default_has_256_reachable_cells_18_a_side():
    cells = Cells()
    assert (cells.side, int(cells.reachable_mask.sum())) == (18, 256)
    np.testing.assert_array_equal(cells.edges_deg, np.arange(-45, 46, 5))
    np.testing.assert_array_equal(cells.centres_deg, np.arange(-42.5, 45, 5))


@given(cells=squares)
def test_centres_lie_between_edges_that_hold_the_disc_and_no_more_than_a_cell_beyond(cells):
    np.testing.assert_allclose(cells.centres_deg, (cells.edges_deg[:-1] + cells.edges_deg[1:]) / 2)
    assert cells.reach_deg <= cells.edges_deg[-1] + 1e-6 < cells.reach_deg + cells.cell_deg + 1e-5
    assert len(cells.edges_deg) == cells.side + 1


@given(cells=grids)
def test_exactly_the_cells_with_their_centre_in_the_disc_are_reachable(cells):
    azimuth, elevation = np.moveaxis(cells.centre_angles_deg, -1, 0)
    clear = np.abs(np.hypot(azimuth, elevation) - cells.reach_deg) > 1e-6
    np.testing.assert_array_equal(cells.reachable_mask[clear], (azimuth**2 + elevation**2 <= cells.reach_deg**2)[clear])


@given(cells=squares, azimuth=angles, elevation=angles)
def test_an_orientation_lies_between_the_edges_of_its_cell(cells, azimuth, elevation):
    index = int(cells.index_of(azimuth, elevation))
    assume(index != OUTSIDE)
    row, column = divmod(index, cells.side)
    assert cells.reachable_mask[row, column]
    assert cells.edges_deg[column] <= azimuth <= cells.edges_deg[column + 1]
    assert cells.edges_deg[row] <= elevation <= cells.edges_deg[row + 1]


@given(cells=squares, azimuth=angles, elevation=angles)
def test_an_orientation_outside_is_in_no_reachable_cell(cells, azimuth, elevation):
    assume(int(cells.index_of(azimuth, elevation)) == OUTSIDE)
    strictly_in = np.outer(
        (cells.edges_deg[:-1] < elevation) & (elevation < cells.edges_deg[1:]),
        (cells.edges_deg[:-1] < azimuth) & (azimuth < cells.edges_deg[1:]),
    )
    assert not (strictly_in & cells.reachable_mask).any()


@given(cells=grids)
def test_every_reachable_centre_lies_in_its_own_cell(cells):
    azimuth, elevation = np.moveaxis(cells.centre_angles_deg, -1, 0)
    own = np.arange(cells.side**2).reshape(cells.side, cells.side)
    np.testing.assert_array_equal(cells.index_of(azimuth, elevation), np.where(cells.reachable_mask, own, OUTSIDE))


@given(cells=grids, azimuth=angles, elevation=angles, steps=st.integers(1, 5))
@example(cells=Cells(kind="equal-area"), azimuth=5e-324, elevation=0.0, steps=1)  # no radians are as little
def test_a_mirrored_hand_lies_in_the_mirrored_cell_on_edges_too(cells, azimuth, elevation, steps):
    for angle in (azimuth, min(steps, cells.side // 2) * cells.cell_deg):
        assume(angle != 0)
        index, mirrored = int(cells.index_of(angle, elevation)), int(cells.index_of(-angle, elevation))
        if index == OUTSIDE:
            assert mirrored == OUTSIDE
        else:
            row, column = divmod(index, cells.side)
            assert divmod(mirrored, cells.side) == (row, cells.side - 1 - column)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "place"),
    [
        (0.0, 0.0, (9, 9)),  # an axis belongs to the right and lower cell
        (-0.0, -0.0, (9, 9)),
        (1.0, -1.0, (8, 9)),  # row 8: upward; column 9: to the right
        (5.0, 0.0, (9, 9)),  # an edge belongs to the cell nearer the front
        (5.001, 0.0, (9, 10)),
        (-5.0, 0.0, (9, 8)),
        (45.0, 0.0, (9, 17)),  # the rim belongs to the disc
        (45.001, 0.0, None),
        (0.0, -45.0, (0, 9)),
        (40.0, 40.0, None),  # a corner of the square
        (float("nan"), 0.0, None),
        (float("inf"), 0.0, None),
    ],
)
def test_edges_axes_and_the_rim_belong_where_the_docstring_says(azimuth, elevation, place):
    cells = Cells()
    expected = OUTSIDE if place is None else place[0] * cells.side + place[1]
    assert int(cells.index_of(azimuth, elevation)) == expected


def test_cells_that_do_not_divide_the_reach_stay_symmetric_and_cover_the_disc():
    cells = Cells(cell_deg=7.0, reach_deg=45.0)
    assert cells.side == 14
    assert cells.edges_deg[[0, 7, -1]].tolist() == [-49.0, 0.0, 49.0]
    np.testing.assert_array_equal(cells.reachable_mask, cells.reachable_mask[::-1, ::-1].T)


@pytest.mark.parametrize(("cell_deg", "reach_deg"), [(0.0, 45.0), (-5.0, 45.0), (7.0, 5.0), (float("nan"), 45.0)])
def test_sizes_that_leave_no_cell_are_refused(cell_deg, reach_deg):
    with pytest.raises(SettingsError, match=r"cell-deg must be more than 0 and at most reach-deg \("):
        Cells(cell_deg, reach_deg)


@pytest.mark.parametrize(
    ("azimuth", "elevation", "words"),
    [
        (5, 5, "at the front"),
        (30, 0, "to the right"),
        (30, 30, "down and to the right"),
        (0, 30, "down"),
        (-30, 30, "down and to the left"),
        (-30, 0, "to the left"),
        (-30, -0.0, "to the left"),
        (-30, -30, "up and to the left"),
        (0, -30, "up"),
        (30, -30, "up and to the right"),
    ],
)
def test_words_for_directions_are_those_of_the_picture(azimuth, elevation, words):
    assert REGIONS[int(region_of(azimuth, elevation, 45.0))] == words


def test_regions_are_about_equally_large_and_the_front_is_in_the_middle():
    cells = Cells()
    sizes = np.bincount(cells.regions[cells.reachable_mask], minlength=len(REGIONS))
    assert sizes.min() > 0.8 * sizes.max()
    assert (cells.regions[8:10, 8:10] == FRONT).all()


@pytest.mark.parametrize("kind", KINDS)
def test_the_middle_of_a_cell_s_corners_lies_in_it(kind):
    cells = Cells(kind=kind)
    corners = cells.corner_angles_deg
    middle = (corners[:-1, :-1] + corners[1:, :-1] + corners[:-1, 1:] + corners[1:, 1:]) / 4
    own = np.arange(cells.side**2).reshape(cells.side, cells.side)
    index = cells.index_of(middle[..., 0], middle[..., 1])
    np.testing.assert_array_equal(index[cells.reachable_mask], own[cells.reachable_mask])


def test_equal_area_cells_catch_alike_of_normals_drawn_evenly_over_the_sphere_and_square_ones_do_not():
    rng = np.random.default_rng(0)
    n_z = rng.uniform(np.cos(np.deg2rad(85)), 1, 900_000)
    turn, radius = rng.uniform(0, 2 * np.pi, n_z.size), np.sqrt(1 - n_z**2)
    angles_deg = np.rad2deg(np.arcsin([radius * np.cos(turn), radius * np.sin(turn)]))
    spread = {}
    for kind in KINDS:
        cells = Cells(10.0, 58.0, kind=kind)
        index = cells.index_of(*angles_deg)
        counts = np.bincount(index[index != OUTSIDE], minlength=cells.side**2)[cells.reachable_mask.ravel()]
        spread[kind] = counts.std() / counts.mean()
        if kind == "equal-area":
            expected = 900_000 * np.deg2rad(10) ** 2 / (2 * np.pi * (1 - np.cos(np.deg2rad(85))))
            assert counts.mean() == pytest.approx(expected, rel=0.01)
    assert spread["equal-area"] < 0.02 < 0.1 < spread["square"]


def test_the_default_in_equal_area_cells_has_the_same_disc():
    cells = Cells(kind="equal-area")
    assert cells.side == 18
    assert np.hypot(*cells.centre_angles_deg[cells.reachable_mask].T).max() <= 45
    assert int(cells.index_of(45.0, 0.0)) != OUTSIDE
    assert int(cells.index_of(47.0, 0.0)) == OUTSIDE


def test_corners_of_equal_area_cells_beyond_the_hemisphere_stay_on_its_edge():
    corners = Cells(45.0, 60.0, kind="equal-area").corner_angles_deg
    squared = np.sum(np.sin(np.deg2rad(corners)) ** 2, axis=-1)
    assert np.isfinite(corners).all()
    assert squared.max() == pytest.approx(1.0)
