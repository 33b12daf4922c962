"""The command line, called in this process."""

from __future__ import annotations

import re

import pytest

from labelkit.cli import program


def called(captured, *arguments):
    """Run the command line; return exit code, stdout, stderr.

    Args:
        captured: pytest's capsys or capfd.
    """
    with pytest.raises(SystemExit) as left:
        program.run([str(argument) for argument in arguments])
    out, err = captured.readouterr()
    return left.value.code, out, err


def one_error(err: str) -> bool:
    """Whether stderr ends with the one line of an error; what a command was doing may stand above it."""
    lines = err.splitlines()
    return bool(lines) and [line for line in lines if line.startswith("labelkit") and ": error: " in line] == lines[-1:]


def too_wide(text: str, columns: int = 80) -> list[str]:
    """Find lines that are wider than a terminal for another reason than a path.

    An absolute path cannot be broken, so a long one counts as 20 columns. All else in its line has to fit.
    """
    return [line for line in text.splitlines() if len(re.sub(r"(?<!\S)['\"]?/\S{19,}", "/" * 20, line)) > columns]


def are_said(err: str, *parts: str) -> bool:
    """Whether the lines of stderr hold these parts, in this order; what is said first is waited for first."""
    lines = iter(err.splitlines())
    return all(any(part in line for line in lines) for part in parts)
