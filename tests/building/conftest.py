from __future__ import annotations

import hashlib
import shutil

import pytest

from labelkit.building import build as module
from labelkit.processes import run_jobs
from labelkit.settings import BuildSettings, SimulateSettings
from labelkit.workflows.simulate import simulate
from tests.golden.make import RAW
from tests.recordings.made import numbered

TINY = BuildSettings(shard_frames=2, workers=1)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """Three participants of eight frames; never written to."""
    out = tmp_path_factory.mktemp("simulated")
    simulate(out, SimulateSettings(participants=3, frames=8, seed=3, workers=1), quiet=True)
    return out


@pytest.fixture
def in_this_process(monkeypatch):
    """Let jobs run here, where tests can reach them, and not in processes of their own."""

    def run_here(work, jobs, workers, report, *, leave_out):
        return run_jobs(work, jobs, 1, report)

    monkeypatch.setattr(module, "run_jobs", run_here)


def silent(done, samples, total):
    pass


def content_of(folder):
    """Hash every file that must repeat: all but the log and the lock."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("build.log", ".lock")
    }


def write_recording(folder, frames):
    """Write a recording of small real frames: "h" shows a hand, "e" nobody, "d" is damaged, "c" lacks its colour."""
    for kind in ("color", "depth"):
        (folder / kind).mkdir(parents=True)
    shutil.copy(RAW / "p01" / "recording.toml", folder)
    for number, what in enumerate(frames):
        write_frame(folder, number, what)
    return folder


def write_frame(folder, number, what):
    """Write a frame of a recording, or write it anew."""
    depth, color = folder / "depth" / f"d_{number:03d}.png", folder / "color" / f"c_{number:03d}.jpg"
    shown = "depth/depth_000.png" if what == "e" else "depth/depth_020.png"
    for source, path in ((shown, depth), ("color/color_020.jpg", color)):
        path.write_bytes(numbered((RAW / "p01" / source).read_bytes(), number))
    if what == "d":
        depth.write_bytes(depth.read_bytes()[:-100])
    if what == "c":
        color.unlink()
