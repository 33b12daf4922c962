"""build.log: what was done to a dataset's folder, and when; no other file holds times of day.

The manifest cannot hold its hash, since the log is written after the manifest. Instead, each line ends with
the first digits of a hash of itself and of the digits before, so that every change can be detected.
"""

from __future__ import annotations

import hashlib
import time
from pathlib import Path

from labelkit.dataset.reading import read_at_most
from labelkit.files import write_bytes

LOG_NAME = "build.log"

MOST_LOG_BYTES = 64 * 2**20

_DIGITS = 8


def log(folder: Path, message: str) -> None:
    """Add a line with the time of day to build.log. The file is replaced whole, so no line is ever incomplete.

    Raises:
        OutputError: no space or permission.
    """
    try:
        before = read_at_most(folder, LOG_NAME, MOST_LOG_BYTES)
    except FileNotFoundError:
        before = b""
    said = f"{time.strftime('%Y-%m-%dT%H:%M:%S%z')} {message}".encode()
    write_bytes(folder / LOG_NAME, before + said + b" #" + _digits(_last_digits(before), said) + b"\n")


def restart_log(folder: Path, message: str) -> None:
    """Replace build.log by a log of one line."""
    (folder / LOG_NAME).unlink(missing_ok=True)
    log(folder, message)


def find_broken_line(content: bytes) -> int | None:
    """Find the first line, counted from 1, that was changed; None if there is none."""
    digits = b""
    lines = content.split(b"\n")
    for number, line in enumerate(lines[:-1], start=1):
        said, _, stated = line.rpartition(b" #")
        digits = _digits(digits, said)
        if stated != digits:
            return number
    return len(lines) if lines[-1] else None


def _last_digits(content: bytes) -> bytes:
    return content.rstrip(b"\n").rpartition(b" #")[2]


def _digits(before: bytes, said: bytes) -> bytes:
    return hashlib.sha256(before + said).hexdigest()[:_DIGITS].encode()
