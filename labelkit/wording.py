"""Numbers, shares and names as text, the same in figures, pages, cards and the terminal."""

from __future__ import annotations


def number_of(number: int, noun: str) -> str:
    """Write a number with its noun: "1 sample", "9,412 samples"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


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
