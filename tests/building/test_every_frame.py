"""Whatever happens to recordings and builds, every source frame is in the label table exactly once."""

from __future__ import annotations

import errno
import os
import shutil
import tempfile
from pathlib import Path

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from labelkit.building import build as module
from labelkit.dataset.dataset import open_dataset
from labelkit.errors import OutputError
from labelkit.processes import run_jobs
from tests.building.conftest import TINY, content_of, silent, write_frame, write_recording
from tests.building.steps import watched

BECOMES = {"h": None, "e": "no-hand", "d": "decode", "c": "missing-pair"}
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None

what = st.sampled_from(sorted(BECOMES))
globs = st.sampled_from(["p1", "p2/depth/d_000.png", "*/d_001.png", "p?"])


class Builds(RuleBasedStateMachine):
    """Recordings grow and change; builds run, stop half-way, and leave frames out."""

    @initialize()
    def begin(self):
        self.folder = Path(tempfile.mkdtemp(dir=MEMORY, prefix="labelkit-test-"))
        self.raw, self.out = self.folder / "raw", self.folder / "dataset"
        self.frames: dict[str, list[str]] = {}
        self.run_jobs, module.run_jobs = module.run_jobs, run_here

    @rule(name=st.sampled_from(["p1", "p2", "p2/again"]), frames=st.lists(what, max_size=3))
    def record(self, name, frames):
        if name not in self.frames:
            self.frames[name] = ["h", *frames]  # without a single pair it would be no recording
            write_recording(self.raw / name, self.frames[name])

    @precondition(lambda self: self.frames)
    @rule(data=st.data(), now=what)
    def change_or_add_a_frame(self, data, now):
        name = data.draw(st.sampled_from(sorted(self.frames)))
        number = data.draw(st.integers(1, len(self.frames[name])))
        write_frame(self.raw / name, number, now)
        self.frames[name][number : number + 1] = [now]

    @precondition(lambda self: self.frames)
    @rule(step=st.integers(0, 60), exclude=st.sets(globs, max_size=2))
    def build_until_the_disk_fails(self, step, exclude):
        def fail(number, moment):
            if number == step:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

        try:
            with watched(self.out, fail):
                self.build(exclude)
        except OutputError:
            return
        self.check(exclude)

    @precondition(lambda self: self.frames)
    @rule(exclude=st.sets(globs, max_size=2), retry=st.booleans())
    def build_to_the_end(self, exclude, retry):
        self.build(exclude, retry=retry)
        self.check(exclude)

    def build(self, exclude, *, retry=False):
        chosen = TINY.model_copy(update={"exclude": tuple(sorted(exclude))})
        module.build(self.raw, self.out, chosen, retry_rejected=retry, report=silent)

    def check(self, exclude):
        dataset = open_dataset(self.out)
        dataset.check_hashes()
        rows = dataset.table().to_pylist()
        told = {row["frame"]: row["reason"] for row in rows}
        assert len(told) == len(rows)
        assert told == {
            f"{name}/depth/d_{number:03d}.png": self.expected(name, number, frame, exclude)
            for name, frames in self.frames.items()
            for number, frame in enumerate(frames)
        }
        assert sorted(dataset.rows) == [n for n, row in enumerate(rows) if row["status"] == "sample"]
        for number, row in enumerate(dataset.rows):
            assert rows[row]["elevation"] == dataset[number]["elevation"]

    @staticmethod
    def expected(name, number, frame, exclude):
        left_out = {
            "p1": name == "p1",
            "p2/depth/d_000.png": (name, number) == ("p2", 0),
            "*/d_001.png": number == 1,
            "p?": True,
        }
        return "excluded" if any(left_out[glob] for glob in exclude) else BECOMES[frame]

    def teardown(self):
        if not hasattr(self, "folder"):
            return
        try:
            if self.frames:
                self.build(())
                there = content_of(self.out)
                shutil.rmtree(self.out)
                self.build(())
                assert content_of(self.out) == there, "its history shows in its bytes"
        finally:
            module.run_jobs = self.run_jobs
            shutil.rmtree(self.folder)


def run_here(work, jobs, workers, report, *, leave_out):
    return run_jobs(work, jobs, 1, report)


Builds.TestCase.settings = settings(max_examples=8, stateful_step_count=8, deadline=None)
TestEveryFrame = Builds.TestCase
