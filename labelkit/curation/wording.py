"""What coverage comes to, in words that are the same in figures, pages, cards and the terminal."""

from __future__ import annotations

from labelkit.curation.coverage import Coverage
from labelkit.wording import number_of, percent


def headline(coverage: Coverage, participants: int, frame: str) -> str:
    """Say what was counted."""
    return f"{number_of(coverage.samples, 'sample')} of {number_of(participants, 'participant')}, {frame} frame"


def findings(coverage: Coverage) -> list[str]:
    """Say what the counts come to, a sentence a line."""
    if coverage.samples == 0:
        return ["No samples: every cell is empty."]
    full = (
        f"{coverage.filled_cells} of {coverage.reachable_cells} reachable cells ({percent(coverage.filled_share)}) "
        f"hold {number_of(coverage.target, 'sample')} or more; "
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
        lines.append(f"Outside the reachable cells: {number_of(coverage.outside, 'sample')}.")
    if coverage.entropy_share is not None and coverage.gini is not None:
        lines.append(f"Balance: entropy {coverage.entropy_share:.2f} (even: 1), Gini {coverage.gini:.2f} (even: 0).")
    return lines
