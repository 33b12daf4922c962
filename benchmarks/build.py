"""Measure how fast a dataset is built, compared with decoding alone and with a typical script of a lab.

    python benchmarks/build.py [--participants 8] [--frames 130] [--seed 7] [--raw FOLDER]

All work on the same PNG pairs, from start to end, each in its own process:

    a  labelkit build-dataset, one worker, one core
    b  decoding the same files with OpenCV, and nothing else, one core
    c  the script: Open3D's RGBD reader, point cloud, segment_plane(1000), three cv2.resize, rows appended to HDF5
    d  labelkit build-dataset, two workers, two cores

Processor time is that of a process and its children. It is fairer than wall-clock time on a shared machine,
so the ratios of a, b and c use it; the ratio of d to a uses wall-clock time. Memory is the peak of one
process (Linux). The table goes to stdout, all figures to benchmarks/results/build.json.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).resolve().parents[1]
RESULT = REPOSITORY / "benchmarks" / "results" / "build.json"

DEPTH_SCALE = 5000.0  # the simulator writes TUM recordings
_POLL_S = 0.05

Figures = dict[str, Any]


def pairs_of(raw: Path) -> list[tuple[str, str]]:
    """List the (depth, colour) files of all recordings."""
    return [
        (str(depth), str(depth.parents[1] / "rgb" / color))
        for depth_list in sorted(raw.rglob("depth.txt"))
        for depth, color in zip(
            sorted((depth_list.parent / "depth").iterdir()),
            sorted(path.name for path in (depth_list.parent / "rgb").iterdir()),
            strict=False,
        )
    ]


def decode(raw: Path, out: Path) -> None:
    """Contestant b."""
    import cv2

    del out
    cv2.setNumThreads(1)
    for depth, color in pairs_of(raw):
        assert cv2.imread(depth, cv2.IMREAD_UNCHANGED) is not None
        assert cv2.imread(color, cv2.IMREAD_COLOR) is not None


def script(raw: Path, out: Path) -> None:
    """Contestant c."""
    import cv2
    import h5py
    import numpy as np
    import open3d as o3d

    camera = o3d.camera.PinholeCameraIntrinsic(640, 480, 525.0, 525.0, 319.5, 239.5)
    with h5py.File(out, "w") as file:
        pictures = [file.create_dataset(f"rgb{s}", (0, s, s, 3), "u1", maxshape=(None, s, s, 3)) for s in (128, 64, 32)]
        normals = file.create_dataset("normal", (0, 3), "f4", maxshape=(None, 3))
        n = 0
        for depth, color in pairs_of(raw):
            rgbd = o3d.geometry.RGBDImage.create_from_color_and_depth(
                o3d.io.read_image(color),
                o3d.io.read_image(depth),
                depth_scale=DEPTH_SCALE,
                depth_trunc=1.5,
                convert_rgb_to_intensity=False,
            )
            cloud = o3d.geometry.PointCloud.create_from_rgbd_image(rgbd, camera)
            if len(cloud.points) < 3:
                continue
            plane, _ = cloud.segment_plane(distance_threshold=0.01, ransac_n=3, num_iterations=1000)
            for dataset in pictures:
                dataset.resize(n + 1, axis=0)
                dataset[n] = cv2.resize(np.asarray(rgbd.color), dataset.shape[1:3])
            normals.resize(n + 1, axis=0)
            normals[n] = plane[:3]
            n += 1


CONTESTANTS = {"decode": decode, "script": script}


def run(command: list[Any], cores: int) -> Figures:
    """Run a process on so many cores; measure it and its children."""
    allowed = sorted(os.sched_getaffinity(0))[:cores]
    began = time.monotonic()
    process = subprocess.Popen([str(part) for part in command], preexec_fn=lambda: os.sched_setaffinity(0, allowed))
    peaks: dict[int, int] = {}
    watcher = threading.Thread(target=watch_memory, args=(process, peaks))
    watcher.start()
    _, status, used = os.wait4(process.pid, 0)
    seconds = time.monotonic() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    watcher.join()
    if process.returncode not in (0, 3):
        raise SystemExit(f"{command} ended with {process.returncode}")
    return {"seconds": seconds, "cpu_s": used.ru_utime + used.ru_stime, "peak_mb": max(peaks.values(), default=0) / 1e6}


def watch_memory(process: subprocess.Popen[bytes], peaks: dict[int, int]) -> None:
    """Record the peak memory of a process and of each of its descendants, bytes."""
    while process.returncode is None:
        waiting = [process.pid]
        while waiting:
            pid = waiting.pop()
            try:
                status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
                waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())
            except OSError:
                continue
            held = [int(line.split()[1]) * 1024 for line in status.splitlines() if line.startswith("VmHWM")]
            peaks[pid] = max([peaks.get(pid, 0), *held])
        time.sleep(_POLL_S)


def build_command(raw: Path, out: Path, workers: int, *more: str) -> list[Any]:
    """Name the command of contestants a and d."""
    program = [sys.executable, "-m", "labelkit", "build-dataset"]
    return [*program, raw, "--out", out, "--workers", workers, "--quiet", "--max-rejected", "1", *more]


def measure(raw: Path, scratch: Path) -> Figures:
    """Run all contestants, one after the other."""
    alone = [sys.executable, __file__, "--as"]
    half = sorted(path.name for path in raw.iterdir() if path.is_dir())[1::2]
    without_half = [word for name in half for word in ("--exclude", name)]
    figures = {
        "build, 1 worker": run(build_command(raw, scratch / "a", 1), 1),
        "decode": run([*alone, "decode", "--raw", raw], 1),
        "script": run([*alone, "script", "--raw", raw, "--out", scratch / "script.h5"], 1),
        "build, 2 workers": run(build_command(raw, scratch / "d", 2), 2),
        "build, half of it": run(build_command(raw, scratch / "half", 1, *without_half), 1),
    }
    for name, path in (("a", scratch / "a"), ("script", scratch / "script.h5")):
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        figures[f"bytes, {name}"] = {"bytes": sum(file.stat().st_size for file in files), "files": len(files)}
    return figures


def verdicts(figures: Figures) -> list[tuple[str, float, float, bool]]:
    """Compare with the goals: what, measured, wanted, met."""
    a, b, c = (figures[name]["cpu_s"] for name in ("build, 1 worker", "decode", "script"))
    clock = figures["build, 1 worker"]["seconds"] / figures["build, 2 workers"]["seconds"]
    peak, half = (figures[name]["peak_mb"] for name in ("build, 1 worker", "build, half of it"))
    return [
        ("build / decode, at most", a / b, 1.6, a / b <= 1.6),
        ("script / build, at least", c / a, 1.6, c / a >= 1.6),
        ("the same without decoding, at least", (c - b) / (a - b), 3.0, (c - b) / (a - b) >= 3.0),
        ("2 workers over 1, by the clock, at least", clock, 1.8, clock >= 1.8),
        ("most memory of a process, MB, at most", peak, 500.0, peak <= 500.0),
        ("the same over that of half the frames, at most", peak / half, 1.05, peak / half <= 1.05),
    ]


def show(frames: int, figures: Figures) -> None:
    """Print the tables."""
    print(f"\n{frames} frames{'':<18}{'clock, s':>10}{'cpu, s':>10}{'cpu, ms/frame':>15}{'peak, MB':>10}")
    for name, found in figures.items():
        if "cpu_s" in found:
            per_frame = 1000 * found["cpu_s"] / frames
            print(
                f"{name:<30}{found['seconds']:>10.1f}{found['cpu_s']:>10.1f}{per_frame:>15.2f}{found['peak_mb']:>10.0f}"
            )
    print(f"\n{'must show':<50}{'measured':>10}{'wanted':>8}  met")
    for what, measured, wanted, met in verdicts(figures):
        print(f"{what:<50}{measured:>10.2f}{wanted:>8g}  {'yes' if met else 'no'}")


def main() -> None:
    """Measure, print and write; or run as one of the contestants."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--participants", type=int, default=8, help="simulated participants (8)")
    parser.add_argument("--frames", type=int, default=130, help="frames of each (130)")
    parser.add_argument("--seed", type=int, default=7, help="seed of the simulator (7)")
    parser.add_argument("--raw", type=Path, help="TUM recordings to use in place of simulated ones")
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON file of all figures")
    parser.add_argument("--as", dest="contestant", choices=CONTESTANTS, help=argparse.SUPPRESS)
    flags = parser.parse_args()
    if flags.contestant:
        CONTESTANTS[flags.contestant](flags.raw, flags.out)
        return
    with tempfile.TemporaryDirectory(prefix="labelkit-") as folder:
        raw = flags.raw or simulated(Path(folder), flags)
        frames = len(pairs_of(raw))
        for depth, color in pairs_of(raw):  # no contestant pays for the disk
            Path(depth).read_bytes(), Path(color).read_bytes()
        figures = measure(raw, Path(folder))
    show(frames, figures)
    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    result = {"machine": machine, "frames": frames, "figures": figures, "must_show": verdicts(figures)}
    flags.out.parent.mkdir(parents=True, exist_ok=True)
    flags.out.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"written to {flags.out}")


def simulated(folder: Path, flags: argparse.Namespace) -> Path:
    """Make the recordings."""
    from labelkit.settings import SimulateSettings
    from labelkit.workflows.simulate import simulate

    simulate(folder, SimulateSettings(participants=flags.participants, frames=flags.frames, seed=flags.seed))
    return folder / "raw"


if __name__ == "__main__":
    main()
