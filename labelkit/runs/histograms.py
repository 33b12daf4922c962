"""The histograms of weights and activations that a training left."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.runs.folder import DIAGNOSTICS, DIAGNOSTICS_SCHEMA, parse_json


@dataclass(frozen=True, eq=False)
class Histogram:
    """The values of one tensor after one epoch.

    Attributes:
        counts: (bins,) values in even bins from `low`, the smallest, to `high`, the largest.
    """

    mean: float
    sd: float
    low: float
    high: float
    counts: NDArray[np.int64]


Histograms = Mapping[str, Sequence[Histogram]]  # name of the tensor -> an entry an epoch


def read_histograms(run: Path) -> dict[str, Histograms]:
    """Read the histograms that a training left: "weights" and "activations" -> theirs; none if it left none.

    Raises:
        RunError: damaged, or of another version.
    """
    return parse_json(run / DIAGNOSTICS, DIAGNOSTICS_SCHEMA, _parse, "not readable diagnostics") or {}


def _parse(stored: Mapping[str, Any]) -> dict[str, Histograms]:
    epochs = stored["epochs"]
    return {
        kind: {name: [_histogram(epoch[kind][name]) for epoch in epochs] for name in epochs[0][kind]}
        for kind in ("weights", "activations")
    }


def _histogram(stored: Mapping[str, Any]) -> Histogram:
    mean, sd, low, high = (float(stored[key]) for key in ("mean", "sd", "min", "max"))
    counts = np.asarray(stored["counts"], dtype=np.int64)
    if not np.isfinite([mean, sd, low, high]).all() or low > high or counts.ndim != 1 or not len(counts):
        raise ValueError("a histogram that is none")
    return Histogram(mean, sd, low, high, counts)
