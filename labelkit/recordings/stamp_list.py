"""Lists of pictures with their time stamps (rgb.txt, depth.txt): one "stamp file" a line.

Programs write them in many notations: blanks, tabs, commas or semicolons between the two; a decimal comma; quotes
around the name; backslashes; a line of headings; UTF-16. All of these are read. A line that is none of them is an error
that names the list and the line.
"""

from __future__ import annotations

import codecs
import math
import os
import posixpath
import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from labelkit.errors import RecordingError
from labelkit.recordings.listing import PICTURE_SUFFIXES

_MOST_BYTES = 100_000_000  # 10 hours at 30 frames/s are a million lines of 50 bytes

_LINE_ENDS = re.compile(r"\r\n|\r|\n")
# A comma is the decimal one if digits and another separator follow: "1,5 rgb/1.png", but not "1,rgb/1.png".
_LINE = re.compile(
    r'"?(?P<stamp>[+-]?[0-9]+(?:(?:\.|,(?=[0-9]+"?[\s;]))[0-9]*)?(?:[eE][+-]?[0-9]+)?)"?\s*[\s,;]\s*(?P<file>.+)',
    re.DOTALL,
)
_HAS_DIGIT = re.compile(r"[0-9]")

# Each is a thousand times finer, and frames come at 200 to 0.2 a second: of one step between frames only one fits.
_UNITS_S = {1.0: "seconds", 1e-3: "milliseconds", 1e-6: "microseconds", 1e-9: "nanoseconds"}
_LONGEST_STEP_S = 5.0
_EPOCH_S = (1e9, 4.2e9)  # the years 2001 to 2103

_LIST_SUFFIXES = (".txt", ".csv", ".tsv", ".lst")
_TIMES = ("timestamp", "stamps", "times")
_SEEN_BYTES = 4096  # of a text file that may be a list


class Listed(NamedTuple):
    """One picture of a list."""

    line: int
    stamp: float
    file: str


def read_stamp_list(path: Path) -> list[Listed]:
    """Read a list of pictures, in the order listed; a line that is there twice is read once.

    Raises:
        RecordingError: a line is not "stamp file", or leads out of the folder, or gives a file a second stamp.
    """
    if path.stat().st_size > _MOST_BYTES:
        raise RecordingError(f"{path.name} is larger than {_MOST_BYTES:,} bytes, too large for such a file")
    found: dict[str, Listed] = {}
    for listed in parse_list(_text_from_bytes(path.read_bytes(), path.name), path.name):
        first = found.setdefault(listed.file, listed)
        if first.stamp != listed.stamp:
            raise RecordingError(
                f"{path.name}, line {listed.line}: {listed.file!r} is also listed in line {first.line}, with another "
                "stamp; remove one of the two lines"
            )
    return list(found.values())


def parse_list(text: str, name: str) -> Iterator[Listed]:
    """Read the lines of a list.

    Args:
        name: of the list, for messages.
    Raises:
        RecordingError: a line is not "stamp file", or leads out of the folder.
    """
    is_first = True
    for number, raw_line in enumerate(_LINE_ENDS.split(text), start=1):
        line = raw_line.strip()
        if not line or line.startswith("#"):
            continue
        parts = _LINE.fullmatch(line)
        if parts is None or not math.isfinite(stamp := float(parts["stamp"].replace(",", "."))):
            if is_first and not _HAS_DIGIT.search(line):  # headings: "timestamp filename"
                is_first = False
                continue
            shown = line[:60].encode("utf-8", "backslashreplace").decode()
            raise RecordingError(f"{name}, line {number}: expected 'stamp file', found {shown!r}")
        is_first = False
        file = posixpath.normpath(parts["file"].rstrip(" \t,;").strip("\"'").replace("\\", "/"))
        if file.startswith(("/", "../")):
            raise RecordingError(f"{name}, line {number}: {file!r} leads out of the recording's folder")
        yield Listed(number, stamp, file)


def _text_from_bytes(content: bytes, name: str) -> str:
    """Decode a list: UTF-16 by its mark, else UTF-8; bytes that are not stay as they are in the files' names."""
    if content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return content.decode("utf-16", "replace")
    if b"\0" in content:
        raise RecordingError(f"{name}: holds bytes of zero, so it is no UTF-8 text; save it as UTF-8")
    return content.decode("utf-8-sig", "surrogateescape")


def likely_unit_s(stamps: Sequence[float]) -> float:
    """Find the unit, in seconds, in which time stamps make sense as those of a sensor's pictures.

    Args:
        stamps: of one side, in the order listed.
    Returns:
        1, 0.001, 1e-6 or 1e-9, by the usual step between two frames. Of fewer than three frames by the size of the
        numbers: 1 unless they lie beyond the year 5000.
    """
    steps = sorted(later - earlier for earlier, later in pairwise(stamps) if later > earlier)
    size, most = (
        (steps[len(steps) // 2], _LONGEST_STEP_S) if len(steps) > 1 else (max(stamps, default=0.0), 100 * _EPOCH_S[0])
    )
    return next((unit for unit in _UNITS_S if size * unit <= most), min(_UNITS_S))


def is_since_epoch(stamp: float, unit_s: float) -> bool:
    """Whether a stamp in this unit counts from 1970 to a time in which people record."""
    return _EPOCH_S[0] <= stamp * unit_s < _EPOCH_S[1]


def unit_name(unit_s: float) -> str:
    """Name one of the units that `likely_unit_s` finds."""
    return _UNITS_S[unit_s]


def find_unused_lists(folder: Path, places: Iterable[str], used: Sequence[str]) -> list[str]:
    """Name the lists of pictures or of time stamps that the reader of a folder did not use, sorted.

    Args:
        places: where to look, relative to `folder`.
    """
    found = []
    for place in places:
        with os.scandir(folder / place) as entries:
            names = [entry.name for entry in entries if entry.name.lower().endswith(_LIST_SUFFIXES) and entry.is_file()]
        found += [posixpath.join(place, name) for name in names if _is_list(folder / place / name)]
    return sorted(name for name in found if name not in used)


def _is_list(path: Path) -> bool:
    """Whether a file names pictures, or its name says that it holds their times."""
    try:
        with path.open("rb") as file:
            start = file.read(_SEEN_BYTES)
    except OSError:
        return False
    lines = start.replace(b"\0", b"").decode("latin-1").lower().splitlines()
    content = [line for line in lines if line.strip() and not line.startswith("#")]
    names_pictures = any(suffix in line for line in content[:3] for suffix in PICTURE_SUFFIXES)
    return names_pictures or (bool(content) and any(word in path.stem.lower() for word in _TIMES))
