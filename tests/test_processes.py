from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from multiprocessing.connection import wait
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import ThreadpoolController

from labelkit.processes import Apart, WorkerDiedError, map_apart, one_thread, run_jobs, usable_cores, worker_count


def square(job, progress):
    for _ in range(job):
        progress(job % 2 == 0)
    return job * job


def fail_at_three(job, progress):
    if job == 3:
        raise ValueError("three")
    for _ in range(400):  # far longer than a failure may take to be noticed
        time.sleep(0.05)
        progress(True)


def die(job, progress):
    os._exit(9)


@pytest.mark.parametrize("workers", [1, 2])
def test_results_come_in_the_order_of_the_jobs_and_frames_are_counted(workers):
    told = []
    results = run_jobs(square, [5, 1, 4, 2], workers, lambda done, kept: told.append((done, kept)))
    assert results == [25, 1, 16, 4]
    assert told[-1] == (12, 6)


def test_a_failing_job_ends_the_others_and_is_raised():
    began = time.monotonic()
    with pytest.raises(ValueError, match="three"):
        run_jobs(fail_at_three, [1, 3], 2, lambda done, kept: None)
    assert time.monotonic() - began < 15  # alone, the first job would take 20 s


def test_an_interruption_ends_the_workers():
    def interrupt(done, kept):
        raise KeyboardInterrupt

    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        run_jobs(fail_at_three, [1, 2], 2, interrupt)
    assert time.monotonic() - began < 15


def test_a_killed_worker_is_said_in_one_line():
    with pytest.raises(WorkerDiedError, match="a worker process was killed"):
        run_jobs(die, [1, 2], 2, lambda done, kept: None)


def counted_up(to, say):
    for number in range(to):
        say(number)
    return to * to


def refused(say):
    raise ValueError("no")


def asleep(say):
    say("asleep")
    time.sleep(60)


# What a child process has as it imports this module: before it knows what it is to do.
SEEN = {name: os.environ.get(name) for name in ("LABELKIT_A", "LABELKIT_B")}


def seen(say):
    return SEEN


def seen_by_each(number):
    return number, SEEN


def test_a_child_has_its_environment_before_it_imports_anything_and_its_parent_is_as_it_was(monkeypatch):
    monkeypatch.setenv("LABELKIT_A", "the user's")
    wanted, before = {"LABELKIT_A": "ours", "LABELKIT_B": "ours"}, dict(os.environ)
    there = {"LABELKIT_A": "the user's", "LABELKIT_B": "ours"}
    assert ended(Apart(seen, environment=wanted)).result() == there
    assert list(map_apart(seen_by_each, [2, 1], environment=wanted)) == [(2, there), (1, there)]
    assert dict(os.environ) == before


def ended(call):
    while not call.has_ended():
        wait([call.pipe], timeout=5)
    return call


def test_a_call_in_a_process_of_its_own_says_how_it_goes_and_gives_what_it_returned():
    call = ended(Apart(counted_up, 3))
    assert call.heard == [0, 1, 2]
    assert call.result() == 9


def test_what_such_a_call_raises_is_raised_here():
    with pytest.raises(ValueError, match="no") as raised:
        ended(Apart(refused)).result()
    assert "in refused" in raised.value.__notes__[0]


def test_such_a_call_that_is_killed_says_so_and_what_it_had_said_stays():
    call = Apart(asleep)
    while not call.heard:
        assert not call.has_ended()
        wait([call.pipe], timeout=5)
    (process,) = multiprocessing.active_children()
    os.kill(process.pid, signal.SIGKILL)
    with pytest.raises(WorkerDiedError, match="was killed"):
        ended(call).result()
    assert call.heard == ["asleep"]


def test_such_a_call_ends_when_it_is_stopped():
    call = Apart(asleep)
    call.stop()
    assert multiprocessing.active_children() == []


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks into /proc")
def test_such_a_call_ends_with_the_process_that_asked_for_it():
    code = (
        f"import sys, time; sys.path.append({str(Path(__file__).parents[1])!r})\n"
        "from labelkit.processes import Apart; from tests.test_processes import asleep\n"
        "if __name__ == '__main__':\n    call = Apart(asleep)\n    while not call.heard: call.has_ended()\n"
        "    print(call._process.pid, flush=True)\n    time.sleep(60)"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    child = int(parent.stdout.readline())
    parent.kill()
    parent.communicate()
    deadline = time.monotonic() + 20
    while _runs(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not _runs(child)


def _runs(pid):
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def test_linear_algebra_uses_one_thread_while_asked_to_and_then_as_many_as_before():
    def threads():
        return {library["num_threads"] for library in ThreadpoolController().info() if library["user_api"] == "blas"}

    np.ones((2, 2)) @ np.ones((2, 2))  # its library is what is asked
    before = threads()
    with one_thread():
        assert threads() == {1}
    assert threads() == before


@pytest.mark.parametrize(
    ("group", "files", "cores"),
    [
        ("0::/a/b", {"a/b/cpu.max": "max 100000", "a/cpu.max": "150000 100000"}, 2),
        ("0::/", {"cpu.max": "100000 100000"}, 1),
        ("0::/outside", {"cpu.max": "20000 100000"}, 1),
        ("0::/", {"cpu.max": "max 100000"}, 8),
        ("0::/", {}, 8),
        ("4:cpu,cpuacct:/d", {"cpu/d/cpu.cfs_quota_us": "300000", "cpu/d/cpu.cfs_period_us": "100000"}, 3),
        ("4:cpu,cpuacct:/d", {"cpu,cpuacct/cpu.cfs_quota_us": "-1", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 8),
        ("4:cpu,cpuacct:/d", {"cpu,cpuacct/cpu.cfs_quota_us": "200000", "cpu,cpuacct/cpu.cfs_period_us": "100000"}, 2),
        ("3:cpuset:/\n", {"cpu.max": "100000 100000"}, 8),
    ],
)
def test_a_container_s_quota_counts_as_cores(tmp_path, monkeypatch, group, files, cores):
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)
    for name, text in {"proc/self/cgroup": group, **{f"sys/fs/cgroup/{k}": v for k, v in files.items()}}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"{text}\n")
    assert usable_cores(tmp_path) == cores


def test_there_are_never_more_workers_than_jobs_and_never_none():
    assert worker_count(8, 3) == 3
    assert worker_count(2, 9) == 2
    assert worker_count(0, 0) == 1
    assert 1 <= worker_count(0, 10_000) <= (os.cpu_count() or 1)
