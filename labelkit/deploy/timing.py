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
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.dataset.schema import ALL_FIELDS
from labelkit.deploy.engines import Engine, open_litert, open_onnx
from labelkit.errors import LabelkitError, RunError
from labelkit.import_path import safe_environment
from labelkit.runs.plan import read_settings

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

# What `convert_apart` writes: the type of the weights by file.
CONVERTED: Mapping[str, str] = {
    "float32.tflite": "float32",
    "int8.tflite": "int8",
    "float32.onnx": "float32",
}


@dataclass(frozen=True)
class Latency:
    """Time from a pyramid of pictures in memory to the prediction: batch of 1, one core, compiled.

    Attributes:
        median_ms, p95_ms: over `calls` calls, after some that are not counted.
        backend: the library below Keras; for an exported file, what runs it.
        first_answer_s: from the start of a process to its first answer, its libraries loaded on the way.
        memory_mb: the most that the process held of physical memory.
    """

    median_ms: float
    p95_ms: float
    calls: int
    backend: str
    first_answer_s: float
    memory_mb: float


def measure_latency(run: Path, *, seconds: float = 1.5, exported: Path | None = None) -> Latency:
    """Measure a run's network in a process that has one core.

    Args:
        seconds: how long to call it, at least 30 times.
        exported: the run's network as a .tflite or .onnx file, to be measured in place of Keras.
    Raises:
        RunError: the network cannot be loaded, or its process failed.
    """
    # The process's own start is a part of the time to the first answer.
    words = (run, seconds, exported or "", time.time())
    return Latency(**json.loads(_call_apart("timing", words, f"{exported or run}: its latency could not be measured")))


def convert_apart(run: Path, folder: Path) -> None:
    """Convert a run's network for every runtime there is, in a process of its own.

    Args:
        folder: gets the files, named by `CONVERTED`; no ONNX file if its extra is not installed.
    Raises:
        RunError: the network cannot be loaded, or its process failed.
    """
    _call_apart("conversion", (run, folder), f"{run}: could not be converted")


def _call_apart(module: str, words: Sequence[object], fault: str) -> str:
    command = [sys.executable, "-m", f"labelkit.deploy.{module}", *map(str, words)]
    environment = {**os.environ, **_ONE_CORE, **safe_environment()}
    try:
        done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=_LIMIT_S, check=False)
    except subprocess.TimeoutExpired:
        raise RunError(f"{fault} (it took over {_LIMIT_S:.0f} s); is the machine busy?") from None
    if done.returncode:
        said = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
        raise RunError(f"{fault} ({said[-1]})")
    return done.stdout


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


def _measure_here(run: Path, seconds: float, exported: Path | None, started: float) -> Latency:
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    call, backend = _open_keras(run) if exported is None else _open_exported(exported)
    pictures = _noise(read_settings(run).fields)
    call(pictures)
    first_answer_s = time.time() - started
    taken = time_calls_ms(lambda: call(pictures), seconds)
    return Latency(
        float(np.median(taken)),
        float(np.percentile(taken, 95)),
        len(taken),
        backend,
        round(first_answer_s, 2),
        round(_peak_memory_mb(), 1),
    )


def _open_keras(run: Path) -> tuple[Engine, str]:
    # Only here, in the process that is measured: the one that asks needs no Keras.
    from labelkit.keras import keras
    from labelkit.training.backend import compile_network
    from labelkit.training.load import load_run

    return compile_network(load_run(run).model), keras.config.backend()


def _open_exported(file: Path) -> tuple[Engine, str]:
    if file.suffix == ".onnx":
        return open_onnx(file.read_bytes()), "onnxruntime"
    return open_litert(file.read_bytes()), "litert"


def _noise(fields: Sequence[str]) -> dict[str, NDArray[Any]]:
    """Make pictures of noise for these fields of a dataset, (1, ...) each."""
    rng = np.random.default_rng(0)
    described = [ALL_FIELDS[name] for name in fields]
    return {each.name: rng.integers(0, 256, (1, *each.tail)).astype(each.dtype) for each in described}


def _peak_memory_mb() -> float:
    """Say how much physical memory this process has held at most, megabytes."""
    status = Path("/proc/self/status")
    if status.is_file():  # what getrusage says includes the process that started this one
        (peak,) = (line.split()[1] for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return float(peak) / 1000.0
    import resource  # not on Windows

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1e6 if sys.platform == "darwin" else 1000.0)


if __name__ == "__main__":
    try:
        run, seconds, exported, started = sys.argv[1:]
        found = _measure_here(Path(run), float(seconds), Path(exported) if exported else None, float(started))
        print(json.dumps(asdict(found)))
    except LabelkitError as error:
        sys.exit(str(error))
