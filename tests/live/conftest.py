from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from labelkit.live.game import Game
from labelkit.live.watching import look_at
from labelkit.settings import BuildSettings, CoverageSettings, SimulateSettings
from labelkit.workflows.simulate import simulate
from tests.golden.make import RAW
from tests.recordings.made import numbered

COARSE = CoverageSettings(cell_deg=10.0, target=2)


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """Two participants of sixteen frames, the second of them left-handed; never written to."""
    out = tmp_path_factory.mktemp("live")
    simulate(out, SimulateSettings(participants=2, frames=16, seed=6, workers=1), quiet=True)
    assert 'handedness = "left"' in (out / "raw" / "p02" / "recording.toml").read_text()
    return out / "raw"


class Clock:
    """A clock that a test sets."""

    now = 1000.0

    def __call__(self):
        return self.now


class Table:
    """A game over a folder, played step by step: a GameThread does the same in its threads."""

    def __init__(self, raw: Path, settings: CoverageSettings = COARSE, cache=None, build=None):
        self.raw = raw
        self.build = build or BuildSettings()
        self.clock = Clock()
        self.game = Game(raw, settings, self.build, cache, self.clock)
        self.look()

    def look(self):
        self.game.take_look(*look_at(self.raw.resolve(), self.build))

    def write(self, *files: Path):
        """Hear that files were written; look at the folder if only that can tell what they are."""
        if self.game.hear([file.resolve() if file.exists() else file for file in files]):
            self.look()

    def label_all(self):
        while self.game.step():
            pass
        self.clock.now += 1.0  # so that what was labelled out of order is counted

    def state(self):
        return self.game.state()


@pytest.fixture
def raw(tmp_path):
    """An empty folder of recordings."""
    folder = tmp_path / "raw"
    folder.mkdir()
    return folder


def counts_of(coverage):
    return coverage.counts.tolist(), coverage.outside, coverage.repeats


def begin(folder: Path, like: Path = RAW / "p01") -> Path:
    """Make a recording's folders and state what must be stated."""
    for kind in ("color", "depth"):
        (folder / kind).mkdir(parents=True)
    shutil.copy(like / "recording.toml", folder)
    return folder


def put(folder: Path, number: int, what: str = "h") -> tuple[Path, Path]:
    """Write a small real frame: "h" shows a hand, "e" nobody."""
    depth, color = folder / "depth" / f"d_{number:03d}.png", folder / "color" / f"c_{number:03d}.jpg"
    shown = "depth/depth_000.png" if what == "e" else "depth/depth_020.png"
    for source, path in ((shown, depth), ("color/color_020.jpg", color)):
        path.write_bytes(numbered((RAW / "p01" / source).read_bytes(), number))
    return depth, color
