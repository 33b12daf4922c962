"""Numbers, shares and names as text, the same in figures, pages, cards and the terminal."""

from __future__ import annotations

import shlex
import shutil
import sys
from collections.abc import Collection
from pathlib import Path


def number_of(number: int, noun: str) -> str:
    """Write a number with its noun: "1 sample", "9,412 samples"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def samples_of(samples: Collection[int]) -> str:
    """Count samples and those who have some: "117 samples of 7 participants (1 more has none)".

    Args:
        samples: of each participant.
    """
    some = sum(count > 0 for count in samples) or len(samples)
    without = len(samples) - some
    rest = f" ({without:,} more {'has' if without == 1 else 'have'} none)" if without else ""
    return f"{number_of(sum(samples), 'sample')} of {number_of(some, 'participant')}{rest}"


def percent(share: float) -> str:
    """Write a share so that only nothing is 0 % and only all is 100 %."""
    return "<1 %" if 0 < share < 0.01 else f"{int(share * 100 + 1e-9)} %"


def compact(number: int, exact_below: int = 10_000) -> str:
    """Write a count in few characters: 7, 950, 12k, 3M."""
    if number < exact_below:
        return str(number)
    return f"{number // 1000}k" if number < 1_000_000 else f"{number // 1_000_000}M"


def printable(name: str, limit: int) -> str:
    """Write a name from a file system so that it can only be text: control characters escaped, long names cut."""
    plain = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in name)
    return plain if len(plain) <= limit else f"{plain[: limit - 1]}…"


def open_command(path: Path | str) -> str:
    """Write what opens a page: a command for the shell if there is one for that, else the page's address."""
    program = "open" if sys.platform == "darwin" else shutil.which("xdg-open") and "xdg-open"
    return shlex.join([program, str(path)]) if program else Path(path).resolve().as_uri()


def shell_command(*words: object) -> str:
    """Write a labelkit command as a line that works in a fresh shell in this folder: quoted, the program by its path.

    Args:
        words: the name of the command, and its arguments.
    """
    return shlex.join([*_program(), *map(str, words)])


def _program() -> list[str]:
    """Say how a shell starts this labelkit: by its name if the shell finds it so, else by its path."""
    own = shutil.which("labelkit", path=Path(sys.executable).parent)
    if own is None:
        return [sys.executable, "-m", "labelkit"]
    found = shutil.which("labelkit")
    if found and Path(found).samefile(own):
        return ["labelkit"]
    here = Path.cwd()
    return [str(Path(own).relative_to(here)) if Path(own).is_relative_to(here) else own]
