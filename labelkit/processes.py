"""Where jobs run: in this process, or in several. The result is the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from multiprocessing.connection import wait as wait_for
from typing import Any, Protocol

from labelkit.errors import LabelkitError

_POLL_S = 0.2  # how often the progress bar follows the workers


class WorkerDiedError(LabelkitError, RuntimeError):
    """A worker process ended before its job did."""

    exit_code = 1


class Work(Protocol):
    """A picklable job runner that reports each finished frame."""

    def __call__(self, job: Any, progress: Callable[[bool], None], /) -> None: ...


class _StopError(Exception):
    """The build was interrupted; leave the job as if it had never begun."""


def worker_count(asked: int, n_jobs: int) -> int:
    """Resolve 0 to one process per core this process may use, never more than there are jobs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(asked or cores, n_jobs))


def run_jobs(work: Work, jobs: Sequence[Any], workers: int, report: Callable[[int, int], None]) -> None:
    """Run every job, in order of the sequence where there is one worker.

    Args:
        report: called now and then with the frames done and the samples among them, in total.
    Raises:
        WorkerDiedError: a worker was killed; what is finished is kept.
    """
    if worker_count(workers, len(jobs)) == 1:
        _run_here(work, jobs, report)
    else:
        _run_in_processes(work, jobs, worker_count(workers, len(jobs)), report)


def _run_here(work: Work, jobs: Sequence[Any], report: Callable[[int, int], None]) -> None:
    done = samples = 0

    def progress(is_sample: bool) -> None:
        nonlocal done, samples
        done, samples = done + 1, samples + is_sample
        report(done, samples)

    for job in jobs:
        work(job, progress)


def _run_in_processes(work: Work, jobs: Sequence[Any], workers: int, report: Callable[[int, int], None]) -> None:
    context = multiprocessing.get_context("spawn")  # the same on every system, and safe beside threads
    done, samples, stop = context.Value("q", 0), context.Value("q", 0), context.Value("b", 0)
    with ProcessPoolExecutor(workers, context, _begin_worker, (work, done, samples, stop)) as pool:
        try:
            pending = {pool.submit(_run_there, job) for job in jobs}
            while pending:
                finished, pending = wait(pending, timeout=_POLL_S, return_when=FIRST_COMPLETED)
                report(done.value, samples.value)
                for future in finished:
                    future.result()
        except BrokenProcessPool:
            raise WorkerDiedError(
                "a worker process was killed (out of memory?); run the same command again to go on, "
                "with fewer --workers if memory is short"
            ) from None
        finally:
            stop.value = 1
            pool.shutdown(wait=True, cancel_futures=True)


_there: dict[str, Any] = {}  # what a worker process was given when it began


def _begin_worker(work: Work, done: Any, samples: Any, stop: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is the parent's to handle
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _there.update(work=work, done=done, samples=samples, stop=stop)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel])
    os._exit(1)  # the parent was killed: nobody is left to take the result


def _run_there(job: Any) -> None:
    def progress(is_sample: bool) -> None:
        if _there["stop"].value:
            raise _StopError
        with _there["done"].get_lock():
            _there["done"].value += 1
            _there["samples"].value += is_sample

    _there["work"](job, progress)
