"""Run the trials of a search in several processes until all are done, here or on other machines."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from multiprocessing.connection import wait
from pathlib import Path

from labelkit.processes import Apart, WorkerDiedError
from labelkit.settings import TuneSettings
from labelkit.tuning.folder import Search
from labelkit.tuning.trial import Objective

_POLL_S = 0.5  # between looks at what other processes did
_MOST_STARTS = 20  # processes killed one after the other before they took a trial


def run_search(
    search: Search,
    objective: Objective,
    jobs: int,
    on_change: Callable[[Search], None],
    *,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run the trials of a search, each in a process of its own.

    If a process is killed, another takes its trial up from the last checkpoint.

    Args:
        jobs: trials at a time.
        on_change: called at least twice a second.
        environment: variables of the trials' processes.
    Raises:
        WorkerDiedError: processes are killed before they begin.
        Exception: what an objective raised; other trials stop, and the next call goes on with them.
    """
    workers: list[Apart] = []
    stillborn = 0
    try:
        while True:
            on_change(search)
            for worker in [worker for worker in workers if worker.has_ended()]:
                workers.remove(worker)
                stillborn = stillborn + 1 if _is_stillborn(search, worker) else 0
                if stillborn >= _MOST_STARTS:
                    raise WorkerDiedError(
                        f"{search.folder}: {stillborn} processes one after the other were killed before they took a "
                        "trial (out of memory?); run the same command again, with fewer --jobs if memory is short"
                    )
            if not workers and search.is_finished():
                return
            starting = sum(not worker.heard for worker in workers)
            for _ in range(min(jobs - len(workers), search.count_available() - starting)):
                workers.append(Apart(run_next, search.folder, search.settings, objective, environment=environment))
            wait([worker.pipe for worker in workers], timeout=_POLL_S)
    finally:
        for worker in workers:
            worker.stop()


def _is_stillborn(search: Search, ended: Apart) -> bool:
    """Take note of how a worker ended, and say whether it was killed before it took a trial."""
    try:
        ended.result()
    except WorkerDiedError:
        if not ended.heard:
            return True
        search.mark_death(*ended.heard[0])
    return False


def run_next(
    folder: Path, settings: TuneSettings, objective: Objective, say: Callable[[tuple[str, int]], None]
) -> None:
    """Take a trial, if there is one, and run it: the work of one process.

    It logs errors only: the lines of several trainings at once cannot be read, and each run folder holds its own.
    """
    logging.getLogger("labelkit").setLevel(logging.ERROR)
    claim = Search(folder, settings).take()
    if claim is not None:
        say((claim.drawn.structure, claim.drawn.number))
        claim.run(objective)
