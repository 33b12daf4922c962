"""One bad frame costs one frame: what crashes, or is killed for memory, is found and left out."""

from __future__ import annotations

import os
import resource
import signal
from dataclasses import dataclass
from unittest.mock import ANY

import pytest

from labelkit.building import build as module
from labelkit.building import shard
from labelkit.building.build import build
from labelkit.dataset.dataset import open_dataset
from labelkit.processes import WorkerDiedError
from tests.building.conftest import TINY, content_of, silent, write_recording

SETTINGS = TINY.model_copy(update={"shard_frames": 4, "workers": 2})


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    raw = tmp_path_factory.mktemp("crashing") / "raw"
    write_recording(raw / "p01", "hhhhh")
    write_recording(raw / "p02", "hh")
    return raw


def reasons(out):
    return {row["frame"]: row["reason"] for row in open_dataset(out).table().to_pylist() if row["reason"]}


@dataclass
class Spoiled(module._Work):
    """Labels as ever, but what happens at some frames, by their name, is done to the process first."""

    def __call__(self, job, progress):
        explained = shard.explain_one

        def explain(frame, recording, index, settings):
            spoil(recording.frame_name(index).key, self.out)
            return explained(frame, recording, index, settings)

        shard.explain_one = explain
        try:
            super().__call__(job, progress)
        finally:
            shard.explain_one = explained


def spoil(frame, out):
    if frame == "p01/depth/d_001.png":
        os.kill(os.getpid(), signal.SIGSEGV)
    if frame == "p01/depth/d_003.png":
        os.kill(os.getpid(), signal.SIGKILL)  # as the kernel does where memory is short
    if frame == "p02/depth/d_000.png":
        resource.setrlimit(resource.RLIMIT_AS, (8 << 30, 8 << 30))
        bytearray(16 << 30)
    if frame == "p02/depth/d_001.png" and not (out / "once").exists():
        (out / "once").touch()
        os._exit(1)


def test_frames_that_kill_their_worker_are_found_and_cost_nothing_but_themselves(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_Work", Spoiled)
    build(raw, tmp_path / "d", SETTINGS, report=silent)
    assert reasons(tmp_path / "d") == dict.fromkeys(
        ("p01/depth/d_001.png", "p01/depth/d_003.png", "p02/depth/d_000.png"), "worker-crash"
    )
    open_dataset(tmp_path / "d").check_hashes()
    monkeypatch.undo()  # what killed them was mended
    build(raw, tmp_path / "d", SETTINGS, retry_rejected=True, report=silent)
    build(raw, tmp_path / "e", SETTINGS, report=silent)
    assert reasons(tmp_path / "d") == {}
    assert {**content_of(tmp_path / "e"), "once": ANY} == content_of(tmp_path / "d")


@dataclass
class Hopeless(module._Work):
    def __call__(self, job, progress):
        os._exit(9)


def test_a_worker_that_dies_whatever_is_left_out_ends_the_build_in_one_line(raw, tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_Work", Hopeless)
    with pytest.raises(WorkerDiedError, match=r"^a worker process was killed .* run the same command again"):
        build(raw, tmp_path / "d", SETTINGS, report=silent)


def test_a_frame_at_which_our_code_fails_is_rejected_with_the_line(raw, tmp_path, monkeypatch, in_this_process):
    explained = shard.explain_one

    def explain(frame, recording, index, settings):
        if index == 1:
            return explained(None, recording, index, settings)
        return explained(frame, recording, index, settings)

    monkeypatch.setattr(shard, "explain_one", explain)
    build(raw, tmp_path / "d", SETTINGS, report=silent)
    rows = [row for row in open_dataset(tmp_path / "d").table().to_pylist() if row["reason"]]
    assert [row["frame"] for row in rows] == ["p01/depth/d_001.png", "p02/depth/d_001.png"]
    assert {row["reason"] for row in rows} == {"worker-crash"}
    assert all(row["detail"].startswith("AttributeError in labelling/checks.py, line ") for row in rows)
