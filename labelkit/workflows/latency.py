"""How long runs' networks take for one picture, on one core of this machine."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelkit.deploy.timing import measure_latency
from labelkit.runs.folder import read_state
from labelkit.settings import LatencySettings, settings_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunLatency:
    """Time from a pyramid of pictures in memory to one run's prediction.

    Attributes:
        median_ms, p95_ms: over `calls` calls, one picture each.
        per_s: predictions a second, one after the other.
        backend: the library below Keras.
    """

    run: str
    median_ms: float
    p95_ms: float
    per_s: float
    calls: int
    backend: str


def latency(
    runs: Sequence[Path | str] | Path | str, settings: LatencySettings | None = None, **keywords: Any
) -> tuple[RunLatency, ...]:
    """Measure runs' networks one after the other, each in a process of its own that has one core.

    Args:
        runs: run folders, or one.
        keywords: single settings, as of `LatencySettings`; they win over `settings`.
    Raises:
        RunError: not a run, or a checkpoint of another network.
    """
    settings = settings_of(LatencySettings, settings, keywords)
    folders = [Path(run) for run in ([runs] if isinstance(runs, str | Path) else runs)]
    for folder in folders:
        read_state(folder)  # a wrong name ends it before minutes are spent on the right ones
    measured = []
    for folder in folders:
        log.info("%s: measuring its time for one picture, on one core", folder)
        measured.append(measure_latency(folder, seconds=settings.seconds))
    return tuple(
        RunLatency(str(folder), each.median_ms, each.p95_ms, 1000.0 / each.median_ms, each.calls, each.backend)
        for folder, each in zip(folders, measured, strict=True)
    )
