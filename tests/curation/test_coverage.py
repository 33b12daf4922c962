from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.cells import OUTSIDE, REGIONS, Cells
from labelkit.curation.coverage import (
    Coverage,
    Gap,
    coverage_by_group,
    measure_coverage,
    rank_groups,
)
from labelkit.errors import OrientationError
from labelkit.geometry.orientation import centred_from_label_deg, normal_from_angles_deg


def cells_of_labels(azimuth_deg, elevation_deg, cells):
    labels = np.stack([azimuth_deg, elevation_deg], axis=-1)
    normal_from_angles_deg(labels)  # refuses what is no orientation
    return cells.index_of(*centred_from_label_deg(labels).T)


TWO = Cells(cell_deg=20.0, reach_deg=32.0)  # 4 x 4 cells; the 12 without the corners are reachable


def covering(counts, target=2, outside=0, cells=TWO):
    return Coverage(cells, target, np.array(counts), outside)


def even(count, cells=TWO, target=2):
    return covering(np.where(cells.reachable_mask, count, 0), target, cells=cells)


def test_a_hand_made_table_is_counted_as_by_hand():
    #            front  right  on the rim  up     corner  far right
    azimuth = [0.0, 1.0, 25.0, 30.0, -1.0, 30.0, 60.0]
    elevation = [0.0, 2.0, 5.0, 0.0, -25.0, 30.0, 0.0]
    index = cells_of_labels(90 - np.array(azimuth), 90 - np.array(elevation), TWO)
    coverage = measure_coverage(index, TWO, target=2)
    assert coverage.counts.tolist() == [[0, 1, 0, 0], [0, 0, 0, 0], [0, 0, 2, 2], [0, 0, 0, 0]]
    assert (coverage.samples, coverage.outside) == (7, 2)
    assert (coverage.reachable_cells, coverage.filled_cells, coverage.empty_cells) == (12, 2, 9)
    assert coverage.filled_share == pytest.approx(2 / 12)
    assert coverage.started_share == pytest.approx(3 / 12)


@given(places=st.lists(st.tuples(st.floats(-60, 60), st.floats(-30, 30)), max_size=60), n_groups=st.integers(1, 4))
def test_counts_and_those_outside_sum_to_the_samples_whole_and_by_group(places, n_groups):
    azimuth, elevation = np.array(places).reshape(-1, 2).T
    index = cells_of_labels(90 - azimuth, 90 - elevation, Cells())
    names = np.array([f"p{k % n_groups}" for k in range(len(index))])
    whole, groups = measure_coverage(index, Cells(), 3), coverage_by_group(index, names, Cells(), 3)
    assert whole.counts.sum() + whole.outside == whole.samples == len(places)
    assert not whole.counts[~Cells().reachable_mask].any()
    assert {name: group.samples for name, group in groups.items()} == {
        name: int((names == name).sum()) for name in sorted(set(names.tolist()))
    }
    np.testing.assert_array_equal(sum(g.counts for g in groups.values()) if groups else 0 * whole.counts, whole.counts)


exact = st.integers(1, 59 * 64).map(lambda k: k / 64)  # degrees that 90 - x does not round


@given(places=st.lists(st.tuples(exact, st.floats(-30, 30)), min_size=1, max_size=60))
def test_mirrored_hands_fill_the_mirrored_map(places):
    azimuth, elevation = np.array(places).T
    counts = [
        measure_coverage(cells_of_labels(90 - sign * azimuth, 90 - elevation, Cells()), Cells(), 3).counts
        for sign in (1, -1)
    ]
    np.testing.assert_array_equal(counts[0], counts[1][:, ::-1])


def test_groups_need_not_come_one_after_the_other():
    index = np.array([5, 6, 5, OUTSIDE])
    groups = coverage_by_group(index, np.array(["b", "a", "b", "a"], dtype=object), TWO, 2)
    assert list(groups) == ["a", "b"]
    assert (groups["a"].samples, groups["a"].outside, groups["b"].counts[1, 1]) == (2, 1, 2)


@pytest.mark.parametrize("labels", [(150.0, 150.0), (float("nan"), 90.0)])
def test_a_pair_of_angles_that_is_no_orientation_is_refused(labels):
    azimuth, elevation = np.array([[90.0, 90.0], labels]).T
    with pytest.raises(OrientationError, match="are no orientation"):
        cells_of_labels(azimuth, elevation, TWO)


def test_an_even_set_has_full_entropy_and_no_gini():
    assert (even(7).entropy_share, even(7).gini) == (pytest.approx(1.0), pytest.approx(0.0))


def test_a_set_in_one_cell_has_no_entropy_and_nearly_all_gini():
    one = covering([[0, 0, 0, 0], [0, 9, 0, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    assert (one.entropy_share, one.gini) == (0.0, pytest.approx(11 / 12))
    assert str(one.entropy_share) == "0.0"


def test_the_gini_of_one_to_twelve_is_that_of_the_textbook_sum():
    counts = np.zeros((4, 4), int)
    counts[TWO.reachable_mask] = np.arange(1, 13)
    values = np.arange(1, 13)
    textbook = np.abs(values[:, None] - values).sum() / (2 * 12**2 * values.mean())
    assert covering(counts).gini == pytest.approx(textbook)


@given(counts=st.lists(st.integers(0, 50), min_size=12, max_size=12))
def test_balance_stays_within_its_bounds(counts):
    table = np.zeros((4, 4), int)
    table[TWO.reachable_mask] = counts
    coverage = covering(table)
    if any(counts):
        assert -1e-9 <= coverage.gini <= 1 - 1 / 12 + 1e-9
        assert -1e-9 <= coverage.entropy_share <= 1 + 1e-9
    else:
        assert (coverage.gini, coverage.entropy_share) == (None, None)


@pytest.mark.parametrize("region", range(1, len(REGIONS)))
def test_the_emptiest_region_is_the_one_that_was_emptied(region):
    cells = Cells()
    counts = np.where(cells.reachable_mask & (cells.regions != region), 10, 0)
    assert covering(counts, 10, cells=cells).emptiest == Gap(REGIONS[region], 1.0)


def test_a_surplus_elsewhere_in_a_region_fills_no_gap():
    cells = Cells()
    counts = np.where(cells.reachable_mask, 10, 0)
    up, right = cells.regions == REGIONS.index("up"), cells.regions == REGIONS.index("to the right")
    counts[np.nonzero(up & cells.reachable_mask)[0][:1], np.nonzero(up & cells.reachable_mask)[1][:1]] = 0
    counts[up & (counts > 0)] = 1000
    counts[right & cells.reachable_mask] = 10
    assert covering(counts, 10, cells=cells).emptiest.region == "up"


def test_gaps_without_a_direction_are_said_as_such():
    cells = Cells()
    front = np.where(cells.reachable_mask & (cells.regions == 0), 10, 0)
    assert even(0, cells, 10).emptiest == Gap("everywhere", 1.0)
    assert even(4, cells, 10).emptiest == Gap("everywhere", pytest.approx(0.6))
    assert covering(front, 10, cells=cells).emptiest == Gap("all round the rim", 1.0)
    assert even(10, cells, 10).emptiest is None


def test_plain_values_are_json_without_nan_and_name_the_empty_cells_by_their_centres():
    plain = covering([[0, 1, 0, 0], [3, 3, 3, 3], [3, 3, 3, 3], [0, 3, 3, 0]], outside=4).as_plain()
    assert json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert plain["empty_cells"] == [{"azimuth": 10.0, "elevation": -30.0}]
    assert plain["counts"][0] == [None, 1, 0, None]
    assert (plain["samples"], plain["outside"], plain["filled_cells"]) == (35, 4, 10)
    assert plain["emptiest"]["region"] == "up"


def test_an_empty_set_is_measured_without_nan():
    empty = measure_coverage(np.array([], np.int64), TWO, 2)
    assert (empty.samples, empty.filled_share, empty.gini, empty.entropy_share) == (0, 0.0, None, None)
    assert coverage_by_group(np.array([], np.int64), np.array([], str), TWO, 2) == {}
    json.dumps(empty.as_plain(), allow_nan=False)


def test_the_best_covered_group_ranks_first_and_ties_go_by_name():
    table = np.zeros((4, 4), int)
    table[1, 1] = 1
    groups = {"b": even(0), "c": covering(table), "d": even(2), "a": even(0)}
    assert [name for name, _ in rank_groups(groups)] == ["d", "c", "a", "b"]
