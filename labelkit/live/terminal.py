"""The painting game in a terminal: the words, the map as in a mirror with the hand and the goal, and the progress."""

from __future__ import annotations

import textwrap
from typing import Any

import numpy as np

from labelkit.cells import Cells
from labelkit.figures.coverage_text import EMPTY, Terminal
from labelkit.figures.shades import shade_index, shades_for
from labelkit.wording import percent, printable

_HAND, _GOAL, _TRAIL = "()", "><", "··"
_BAR = 20
_FULL, _BEGUN = "█", "▒"  # of the bar
_ASCII = str.maketrans({_FULL: "#", _BEGUN: "="})
_WORD_LINES = 2  # enough for every advice at 80 columns, so that the map stays where it is


def game_text(state: dict[str, Any], cells: Cells, target: int, terminal: Terminal) -> str:
    """Write a game's state as lines, none wider than the terminal. The most important come first.

    Args:
        state: as `Game.state` gives it.
    """
    words = state["words"][:1].upper() + state["words"][1:]
    lines = [*textwrap.wrap(words, max(20, terminal.width - 1))[:3]]
    lines += [""] * (_WORD_LINES - len(lines))
    lines += [*_map(state, cells, target, terminal), _progress(state), *_notes(state), *_people(state, terminal)]
    text = "\n".join(_cut(line, terminal) for line in lines)
    return text if terminal.unicode else text.translate(_ASCII).encode("ascii", "replace").decode()


def one_line(state: dict[str, Any]) -> str:
    """Say a game's state in one line, for an output that is no terminal."""
    who = printable(state["participant"] or "nobody yet", 20)
    return f"{who} {percent(state['collected'])}: {state['words']}"


def _map(state: dict[str, Any], cells: Cells, target: int, terminal: Terminal) -> list[str]:
    shades = shades_for(target)
    counts = np.zeros((cells.side, cells.side), np.int64)
    counts[cells.reachable_mask] = state["counts"]
    index = shade_index(counts, shades)
    marks = _marks(state, cells)
    columns = range(cells.side) if state["mirrored"] else range(cells.side - 1, -1, -1)  # as in a mirror
    rows = []
    for row in range(cells.side):
        line = ""
        for column in columns:
            shade = shades[index[row, column]] if index[row, column] >= 0 else None
            text = marks.get(row * cells.side + column) or (
                "  "
                if not cells.reachable_mask[row, column]
                else f"{EMPTY} "
                if shade is None
                else "  "
                if terminal.color
                else shade.look.block * 2
            )
            if terminal.color and shade is not None:
                text = f"\x1b[48;5;{shade.look.ansi}m\x1b[38;5;{shade.look.ansi_ink}m{text}\x1b[0m"
            line += text
        rows.append(line.rstrip() if not terminal.color else line)
    return [*rows, f"{'your left':<{cells.side}}{'your right':>{cells.side}}"]


def _marks(state: dict[str, Any], cells: Cells) -> dict[int, str]:
    marks = {}
    if state["goal"]:
        marks[state["goal"]["cell"]] = _GOAL
    if state["hand"]:
        here = cells.index_of(np.array(state["hand"]["azimuth"]), np.array(state["hand"]["elevation"]))
        marks[int(here)] = _HAND
    return marks


def _progress(state: dict[str, Any]) -> str:
    full, begun = (round(state[key] / len(state["counts"]) * _BAR) for key in ("full_cells", "begun_cells"))
    bar = _FULL * full + _BEGUN * (begun - full) + "-" * (_BAR - begun)
    minutes, seconds = divmod(int(state["seconds"]), 60)
    who = printable(state["participant"] or "nobody yet", 16)
    cells = f"cells: {state['begun_cells']} begun, {state['full_cells']} full"
    return f"{who}  [{bar}] {percent(state['collected'])}  {cells}  {minutes}:{seconds:02}"


def _people(state: dict[str, Any], terminal: Terminal) -> list[str]:
    others = [one for one in state["participants"] if one["name"] != state["participant"]]
    shown = ", ".join(f"{printable(one['name'], 16)} {percent(one['collected'])}" for one in others)
    return textwrap.wrap(f"Others: {shown}", max(20, terminal.width - 1))[:3] if others else []


def _notes(state: dict[str, Any]) -> list[str]:
    notes = []
    if state["skipped"] > 2:
        notes.append(f"Too fast: {state['skipped']} pictures wait, and are counted when there is time.")
    if state["earlier"]:
        notes.append(f"Reading what was here before: {state['earlier']} pictures are left.")
    return notes + [printable(trouble.partition("\n\n")[0], 300) for trouble in state["troubles"]]


def _cut(line: str, terminal: Terminal) -> str:
    return line if "\x1b" in line or len(line) < terminal.width else line[: terminal.width - 1]
