"""Folders whose files follow patterns that recording.toml states.

    [files]
    color = "{key}_o.jpg"
    depth = "{key}_depth.png"

`{key}` stands for whatever colour and depth picture of one frame have in common.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from labelkit.errors import RecordingError
from labelkit.recordings.listing import is_own_folder, pictures_in
from labelkit.recordings.pairing import name_key
from labelkit.recordings.sidecar import FILE_NAME, Sidecar, Stated
from labelkit.recordings.source import OtherLayoutError, PicturePair, PictureSource

KEY = "{key}"


def open_patterns(folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[PictureSource]:
    """Give the recording of the pictures in a folder that match [files]."""
    del max_gap_s
    color, depth = (sidecar.get(f"files.{kind}") for kind in ("color", "depth"))
    if color is None and depth is None:
        raise OtherLayoutError(f"no [files] in {FILE_NAME}")
    if color is None or depth is None:
        missing, stated = ("color", depth) if color is None else ("depth", color)
        assert stated is not None
        raise RecordingError(f"{stated.origin}: [files] must state {missing} too")
    color_files, depth_files = _matches(folder, color), _matches(folder, depth)
    if not color_files and not depth_files:
        raise OtherLayoutError(f"no file matches {color.value!r} or {depth.value!r} ({color.origin})")
    for file in sorted(set(color_files.values()) & set(depth_files.values())):
        raise RecordingError(f"{color.origin}: {file} matches both patterns under [files]")
    keys = sorted(color_files.keys() | depth_files.keys(), key=lambda key: (name_key(key)[1], key))
    pairs = tuple(PicturePair(depth_files.get(key), color_files.get(key)) for key in keys)
    return [PictureSource(folder, pairs, beside=_beside(folder, depth.value))]


def _matches(folder: Path, pattern: Stated) -> dict[str, str]:
    """Find the files that match a pattern, by key."""
    *inside, name = str(pattern.value).split("/")
    if name.count(KEY) != 1 or "{" in name.replace(KEY, "") or {"", ".", ".."} & set(inside) or "{" in "".join(inside):
        raise RecordingError(
            f"{pattern.origin}: the pattern {pattern.value!r} under [files] must hold {KEY} once, in the "
            "file's name, and stay within the folder"
        )
    where = folder.joinpath(*inside)
    if not is_own_folder(where):
        return {}
    before, after = (re.escape(part) for part in name.split(KEY))
    matching = re.compile(f"{before}(.+){after}", re.DOTALL)
    prefix = "".join(f"{part}/" for part in inside)
    return {found[1]: prefix + file for file in pictures_in(where) if (found := matching.fullmatch(file))}


def _beside(folder: Path, depth_pattern: str) -> Path:
    inside = folder.joinpath(*depth_pattern.split("/")[:-1])
    return inside if is_own_folder(inside) else folder
