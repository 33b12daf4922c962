"""Keep some processes at the trials of a search until all are done, here or on machines that joined in."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from multiprocessing.connection import wait
from pathlib import Path

from labelkit.processes import Apart, WorkerDiedError
from labelkit.settings import TuneSettings
from labelkit.tuning.study import Study
from labelkit.tuning.trial import Objective

_POLL_S = 0.5  # how often the work of others is looked at
_MOST_STARTS = 20  # processes killed one after the other before they even took a trial


def search(
    study: Study,
    objective: Objective,
    jobs: int,
    on_change: Callable[[Study], None],
    *,
    environment: Mapping[str, str] | None = None,
) -> None:
    """Run the trials of a search, each in a process of its own.

    A process that is killed costs what its trial had done since its last checkpoint: another takes the trial up.

    Args:
        jobs: trials at a time.
        on_change: called now and then.
        environment: variables of the trials' processes.
    Raises:
        WorkerDiedError: processes are killed before they begin.
        Exception: whatever an objective raised; other trials are stopped, and taken up by the next search.
    """
    workers: list[Apart] = []
    stillborn = 0
    try:
        while True:
            on_change(study)
            for worker in [worker for worker in workers if worker.ended()]:
                workers.remove(worker)
                stillborn = stillborn + 1 if _is_stillborn(study, worker) else 0
                if stillborn >= _MOST_STARTS:
                    raise WorkerDiedError(
                        f"{study.folder}: {stillborn} processes one after the other were killed before they took a "
                        "trial (out of memory?); run the same command again, with fewer --jobs if memory is short"
                    )
            if not workers and study.is_finished():
                return
            starting = sum(not worker.heard for worker in workers)
            for _ in range(min(jobs - len(workers), study.available() - starting)):
                workers.append(Apart(run_next, study.folder, study.settings, objective, environment=environment))
            wait([worker.pipe for worker in workers], timeout=_POLL_S)
    finally:
        for worker in workers:
            worker.stop()


def _is_stillborn(study: Study, ended: Apart) -> bool:
    """Hear how a worker ended: whether it was killed before it took a trial."""
    try:
        ended.result()
    except WorkerDiedError:
        if not ended.heard:
            return True
        study.mark_death(*ended.heard[0])
    return False


def run_next(
    folder: Path, settings: TuneSettings, objective: Objective, say: Callable[[tuple[str, int]], None]
) -> None:
    """Take a trial and run it, where there is one: what a worker process does.

    What a training has to say of itself stands in its folder; that of several would be a babble.
    """
    logging.getLogger("labelkit").setLevel(logging.ERROR)
    claim = Study(folder, settings).take()
    if claim is not None:
        say((claim.drawn.structure, claim.drawn.number))
        claim.run(objective)
