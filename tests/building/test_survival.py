"""A build that is killed, or whose disk fails, at any step ends as if nothing had happened once it is run again."""

from __future__ import annotations

import errno
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from functools import partial

import pytest

from labelkit.building.build import build
from labelkit.dataset.dataset import open_dataset
from labelkit.errors import DatasetError, OutputError
from tests.building.conftest import TINY, content_of, silent, write_recording
from tests.building.steps import AMID, BEFORE, kill, killed, watched

FAULTS = (errno.ENOSPC, errno.EIO, errno.EROFS)


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Four frames of two participants, of whom p02 joins later: samples, rejections, a shard without a sample."""
    raw = tmp_path_factory.mktemp("tiny") / "raw"
    write_recording(raw / "p01", "hee")
    write_recording(raw / "p02", "h")
    return raw


@pytest.fixture
def begun(raw, fast_path, request, in_this_process):
    """Where the build starts: from nothing, or from a dataset that it extends, changes and takes from."""
    if request.param == "new":
        return None
    build(raw, fast_path / "begun", TINY.model_copy(update={"exclude": ("p01/color/c_000.jpg", "p02")}), report=silent)
    return fast_path / "begun"


def started(begun, out):
    if begun:
        shutil.copytree(begun, out)
    return out


def distinct(steps):
    """The numbers of the first and the last step of each kind."""
    first = {step: number for number, step in reversed(list(enumerate(steps)))}
    last = {step: number for number, step in enumerate(steps)}
    return sorted({*first.values(), *last.values()})


def watched_build(raw, out, at):
    with watched(out, at) as steps:
        build(raw, out, TINY, report=silent)
    return steps


def kill_at(wanted, number, moment):
    if (number, moment) == wanted:
        kill()


def check_half_way(out, before):
    """No partial file bears its final name: what is there is the old dataset, the new one, or declared unfinished."""
    try:
        open_dataset(out).check_hashes()
    except DatasetError:
        assert not (out / "manifest.json").exists()
    else:
        assert content_of_dataset(out) in before


def content_of_dataset(out):
    return {name: sha for name, sha in content_of(out).items() if not name.startswith(".")}


@pytest.mark.parametrize("begun", ["new", pytest.param("extended", marks=pytest.mark.sweep)], indirect=True)
def test_a_build_killed_before_amid_and_after_any_step_goes_on_to_the_same_bytes(raw, begun, fast_path):
    steps = watched_build(raw, started(begun, fast_path / "whole"), lambda *_: None)
    assert {name for name, _ in steps} == {"write", "fsync", "rename", "mkdir", "unlink", "rmdir"}
    wanted = content_of(fast_path / "whole")
    seen = [wanted, *([content_of(begun)] if begun else [])]
    n_killed = 0
    for number in distinct(steps):
        for moment in (BEFORE, AMID) if steps[number][0] == "write" else (BEFORE,):
            out = started(begun, fast_path / f"{number}{moment}")
            n_killed += killed(partial(watched_build, raw, out, partial(kill_at, (number, moment))))
            check_half_way(out, seen)
            build(raw, out, TINY, report=silent)
            assert content_of(out) == wanted, f"killed {moment} {steps[number]}"
            shutil.rmtree(out)
    assert n_killed >= len(distinct(steps)) + sum(name == "write" for name, _ in set(steps))


@pytest.mark.parametrize("begun", ["new", pytest.param("extended", marks=pytest.mark.sweep)], indirect=True)
def test_a_disk_that_fails_at_any_step_ends_the_build_in_one_line_and_it_goes_on_to_the_same_bytes(
    raw, begun, fast_path
):
    steps = watched_build(raw, started(begun, fast_path / "whole"), lambda *_: None)
    wanted = content_of(fast_path / "whole")
    seen = [wanted, *([content_of(begun)] if begun else [])]
    for nth, number in enumerate(distinct(steps)):
        moment, fault = (AMID if steps[number][0] == "write" else BEFORE), FAULTS[nth % len(FAULTS)]

        def fail(*now, number=number, moment=moment, fault=fault):
            if now == (number, moment):
                raise OSError(fault, os.strerror(fault))

        out = started(begun, fast_path / f"{number}")
        with pytest.raises(OutputError, match=r"cannot write .*: it goes on where it stopped") as caught:
            watched_build(raw, out, fail)
        assert caught.value.exit_code == 5
        check_half_way(out, seen)
        build(raw, out, TINY, report=silent)
        assert content_of(out) == wanted, f"failed at {steps[number]}"
        shutil.rmtree(out)


def command(raw, out, *more):
    return [
        sys.executable,
        "-m",
        "labelkit",
        "build-dataset",
        raw,
        "--out",
        out,
        "--shard-frames",
        "2",
        "--quiet",
        *more,
    ]


def test_a_full_disk_is_exit_code_5_and_one_line_with_two_workers_too(raw, tmp_path, in_this_process):
    out = tmp_path / "d"
    limited = ["prlimit", "--fsize=60000", *command(raw, out, "--workers", "2")]  # a shard is larger than that
    ran = subprocess.run(limited, capture_output=True, text=True, timeout=120)
    assert (ran.returncode, ran.stdout) == (5, "")
    assert ran.stderr.startswith("labelkit: error: ")
    assert "cannot write (File too large); make room" in ran.stderr
    assert ran.stderr.count("\n") == 1
    assert not list(out.rglob("*.part"))
    assert not list(out.rglob("*.h5"))
    build(raw, out, TINY, report=silent)
    build(raw, tmp_path / "e", TINY, report=silent)
    assert content_of(out) == content_of(tmp_path / "e")


@pytest.mark.slow
@pytest.mark.parametrize("kills", [5, pytest.param(20, marks=pytest.mark.sweep)])
def test_a_build_with_two_workers_killed_at_random_moments_goes_on_to_the_same_bytes(tmp_path, in_this_process, kills):
    raw, rng = tmp_path / "raw", random.Random(4)
    for number in range(6):
        write_recording(raw / f"p{number}", "hehdhcheh" * 8)
    build(raw, tmp_path / "whole", TINY, report=silent)
    n_killed = attempt = 0
    while n_killed < kills:
        attempt += 1
        out = tmp_path / f"d{attempt}"
        finished = False
        while not finished and n_killed < kills:
            process = subprocess.Popen(command(raw, out, "--workers", "2", "--max-rejected", "1"))
            begins = time.monotonic()
            while not (out / ".build").exists() and process.poll() is None and time.monotonic() < begins + 60:
                time.sleep(0.01)
            time.sleep(rng.uniform(0.0, 2.5))
            process.send_signal(signal.SIGKILL)
            finished = process.wait(timeout=60) == 0
            n_killed += not finished
        build(raw, out, TINY, report=silent)
        assert content_of(out) == content_of(tmp_path / "whole")


def test_the_lock_dies_with_its_owner_and_a_second_build_refuses_until_then(raw, tmp_path):
    out = tmp_path / "d"
    holding = "import filelock, sys; lock = filelock.FileLock(sys.argv[1]); lock.acquire(); print('held'); input()"
    out.mkdir()
    owner = subprocess.Popen(
        [sys.executable, "-u", "-c", holding, out / ".lock"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    assert owner.stdout.readline() == "held\n"
    refused = subprocess.run(command(raw, out), capture_output=True, text=True, timeout=120)
    assert refused.returncode == 2
    assert "another build is at work in this folder" in refused.stderr
    owner.kill()
    owner.wait()
    assert subprocess.run(command(raw, out), timeout=120).returncode == 0
