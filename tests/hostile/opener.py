"""Open hostile files, each in a process of its own under limits, and tell what became of it.

    python -m tests.hostile.opener datasets|recordings|pictures FOLDER

One line of JSON a case: {"case", "died", "error", "findings", "seconds", "grew_mb"}.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

from labelkit.building.build import build
from labelkit.dataset.dataset import open_dataset
from labelkit.dataset.verification import verify_dataset
from labelkit.errors import LabelkitError
from labelkit.recordings.pictures import color_size, depth_size, read_color, read_depth
from labelkit.settings import BuildSettings
from labelkit.workflows.inspect import inspect

MORE_BYTES = 4 * 2**30  # of address space, beyond what the process has once all is imported; Arrow reserves 1 GB
CPU_S, WALL_S = 20, 120


def read_dataset(folder: Path) -> list[str]:
    """Verify, then read every value as a training would, without looking at hashes."""
    _, findings = verify_dataset(folder, lambda done, total: None)
    told = [f"{finding.fault} {finding.file}: {finding.says}" for finding in findings]
    try:
        dataset = open_dataset(folder)
        for field in dataset.fields:
            np.sum(dataset.column(field), dtype=np.float64)
        len(dataset.participants), dataset.table().to_pylist()
    except LabelkitError as error:
        told.append(f"refused: {error}")
    return told


def read_recording(raw: Path) -> list[str]:
    """Inspect, then build."""
    told = [f"problem: {problem}" for report in inspect(raw).recordings for problem in report.problems]
    build(raw, raw.parent / "dataset", BuildSettings(workers=1), report=lambda done, samples, total: None)
    return told


def read_picture(path: Path) -> list[str]:
    """Read a picture as depth and as colour, headers first."""
    told = []
    for read in (depth_size, color_size, read_depth, read_color):
        try:
            found = read(path)
            told.append(f"{read.__name__}: {found if isinstance(found, tuple) else found.shape}")
        except LabelkitError as error:
            told.append(f"refused: {error}")
    return told


READERS: dict[str, tuple[Callable[[Path], list[str]], str]] = {
    "datasets": (read_dataset, "dataset"),
    "recordings": (read_recording, "raw"),
    "pictures": (read_picture, "picture"),
}


def opened(read: Callable[[Path], list[str]], path: Path) -> dict[str, object]:
    """Read in a child under limits; whatever becomes of it is told."""
    reader, writer = os.pipe()
    began = time.monotonic()
    child = os.fork()
    if not child:
        os.close(reader)
        limit()
        told: dict[str, object] = {"error": None, "findings": []}
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        try:
            told["findings"] = read(path)
        except LabelkitError as error:
            told["error"] = f"refused: {error}"
        except BaseException as error:  # what a user would see as a traceback
            told["error"] = f"{type(error).__name__}: {error}"
        told["grew_mb"] = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
        os.write(writer, json.dumps(told).encode()[:60_000])
        os._exit(0)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        content = pipe.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    told = json.loads(content) if content else {}
    return {**told, "died": code, "seconds": round(time.monotonic() - began, 2)}


def limit() -> None:
    """Allow a little more memory than there is now, some seconds, and no file larger than needed."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * os.sysconf("SC_PAGE_SIZE") + MORE_BYTES
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.alarm(WALL_S)


if __name__ == "__main__":
    read, inner = READERS[sys.argv[1]]
    for case in sorted(Path(sys.argv[2]).iterdir()):
        print(json.dumps({"case": case.name, **opened(read, case / inner)}), flush=True)
