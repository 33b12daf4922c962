"""Where jobs run: in this process, or side by side in several. The results are the same."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import FIRST_EXCEPTION, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing.connection import wait as wait_for
from typing import Any, Protocol, TypeVar

from labelkit.errors import LabelkitError

_POLL_S = 0.2  # how often the progress bar follows the workers

Result = TypeVar("Result", covariant=True)

Progress = Callable[[bool], None]  # to be called once a frame, with whether it was kept


class WorkerDiedError(LabelkitError, RuntimeError):
    """A worker process ended before its job did."""

    exit_code = 1


class Work(Protocol[Result]):
    """What is done to a job; picklable, and so are its jobs and results."""

    def __call__(self, job: Any, progress: Progress, /) -> Result: ...


class _StopError(Exception):
    """The parent no longer wants the result; leave the job as if it had never begun."""


def worker_count(asked: int, n_jobs: int) -> int:
    """Resolve 0 to one process per core this process may use; never more than there are jobs."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min(asked or cores, n_jobs))


def run_jobs(work: Work[Result], jobs: Sequence[Any], workers: int, report: Callable[[int, int], None]) -> list[Result]:
    """Run every job, one after the other where there is one worker.

    An interruption or a failure stops all workers within a frame.

    Args:
        workers: processes; 0 takes one per core.
        report: called now and then with the frames done and those kept, over all jobs.
    Returns:
        The results in the order of the jobs.
    Raises:
        WorkerDiedError: a worker was killed.
    """
    workers = worker_count(workers, len(jobs))
    return _run_here(work, jobs, report) if workers == 1 else _run_in_processes(work, jobs, workers, report)


def _run_here(work: Work[Result], jobs: Sequence[Any], report: Callable[[int, int], None]) -> list[Result]:
    done = n_kept = 0

    def progress(kept: bool) -> None:
        nonlocal done, n_kept
        done, n_kept = done + 1, n_kept + kept
        report(done, n_kept)

    return [work(job, progress) for job in jobs]


def _run_in_processes(
    work: Work[Result], jobs: Sequence[Any], workers: int, report: Callable[[int, int], None]
) -> list[Result]:
    context = multiprocessing.get_context("spawn")  # the same on every system, and safe beside threads
    done, kept, stop = context.Value("q", 0), context.Value("q", 0), context.Value("b", 0)
    with ProcessPoolExecutor(workers, context, _begin_worker, (work, done, kept, stop)) as pool:
        try:
            with _interrupts_held_back():  # the first job starts the workers
                futures = [pool.submit(_run_there, job) for job in jobs]
            finished, pending = wait(futures, timeout=0)
            while pending and not any(future.exception() for future in finished):
                finished, pending = wait(futures, timeout=_POLL_S, return_when=FIRST_EXCEPTION)
                report(done.value, kept.value)
            return [future.result() for future in futures if future.done()]
        except BrokenProcessPool:
            raise WorkerDiedError(
                "a worker process was killed (out of memory?); run the same command again, "
                "with fewer --workers if memory is short"
            ) from None
        finally:
            stop.value = 1
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Keep Ctrl-C waiting; processes started meanwhile never see it, not even while they import."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_there: dict[str, Any] = {}  # what a worker process was given when it began


def _begin_worker(work: Work[Any], done: Any, kept: Any, stop: Any) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # where it could not be held back: it is the parent's to answer
    threading.Thread(target=_end_with_parent, daemon=True).start()
    _there.update(work=work, done=done, kept=kept, stop=stop)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel])
    os._exit(1)  # the parent was killed: nobody is left to take the result


def _run_there(job: Any) -> Any:
    def progress(kept: bool) -> None:
        if _there["stop"].value:
            raise _StopError
        with _there["done"].get_lock():
            _there["done"].value += 1
            _there["kept"].value += kept

    return _there["work"](job, progress)
