"""The words of coverage, the same in figures, pages, cards and the terminal."""

from __future__ import annotations

from labelkit.curation.coverage import Coverage


def counted(number: int, noun: str) -> str:
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


def headline(coverage: Coverage, participants: int, frame: str) -> str:
    """Say what was counted."""
    return f"{counted(coverage.samples, 'sample')} of {counted(participants, 'participant')}, {frame} frame"


def findings(coverage: Coverage) -> list[str]:
    """Say what the counts come to, a sentence a line."""
    if coverage.samples == 0:
        return ["No samples: every cell is empty."]
    full = (
        f"{coverage.filled_cells} of {coverage.reachable_cells} reachable cells ({percent(coverage.filled_share)}) "
        f"hold {counted(coverage.target, 'sample')} or more; "
    )
    empty = {0: "none is empty.", 1: "1 is empty."}.get(coverage.empty_cells, f"{coverage.empty_cells} are empty.")
    lines = [full + empty]
    if coverage.repeats:
        lines.append(
            f"Distinct: {coverage.distinct:,} of {coverage.samples:,}; the others repeat one and do not count."
        )
    if gap := coverage.emptiest:
        lines.append(f"Emptiest: {gap.region} ({percent(gap.missing_share)} of its samples are missing).")
    if coverage.outside:
        lines.append(f"Outside the reachable cells: {counted(coverage.outside, 'sample')}.")
    if coverage.entropy_share is not None and coverage.gini is not None:
        lines.append(f"Balance: entropy {coverage.entropy_share:.2f} (even: 1), Gini {coverage.gini:.2f} (even: 0).")
    return lines
