"""Folders whose files follow patterns in recording.toml.

    [files]
    color = "{key}_o.jpg"
    depth = "{key}_depth.png"

`{key}` stands for the part of the name that the colour and depth picture of one frame share.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from labelkit.errors import RecordingError
from labelkit.recordings.listing import is_own_folder, pictures_in
from labelkit.recordings.pairing import name_key
from labelkit.recordings.reader import OtherLayoutError, PicturePair, PictureSource
from labelkit.recordings.sidecar import FILE_NAME, Sidecar, Statement
from labelkit.wording import printable

KEY = "{key}"


def open_patterns(folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[PictureSource]:
    """Open the recording of the pictures in a folder that match [files]."""
    del max_gap_s
    color, depth = (sidecar.get(f"files.{kind}") for kind in ("color", "depth"))
    if color is None and depth is None:
        raise OtherLayoutError(f"no [files] in {FILE_NAME}")
    if color is None or depth is None:
        missing, stated = ("color", depth) if color is None else ("depth", color)
        assert stated is not None
        raise RecordingError(f"{stated.origin}: [files] must state {missing} too")
    if str(depth.value).startswith("/"):
        raise OtherLayoutError("[files] names topics")
    pair = partial(_pair, color, depth)
    pairs = pair(sorted({*_files_of(folder, color), *_files_of(folder, depth)}))
    if not pairs:
        raise OtherLayoutError(f"no file matches {color.value!r} or {depth.value!r} ({color.origin})")
    return [PictureSource(folder, pairs, depth_folder=_find_depth_folder(folder, depth.value), pair=pair)]


def _pair(color: Statement, depth: Statement, files: Sequence[str]) -> tuple[PicturePair, ...]:
    """Pair the files that match the patterns."""
    color_files, depth_files = _find_matches(color, files), _find_matches(depth, files)
    for file in sorted(set(color_files.values()) & set(depth_files.values())):
        raise RecordingError(f"{color.origin}: {file} matches both patterns under [files]")
    keys = sorted(color_files.keys() | depth_files.keys(), key=lambda key: (name_key(key)[1], key))
    return tuple(PicturePair(depth_files.get(key), color_files.get(key)) for key in keys)


def _files_of(folder: Path, pattern: Statement) -> list[str]:
    """List the pictures in the folder of a pattern."""
    *inside, _ = _split_pattern(pattern)
    where = folder.joinpath(*inside)
    prefix = "".join(f"{part}/" for part in inside)
    return [prefix + file for file in pictures_in(where)] if is_own_folder(where) else []


def _find_matches(pattern: Statement, files: Sequence[str]) -> dict[str, str]:
    """Find the files that match a pattern, by key."""
    *inside, name = _split_pattern(pattern)
    before, after = (re.escape(part) for part in name.split(KEY))
    prefix = re.escape("".join(f"{part}/" for part in inside))
    matching = re.compile(f"{prefix}{before}([^/]+){after}", re.DOTALL)
    return {found[1]: file for file in files if (found := matching.fullmatch(file))}


def _split_pattern(pattern: Statement) -> list[str]:
    """Split a pattern at its slashes.

    Raises:
        RecordingError: it is not a pattern, or leads out of the folder.
    """
    *inside, name = str(pattern.value).split("/")
    if name.count(KEY) != 1 or "{" in name.replace(KEY, "") or {"", ".", ".."} & set(inside) or "{" in "".join(inside):
        raise RecordingError(
            f"{pattern.origin}: the pattern {printable(pattern.value, 100)!r} under [files] must hold {KEY} once, "
            "in the file's name, and stay within the folder"
        )
    return [*inside, name]


def _find_depth_folder(folder: Path, depth_pattern: str) -> Path:
    inside = folder.joinpath(*depth_pattern.split("/")[:-1])
    return inside if is_own_folder(inside) else folder
