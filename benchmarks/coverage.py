"""Measure the coverage map of a large label table, and the report of a dataset as a browser opens it.

    python benchmarks/coverage.py [--rows 2000000] [--samples 10000] [--no-browser]

The label table has 200 participants, whose hands move over a square around the disc. The dataset's pictures are
smooth shapes with sensor noise, about as large as real crops. Each measurement runs in its own process, which gives
its own peak of memory. The table goes to stdout, all figures to
benchmarks/results/coverage.json. The goals for the report: under 15 MB, and open within 2 s.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa

from labelkit import __version__
from labelkit.dataset.manifest import FileEntry, Manifest, ParticipantEntry, write_manifest
from labelkit.dataset.schema import FIELDS, shard_name
from labelkit.dataset.shards import shard_bytes
from labelkit.dataset.table import COLUMNS, TABLE_NAME, table_bytes
from labelkit.files import sha256_of
from labelkit.geometry.orientation import normal_from_angles_deg

RESULT = Path(__file__).parent / "results" / "coverage.json"
OPENED = 5  # times each page is opened


def wandering(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Draw label angles (rows, 2), degrees, of a hand that moves over the disc by about a degree per frame."""
    walk = np.cumsum(rng.normal(0, 0.8, (rows, 2)), axis=0)
    folded = np.abs((walk + 44.0) % 176.0 - 88.0) - 44.0  # reflected at the sides of a square around the disc
    return 90.0 - folded


def scattered(rows: int, rng: np.random.Generator) -> np.ndarray:
    """Draw label angles (rows, 2), degrees, evenly over the disc, so that every cell's gallery is full."""
    radius, turn = 45.0 * np.sqrt(rng.random(rows)), 2 * np.pi * rng.random(rows)
    return 90.0 - np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=-1)


def label_table(angles_deg: np.ndarray, participants: int) -> pa.Table:
    """Make a label table without a rejected frame: each participant's recording one after the other."""
    n = len(angles_deg)
    normals = normal_from_angles_deg(angles_deg)
    person = np.arange(n) * participants // n
    within = np.arange(n) - np.searchsorted(person, np.arange(participants))[person]
    names = pa.array([f"p{k:03d}" for k in range(participants)]).take(pa.array(person))
    values = {
        "participant": names,
        "recording": names,
        "frame": pa.array(np.char.add("depth/", np.arange(n).astype(str))),
        "stamp": pa.array(within / 30.0),
        "status": pa.array(["sample"]).take(pa.array(np.zeros(n, int))),
        "shard": pa.array([shard_name(f"p{k:03d}", f"p{k:03d}", 0) for k in range(participants)]).take(
            pa.array(person)
        ),
        "index": pa.array(within.astype(np.int32)),
        **{
            name: pa.array(column.astype(np.float32))
            for name, column in zip(("nx", "ny", "nz"), normals.T, strict=True)
        },
        **{
            f"{prefix}{name}": pa.array(column.astype(np.float32))
            for prefix in ("", "view_")
            for name, column in zip(("azimuth", "elevation"), angles_deg.T, strict=True)
        },
        "normal_sd": pa.array(np.full(n, 0.8, np.float32)),
        "plane_rms": pa.array(np.full(n, 2.2, np.float32)),
    }
    arrays = [values.get(field.name, pa.nulls(n, field.type)) for field in COLUMNS]
    return pa.table(arrays, schema=COLUMNS)


def pictures(angles_deg: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Paint (n, 128, 128, 3): a bright shape on a ground, shifted by its angles, with noise."""
    v, u = np.mgrid[0:128, 0:128] / 128 - 0.5
    tone = rng.uniform(60, 200, (2, 3))
    shown = []
    for azimuth, elevation in (90 - angles_deg) / 200:
        shape = np.exp(-((((u - azimuth) / 0.18) ** 2 + ((v - elevation) / 0.28) ** 2) ** 2))[..., None]
        shown.append(tone[0] * (1 - shape) + tone[1] * shape * (1 + 0.3 * np.sin(40 * u + 9 * v))[..., None])
    return np.clip(np.array(shown) + rng.normal(0, 5, (len(shown), 128, 128, 3)), 0, 255).astype(np.uint8)


def halved(p: np.ndarray) -> np.ndarray:
    """Take the means of 2 x 2 pixels."""
    wide = p.astype(np.uint16)
    return ((wide[:, ::2, ::2] + wide[:, 1::2, ::2] + wide[:, ::2, 1::2] + wide[:, 1::2, 1::2] + 2) // 4).astype(
        np.uint8
    )


def make_dataset(folder: Path, samples: int, participants: int, *, with_pictures: bool) -> None:
    """Write a dataset; without pictures, only the label table."""
    (folder / "shards").mkdir(parents=True)
    rng = np.random.default_rng(0)
    angles_deg = scattered(samples, rng) if with_pictures else wandering(samples, rng)
    table = label_table(angles_deg, participants)
    (folder / TABLE_NAME).write_bytes(table_bytes([table]))
    names = [TABLE_NAME]
    person = np.arange(samples) * participants // samples
    for number in range(participants if with_pictures else 0):
        rows = np.flatnonzero(person == number)
        rgb128 = pictures(angles_deg[rows], rng)
        rgb64 = halved(rgb128)
        columns = {field.name: np.zeros((len(rows), *field.tail), field.dtype) for field in FIELDS}
        columns |= {"rgb128": rgb128, "rgb64": rgb64, "rgb32": halved(rgb64), "row": rows}
        name = shard_name(f"p{number:03d}", f"p{number:03d}", 0)
        (folder / name).write_bytes(shard_bytes(columns, {}))
        names.append(name)
    counts = np.bincount(person).tolist()
    people = {f"p{k:03d}": ParticipantEntry(frames=n, samples=n) for k, n in enumerate(counts)}
    write_manifest(
        folder,
        Manifest(
            labelkit=__version__,
            versions={},
            settings={},
            settings_digest="0" * 64,
            frames=samples,
            samples=samples,
            rejected={},
            participants=people,
            recordings=[],
            files={
                name: FileEntry(bytes=(folder / name).stat().st_size, sha256=sha256_of(folder / name)) for name in names
            },
        ),
    )


def measured(*arguments: str) -> dict[str, float]:
    """Run labelkit in its own process: seconds, and its peak memory in GB."""
    labelkit = shutil.which("labelkit", path=Path(sys.executable).parent) or sys.exit("labelkit is not installed")
    began = time.perf_counter()
    process = subprocess.Popen([labelkit, *arguments, "--quiet"])
    _, status, usage = os.wait4(process.pid, 0)
    if status:
        sys.exit(f"labelkit {' '.join(arguments)} failed")
    return {"seconds": time.perf_counter() - began, "memory_gb": usage.ru_maxrss * _RSS_UNIT / 1e9}


_RSS_UNIT = 1 if sys.platform == "darwin" else 1024


def opening_s(page: Path) -> list[float]:
    """Open a page in a new window of Debian's chromium: seconds until it is loaded and drawn."""
    from playwright.sync_api import sync_playwright

    chromium = os.environ.get("LABELKIT_CHROMIUM") or shutil.which("chromium") or sys.exit("no chromium here")
    seconds = []
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for _ in range(OPENED):
            context = browser.new_context(offline=True)
            tab = context.new_page()
            began = time.perf_counter()
            tab.goto(page.as_uri())  # until its `load`
            tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            seconds.append(time.perf_counter() - began)
            context.close()
        browser.close()
    return seconds


def main() -> None:
    """Measure, print the table, write the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=2_000_000)
    parser.add_argument("--samples", type=int, default=10_000)
    parser.add_argument("--no-browser", action="store_true")
    asked = parser.parse_args()
    results: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        large, usual = Path(scratch) / "large", Path(scratch) / "usual"
        make_dataset(large, asked.rows, 200, with_pictures=False)
        results[f"coverage-map, {asked.rows:,} rows"] = measured("coverage-map", str(large))
        results[f"the same to .html, {asked.rows:,} rows"] = measured(
            "coverage-map", str(large), "--out", str(large / "map.html")
        )
        make_dataset(usual, asked.samples, 13, with_pictures=True)
        page = Path(scratch) / "report.html"
        row = measured("report", str(usual), "--out", str(page))
        row["page_mb"] = page.stat().st_size / 1e6
        if not asked.no_browser:
            row["opening_s"] = statistics.median(opening_s(page))
        results[f"report, {asked.samples:,} samples"] = row
    print(f"{'':<34}{'seconds':>9}{'memory, GB':>12}{'page, MB':>10}{'opens in, s':>13}")
    for name, row in results.items():
        cells = (f"{row[key]:.2f}" if key in row else "" for key in ("seconds", "memory_gb", "page_mb", "opening_s"))
        print(f"{name:<34}" + "".join(f"{cell:>{w}}" for cell, w in zip(cells, (9, 12, 10, 13), strict=True)))
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"cores": os.cpu_count(), "results": results}, indent=1) + "\n")


if __name__ == "__main__":
    main()
