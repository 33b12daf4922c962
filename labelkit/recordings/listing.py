"""The contents of a folder of recordings, and the names of files in tables.

Links are never followed out of RAW: a linked folder is not entered, and a linked file must lead to a
file below RAW. Names that begin with a dot are skipped (.DS_Store, ._0001.png, .git).
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import unquote_to_bytes

from labelkit.errors import RecordingError

# Suffixes by which a file counts as a picture, and so as a source frame. Only some can be read
# (pictures.py); the others are counted as rejected frames, so that none is left out in silence.
PICTURE_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".pgm", ".ppm", ".pnm", ".bmp", ".tif", ".tiff", ".webp"})

_SKIPPED = "__MACOSX"  # what macOS leaves in zip files


def pictures_in(folder: Path) -> list[str]:
    """List the names of the pictures directly in a folder, sorted, with links whose target is missing."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name
            for entry in entries
            if not is_skipped(entry.name)
            and os.path.splitext(entry.name)[1].lower() in PICTURE_SUFFIXES  # noqa: PTH122  (thousands of names)
            and (entry.is_file() or (entry.is_symlink() and not Path(entry.path).exists()))
        )


def folders_in(folder: Path) -> list[str]:
    """List the names of the folders directly in a folder, sorted; links are left out."""
    with os.scandir(folder) as entries:
        return sorted(
            entry.name for entry in entries if not is_skipped(entry.name) and entry.is_dir(follow_symlinks=False)
        )


def is_own_folder(path: Path) -> bool:
    """Whether a path is a folder and holds no link; the folder above is known to hold none."""
    return path.is_dir() and path.resolve() == path


def links_out_of(raw: Path, folder: Path) -> list[Path]:
    """List the links directly in a folder that lead out of RAW, sorted."""
    with os.scandir(folder) as entries:
        links = sorted(Path(entry.path) for entry in entries if entry.is_symlink() and not is_skipped(entry.name))
    return [link for link in links if not _leads_into(raw, link)]


def _leads_into(raw: Path, link: Path) -> bool:
    try:
        return link.resolve().is_relative_to(raw)
    except RuntimeError:  # a link to itself leads nowhere
        return True


def read_text(path: Path, encoding: str, errors: str = "strict", *, most: int) -> str:
    """Read a small text file whole.

    Raises:
        RecordingError: it is larger than `most` bytes.
        OSError: it cannot be read.
    """
    if path.stat().st_size > most:
        raise RecordingError(f"{path.name} is larger than {most:,} bytes, too large for such a file")
    return path.read_text(encoding=encoding, errors=errors)


def is_skipped(name: str) -> bool:
    """Whether a file or folder is left out by its name."""
    return name.startswith(".") or name == _SKIPPED


def portable_from_name(name: str) -> str:
    """Write a file's name as text that any table, terminal and JSON file can hold.

    Bytes that are not UTF-8, control characters and the percent sign itself become %XX. `source_path`
    converts back.
    """
    if name.isascii() and name.isprintable() and "%" not in name:
        return name
    text = os.fsencode(name).replace(b"%", b"%25").decode("utf-8", "surrogateescape")
    return _NOT_PORTABLE.sub(lambda found: f"%{ord(found[0]) & 0xFF:02X}", text)


# surrogateescape turns the stray byte 0x80 + n into U+DC80 + n
_NOT_PORTABLE = re.compile("[\x00-\x1f\x7f\udc80-\udcff]")


def source_path(raw: Path, name: str) -> Path:
    """Find the file below RAW that a portable name stands for; for a frame in it, take.mkv#12, the container."""
    path = raw / os.fsdecode(unquote_to_bytes(name))
    container, mark, number = path.name.rpartition("#")
    if mark and number.isdigit() and not os.path.lexists(path):
        return path.with_name(container) if container else path
    return path


def matches(name: str, globs: Sequence[str]) -> bool:
    """Whether a glob matches a name relative to RAW, or a folder above it; * matches slashes as well."""
    return any(fnmatchcase(name, glob) or fnmatchcase(name, f"{glob.rstrip('/')}/*") for glob in globs)
