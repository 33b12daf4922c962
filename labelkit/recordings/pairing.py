"""Pair depth and colour pictures. Pure functions of time stamps and names.

Every picture is in exactly one pair; the other half of a pair may be missing. Pictures are never paired by
their position in a list: two of one side with the same stamp take no partner, and if a clock starts again,
only pictures of one run pair.
"""

from __future__ import annotations

import heapq
import math
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import pairwise

from labelkit.errors import RecordingError

_DIGITS = re.compile("[0-9]+")

_OUT_OF_PLACE = 2  # places by which a stamp may be out of order without a restart of its clock

# A name with # for each number, and the numbers: depth_00012 is ("depth_#", (12,)).
NameKey = tuple[str, tuple[int, ...]]


def pair_by_stamp(
    depth: Sequence[float], color: Sequence[float], max_gap_s: float
) -> list[tuple[int | None, int | None]]:
    """Pair the pictures nearest in time, the closest first, each at most once.

    Args:
        depth, color: stamps in seconds, in any order; of one clock that never started again.
        max_gap_s: largest time between the two pictures of a pair.
    Returns:
        Indices into `depth` and `color`, None for a missing half; in no particular order. Pictures that share
        their stamp with another of their side have no partner, since it would be unclear which of them to take.
    Source: the greedy choice of the TUM benchmark's associate.py, but only among neighbours in time, since the
        closest remaining pair are always neighbours: n pictures cost n log n.
    """
    line = sorted([*_marks(depth, 0), *_marks(color, 1)])
    before, after = list(range(-1, len(line) - 1)), list(range(1, len(line) + 1))
    near: list[tuple[float, int, int]] = []

    def consider(a: int, b: int) -> None:
        if a >= 0 and b < len(line) and line[a][2] != line[b][2] and line[b][0] - line[a][0] <= max_gap_s:
            heapq.heappush(near, (line[b][0] - line[a][0], a, b))

    for a, b in pairwise(range(len(line))):
        consider(a, b)
    partner: dict[int, int] = {}
    while near:
        _, a, b = heapq.heappop(near)
        if a in partner or b in partner:
            continue
        partner |= {a: b, b: a}
        left, right = before[a], after[b]
        if left >= 0:
            after[left] = right
        if right < len(line):
            before[right] = left
        consider(left, right)
    twins = {0: find_twins(depth), 1: find_twins(color)}
    pairs: list[tuple[int | None, int | None]] = []
    for place, (_, _, kind, index) in enumerate(line):
        other = line[partner[place]][3] if place in partner else None
        if index in twins[kind] or other in twins[1 - kind]:
            other = None
        if kind == 0:
            pairs.append((index, other))
        elif other is None:
            pairs.append((None, index))
    return pairs


def find_twins(stamps: Sequence[float]) -> set[int]:
    """Find the stamps that are there more than once: their indices."""
    counts = Counter(stamps)
    return {index for index, stamp in enumerate(stamps) if counts[stamp] > 1}


def starts_of_runs(stamps: Sequence[float]) -> list[int]:
    """Find where a clock started again: its stamps run backwards, and not because one is out of its place.

    A stamp that only has to move by one or two places, as recorders with several threads write them, starts no run.

    Args:
        stamps: of one side, in the order of recording.
    Returns:
        The index of the first stamp of each run; the first is 0.
    """
    starts: list[int] = []
    place, highest, rest = 0, math.inf, math.inf  # the highest of the run and its place; the highest of the others
    for index, stamp in enumerate(stamps):
        if stamp >= highest:
            place, highest, rest = index, stamp, highest
        elif starts and rest <= stamp and index - place <= _OUT_OF_PLACE:
            rest = stamp  # the highest came too early
        elif not (starts and _is_late(stamps, index, starts[-1], highest)):
            starts.append(index)
            place, highest, rest = index, stamp, -math.inf
    return starts


def _is_late(stamps: Sequence[float], index: int, start: int, highest: float) -> bool:
    """Whether a stamp alone is too late in its run: the next one goes on from the one before it."""
    is_near = stamps[index] >= stamps[max(start, index - _OUT_OF_PLACE - 1)]
    return is_near and all(stamp >= highest for stamp in stamps[index + 1 : index + 2])


def _marks(stamps: Sequence[float], kind: int) -> list[tuple[float, int, int, int]]:
    """List stamps as (stamp, number of earlier equal stamps of this kind, kind, index)."""
    seen: dict[float, int] = {}
    marks = []
    for index, stamp in enumerate(stamps):
        rank = seen[stamp] = seen.get(stamp, -1) + 1
        marks.append((stamp, rank, kind, index))
    return marks


def name_key(stem: str) -> NameKey:
    """Split a name into its text and its numbers."""
    return _DIGITS.sub("#", stem), tuple(int(digits) for digits in _DIGITS.findall(stem))


def pair_by_name(depth: Mapping[str, str], color: Mapping[str, str]) -> list[tuple[str | None, str | None]]:
    """Pair files by the numbers in their names, leading zeros ignored, or by the whole name.

    If the names of each side differ only in their numbers (color_00012.png and depth_12.png), the numbers
    decide. If a side mixes several kinds of names, the text must agree as well.

    Args:
        depth, color: file -> stem.
    Returns:
        Files, None for a missing half, sorted by number and then name.
    Raises:
        RecordingError: two files of one side have the same number; or names of several kinds have
            nothing in common.
    """
    depth_by_key, color_by_key = _by_key(depth), _by_key(color)
    depth_texts, color_texts = ({text for text, _ in keys} for keys in (depth_by_key, color_by_key))
    if len(depth_texts) <= 1 and len(color_texts) <= 1:
        depth_by_key, color_by_key = _numbers_only(depth_by_key), _numbers_only(color_by_key)
    elif not depth_by_key.keys() & color_by_key.keys():
        raise RecordingError(
            "the names are of several kinds, and colour and depth share none "
            f"(colour: {_some(color_texts)}; depth: {_some(depth_texts)}, # for a number); "
            "say under [files] in recording.toml how they are named"
        )
    keys = sorted(depth_by_key.keys() | color_by_key.keys(), key=lambda key: (key[1], key[0]))
    return [(depth_by_key.get(key), color_by_key.get(key)) for key in keys]


def _by_key(stems: Mapping[str, str]) -> dict[NameKey, str]:
    found: dict[NameKey, str] = {}
    for file, stem in stems.items():
        other = found.setdefault(name_key(stem), file)
        if other != file:
            raise RecordingError(
                f"{other} and {file} have the same number, so it is unclear which one to pair; "
                "remove one, or say under [files] in recording.toml how the pictures are named"
            )
    return found


def _numbers_only(by_key: Mapping[NameKey, str]) -> dict[NameKey, str]:
    return {("", numbers) if numbers else (text, numbers): file for (text, numbers), file in by_key.items()}


def _some(texts: set[str]) -> str:
    shown = sorted(texts)[:3]
    return ", ".join(shown) + (", ..." if len(texts) > 3 else "")
