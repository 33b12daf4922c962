from __future__ import annotations

import numpy as np
import pytest

from labelkit.cells import Cells
from labelkit.curation.coverage import Coverage, measure_coverage
from labelkit.curation.wording import findings
from labelkit.wording import compact, number_of, percent, printable


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.0, "0 %"), (0.001, "<1 %"), (0.01, "1 %"), (0.29, "29 %"), (0.999, "99 %"), (1.0, "100 %")],
)
def test_only_nothing_is_0_percent_and_only_all_is_100(share, words):
    assert percent(share) == words


@pytest.mark.parametrize(
    ("number", "short"), [(0, "0"), (9999, "9999"), (10_000, "10k"), (999_999, "999k"), (1_000_000, "1M")]
)
def test_counts_stay_within_four_characters(number, short):
    assert compact(number) == short


def test_one_is_not_a_plural():
    assert (number_of(1, "sample"), number_of(0, "sample"), number_of(9412, "sample")) == (
        "1 sample",
        "0 samples",
        "9,412 samples",
    )


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Zoë", "Zoë"),
        ("a\x1b[31mred\n", "a\\x1b[31mred\\n"),
        ("bad\udcff", "bad\\udcff"),
        ("\u202edlrow", "\\u202edlrow"),  # turns the writing direction
        ("x" * 30, "x" * 19 + "…"),
    ],
)
def test_names_can_only_be_text(name, shown):
    assert printable(name, 20) == shown


def test_findings_speak_of_an_empty_set_a_full_one_and_one_with_a_single_gap():
    cells = Cells()
    full = np.where(cells.reachable_mask, 10, 0)
    assert findings(measure_coverage(np.array([], np.int64), cells, 10)) == ["No samples: every cell is empty."]
    assert findings(Coverage(cells, 10, full, 0)) == [
        "256 of 256 reachable cells (100 %) hold 10 samples or more; none is empty.",
        "Balance: entropy 1.00 (even: 1), Gini 0.00 (even: 0).",
    ]
    full[0, 8] = 0
    sentences = findings(Coverage(cells, 1, full, 1))
    assert sentences[0] == "255 of 256 reachable cells (99 %) hold 1 sample or more; 1 is empty."
    assert sentences[1].startswith("Emptiest: up (")
    assert sentences[2] == "Outside the reachable cells: 1 sample."
