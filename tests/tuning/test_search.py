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

from labelkit.errors import StudyError
from labelkit.processes import WorkerDiedError
from labelkit.tuning.search import run_next, search
from labelkit.tuning.study import CLAIMS
from tests.tuning.objectives import Bowl, Failing, Fatal
from tests.tuning.searcher import begun

HERE = Path(__file__).parents[2]


def values(study):
    return {(trial.structure, trial.number): trial.values for trial in study.trials()}


def unbroken(folder, trials):
    study = begun(folder, trials)
    while claim := study.take():
        claim.run(Bowl())
    return values(study)


@pytest.mark.slow
def test_workers_that_are_killed_cost_no_trial_and_bring_none(tmp_path):
    study, kills = begun(tmp_path / "s", 4), []

    def kill_one(study):
        running = [child for child in multiprocessing.active_children() if child.pid]
        if len(kills) < 5 and running and len(study.trials()) > len(kills) // 2:
            os.kill(running[-1].pid, signal.SIGKILL)
            kills.append(running[-1].pid)

    search(study, Bowl(epochs=4, epoch_s=0.15), 2, kill_one)
    assert len(kills) == 5
    assert values(study) == unbroken(tmp_path / "t", 4)
    assert all(trial.learned for trial in study.trials())
    assert list((study.folder / CLAIMS).iterdir()) == []


def test_a_trial_that_kills_every_process_ends_as_lost_and_the_others_go_on(tmp_path):
    study = begun(tmp_path / "s", 1)
    search(study, Fatal(structure="one", number=0), 2, lambda study: None)
    came = {(trial.structure, trial.number): trial.measured.outcome for trial in study.trials()}
    assert came == {("one", 0): "lost", ("two", 0): "learned"}


def test_what_a_trial_raises_stops_the_search_and_leaves_it_to_be_gone_on_with(tmp_path):
    study = begun(tmp_path / "s", 1)
    with pytest.raises(StudyError, match="the dataset is gone"):
        search(study, Failing("the dataset is gone"), 2, lambda study: None)
    assert multiprocessing.active_children() == []
    search(study, Bowl(), 2, lambda study: None)
    assert values(study) == unbroken(tmp_path / "t", 1)


def test_processes_that_die_before_they_take_a_trial_are_not_started_for_ever(tmp_path, monkeypatch):
    monkeypatch.setattr("labelkit.tuning.search.run_next", die)
    monkeypatch.setattr("labelkit.tuning.search._MOST_STARTS", 2)
    with pytest.raises(WorkerDiedError, match="2 processes one after the other were killed"):
        search(begun(tmp_path / "s", 2), Bowl(), 1, lambda study: None)


class Worker:
    """Stands for a process, in this one."""

    def __init__(self, study, *, dies=False):
        self.heard, self.looks, (self.pipe, _) = [], 0, multiprocessing.Pipe()  # whose other end is closed
        self._study, self._dies = study, dies

    def ended(self):
        """Take a trial at the second look at it, and have run it at the third."""
        self.looks += 1
        if self.looks == 2 and not self._dies and (claim := self._study.take()):
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
    study, started, at_once = begun(tmp_path / "s", 1), [], []
    monkeypatch.setattr("labelkit.tuning.search.Apart", lambda *_: started.append(Worker(study)) or started[-1])
    search(study, Bowl(), jobs, lambda _: at_once.append(sum(worker.looks < 3 for worker in started)))
    assert len(started) == 2
    assert max(at_once) == min(jobs, 2)


def test_processes_that_die_now_and_then_do_not_add_up(tmp_path, monkeypatch):
    study, started = begun(tmp_path / "s", 2), []

    def start(*_):
        started.append(Worker(study, dies=len(started) % 2 == 0))
        return started[-1]

    monkeypatch.setattr("labelkit.tuning.search.Apart", start)
    monkeypatch.setattr("labelkit.tuning.search._MOST_STARTS", 2)
    search(study, Bowl(), 1, lambda study: None)
    assert (study.is_finished(), len(started)) == (True, 8)


def test_what_a_training_says_stays_out_of_the_search_s_log(tmp_path, caplog):
    caplog.set_level(logging.INFO, "labelkit")  # set back at the end
    study, trained = begun(tmp_path / "s", 1), []

    def chatty(drawn, on_epoch):
        logging.getLogger("labelkit.training.trainer").warning("it took a while")
        trained.append(drawn.number)
        return Bowl()(drawn, on_epoch)

    run_next(study.folder, study.settings, chatty, lambda taken: None)
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

    study = begun(tmp_path / "s", trials)
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
    assert not study.is_finished()
    assert [each.wait(timeout=300) for each in machines] == [0, 0]
    assert values(study) == unbroken(tmp_path / "t", trials)
    assert all(trial.learned for trial in study.trials())
