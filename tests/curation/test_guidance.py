from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.cells import Cells
from labelkit.curation.guidance import Goal, next_gap, turn_words

CELLS, TARGET = Cells(), 10


def full(cells=CELLS):
    return np.where(cells.reachable_mask, TARGET, 0)


def lacking(*cells: tuple[int, int], needed=TARGET, of=CELLS):
    """Counts that are full but for these (row, column)."""
    counts = full(of)
    for cell in cells:
        counts[cell] -= needed
    return counts


def place(gap: Goal | None) -> tuple[int, int]:
    assert gap is not None
    return divmod(gap.cell, CELLS.side)


def test_the_only_gap_is_chosen_wherever_the_hand_is():
    for here in (None, (0.0, 0.0), (40.0, -10.0)):
        assert next_gap(lacking((4, 13), needed=3), CELLS, TARGET, here) == Goal(4 * 18 + 13, (22.5, -22.5), 3)


@pytest.mark.parametrize("kind", ["square", "equal-area"])
def test_a_gap_says_the_cell_in_which_its_centre_lies(kind):
    cells = Cells(kind=kind)
    counts = np.zeros((cells.side, cells.side), int)
    for here in [(0.0, 0.0), (30.0, 30.0), (-44.0, 3.0)]:
        gap = next_gap(counts, cells, TARGET, here)
        assert gap is not None
        assert int(cells.index_of(*map(np.array, gap.centre_deg))) == gap.cell


def test_nothing_is_left_when_every_reachable_cell_is_full():
    assert next_gap(full(), CELLS, TARGET, (0.0, 0.0)) is None
    assert next_gap(full() + 5, CELLS, TARGET, None, Goal(100, (0.0, 0.0), 1)) is None


@given(st.integers(0, 2**32 - 1), st.integers(0, 12), st.floats(-45, 45), st.floats(-45, 45))
def test_a_gap_is_always_a_reachable_cell_that_is_not_full(seed, least, azimuth, elevation):
    counts = np.random.default_rng(seed).integers(least, 13, (18, 18))
    here = (azimuth, elevation)
    gap = next_gap(counts, CELLS, TARGET, here)
    lacks = np.where(CELLS.reachable_mask, np.maximum(TARGET - counts, 0), 0)
    if gap is None:
        assert not lacks.any()
    else:
        assert gap.needed == lacks.flat[gap.cell] > 0


def test_of_two_gaps_alike_the_nearer_is_chosen():
    counts = lacking((9, 3), (9, 14))
    assert place(next_gap(counts, CELLS, TARGET, (-20.0, 0.0))) == (9, 3)
    assert place(next_gap(counts, CELLS, TARGET, (20.0, 0.0))) == (9, 14)


def test_a_gap_among_gaps_is_worth_a_longer_way_than_a_lone_one():
    alone, wide = (9, 5), [(row, column) for row in (8, 9, 10) for column in (13, 14, 15)]
    assert place(next_gap(lacking(alone, *wide), CELLS, TARGET, (0.0, 0.0))) == (9, 14)


def test_an_empty_cell_is_worth_a_longer_way_than_one_that_lacks_a_sample():
    counts = lacking((9, 3))
    counts[9, 12] -= 1
    assert place(next_gap(counts, CELLS, TARGET, (0.0, 2.5))) == (9, 3)


def test_the_arrow_stays_while_the_hand_trembles_between_two_gaps():
    counts = lacking((9, 3), (9, 14))
    chosen = next_gap(counts, CELLS, TARGET, (-1.0, 2.5))
    for azimuth in (-3.0, 3.0, -2.0, 5.0):
        chosen = next_gap(counts, CELLS, TARGET, (azimuth, 2.5), chosen)
        assert place(chosen) == (9, 3)


def test_the_arrow_leaves_a_gap_that_is_filled_or_far_behind_the_hand():
    counts = lacking((9, 3), (9, 14))
    chosen = next_gap(counts, CELLS, TARGET, (-20.0, 2.5))
    assert place(next_gap(counts, CELLS, TARGET, (25.0, 2.5), chosen)) == (9, 14)
    assert place(next_gap(lacking((9, 14)), CELLS, TARGET, (-20.0, 2.5), chosen)) == (9, 14)


def test_the_chosen_gap_is_told_anew_what_it_lacks():
    chosen = next_gap(lacking((9, 3)), CELLS, TARGET, (0.0, 0.0))
    again = next_gap(lacking((9, 3), needed=4), CELLS, TARGET, (0.0, 0.0), chosen)
    assert again is not None
    assert (again.cell, again.needed) == (9 * 18 + 3, 4)


@pytest.mark.parametrize(
    ("goal", "words"),
    [
        ((8.0, 0.0), "turn the palm a little to your left"),  # the picture's right is the person's left
        ((-8.0, 1.0), "turn the palm a little to your right"),
        ((0.0, 20.0), "turn the palm down"),
        ((2.0, -20.0), "turn the palm up"),
        ((-15.0, -15.0), "turn the palm up and to your right"),
        ((30.0, 30.0), "turn the palm far down and to your left"),
        ((20.0, -20.0), "turn the palm up and to your left"),
        ((-9.0, 9.0), "turn the palm down and to your right"),
        ((1.0, -2.0), "there: keep the palm moving, but only just"),
    ],
)
def test_words_are_those_of_a_person_who_faces_the_camera(goal, words):
    assert turn_words((0.0, 0.0), goal) == words
    assert turn_words((5.0, -3.0), (goal[0] + 5.0, goal[1] - 3.0)) == words


def test_a_left_hand_is_told_the_other_side():
    assert turn_words((0.0, 0.0), (8.0, 0.0), mirrored=True) == "turn the palm a little to your right"
    assert turn_words((0.0, 0.0), (-20.0, 20.0), mirrored=True) == "turn the palm down and to your left"
    assert turn_words((0.0, 0.0), (0.0, 20.0), mirrored=True) == "turn the palm down"
