"""The command line: one file per command; each parses, calls one workflow and prints."""

from __future__ import annotations

import sys

from labelkit.errors import INTERRUPTED


def main() -> None:
    """Run the command line, and end the process with an exit code from the list in `labelkit --help`."""
    try:
        from labelkit.cli.program import run  # in here, so that Ctrl-C while it loads is answered too
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()


__all__ = ["main"]
