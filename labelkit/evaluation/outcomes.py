"""What successes and failures have in common: the study's Table 3."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.evaluation.measures import FAILURE_DEG, SUCCESS_DEG
from labelkit.records import BoolArray, FloatArray


@dataclass(frozen=True)
class Outcome:
    """The samples on which one angle came out well, or badly.

    Attributes:
        samples: how many.
        share: of all samples.
        label_azimuth_deg, label_elevation_deg: mean magnitude of their true angles, centred: how far from the
            front they lie, not how far off they were predicted. None without a sample.
    """

    samples: int
    share: float
    label_azimuth_deg: float | None
    label_elevation_deg: float | None


@dataclass(frozen=True)
class Outcomes:
    """One angle's successes (off by less than 5 degrees), failures (by more than 15) and those between."""

    success: Outcome
    between: Outcome
    failure: Outcome


def outcomes(true_deg: FloatArray, predicted_deg: FloatArray) -> dict[str, Outcomes]:
    """Tell successes from failures, for each angle by itself, and say where their labels lie.

    Args:
        true_deg, predicted_deg: (n, 2), n >= 1, centred, degrees.
    Returns:
        "azimuth" and "elevation" -> the outcomes of that angle.
    Source: Laboyrie 2017, Table 3.
    """
    off_deg = np.abs(np.asarray(predicted_deg, dtype=np.float64) - true_deg)
    return {angle: _outcomes_of(off_deg[:, k], true_deg) for k, angle in enumerate(("azimuth", "elevation"))}


def _outcomes_of(off_deg: FloatArray, true_deg: FloatArray) -> Outcomes:
    success, failure = off_deg < SUCCESS_DEG, off_deg > FAILURE_DEG
    return Outcomes(
        success=_outcome(success, true_deg),
        between=_outcome(~success & ~failure, true_deg),
        failure=_outcome(failure, true_deg),
    )


def _outcome(mask: BoolArray, true_deg: FloatArray) -> Outcome:
    magnitude = np.abs(true_deg[mask]).mean(axis=0).tolist() if mask.any() else (None, None)
    return Outcome(int(mask.sum()), float(mask.mean()), *magnitude)
