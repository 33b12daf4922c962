"""The layout of the TUM RGB-D benchmark: pictures under time stamps.

    <folder>/rgb.txt      lines such as "1305031102.175304 rgb/1305031102.175304.png"; # begins a comment
    <folder>/depth.txt    the same for depth

Without the two lists, the pictures' names must be their stamps. Colour and depth are paired by time. In
this format they are registered, but the unit is open: the benchmark's own pictures hold fifths of a
millimetre, while other datasets in this format often do not.

Source: https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from pathlib import Path, PurePath
from typing import NamedTuple

from labelkit.errors import RecordingError
from labelkit.recordings.folders import picture_folders
from labelkit.recordings.listing import is_own_folder, pictures_in
from labelkit.recordings.pairing import find_twins, pair_by_stamp, starts_of_runs
from labelkit.recordings.reader import OtherLayoutError, PicturePair, PictureSource, Problem
from labelkit.recordings.sidecar import Sidecar
from labelkit.recordings.stamp_list import (
    Listed,
    is_since_epoch,
    likely_unit_s,
    parse_list,
    read_stamp_list,
    unit_name,
)
from labelkit.wording import printable

COLOR_LIST, DEPTH_LIST = "rgb.txt", "depth.txt"

_STAMP = re.compile(r"[0-9]+\.[0-9]+")

_MOST_TWINS = 0.1  # of a list's stamps; more, and the clock is too coarse to tell which picture is nearest

_SAME_RUN_S = 1.0  # by which both ends of a run may differ between colour and depth

_END_BYTES = 65_536  # end of a list that is searched for new pictures: a thousand lines

_NO_STAMP = math.nan

_Run = dict[str, float]  # file -> stamp, seconds, of one run of the sensor's clock


class _Side(NamedTuple):
    """The colour pictures, or the depth pictures."""

    name: str  # of the list, or of the folder
    runs: list[_Run]
    starts: list[int]  # lines at which the runs start
    spans_s: list[tuple[float, float]]  # the first and the last stamp of each run, also of files that are not there
    folder: str
    unit_s: float
    alone: list[str]  # pictures without a stamp
    notes: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def open_tum(folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[PictureSource]:
    """Open the recording of a folder in the TUM layout."""
    stated = sidecar.get("recording.stamp_unit_s")
    unit_s = stated.value if stated else None
    are_listed, color, depth = _find_sides(folder, unit_s)
    _check_units(color, depth)
    _check_runs(color, depth)
    pair = partial(_pair_listed, folder) if are_listed else partial(_pair_named, depth.folder, color.folder)
    return [
        PictureSource(
            folder,
            tuple(_pair(depth, color, max_gap_s)),
            depth_folder=folder / depth.folder,
            metadata={"recording": {"registered": True}},
            notes=(*color.notes, *depth.notes),
            problems=(color.problems or depth.problems)[:1],
            pair=partial(pair, (depth.unit_s, color.unit_s), max_gap_s),
            lists=(DEPTH_LIST, COLOR_LIST) if are_listed else (),
        )
    ]


def _find_sides(folder: Path, unit_s: float | None) -> tuple[bool, _Side, _Side]:
    """Find whether there are lists, the colour pictures and the depth pictures."""
    missing = [name for name in (COLOR_LIST, DEPTH_LIST) if not (folder / name).is_file()]
    if not missing:
        color, depth = read_stamp_list(folder / COLOR_LIST), read_stamp_list(folder / DEPTH_LIST)
        both = {listed.file for listed in color} & {listed.file for listed in depth}
        if both:
            raise RecordingError(f"{COLOR_LIST} and {DEPTH_LIST} both list {min(both)}")
        if not color and not depth:
            raise OtherLayoutError(f"{COLOR_LIST} and {DEPTH_LIST} are empty")
        sides = (
            _side_from_list(folder, color, depth, COLOR_LIST, unit_s),
            _side_from_list(folder, depth, color, DEPTH_LIST, unit_s),
        )
        return True, *sides
    try:
        color_folder, depth_folder = picture_folders(folder)
    except OtherLayoutError as miss:
        raise OtherLayoutError(f"no {' and '.join(missing)}, {miss}") from None
    sides = _side_from_names(color_folder, unit_s), _side_from_names(depth_folder, unit_s)
    if not all(side.runs[0] for side in sides):
        raise OtherLayoutError(f"no {' and '.join(missing)}, and the names are no time stamps")
    return False, *sides


def _check_units(color: _Side, depth: _Side) -> None:
    if color.unit_s != depth.unit_s and (color.problems or depth.problems):
        raise RecordingError(
            f"the time stamps in {color.name} seem to be {unit_name(color.unit_s)}, those in {depth.name} "
            f"{unit_name(depth.unit_s)}; write both in seconds, or state stamp_unit_s in recording.toml if both have "
            "the same unit"
        )


def _check_runs(color: _Side, depth: _Side) -> None:
    """Refuse runs of the two clocks of which it is unclear which belong together."""
    if len(color.runs) != len(depth.runs):
        more, less = (color, depth) if len(color.runs) > len(depth.runs) else (depth, color)
        raise RecordingError(
            f"{more.name}, line {more.starts[len(less.runs)]}: the time stamps start again at an earlier time, as at "
            f"{len(more.runs) - 1} places of this list, but at {len(less.runs) - 1} of {less.name}, so it is unclear "
            "which colour belongs to which depth; put each part into a folder of its own"
        )
    if len(color.runs) == 1:
        return
    for c, d, line in zip(color.spans_s, depth.spans_s, color.starts, strict=True):
        if any(abs(one - other) > _SAME_RUN_S for one, other in zip(c, d, strict=True)):
            raise RecordingError(
                f"{color.name}, line {line}: the time stamps start again here, but this part and the one of "
                f"{depth.name} do not begin and end at the same time, so it is unclear whether they belong together; "
                "put each part into a folder of its own"
            )


def _pair(depth: _Side, color: _Side, max_gap_s: float) -> list[PicturePair]:
    """Pair files by stamp, run by run; files without a stamp stay single."""
    pairs = [pair for d, c in zip(depth.runs, color.runs, strict=True) for pair in _pair_run(d, c, max_gap_s)]
    alone = [PicturePair(file, None) for file in depth.alone] + [PicturePair(None, file) for file in color.alone]
    return pairs + sorted(alone, key=lambda pair: pair.depth or pair.color or "")


def _pair_run(depth: _Run, color: _Run, max_gap_s: float) -> list[PicturePair]:
    depth_files, color_files = list(depth), list(color)
    stamps = {**color, **depth}
    files = [
        (_at(depth_files, d), _at(color_files, c))
        for d, c in pair_by_stamp(list(depth.values()), list(color.values()), max_gap_s)
    ]
    pairs = [PicturePair(d, c, stamps[d or c or ""]) for d, c in files]
    return sorted(pairs, key=lambda pair: (pair.stamp, pair.depth or pair.color or ""))


def _at(files: Sequence[str], index: int | None) -> str | None:
    return None if index is None else files[index]


def _side_from_names(folder: Path, unit_s: float | None) -> _Side:
    """Take the pictures of a folder; their names are their stamps."""
    stamps = {f"{folder.name}/{name}": _stamp_in(name) for name in pictures_in(folder)}
    alone = [file for file, stamp in stamps.items() if math.isnan(stamp)]
    stamped = {file: stamp for file, stamp in stamps.items() if file not in set(alone)}
    unit_s, notes, problems = _settle_unit(sorted(stamped.values()), unit_s, f"the names in {folder.name}/")
    run = {file: stamp * unit_s for file, stamp in stamped.items()}
    return _Side(folder.name, [run], [1], [], folder.name, unit_s, alone, notes, problems)


def _settle_unit(
    stamps: Sequence[float], stated: float | None, where: str
) -> tuple[float, tuple[str, ...], tuple[Problem, ...]]:
    """Say what one step of the time stamps is, in seconds; and a note if it was seen, a problem if it is unsure."""
    if stated is not None:
        return stated, (), ()
    unit_s = likely_unit_s(stamps)
    if unit_s == 1.0:
        return unit_s, (), ()
    name = unit_name(unit_s)
    if all(is_since_epoch(stamp, unit_s) for stamp in (min(stamps), max(stamps))):
        return unit_s, (f"the time stamps in {where} are {name} since 1970, and are read as such",), ()
    says = f"the time stamps in {where}, such as {stamps[0]:.15g}, are hardly seconds: {name}?"
    line = f"stamp_unit_s = {unit_s:g}  # seconds that a time stamp of 1 stands for: 1.0 if they are seconds"
    return unit_s, (), (Problem(says, "recording", (line,)),)


def _pair_listed(
    folder: Path, units_s: tuple[float, float], max_gap_s: float, files: Sequence[str]
) -> tuple[PicturePair, ...]:
    """Pair the files that the ends of the two lists name.

    Raises:
        RecordingError: the ends alone do not say what belongs together.
    """
    wanted, runs = set(files), list[_Run]()
    for name, unit_s in zip((DEPTH_LIST, COLOR_LIST), units_s, strict=True):
        listed = _last_lines(folder / name)
        stamps = [one.stamp for one in listed]
        if len(starts_of_runs(stamps)) > 1 or find_twins(stamps):
            raise RecordingError(f"{name}: the clock started again, or is too coarse")
        runs.append({one.file: one.stamp * unit_s for one in listed if one.file in wanted})
    depth, color = runs
    return tuple(_pair_run(depth, color, max_gap_s))


def _last_lines(path: Path) -> list[Listed]:
    """Read the complete lines at the end of a list that is being written."""
    with path.open("rb") as file:
        start = max(0, path.stat().st_size - _END_BYTES)
        file.seek(start)
        text = file.read().decode("utf-8-sig", "surrogateescape")
    lines = text.split("\n")[1 if start else 0 : -1]
    return list({listed.file: listed for listed in parse_list("\n".join(lines), path.name)}.values())


def _pair_named(
    depth: str, color: str, units_s: tuple[float, float], max_gap_s: float, files: Sequence[str]
) -> tuple[PicturePair, ...]:
    """Pair the files of two folders; their names are their stamps."""
    stamps = {file: _stamp_in(file) for file in files}
    depth_run, color_run = (
        {file: stamp * unit_s for file, stamp in stamps.items() if posixpath.dirname(file) == folder and stamp >= 0}
        for folder, unit_s in zip((depth, color), units_s, strict=True)
    )
    rest = [file for file in files if file not in depth_run and file not in color_run]
    alone = [PicturePair(f, None) if posixpath.dirname(f) == depth else PicturePair(None, f) for f in rest]
    return (*_pair_run(depth_run, color_run, max_gap_s), *alone)


def _stamp_in(file: str) -> float:
    return float(stem) if _STAMP.fullmatch(stem := PurePath(file).stem) else _NO_STAMP


def _side_from_list(
    folder: Path, listed: Sequence[Listed], other: Sequence[Listed], name: str, unit_s: float | None
) -> _Side:
    """Take the listed files that exist, and pictures in the same folders that are not listed."""
    inside, others = ({posixpath.dirname(one.file) for one in side} for side in (listed, other))
    there = {
        f"{place}/{picture}" if place else picture
        for place in inside
        if is_own_folder(folder / place)
        for picture in pictures_in(folder / place)
    }
    stamped = {one.file for one in listed}
    alone = sorted(file for file in there - stamped if posixpath.dirname(file) not in others)
    present = sum(one.file in there for one in listed)
    if listed and not present:
        raise RecordingError(
            f"{name}: none of its {len(listed)} files is there "
            f"(the first, in line {listed[0].line}: {printable(listed[0].file, 100)!r})"
        )
    stamps = [one.stamp for one in listed]
    unit_s, notes, problems = _settle_unit(stamps, unit_s, name)
    starts = starts_of_runs(stamps) or [0]
    cuts = list(pairwise([*starts, len(listed)]))
    place = next((place for place in sorted(inside) if is_own_folder(folder / place)), "")
    return _Side(
        name,
        [{one.file: one.stamp * unit_s for one in listed[slice(*cut)] if one.file in there} for cut in cuts],
        [listed[start].line if listed else 1 for start in starts],
        [(min(part) * unit_s, max(part) * unit_s) for cut in cuts if (part := stamps[slice(*cut)])],
        place,
        unit_s,
        alone,
        (*notes, *_notes(listed, present, alone, len(cuts) - 1, name), *_check_twins(listed, cuts, name)),
        problems,
    )


def _notes(listed: Sequence[Listed], present: int, alone: Sequence[str], restarts: int, name: str) -> list[str]:
    notes = []
    if present < len(listed):
        notes.append(f"{len(listed) - present} of the {len(listed)} files in {name} are missing")
    if alone:
        notes.append(f"{len(alone)} pictures (such as {alone[0]}) are not in {name}, so they have no time stamp")
    if restarts:
        notes.append(f"the clock of {name} starts again {restarts} times; only pictures of one run are paired")
    backwards = sum(later.stamp < earlier.stamp for earlier, later in pairwise(listed)) - restarts
    if backwards:
        notes.append(f"the time stamps in {name} run backwards {backwards} times")
    return notes


def _check_twins(listed: Sequence[Listed], cuts: Sequence[tuple[int, int]], name: str) -> list[str]:
    """Note pictures that share their stamp.

    Raises:
        RecordingError: there are so many of them that the clock is too coarse.
    """
    twins = [
        start + index for start, stop in cuts for index in sorted(find_twins([o.stamp for o in listed[start:stop]]))
    ]
    if not twins:
        return []
    first = listed[twins[0]]
    says = (
        f"{len(twins)} of the {len(listed)} pictures share their time stamp with another "
        f"(the first in line {first.line})"
    )
    if len(twins) > _MOST_TWINS * len(listed):
        raise RecordingError(
            f"{name}, line {first.line}: {says}, so it is unclear which colour belongs to which depth; "
            "write the stamps with as many digits as the recorder has"
        )
    return [f"{name}: {says}; these are not paired"]
