"""Bars and lines of progress on stderr, if there is one: a service, or pythonw, may have none."""

from __future__ import annotations

import sys
from typing import Any

from tqdm import tqdm


def open_bar(*, quiet: bool, **options: Any) -> tqdm[Any]:
    """Open a progress bar on stderr; it shows itself on a terminal only.

    Args:
        quiet: show nothing.
        options: of tqdm.
    """
    return tqdm(file=sys.stderr, disable=True if quiet or sys.stderr is None else None, **options)


def say(line: str) -> None:
    """Write a line to stderr, above an open bar."""
    if sys.stderr is not None:
        tqdm.write(line, file=sys.stderr)
