"""The results of a search: structures by their score, and the trials that no other beats."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from labelkit.tuning.trial import Outcome, Trial


@dataclass(frozen=True)
class Ranked:
    """A summary of a structure's trials. Errors are validation CMAEs, degrees.

    Attributes:
        finished, learned: trials; only those that learned are scored.
        outcomes: how many trials ended in each other way.
        best_deg: the smallest error; None if no trial learned.
        score_deg: mean of the `scored` smallest.
        scored: how many trials the score is the mean of, at most `best_of`.
        spread_deg: their standard deviation; None for fewer than two.
        seconds: of the training steps of all trials.
    """

    structure: str
    finished: int
    learned: int
    outcomes: dict[Outcome, int]
    best_of: int
    scored: int
    score_deg: float | None
    best_deg: float | None
    spread_deg: float | None
    seconds: float
    best: Trial | None

    @property
    def is_short(self) -> bool:
        """Whether its score is the mean of fewer trials than `best_of`."""
        return self.scored < self.best_of

    @property
    def collapsed_share(self) -> float | None:
        """Share of the finished trials that collapsed or diverged; None if none is finished."""
        failed = self.outcomes.get("collapsed", 0) + self.outcomes.get("diverged", 0)
        return failed / self.finished if self.finished else None


def rank_structures(trials: Sequence[Trial], structures: Sequence[str], best_of: int) -> list[Ranked]:
    """Rank structures by the mean error of their best trials; structures with too few of them come last.

    Args:
        trials: of all structures, finished.
        structures: their names.
        best_of: a score is the mean of this many errors.
    """
    found = [
        _of_structure(name, [trial for trial in trials if trial.structure == name], best_of) for name in structures
    ]
    return sorted(found, key=lambda each: (each.is_short, -each.scored if each.is_short else 0, each.score_deg or 0.0))


def _of_structure(name: str, trials: Sequence[Trial], best_of: int) -> Ranked:
    learned = sorted((trial for trial in trials if trial.learned), key=error_of)
    scored = [error_of(trial) for trial in learned[:best_of]]
    outcomes = Counter(trial.measured.outcome for trial in trials if not trial.learned)
    return Ranked(
        structure=name,
        finished=len(trials),
        learned=len(learned),
        outcomes=dict(sorted(outcomes.items())),
        best_of=best_of,
        scored=len(scored),
        score_deg=statistics.fmean(scored) if scored else None,
        best_deg=scored[0] if scored else None,
        spread_deg=statistics.stdev(scored) if len(scored) > 1 else None,
        seconds=sum(trial.measured.seconds for trial in trials),
        best=learned[0] if learned else None,
    )


def error_of(trial: Trial) -> float:
    """Give the error of a trial that learned."""
    assert trial.measured.cmae_deg is not None
    return trial.measured.cmae_deg


# One network timed five times on a quiet machine gives medians that are a tenth apart; next to trainings, a fifth.
TIMING_NOISE = 0.2


def find_unbeaten(trials: Sequence[Trial]) -> list[Trial]:
    """Find the trials that no other beats in both error and latency (the Pareto front), fastest first.

    Times that differ by less than TIMING_NOISE count as equal: then the smaller error wins. Trials that did not learn,
    or were not timed, take no part.
    """
    timed = sorted(filter(_is_timed, trials), key=lambda trial: (_ms(trial), error_of(trial)))
    return [trial for trial in timed if not any(_beats(other, trial) for other in timed)]


def share_latency(trials: Sequence[Trial]) -> bool:
    """Whether the times of all trials that were timed differ by no more than noise."""
    times = [_ms(trial) for trial in trials if _is_timed(trial)]
    return bool(times) and max(times) <= min(times) * (1 + TIMING_NOISE)


def _is_timed(trial: Trial) -> bool:
    return trial.learned and trial.measured.latency_ms is not None


def _ms(trial: Trial) -> float:
    assert trial.measured.latency_ms is not None
    return trial.measured.latency_ms


def _beats(one: Trial, other: Trial) -> bool:
    if error_of(one) == error_of(other):
        return _ms(one) < _ms(other)
    return error_of(one) < error_of(other) and _ms(one) <= _ms(other) * (1 + TIMING_NOISE)
