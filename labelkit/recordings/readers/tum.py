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
from labelkit.recordings.listing import is_own_folder, pictures_in, read_text
from labelkit.recordings.pairing import pair_by_stamp
from labelkit.recordings.reader import OtherLayoutError, PicturePair, PictureSource
from labelkit.recordings.sidecar import Sidecar

COLOR_LIST, DEPTH_LIST = "rgb.txt", "depth.txt"

_STAMP = re.compile(r"[0-9]+\.[0-9]+")
_SEPARATORS = re.compile(r"[\s,]+")  # as the benchmark's own tools split lines

_MOST_LIST_BYTES = 100_000_000  # 10 hours at 30 frames/s are a million lines of 50 bytes

_END_BYTES = 65_536  # end of a list that is searched for new pictures: a thousand lines

_NO_STAMP = math.nan


class _Side(NamedTuple):
    """The colour pictures, or the depth pictures: file -> stamp (NaN if it has none)."""

    stamps: dict[str, float]
    folder: str
    notes: tuple[str, ...] = ()
    listed: bool = False  # stamps from rgb.txt and depth.txt, not from the names


def open_tum(folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[PictureSource]:
    """Open the recording of a folder in the TUM layout."""
    del sidecar
    color, depth = _find_sides(folder)
    pairs = _pair(depth.stamps, color.stamps, max_gap_s)
    if not pairs:
        raise OtherLayoutError(f"none of the files in {COLOR_LIST} and {DEPTH_LIST} exists")
    return [
        PictureSource(
            folder,
            pairs,
            depth_folder=folder / depth.folder,
            metadata={"recording": {"registered": True}},
            notes=(*color.notes, *depth.notes),
            pair=partial(_pair_listed, folder, max_gap_s)
            if color.listed
            else partial(_pair_named, depth.folder, color.folder, max_gap_s),
            lists=(DEPTH_LIST, COLOR_LIST) if color.listed else (),
        )
    ]


def _find_sides(folder: Path) -> tuple[_Side, _Side]:
    missing = [name for name in (COLOR_LIST, DEPTH_LIST) if not (folder / name).is_file()]
    if not missing:
        color, depth = _read_list(folder / COLOR_LIST), _read_list(folder / DEPTH_LIST)
        both = color.keys() & depth.keys()
        if both:
            raise RecordingError(f"{COLOR_LIST} and {DEPTH_LIST} both list {min(both)}")
        return _side_from_list(folder, color, depth, COLOR_LIST), _side_from_list(folder, depth, color, DEPTH_LIST)
    try:
        color_folder, depth_folder = picture_folders(folder)
    except OtherLayoutError as miss:
        raise OtherLayoutError(f"no {' and '.join(missing)}, {miss}") from None
    sides = _side_from_names(color_folder), _side_from_names(depth_folder)
    if any(all(math.isnan(stamp) for stamp in side.stamps.values()) for side in sides):
        raise OtherLayoutError(f"no {' and '.join(missing)}, and the names are no time stamps")
    return sides


def _pair(depth: dict[str, float], color: dict[str, float], max_gap_s: float) -> tuple[PicturePair, ...]:
    """Pair files by stamp; files without one stay single."""
    depth_files, color_files = ([f for f in side if not math.isnan(side[f])] for side in (depth, color))
    indices = pair_by_stamp([depth[f] for f in depth_files], [color[f] for f in color_files], max_gap_s)
    stamps = {**depth, **color}
    paired = [(_at(depth_files, d), _at(color_files, c)) for d, c in indices]
    alone = [(file, None) for file in depth if math.isnan(depth[file])]
    alone_color = [(None, file) for file in color if math.isnan(color[file])]
    pairs = [PicturePair(d, c, stamps[d or c or ""]) for d, c in (*paired, *alone, *alone_color)]
    return tuple(sorted(pairs, key=_sort_key))


def _at(files: Sequence[str], index: int | None) -> str | None:
    return None if index is None else files[index]


def _sort_key(pair: PicturePair) -> tuple[bool, float, str]:
    unstamped = math.isnan(pair.stamp)
    return unstamped, 0.0 if unstamped else pair.stamp, pair.depth or pair.color or ""


def _side_from_names(folder: Path) -> _Side:
    """Take the pictures of a folder; their names are their stamps."""
    return _Side(
        {file: _stamp_in(file) for name in pictures_in(folder) if (file := f"{folder.name}/{name}")}, folder.name
    )


def _pair_listed(folder: Path, max_gap_s: float, files: Sequence[str]) -> tuple[PicturePair, ...]:
    """Pair the files that the ends of the two lists name."""
    wanted = set(files)
    depth, color = (
        {file: stamp for stamp, file in _last_lines(folder / name) if file in wanted}
        for name in (DEPTH_LIST, COLOR_LIST)
    )
    return _pair(depth, color, max_gap_s)


def _last_lines(path: Path) -> list[tuple[float, str]]:
    """Read the complete lines at the end of a list that is being written."""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - _END_BYTES))
        lines = file.read().decode("utf-8", "surrogateescape").split("\n")[:-1]
    parts = (_SEPARATORS.split(line.strip(), maxsplit=1) for line in lines)
    return [(_stamp(both[0]), posixpath.normpath(both[1])) for both in parts if len(both) == 2]


def _pair_named(depth: str, color: str, max_gap_s: float, files: Sequence[str]) -> tuple[PicturePair, ...]:
    """Pair the files of two folders; their names are their stamps."""
    depth_stamps, color_stamps = (
        {file: _stamp_in(file) for file in files if posixpath.dirname(file) == folder} for folder in (depth, color)
    )
    return _pair(depth_stamps, color_stamps, max_gap_s)


def _stamp_in(file: str) -> float:
    return float(stem) if _STAMP.fullmatch(stem := PurePath(file).stem) else _NO_STAMP


def _side_from_list(folder: Path, listed: dict[str, float], other: dict[str, float], list_name: str) -> _Side:
    """Take the listed files that exist, and pictures in the same folders that are not listed."""
    inside, others = ({posixpath.dirname(file) for file in files} for files in (listed, other))
    there = [
        f"{place}/{name}" if place else name
        for place in sorted(inside)
        if is_own_folder(folder / place)
        for name in pictures_in(folder / place)
    ]
    stamps = {file: listed[file] for file in there if file in listed}
    alone = [file for file in there if file not in listed and posixpath.dirname(file) not in others]
    notes = []
    if len(stamps) < len(listed):
        notes.append(f"{len(listed) - len(stamps)} of the {len(listed)} files in {list_name} are missing")
    if alone:
        notes.append(f"{len(alone)} pictures (such as {alone[0]}) are not in {list_name}, so they have no time stamp")
    backwards = sum(later < earlier for earlier, later in pairwise(listed.values()))
    if backwards:
        notes.append(f"the time stamps in {list_name} run backwards {backwards} times")
    place = next((place for place in sorted(inside) if is_own_folder(folder / place)), "")
    return _Side(stamps | dict.fromkeys(alone, _NO_STAMP), place, tuple(notes), listed=True)


def _read_list(path: Path) -> dict[str, float]:
    """Read a list of pictures: file -> stamp, in the order listed.

    Raises:
        RecordingError: a line is not "stamp file", or leads out of the folder, or lists a file twice.
    """
    stamps: dict[str, float] = {}
    text = read_text(path, "utf-8-sig", "surrogateescape", most=_MOST_LIST_BYTES)
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        where = f"{path.name}, line {number}"
        parts = _SEPARATORS.split(line.strip(), maxsplit=1)
        stamp = _stamp(parts[0])
        if len(parts) < 2 or math.isnan(stamp):
            raise RecordingError(f"{where}: expected 'stamp file', found {line.strip()[:60]!r}")
        file = posixpath.normpath(parts[1])
        if file.startswith(("/", "../")):
            raise RecordingError(f"{where}: {file!r} leads out of the recording's folder")
        if file in stamps:
            raise RecordingError(f"{where}: {file!r} is listed twice; remove one of the two lines")
        stamps[file] = stamp
    return stamps


def _stamp(text: str) -> float:
    try:
        stamp = float(text)
    except ValueError:
        return _NO_STAMP
    return stamp if math.isfinite(stamp) else _NO_STAMP
