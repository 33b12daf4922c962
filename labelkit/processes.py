"""Run jobs in this process, or side by side in several. The results are the same."""

from __future__ import annotations

import math
import multiprocessing
import os
import signal
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.connection import wait as wait_for
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol, TypeVar

from threadpoolctl import ThreadpoolController

from labelkit.errors import LabelkitError
from labelkit.import_path import safe_environment, safe_path

_POLL_S = 0.2  # how often the progress bar follows the workers

_environment_lock = threading.Lock()

Result = TypeVar("Result", covariant=True)
Answer = TypeVar("Answer")

Progress = Callable[[bool], None]  # called once per frame, with whether the frame was kept

# Takes a job and the number of its frames that were done when its worker died; returns the job without the next frame.
LeaveOut = Callable[[Any, int], Any]


class WorkerDiedError(LabelkitError, RuntimeError):
    """A worker process ended before its job did."""

    exit_code = 1


class Work(Protocol[Result]):
    """What is done with a job. The work, its jobs and its results can be pickled."""

    def __call__(self, job: Any, progress: Progress, /) -> Result: ...


class _StopError(Exception):
    """The parent does not want the result any more; leave the job as if it had never begun."""


def worker_count(asked: int, n_jobs: int) -> int:
    """Turn 0 into one process per core that this process may use; never more than there are jobs."""
    return max(1, min(asked or usable_cores(), n_jobs))


def usable_cores(root: Path = Path("/")) -> int:
    """Count the cores that this process may use: those it is bound to, and no more than its container may keep busy.

    Args:
        root: the folder that holds proc/ and sys/.
    """
    bound_to = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([bound_to, *(math.ceil(quota) for quota in _cpu_quotas(root))]))


def _cpu_quotas(root: Path) -> Iterator[float]:
    """Yield the quotas of CPU time, in cores, of this process's control groups and of those above them."""
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return
    mounted = root / "sys/fs/cgroup"
    for line in filter(None, lines):
        _, controllers, place = line.split(":", 2)
        if not controllers:  # version 2
            top, read = mounted, _quota_v2
        elif "cpu" in controllers.split(","):
            top, read = mounted / ("cpu" if (mounted / "cpu").exists() else controllers), _quota_v1
        else:
            continue
        # In a container the place is often the one outside, and is not there; the top is the container's own group.
        group = top / place.strip("/")
        for folder in (group, *group.parents):
            with suppress(OSError, ValueError, ZeroDivisionError):
                yield read(folder)
            if folder == top:
                break


def _quota_v2(folder: Path) -> float:
    time_us, period_us = (folder / "cpu.max").read_text().split()
    return float(time_us) / float(period_us)  # "max" is no number: no quota


def _quota_v1(folder: Path) -> float:
    time_us, period_us = (float((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    if time_us <= 0:
        raise ValueError("no quota")
    return time_us / period_us


def run_jobs(
    work: Work[Result],
    jobs: Sequence[Any],
    workers: int,
    report: Callable[[int, int], None],
    *,
    leave_out: LeaveOut | None = None,
) -> list[Result]:
    """Run every job.

    An interruption or an error stops all workers within a frame.

    Args:
        workers: processes; 0 takes one per core. With one, the jobs run in this process, unless `leave_out` is given.
        report: called now and then with the frames done and the frames kept, over all jobs.
        leave_out: go on when a worker is killed. A job whose worker died is run again when all others are done,
            alone, so that it has the memory to itself. If it dies a second time at the same frame, that frame is
            the cause, and the job is run without it.
    Returns:
        The results in the order of the jobs.
    Raises:
        WorkerDiedError: a worker was killed, and no frame can be left out.
    """
    workers = worker_count(workers, len(jobs))
    if workers == 1 and leave_out is None:
        return _run_here(work, jobs, report)
    with _Crew(work, workers).at_work() as crew:
        return crew.run(list(jobs), report, leave_out)


def _run_here(work: Work[Result], jobs: Sequence[Any], report: Callable[[int, int], None]) -> list[Result]:
    done = n_kept = 0

    def progress(kept: bool) -> None:
        nonlocal done, n_kept
        done, n_kept = done + 1, n_kept + kept
        report(done, n_kept)

    return [work(job, progress) for job in jobs]


_DONE, _KEPT, _DONE_NOW, _KEPT_NOW = range(4)  # what a worker counts: frames of its finished jobs, of its current job
_IDLE = -1  # in _DONE_NOW: the worker has no job


@dataclass(eq=False)
class _Worker:
    """A worker process as its parent sees it."""

    process: Any
    pipe: Connection
    counts: Any
    job: int | None = None

    def give(self, number: int, job: Any) -> None:
        self.job = number
        with suppress(OSError):  # it has just died; _heard_from will see it
            self.pipe.send(job)


class _Crew:
    """Worker processes, replaced as they die."""

    def __init__(self, work: Work[Any], size: int) -> None:
        # "spawn" is the same on every system, and safe if there are threads.
        self._context = multiprocessing.get_context("spawn")
        self._stop = self._context.RawValue("b", 0)
        self._work = work
        self._size = size
        self._workers: list[_Worker] = []
        self._lost = [0, 0]  # frames done and kept by workers that died, in finished jobs

    @contextmanager
    def at_work(self) -> Iterator[_Crew]:
        """Start the workers; at the end, stop them within a frame."""
        try:
            for _ in range(self._size):
                self._start_one()
            yield self
        finally:
            self._stop.value = 1
            for worker in self._workers:
                worker.pipe.close()
            for worker in self._workers:
                worker.process.join()

    def _start_one(self) -> None:
        here, there = self._context.Pipe()
        counts = self._context.RawArray("q", [0, 0, _IDLE, 0])
        process = self._context.Process(target=_serve, args=(self._work, there, counts, self._stop), daemon=True)
        with environment_of_children(), _interrupts_held_back(), _main_module_hidden():
            process.start()
        there.close()
        self._workers.append(_Worker(process, here, counts))

    def run(self, jobs: list[Any], report: Callable[[int, int], None], leave_out: LeaveOut | None) -> list[Any]:
        results: dict[int, Any] = {}
        waiting, suspects = deque(range(len(jobs))), deque[int]()
        deaths: Counter[tuple[int, int]] = Counter()
        while len(results) < len(jobs):
            self._hand_out(jobs, waiting, suspects)
            for worker in self._heard_from():
                number = worker.job
                try:
                    succeeded, result = worker.pipe.recv()
                except (EOFError, OSError):
                    frame = self._bury(worker)
                    if leave_out is None:
                        raise WorkerDiedError(KILLED) from None
                    if number is not None:
                        deaths[number, frame] += 1
                        if deaths[number, frame] > 2 or deaths[number, _IDLE] > 1:
                            raise WorkerDiedError(KILLED) from None  # no frame is the cause
                        if deaths[number, frame] == 2:
                            jobs[number] = leave_out(jobs[number], frame)
                        suspects.append(number)
                    continue
                if not succeeded:
                    raise result
                assert number is not None
                results[number], worker.job = result, None
            report(*self._count())
        return [results[number] for number in range(len(jobs))]

    def _hand_out(self, jobs: list[Any], waiting: deque[int], suspects: deque[int]) -> None:
        for worker in self._workers:
            if worker.job is None and waiting:
                number = waiting.popleft()
                worker.give(number, jobs[number])
        if suspects and all(worker.job is None for worker in self._workers):
            number = suspects.popleft()
            self._workers[0].give(number, jobs[number])

    def _heard_from(self) -> list[_Worker]:
        by_pipe: dict[Any, _Worker] = {worker.pipe: worker for worker in self._workers}
        return [by_pipe[pipe] for pipe in wait_for(list(by_pipe), timeout=_POLL_S)]

    def _bury(self, worker: _Worker) -> int:
        """Replace a worker that died; return how many frames of its job it had done, _IDLE if it had not begun."""
        worker.process.join()
        worker.pipe.close()
        self._workers.remove(worker)
        self._lost[0] += worker.counts[_DONE]
        self._lost[1] += worker.counts[_KEPT]
        self._start_one()
        return int(worker.counts[_DONE_NOW])

    def _count(self) -> tuple[int, int]:
        done, kept = self._lost
        for worker in self._workers:
            done += worker.counts[_DONE] + max(0, worker.counts[_DONE_NOW])
            kept += worker.counts[_KEPT] + worker.counts[_KEPT_NOW]
        return done, kept


KILLED = (
    "a worker process was killed (out of memory?); run the same command again, with fewer --workers if memory is short"
)


def one_thread() -> AbstractContextManager[object]:
    """Let linear algebra use one thread: with more it adds in another order, and the bytes differ."""
    limited: AbstractContextManager[object] = _libraries().limit(limits=1, user_api="blas")
    return limited


@cache
def _libraries() -> ThreadpoolController:
    return ThreadpoolController()


@contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Keep Ctrl-C waiting; processes that are started meanwhile never see it, not even while they import."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    resource_tracker.ensure_running()  # it starts with the first process, and lets interrupts through while it starts
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _main_module_hidden() -> Iterator[None]:
    """Keep processes that are started meanwhile from running the user's script again.

    A spawned process imports the main module of its parent, to find functions that are defined there. No work of ours
    is; and a script without `if __name__ == "__main__"` would start everything again in each process.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")  # it has no file to import
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _serve(work: Work[Any], pipe: Connection, counts: Any, stop: Any) -> None:
    """Do the jobs that come through the pipe, until it is closed. Runs in a worker process."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # for systems that cannot hold it back: the parent answers it
    threading.Thread(target=_end_with_parent, daemon=True).start()

    def progress(kept: bool) -> None:
        if stop.value:
            raise _StopError
        counts[_DONE_NOW] += 1
        counts[_KEPT_NOW] += kept

    with suppress(EOFError, OSError, _StopError):  # the parent wants nothing more
        while True:
            job = pipe.recv()
            counts[_DONE_NOW] = 0
            answer = _answer(work, job, progress)
            counts[_DONE] += counts[_DONE_NOW]
            counts[_KEPT] += counts[_KEPT_NOW]
            counts[_DONE_NOW], counts[_KEPT_NOW] = _IDLE, 0
            pipe.send(answer)


def map_apart(
    work: Callable[..., Answer], *arguments: Collection[Any], environment: Mapping[str, str]
) -> Iterator[Answer]:
    """Do many calls in processes, one per core, as `map` does; yield the answers in order, as they come.

    Args:
        work: can be pickled, and so can its arguments and answers.
        environment: variables of the processes, see `environment_of_children`.
    """
    context = multiprocessing.get_context("spawn")
    with ExitStack() as stack:
        with environment_of_children(environment), _main_module_hidden():
            pool = stack.enter_context(ProcessPoolExecutor(worker_count(0, len(arguments[0])), context))
            answers = pool.map(work, *arguments)  # starts all processes
        yield from answers


@contextmanager
def environment_of_children(environment: Mapping[str, str] | None = None) -> Iterator[None]:
    """Give processes that are started meanwhile these variables, and a safe path, before they import anything.

    A child takes over the environment and `sys.path` that its parent has at that moment, and multiprocessing has no
    argument for them; so this process has them too, until it has started the child. Variables that the user has set
    stay. The path is without the current folder, which may hold a file named as a module (see `import_path`).
    """
    with _environment_lock:
        added = {name: value for name, value in (environment or {}).items() if name not in os.environ}
        added |= safe_environment()
        before, path = {name: os.environ.get(name) for name in added}, sys.path
        sys.path = safe_path()
        os.environ.update(added)
        try:
            yield
        finally:
            sys.path = path
            for name, value in before.items():
                if value is None:
                    os.environ.pop(name, None)
                else:
                    os.environ[name] = value


class Apart:
    """A call that runs in a process of its own. That process ends when this one ends, even if this one is killed."""

    def __init__(self, work: Callable[..., Any], *arguments: Any, environment: Mapping[str, str] | None = None) -> None:
        """Start it.

        Args:
            work, arguments: can be pickled. The work gets `say` as its last argument, see `heard`.
            environment: variables of its process, see `environment_of_children`.
        """
        context = multiprocessing.get_context("spawn")
        self._pipe, there = context.Pipe()
        self._process = context.Process(target=_serve_apart, args=(work, arguments, there), daemon=True)
        with environment_of_children(environment), _interrupts_held_back(), _main_module_hidden():
            self._process.start()
        there.close()
        self.heard: list[Any] = []  # what it said so far
        self._answer: tuple[bool, Any] | None = None

    @property
    def pipe(self) -> Connection:
        """For `multiprocessing.connection.wait`: ready when the call said something, or ended."""
        return self._pipe

    def has_ended(self) -> bool:
        """Receive what it said so far; return whether it has ended."""
        while self._answer is None:
            try:
                if not self._pipe.poll():
                    return False
                kind, content = self._pipe.recv()
            except (EOFError, OSError):
                self._process.join()
                self._answer = False, WorkerDiedError(KILLED)
            else:
                if kind == _SAID:
                    self.heard.append(content)
                else:
                    self._answer = kind == _RETURNED, content
        return True

    def result(self) -> Any:
        """Return what an ended call returned.

        Raises:
            WorkerDiedError: its process was killed.
            Exception: whatever the call raised.
        """
        assert self._answer is not None
        self._process.join()
        succeeded, content = self._answer
        if not succeeded:
            raise content
        return content

    def stop(self) -> None:
        """End it now."""
        self._process.kill()
        self._process.join()
        self._pipe.close()


_SAID, _RETURNED, _RAISED = range(3)


def _serve_apart(work: Callable[..., Any], arguments: Sequence[Any], pipe: Connection) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in _serve
    threading.Thread(target=_end_with_parent, daemon=True).start()
    try:
        answer = _RETURNED, work(*arguments, lambda content: pipe.send((_SAID, content)))
    except Exception as error:
        error.add_note(f"in a process of its own:\n{traceback.format_exc()}")
        answer = _RAISED, error
    with suppress(OSError):  # the parent wants nothing more
        pipe.send(answer)


def _answer(work: Work[Any], job: Any, progress: Progress) -> tuple[bool, Any]:
    try:
        return True, work(job, progress)
    except _StopError:
        raise
    except Exception as error:
        error.add_note(f"in a worker process:\n{traceback.format_exc()}")
        return False, error


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    wait_for([parent.sentinel])
    os._exit(1)  # the parent was killed: there is nobody to take the result
