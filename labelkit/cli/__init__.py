"""The command line: one file per command; each parses, calls one workflow and prints."""

from __future__ import annotations

import sys

INTERRUPTED = 130  # 128 + SIGINT, as shells count


def main() -> None:
    """Run the command line and leave the process with a documented exit code."""
    try:
        from labelkit.cli.program import run
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
    run()


__all__ = ["main"]
