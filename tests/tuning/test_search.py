from __future__ import annotations

import logging
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from labelkit.errors import SearchError
from labelkit.processes import WorkerDiedError
from labelkit.tuning.folder import CLAIMS
from labelkit.tuning.search import run_next, run_search
from tests.tuning.objectives import Bowl, Failing, Fatal
from tests.tuning.searcher import begin

HERE = Path(__file__).parents[2]


def values(search):
    return {(trial.structure, trial.number): trial.values for trial in search.trials()}


def unbroken(folder, trials):
    search = begin(folder, trials)
    while claim := search.take():
        claim.run(Bowl())
    return values(search)


@pytest.mark.slow
def test_workers_that_are_killed_cost_no_trial_and_bring_none(tmp_path):
    search, kills = begin(tmp_path / "s", 4), []

    def kill_one(search):
        running = [child for child in multiprocessing.active_children() if child.pid]
        if len(kills) < 5 and running and len(search.trials()) > len(kills) // 2:
            os.kill(running[-1].pid, signal.SIGKILL)
            kills.append(running[-1].pid)

    run_search(search, Bowl(epochs=4, epoch_s=0.15), 2, kill_one)
    assert len(kills) == 5
    assert values(search) == unbroken(tmp_path / "t", 4)
    assert all(trial.learned for trial in search.trials())
    assert list((search.folder / CLAIMS).iterdir()) == []


def test_a_trial_that_kills_every_process_ends_as_lost_and_the_others_go_on(tmp_path):
    search = begin(tmp_path / "s", 1)
    run_search(search, Fatal(structure="one", number=0), 2, lambda search: None)
    came = {(trial.structure, trial.number): trial.measured.outcome for trial in search.trials()}
    assert came == {("one", 0): "lost", ("two", 0): "learned"}


def test_what_a_trial_raises_stops_the_search_and_leaves_it_to_be_gone_on_with(tmp_path):
    search = begin(tmp_path / "s", 1)
    with pytest.raises(SearchError, match="the dataset is gone"):
        run_search(search, Failing("the dataset is gone"), 2, lambda search: None)
    assert multiprocessing.active_children() == []
    run_search(search, Bowl(), 2, lambda search: None)
    assert values(search) == unbroken(tmp_path / "t", 1)


def test_processes_that_die_before_they_take_a_trial_are_not_started_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("labelkit.tuning.search.run_next", die)
    monkeypatch.setattr("labelkit.tuning.search._MOST_STARTS", 2)
    with pytest.raises(WorkerDiedError, match="2 processes one after the other were killed"):
        run_search(begin(tmp_path / "s", 2), Bowl(), 1, lambda search: None)


class Worker:
    """Stands for a process, in this one."""

    def __init__(self, search, *, dies=False):
        self.heard, self.looks, (self.pipe, _) = [], 0, multiprocessing.Pipe()  # whose other end is closed
        self._search, self._dies = search, dies

    def has_ended(self):
        """Take a trial at the second look at it, and have run it at the third."""
        self.looks += 1
        if self.looks == 2 and not self._dies and (claim := self._search.take()):
            self.heard.append((claim.drawn.structure, claim.drawn.number))
            self._claim = claim
        if self.looks == 3 and self.heard:
            self._claim.run(Bowl())
        return self.looks >= 3

    def result(self):
        if self._dies:
            raise WorkerDiedError("killed")

    def stop(self):
        pass


@pytest.mark.parametrize("jobs", [1, 3])
def test_no_more_processes_run_than_jobs_and_none_is_started_in_vain(tmp_path, monkeypatch, jobs):
    search, started, at_once = begin(tmp_path / "s", 1), [], []
    monkeypatch.setattr("labelkit.tuning.search.Apart", lambda *_, **__: started.append(Worker(search)) or started[-1])
    run_search(search, Bowl(), jobs, lambda _: at_once.append(sum(worker.looks < 3 for worker in started)))
    assert len(started) == 2
    assert max(at_once) == min(jobs, 2)


def test_processes_that_die_now_and_then_do_not_add_up(tmp_path, monkeypatch):
    search, started = begin(tmp_path / "s", 2), []

    def start(*_, **__):
        started.append(Worker(search, dies=len(started) % 2 == 0))
        return started[-1]

    monkeypatch.setattr("labelkit.tuning.search.Apart", start)
    monkeypatch.setattr("labelkit.tuning.search._MOST_STARTS", 2)
    run_search(search, Bowl(), 1, lambda search: None)
    assert (search.is_finished(), len(started)) == (True, 8)


def test_what_a_training_says_stays_out_of_the_search_s_log(tmp_path, caplog):
    caplog.set_level(logging.INFO, "labelkit")  # set back at the end
    search, trained = begin(tmp_path / "s", 1), []

    def chatty(drawn, on_epoch):
        logging.getLogger("labelkit.training.trainer").warning("it took a while")
        trained.append(drawn.number)
        return Bowl()(drawn, on_epoch)

    run_next(search.folder, search.settings, chatty, lambda taken: None)
    assert (trained, caplog.text) == ([0], "")


def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)


def children(pid):
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


@pytest.mark.sweep
@pytest.mark.parametrize("seed", range(3))
def test_twenty_kills_of_workers_and_of_whole_machines_leave_the_number_of_trials_exact(tmp_path, seed):
    rng, trials = random.Random(seed), 16

    def machine():
        arguments = [sys.executable, "-m", "tests.tuning.searcher", tmp_path / "s", str(trials), "2"]
        return subprocess.Popen(arguments, cwd=HERE)

    search = begin(tmp_path / "s", trials)
    machines, kills = [machine(), machine()], 0
    while kills < 20:
        time.sleep(rng.uniform(0.2, 1.0))
        struck = rng.randrange(2)
        assert machines[struck].poll() is None, "the storm came too late"
        workers = children(machines[struck].pid)
        if rng.random() < 0.3:
            machines[struck].kill()
            machines[struck].wait()
            machines[struck] = machine()
            kills += 1
        elif workers:
            os.kill(rng.choice(workers), signal.SIGKILL)
            kills += 1
    assert not search.is_finished()
    assert [each.wait(timeout=300) for each in machines] == [0, 0]
    assert values(search) == unbroken(tmp_path / "t", trials)
    assert all(trial.learned for trial in search.trials())
