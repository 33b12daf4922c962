"""Two networks on the same samples."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.evaluation.judged_samples import JudgedSamples


@dataclass(frozen=True)
class Comparison:
    """How a second network's angles between normals differ from a first one's, sample by sample.

    Attributes:
        difference_deg: mean of second minus first; negative if the second is better.
        second_better: share of the samples on which the second is nearer to the truth.
        participants: each participant's mean difference. Samples of one person are not
            independent: the number of people that agree says more than the number of samples.
    """

    samples: int
    difference_deg: float
    second_better: float
    participants: dict[str, float]


def compare(first: JudgedSamples, second: JudgedSamples) -> Comparison | None:
    """Compare two networks; None if they were not asked about the same samples, in any order."""
    one, other = np.argsort(first.rows, kind="stable"), np.argsort(second.rows, kind="stable")
    if not np.array_equal(first.rows[one], second.rows[other]):
        return None
    difference = second.apart_deg[other] - first.apart_deg[one]
    people = first.participants[one]
    return Comparison(
        samples=len(difference),
        difference_deg=float(difference.mean()),
        second_better=float(np.mean(difference < 0)),
        participants={str(name): float(difference[people == name].mean()) for name in np.unique(people)},
    )
