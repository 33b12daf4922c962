"""Measure how long `labelkit COMMAND --help` takes, compared with Python and click alone.

    python benchmarks/startup.py [--runs 15]

Every run is its own process. The rows take turns, so that other programs on the machine disturb all rows
alike; the best run of each row counts. The table goes to stdout, all
times to benchmarks/results/startup.json. The goal is 0.3 s for every row.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import time
from pathlib import Path

from labelkit.cli.program import COMMANDS

RESULT = Path(__file__).parent / "results" / "startup.json"


def programs() -> dict[str, list[str]]:
    """Name what is measured, with its command line."""
    labelkit = shutil.which("labelkit", path=Path(sys.executable).parent)
    if labelkit is None:
        sys.exit("labelkit is not installed for this Python; `make setup` installs it")
    return {
        "python -c pass": [sys.executable, "-c", "pass"],
        "python -c 'import click'": [sys.executable, "-c", "import click"],
        "labelkit --help": [labelkit, "--help"],
        **{f"labelkit {name} --help": [labelkit, name, "--help"] for name in COMMANDS},
    }


def seconds(command: list[str]) -> float:
    """Time one run, which must succeed."""
    start = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - start


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=15, help="runs of each program (15)")
    runs = parser.parse_args().runs

    commands = programs()
    for command in commands.values():
        seconds(command)  # does not count: fills the disk cache
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(runs):
        for name, command in commands.items():
            times[name].append(seconds(command))

    print(f"{'program':<32} {'best, ms':>10} {'median, ms':>12}")
    for name, taken in times.items():
        print(f"{name:<32} {1000 * min(taken):>10.0f} {1000 * statistics.median(taken):>12.0f}")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    RESULT.write_text(json.dumps({"machine": machine, "seconds": times}, indent=1) + "\n", encoding="utf-8")
    print(f"written to {RESULT}")


if __name__ == "__main__":
    main()
