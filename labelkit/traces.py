"""Files in a folder that may show a person: all pictures, pages and arrays, and files that hold the name."""

from __future__ import annotations

import html
import json
import mmap
import os
import re
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from urllib.parse import quote

# Files that may show a hand, anybody's. They can be made again from the dataset.
SHOWING = frozenset(
    {".png", ".jpg", ".jpeg", ".webp", ".gif", ".svg", ".pdf", ".htm", ".html", ".npy", ".npz", ".mp4", ".mkv"}
)


def pattern_from_names(names: Iterable[str]) -> re.Pattern[bytes]:
    """Make a pattern that finds names as whole words, as text, JSON, HTML and URLs spell them."""
    spelled = {
        spelling for name in names for spelling in (name, json.dumps(name)[1:-1], html.escape(name), quote(name))
    }
    longest_first = sorted(spelled, key=lambda word: (-len(word), word))
    words = b"|".join(re.escape(word.encode("utf-8", "surrogateescape")) for word in longest_first)
    return re.compile(rb"(?<![A-Za-z0-9])(?:%s)(?![A-Za-z0-9])" % words)


def find_traces(folder: Path, named: re.Pattern[bytes], *, leave: Collection[str]) -> list[str]:
    """List the files below a folder that show or name a person.

    Args:
        named: as `pattern_from_names` makes it.
        leave: files and folders to skip, relative to the folder.
    Returns:
        Relative to the folder, sorted. Links are never followed; a link whose own name matches is listed.
    """
    return sorted(name for name in _walk_files(folder, leave) if _shows(folder / name, name, named))


def _walk_files(folder: Path, leave: Collection[str], within: str = "") -> Iterator[str]:
    with os.scandir(folder / within) as entries:
        for entry in entries:
            name = f"{within}{entry.name}"
            if name in leave:
                continue
            if entry.is_dir(follow_symlinks=False):
                yield from _walk_files(folder, leave, f"{name}/")
            else:
                yield name


def _shows(path: Path, name: str, named: re.Pattern[bytes]) -> bool:
    if path.suffix.lower() in SHOWING or named.search(os.fsencode(name)):
        return True
    if path.is_symlink() or not path.is_file() or not path.stat().st_size:
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        return named.search(content) is not None
