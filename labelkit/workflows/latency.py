"""How long runs' networks take for one picture, on one core of this machine, in every runtime there is."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelkit.deploy.timing import CONVERTED, Latency, convert_apart, measure_latency
from labelkit.runs.folder import BEST, read_state
from labelkit.settings import LatencySettings, settings_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class RunLatency:
    """Time from a pyramid of pictures in memory to one run's prediction, in one runtime.

    Attributes:
        engine: "keras" (compiled), "litert" or "onnxruntime".
        weights: type of the stored weights, "float32" or "int8".
        size_kb: of the file with the network: weights and, but for Keras's, what to compute with them.
        median_ms, p95_ms: over `calls` calls, one picture each.
        per_s: predictions a second, one after the other.
        backend: the library that computes: below Keras, or the engine itself.
        first_answer_s: from the start of a process to its first answer.
        memory_mb: the most that this process held.
    """

    run: str
    engine: str
    weights: str
    size_kb: float
    median_ms: float
    p95_ms: float
    per_s: float
    calls: int
    backend: str
    first_answer_s: float
    memory_mb: float


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
    return tuple(each for folder in folders for each in _measure_run(folder, settings))


def _measure_run(run: Path, settings: LatencySettings) -> Iterator[RunLatency]:
    log.info("%s: measuring its time for one picture, on one core", run)
    yield _row(run, "keras", "float32", run / BEST, measure_latency(run, seconds=settings.seconds))
    if settings.engines == "keras":
        return
    with tempfile.TemporaryDirectory(prefix="labelkit-") as folder:
        log.info("%s: converting it for the other runtimes, and measuring those", run)
        convert_apart(run, Path(folder))
        for name, weights in CONVERTED.items():
            if (file := Path(folder) / name).is_file():
                found = measure_latency(run, seconds=settings.seconds, exported=file)
                yield _row(run, found.backend, weights, file, found)
            else:
                log.info("without ONNX Runtime: python -m pip install 'labelkit-rgbd[onnx]' adds it")


def _row(run: Path, engine: str, weights: str, file: Path, found: Latency) -> RunLatency:
    return RunLatency(
        run=str(run),
        engine=engine,
        weights=weights,
        size_kb=round(file.stat().st_size / 1000, 1),
        median_ms=found.median_ms,
        p95_ms=found.p95_ms,
        per_s=1000.0 / found.median_ms,
        calls=found.calls,
        backend=found.backend,
        first_answer_s=found.first_answer_s,
        memory_mb=found.memory_mb,
    )
