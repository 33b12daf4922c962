from __future__ import annotations

import os
import time

import pytest
from threadpoolctl import ThreadpoolController

from labelkit.processes import WorkerDiedError, one_thread, run_jobs, worker_count


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


def test_linear_algebra_uses_one_thread_while_asked_to_and_then_as_many_as_before():
    def threads():
        return {library["num_threads"] for library in ThreadpoolController().info() if library["user_api"] == "blas"}

    before = threads()
    with one_thread():
        assert threads() == {1}
    assert threads() == before


def test_there_are_never_more_workers_than_jobs_and_never_none():
    assert worker_count(8, 3) == 3
    assert worker_count(2, 9) == 2
    assert worker_count(0, 0) == 1
    assert 1 <= worker_count(0, 10_000) <= (os.cpu_count() or 1)
