from __future__ import annotations

import re

import numpy as np
import pytest

from labelkit.cells import Cells
from labelkit.figures.coverage_text import Terminal
from labelkit.live.advice import ADVICE
from labelkit.live.terminal import game_text, one_line

CELLS = Cells(5.0)
TARGET = 10


def state(**changes):
    counts = np.zeros((CELLS.side, CELLS.side), np.int64)
    counts[9, 14] = 10
    return {
        "words": "turn the palm a little to your left",
        "participant": "p01",
        "hand": {"azimuth": -12.0, "elevation": 1.0},
        "goal": {"cell": 9 * CELLS.side + 12, "azimuth": 17.5, "elevation": 2.5, "needed": 10},
        "counts": counts[CELLS.reachable_mask].tolist(),
        "collected": 1 / 256,
        "begun_cells": 26,
        "full_cells": 1,
        "seconds": 75.4,
        "mirrored": False,
        "participants": [{"name": "p01", "collected": 1 / 256}, {"name": "p02", "collected": 0.5}],
        "skipped": 0,
        "earlier": 0,
        "troubles": [],
    } | changes


def plain(text):
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


@pytest.mark.parametrize("width", [40, 80])
@pytest.mark.parametrize("color", [True, False])
@pytest.mark.parametrize("unicode", [True, False])
def test_no_line_is_wider_than_the_terminal(width, color, unicode):
    odd = state(
        words="the hand touches the edge: move it to the middle of the picture, please, and slowly " * 2,
        participant="a participant with \x1b[31m a long name " * 3,
        troubles=["raw/p09: nothing is stated\x07 of it " * 9],
        skipped=12,
        earlier=3,
    )
    text = plain(game_text(odd, CELLS, TARGET, Terminal(width, color, unicode)))
    assert max(map(len, text.splitlines())) < width
    assert "\x1b" not in text
    assert "\x07" not in text
    assert unicode or text.isascii()


@pytest.mark.parametrize(("mirrored", "order"), [(False, ["█", "█", "><", "()"]), (True, ["()", "><", "█", "█"])])
def test_the_map_is_a_mirror_for_either_hand(mirrored, order):
    text = game_text(state(mirrored=mirrored), CELLS, TARGET, Terminal(80, False, True))
    (row,) = (line for line in text.splitlines() if "><" in line)
    assert re.findall(r"><|\(\)|█", row) == order


def test_it_says_who_is_painted_how_far_and_what_to_do():
    text = game_text(state(), CELLS, TARGET, Terminal(80, False, True))
    assert text.startswith("Turn the palm a little to your left")
    assert "p01" in text
    assert "<1 %  cells: 26 begun, 1 full  1:15" in text
    assert "Others: p02 50 %" in text
    assert one_line(state()) == "p01 <1 %: turn the palm a little to your left"


def test_the_default_map_fits_a_terminal_of_24_lines_with_a_note_and_the_others():
    longest = max(ADVICE.values(), key=len)
    for words in ("there", longest):
        lines = game_text(state(words=words, earlier=3), CELLS, TARGET, Terminal(80, False, True)).splitlines()
        assert len(lines) == 24
        assert lines[-1] == "Others: p02 50 %"


@pytest.mark.parametrize(
    ("begun", "full", "bar"), [(0, 0, "-" * 20), (26, 1, "▒▒" + "-" * 18), (256, 128, "█" * 10 + "▒" * 10)]
)
def test_the_bar_shows_cells_that_are_begun_and_cells_that_are_full(begun, full, bar):
    text = game_text(state(begun_cells=begun, full_cells=full), CELLS, TARGET, Terminal(80, False, True))
    assert f"[{bar}]" in text


def test_it_says_how_many_pictures_wait():
    text = game_text(state(skipped=12, earlier=7), CELLS, TARGET, Terminal(80, False, True))
    assert "12 pictures wait" in text
    assert "7 pictures are left" in text


def test_before_anybody_came_there_is_an_empty_map():
    nobody = state(
        words="Waiting for the first picture.", participant=None, hand=None, goal=None, participants=[], collected=0.0
    )
    text = game_text(nobody, CELLS, TARGET, Terminal(80, False, True))
    assert "nobody yet" in text
    assert "()" not in text
