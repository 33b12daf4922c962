"""The coverage map as text, for terminals with and without colour and Unicode."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest

import numpy as np

from labelkit.cells import Cells
from labelkit.curation.coverage import Coverage, rank_groups
from labelkit.curation.wording import findings, headline
from labelkit.figures.shades import Shade, shade_index, shades_for
from labelkit.wording import compact, number_of, percent, printable

EMPTY = "·"
# One character for one, so that columns stay in line.
_ASCII = str.maketrans(dict(zip("·░▒▓█←→↑↓…", ".:=*#<>^v~", strict=True)))

_NAME_WIDTH = 22
_GAP = 2
_NARROWEST = 28  # words next to the map: in fewer columns, they are longer than the map


@dataclass(frozen=True)
class Terminal:
    """What an output can show.

    Attributes:
        height: lines; None for an output that does not scroll away, such as a file.
    """

    width: int = 80
    color: bool = False
    unicode: bool = True
    height: int | None = None


def can_show_unicode(encoding: str | None) -> bool:
    """Whether an output of this encoding can hold every character of the map."""
    try:
        "".join(map(chr, _ASCII)).encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True


def coverage_text(
    whole: Coverage,
    *,
    participants: int,
    name: str,
    frame: str,
    terminal: Terminal,
    by: str | None = None,
    groups: Mapping[str, Coverage] | None = None,
) -> str:
    """Write the coverage map, what it comes to, and a line for each group.

    Args:
        participants: how many took part.
        name: the dataset's.
        frame: the angles' frame, view or camera.
        by, groups: what the groups are, and name -> samples of each.
    """
    counted_what = headline(whole, participants, frame)
    title = f"{printable(name, max(8, terminal.width - len(counted_what) - 2))}: {counted_what}"
    lines = [title, "", *_map(whole, terminal), "", *findings(whole)]
    if terminal.height and len(lines) >= terminal.height:  # the shell's next line has to fit, too
        lines = [title, *_low_map(whole, terminal)] if _words_width(whole, terminal) >= _NARROWEST else lines
    if by:
        lines += ["", *_group_table(by, groups or {}, whole.target)]
    text = "\n".join(line.rstrip() for line in lines)
    return text if terminal.unicode else text.translate(_ASCII).encode("ascii", "backslashreplace").decode()


def _map(coverage: Coverage, terminal: Terminal) -> list[str]:
    drawn = _draw_rows(coverage, terminal.width, terminal.color)
    margin, across = " " * drawn.margin, coverage.cells.side * drawn.wide
    return [
        margin + "↑ elevation, degrees: toward the picture's top (-), bottom (+) ↓".center(across),
        *drawn.rows,
        margin + "← azimuth, degrees: toward the picture's left (-), right (+) →".center(across),
        "",
        _legend(coverage, drawn.numbers, terminal.color),
    ]


def _low_map(coverage: Coverage, terminal: Terminal) -> list[str]:
    """Draw the map with the words at its right, for a terminal that is not high."""
    width = _words_width(coverage, terminal)
    axes = "Down: elevation, degrees; - is toward the picture's top. Across: azimuth; - is toward its left."
    words = [line for text in (axes, "", *findings(coverage)) for line in textwrap.wrap(text, width) or [""]]
    drawn = _draw_rows(coverage, terminal.width - width - _GAP, terminal.color)
    blank = " " * (drawn.margin + drawn.wide * coverage.cells.side)
    lines = [f"{row or blank}{' ' * _GAP}{said or ''}" for row, said in zip_longest(drawn.rows, words)]
    return [*lines, _legend(coverage, drawn.numbers, terminal.color)]


def _words_width(coverage: Coverage, terminal: Terminal) -> int:
    """Say how many columns are left for words next to a map with cells of two columns."""
    return terminal.width - _row_labels(coverage.cells)[1] - 2 * coverage.cells.side - _GAP


@dataclass(frozen=True)
class _Drawn:
    """The rows of a map with the ruler below them, all as wide as the map.

    Attributes:
        margin: columns of the labels at the left.
        wide: columns of a cell.
        numbers: whether the cells show their counts.
    """

    rows: list[str]
    margin: int
    wide: int
    numbers: bool


def _row_labels(cells: Cells) -> tuple[list[str], int]:
    """Write the elevations of the rows, and say how wide their column is."""
    on_axis = cells.centre_angles_deg[:, cells.side // 2, 1]  # the columns' azimuths are the same numbers
    labels = [f"{centre:+g}" for centre in on_axis.round(1)]
    return labels, max(map(len, labels)) + 1


def _draw_rows(coverage: Coverage, width: int, color: bool) -> _Drawn:
    cells, shades = coverage.cells, shades_for(coverage.target)
    labels, margin = _row_labels(cells)
    numbers = _numbers(coverage, width - margin)
    wide = max(map(len, numbers.values())) + 1 if numbers else 2 if 2 * cells.side + margin <= width else 1
    rows = [
        "".join(
            _cell(numbers.get(count, ""), shades[shade] if shade >= 0 else None, wide, color)
            if reachable
            else " " * wide
            for count, shade, reachable in zip(*row, strict=True)
        )
        for row in zip(
            coverage.counts.tolist(), shade_index(coverage.counts, shades), cells.reachable_mask, strict=True
        )
    ]
    lines = [f"{label:>{margin - 1}} {row}" for label, row in zip(labels, rows, strict=True)]
    ruler = _ruler(cells, labels, margin, wide).rstrip().ljust(margin + cells.side * wide)
    return _Drawn([*lines, ruler], margin, wide, bool(numbers))


def _numbers(coverage: Coverage, room: int) -> dict[int, str]:
    """Write the counts as exactly as fits in a row, a blank before each; empty if they do not fit."""
    for exact_below in (10_000, 1_000):
        numbers = {count: compact(count, exact_below) for count in np.unique(coverage.counts).tolist()}
        if coverage.cells.side * (max(map(len, numbers.values())) + 1) <= room:
            return numbers
    return {}


def _cell(number: str, shade: Shade | None, wide: int, color: bool) -> str:
    if shade is None:
        return EMPTY.rjust(wide)
    if color:
        return _paint(number.rjust(wide), shade)
    return number.rjust(wide) if number else shade.look.block * wide


def _paint(text: str, shade: Shade) -> str:
    return f"\x1b[48;5;{shade.look.ansi}m\x1b[38;5;{shade.look.ansi_ink}m{text}\x1b[0m"


def _ruler(cells: Cells, labels: list[str], margin: int, wide: int) -> str:
    """Write the columns' labels under their cells: as many as fit, alike on both sides of the front."""
    longest = max(map(len, labels)) + 1
    step = -(-longest // wide)
    ruler = [" "] * (margin + cells.side * wide + longest)
    for column in range(0, cells.side // 2, step):
        if (cells.side - 1 - 2 * column) * wide < longest:
            break  # the innermost two would touch
        for place in (column, cells.side - 1 - column):
            end = margin + (place + 1) * wide  # as the numbers in the cells, flush right
            ruler[end - len(labels[place]) : end] = labels[place]
    return "".join(ruler)


def _legend(coverage: Coverage, numbers: bool, color: bool) -> str:
    shades = shades_for(coverage.target)
    if numbers and not color:
        return f"Each number: distinct samples in a cell; {EMPTY} none; full from {coverage.target:,} on."
    shown = [shade for shade in shades if color or shade.low <= coverage.target]  # without colour, full is full
    pieces = [f"{_paint('  ', shade) if color else shade.look.block * 2} {compact(shade.low)}+" for shade in shown]
    filling = sum(not shade.full for shade in shown)
    return "  ".join([f"Distinct samples: {EMPTY} 0", *pieces[:filling], "Full:", *pieces[filling:]])


def _group_table(by: str, groups: Mapping[str, Coverage], target: int) -> list[str]:
    """One line each, the best covered first; only the names can be odd, so they are measured."""
    return [
        f"{by:<{_NAME_WIDTH}}{'samples':>9}{'distinct':>9}{'started':>9}{'full':>7}  emptiest",
        *(
            f"{_fit(name)}{c.samples:>9,}{c.distinct:>9,}{percent(c.started_share):>9}{percent(c.filled_share):>7}  "
            f"{c.emptiest.region if c.emptiest else 'nowhere'}"
            for name, c in rank_groups(groups)
        ),
        f"(started: cells with a sample; full: cells with {number_of(target, 'distinct sample')} or more)",
    ]


def _fit(name: str) -> str:
    plain = printable(name, _NAME_WIDTH - 1)
    columns = sum(2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in plain)
    return plain + " " * max(1, _NAME_WIDTH - columns)
