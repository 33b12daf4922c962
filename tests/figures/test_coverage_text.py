from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from labelkit.cells import Cells
from labelkit.curation.coverage import Coverage, coverage_by_group, measure_coverage
from labelkit.figures.coverage_text import Terminal, can_show_unicode, coverage_text

ANSI = re.compile(r"\x1b\[[0-9;]*m")


def scattered(n, *, cells=None, target=10, names=("p01", "p02"), seed=0):
    cells = cells or Cells()
    rng = np.random.default_rng(seed)
    azimuth, elevation = rng.normal(0, 18, (2, n))
    index = cells.index_of(azimuth, elevation)
    groups = np.array(names)[rng.integers(len(names), size=n)]
    return measure_coverage(index, cells, target), coverage_by_group(index, groups, cells, target)


def text_of(whole, participants, *, by=None, name="dataset", **terminal):
    return coverage_text(
        whole,
        participants=len(participants),
        name=name,
        frame="view",
        terminal=Terminal(**terminal),
        by=by,
        groups=participants,
    )


def map_rows(text):
    return [line for line in ANSI.sub("", text).splitlines() if re.match(r" *[+-]\d+(\.\d+)?( |$)", line)]


@pytest.mark.parametrize("times", [0, 1, 20, 1_000, 10**6])
@pytest.mark.parametrize(("cell_deg", "reach_deg"), [(5, 45), (2, 45), (2, 60), (2.5, 45), (7, 45), (45, 45)])
@pytest.mark.parametrize("color", [False, True])
def test_no_line_is_wider_than_80_columns(times, cell_deg, reach_deg, color):
    once, participants = scattered(5000, cells=Cells(cell_deg, reach_deg), names=("p", "a very long name " * 9))
    whole = replace(once, counts=once.counts * times)
    text = text_of(whole, participants, name="a/long/path/" * 20, color=color, by="participant")
    assert [line for line in ANSI.sub("", text).splitlines() if len(line) > 80] == []
    assert len(map_rows(text)) >= whole.cells.side


def test_the_map_shows_each_count_at_its_place_top_row_up():
    counts = np.where(Cells().reachable_mask, 1, 0)
    counts[0, 8], counts[17, 9], counts[9, 0] = 77, 88, 0
    text = text_of(Coverage(Cells(), 10, counts, 0), {})
    rows = [row.split() for row in map_rows(text)][:18]
    assert rows[0] == ["-42.5", "1", "1", "77", "1", "1", "1"]
    assert rows[17] == ["+42.5", "1", "1", "1", "88", "1", "1"]
    assert rows[9] == ["+2.5", "·", *["1"] * 17]


def test_column_labels_stand_under_their_columns():
    whole, _ = scattered(20_000)
    lines = text_of(whole, {}).splitlines()
    ruler = next(line for line in lines if line.count("2.5") == 8)
    row = next(line for line in lines if line.startswith(" +2.5 "))
    wide = (len(row) - 6) / 18
    for column, centre in enumerate(Cells().centres_deg):
        if f"{centre:+g}" in ruler.split():
            assert ruler.index(f"{centre:+g}") + len(f"{centre:+g}") == 6 + (column + 1) * wide


def test_without_colour_nothing_but_text_is_written_and_without_unicode_nothing_but_ascii():
    whole, participants = scattered(5_000, cells=Cells(2.5), names=("Zoë", "手"))
    assert "\x1b" not in text_of(whole, participants, by="participant")
    plain = text_of(whole, participants, unicode=False, by="participant")
    assert plain.isascii()
    assert "Zo\\xeb" in plain


def test_colour_and_unicode_change_no_number():
    whole, participants = scattered(5_000)
    plain, painted = text_of(whole, participants), text_of(whole, participants, color=True)
    assert map_rows(painted) == map_rows(plain)
    assert painted.count("\x1b[48;5;") == np.count_nonzero(whole.counts) + 6  # and the legend's
    assert map_rows(text_of(whole, participants, unicode=False)) == [row.replace("·", ".") for row in map_rows(plain)]


def test_where_numbers_do_not_fit_shades_keep_the_levels_apart_without_colour():
    cells = Cells(2.5)
    counts = np.where(cells.reachable_mask, 0, 0)
    counts[18, 10:16] = [1, 4, 7, 10, 99_999, 0]
    row = map_rows(text_of(Coverage(cells, 10, counts, 0), {}))[18]
    assert "░░▒▒▓▓████ ·" in row
    ascii_row = map_rows(text_of(Coverage(cells, 10, counts, 0), {}, unicode=False))[18]
    assert "::==**#### ." in ascii_row


def test_the_participant_table_puts_the_best_covered_first_and_keeps_to_its_columns():
    names = [f"p{k:03d}" for k in range(199)] + ["手" * 30]
    whole, participants = scattered(40_000, names=names, target=2)
    lines = text_of(whole, participants, by="participant").splitlines()
    table = lines[next(k for k, line in enumerate(lines) if line.startswith("participant ")) + 1 : -1]
    assert len(table) == 200
    full = [int(re.findall(r"(\d+) %", line)[1]) for line in table]
    assert full == sorted(full, reverse=True)


def test_a_hostile_name_stays_text():
    whole, participants = scattered(10, names=("a\x1b]0;owned\x07\nb",))
    text = text_of(whole, participants, by="participant")
    assert "\x1b" not in text
    assert "\x07" not in text
    assert "a\\x1b]0;owned" in text


@pytest.mark.parametrize(
    ("encoding", "able"), [("utf-8", True), ("ascii", False), ("latin-1", False), (None, False), ("no-such", False)]
)
def test_an_output_is_asked_whether_it_holds_the_characters(encoding, able):
    assert can_show_unicode(encoding) is able


def test_a_map_in_the_terminal_loads_no_matplotlib():
    code = "import sys, labelkit.figures.coverage_text; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_counts_are_exact_as_far_as_there_is_room():
    coarse, fine = scattered(100_000, cells=Cells(7.0))[0], scattered(400_000)[0]
    assert re.search(r" \d{4} ", "".join(map_rows(text_of(coarse, {}))))
    assert " 4k " in "".join(map_rows(text_of(fine, {})))


@pytest.mark.parametrize("times", [0, 1, 20, 1_000])
@pytest.mark.parametrize("color", [False, True])
def test_in_a_low_terminal_the_words_stand_next_to_the_map_and_none_is_lost(times, color):
    once, participants = scattered(5000)
    whole = replace(once, counts=once.counts * times)
    low = ANSI.sub("", text_of(whole, participants, color=color, height=24)).splitlines()
    full = ANSI.sub("", text_of(whole, participants, color=color)).splitlines()
    assert len(low) < 24 <= len(full)
    assert max(map(len, low)) <= 80
    said = set(" ".join(low).split())
    for sentence in full[-3:]:
        assert set(sentence.split()) <= said
    assert len(map_rows("\n".join(low))) >= whole.cells.side


def test_a_terminal_that_is_high_enough_or_too_narrow_gets_the_words_below_the_map():
    whole, participants = scattered(5000)
    below = text_of(whole, participants)
    assert text_of(whole, participants, height=60) == below
    assert text_of(whole, participants, height=24, width=60) == text_of(whole, participants, width=60)
