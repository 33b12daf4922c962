"""How long a network takes for one picture, on one core.

Measured in a process of its own: the libraries below Keras fix the number of their threads when they
start, and the process that asks has long started them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from labelkit.errors import LabelkitError, RunError
from labelkit.import_path import safe_environment

# One thread for each library that may do the arithmetic, and no accelerator.
_ONE_CORE = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "CUDA_VISIBLE_DEVICES": "-1",
    "JAX_PLATFORMS": "cpu",
}
_WARM_UP, _FEWEST = 10, 30  # calls
_LIMIT_S = 300.0  # a process that takes longer hangs


@dataclass(frozen=True)
class Latency:
    """Time from a pyramid of pictures in memory to the prediction: batch of 1, one core, compiled.

    Attributes:
        median_ms, p95_ms: over `calls` calls, after some that are not counted.
        backend: the library below Keras.
    """

    median_ms: float
    p95_ms: float
    calls: int
    backend: str


def measure_latency(run: Path, *, seconds: float = 1.5) -> Latency:
    """Measure a run's network in a process that has one core.

    Args:
        seconds: how long to call it, at least 30 times.
    Raises:
        RunError: the network cannot be loaded, or its process failed.
    """
    command = [sys.executable, "-m", "labelkit.deploy.timing", str(run), str(seconds)]
    environment = {**os.environ, **_ONE_CORE, **safe_environment()}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise RunError(f"{run}: measuring its latency took over {_LIMIT_S:.0f} s; is the machine busy?") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RunError(f"{run}: its latency could not be measured ({said[-1]})")
    return Latency(**json.loads(done.stdout))


def time_calls_ms(call: Callable[[], object], seconds: float) -> list[float]:
    """Time single calls, milliseconds each, for so long but at least 30 times; the first ten are not counted."""
    for _ in range(_WARM_UP):
        call()
    taken: list[float] = []
    end = time.perf_counter() + seconds
    while len(taken) < _FEWEST or time.perf_counter() < end:
        started = time.perf_counter()
        call()
        taken.append(1000.0 * (time.perf_counter() - started))
    return taken


def _measure_here(run: Path, seconds: float) -> Latency:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    # Only here, in the process that is measured: the one that asks needs no Keras.
    from labelkit.keras import keras
    from labelkit.training.backend import compile_network
    from labelkit.training.load import load_run

    model = load_run(run).model
    rng = np.random.default_rng(0)
    pictures = {
        each.name: rng.integers(0, 256, (1, *each.shape[1:])).astype(keras.backend.standardize_dtype(each.dtype))
        for each in model.inputs
    }
    call = compile_network(model)
    taken = time_calls_ms(lambda: call(pictures), seconds)
    return Latency(float(np.median(taken)), float(np.percentile(taken, 95)), len(taken), keras.config.backend())


if __name__ == "__main__":
    try:
        print(json.dumps(asdict(_measure_here(Path(sys.argv[1]), float(sys.argv[2])))))
    except LabelkitError as error:
        sys.exit(str(error))
