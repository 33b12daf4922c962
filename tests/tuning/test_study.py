from __future__ import annotations

import json
import threading

import pytest
from filelock import FileLock, Timeout
from optuna.trial import TrialState

from labelkit.errors import OutputError, OutputExistsError, StudyError
from labelkit.settings import TuneSettings
from labelkit.tuning import study as module
from labelkit.tuning.study import JOURNAL, LOCK, MOST_DEATHS, STUDY, Study, Terms, begin_study
from labelkit.tuning.trial import Measured
from tests.tuning.objectives import Bowl

TERMS = Terms("a" * 64, "dataset", 20.0)
RANGES = {"filters": {"int": [5, 25]}, "dropout": {"float": [0.0, 0.7]}}
TWO = [{"name": "one", "stages": 1}, {"name": "two", "stages": 2}]


def search(folder, terms=TERMS, **settings):
    return begin_study(folder, TuneSettings.model_validate({"max_trials": 4, "ranges": RANGES, **settings}), terms)


def run_all(study, objective=None):
    while claim := study.take():
        claim.run(objective or Bowl())
    return study.trials()


def test_there_are_as_many_trials_as_asked_for_structures_in_turn(tmp_path):
    study = search(tmp_path / "s", structures=TWO)
    order = []
    while claim := study.take():
        order.append((claim.drawn.structure, claim.drawn.number))
        claim.run(Bowl())
    assert order == [(name, number) for number in range(4) for name in ("one", "two")]
    assert study.is_finished()
    assert study.available() == 0


def test_trials_that_many_take_at_once_are_as_many_and_all_different(tmp_path):
    search(tmp_path / "s", max_trials=12)
    taken = []

    def work():
        study = Study(tmp_path / "s", search(tmp_path / "s", max_trials=12).settings)
        while claim := study.take():
            taken.append(claim.drawn.number)
            claim.run(Bowl())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(12))


def test_a_claimed_trial_is_nobody_else_s_until_its_holder_is_gone(tmp_path):
    study = search(tmp_path / "s", max_trials=1)
    claim = study.take()
    assert study.take() is None
    assert study.available() == 0
    claim.lock.release()  # as the system does when a process dies
    assert study.available() == 1
    again = study.take()
    assert again.drawn == claim.drawn


def test_a_lost_trial_is_taken_before_a_new_one_and_with_the_same_values(tmp_path):
    study = search(tmp_path / "s")
    first, second = study.take(), study.take()
    first.lock.release()
    again = study.take()
    assert (again.drawn.number, again.drawn.values) == (0, first.drawn.values)
    assert second.drawn.values != first.drawn.values


def test_a_trial_whose_process_died_before_all_was_drawn_is_drawn_to_the_end(tmp_path):
    study = search(tmp_path / "s")
    whole = study.take().drawn
    other = search(tmp_path / "t")
    structure = other.structures[0]
    other.study_of(structure).ask()  # made, and nothing drawn
    drawn = other.take().drawn
    assert (drawn.number, drawn.values) == (0, whole.values)


def test_a_trial_that_kills_its_process_time_and_again_is_told_as_lost(tmp_path):
    study = search(tmp_path / "s", max_trials=1)
    for death in range(1, MOST_DEATHS + 1):
        study.take().lock.release()
        study.mark_death("all", 0)
        assert study.is_finished() == (death == MOST_DEATHS)
    (trial,) = study.trials()
    assert (trial.measured.outcome, trial.learned) == ("lost", False)
    assert "killed 5 times" in trial.measured.why


def test_deaths_with_an_epoch_between_them_are_not_the_trial_s_fault(tmp_path):
    study = search(tmp_path / "s", max_trials=1)
    for epoch in range(3 * MOST_DEATHS):
        claim = study.take()
        claim._report(epoch + 1, 15.0)
        claim.lock.release()
        study.mark_death("all", 0)
    assert not study.is_finished()


def test_a_death_that_another_process_made_good_already_changes_nothing(tmp_path):
    study = search(tmp_path / "s", max_trials=1)
    claim = study.take()
    for _ in range(2 * MOST_DEATHS):
        study.mark_death("all", 0)
    claim.run(Bowl())
    assert study.trials()[0].learned


def told(study):
    return [trial.values for trial in study.study_of(study.structures[0]).get_trials(states=(TrialState.COMPLETE,))]


@pytest.mark.parametrize("outcome", ["collapsed", "diverged", "impossible"])
def test_the_sampler_hears_of_a_trial_that_did_not_learn_as_of_the_constant_predictor(tmp_path, outcome):
    study = search(tmp_path / "s", max_trials=1)
    run_all(study, lambda drawn, on_epoch: Measured(outcome, None if outcome == "impossible" else 1e9))
    assert told(study) == [[20.0]]


def test_with_two_objectives_the_sampler_hears_both(tmp_path):
    study = search(tmp_path / "s", max_trials=2, objectives="cmae,latency")
    study.take().run(lambda drawn, on_epoch: Measured("learned", 9.0, latency_ms=2.5))
    study.take().run(lambda drawn, on_epoch: Measured("impossible"))
    assert told(study) == [[9.0, 2.5], [20.0, 1000.0]]


def test_every_trial_has_a_seed_of_its_own_and_the_split_of_all(tmp_path):
    study = search(tmp_path / "s", structures=TWO, seed=3)
    claims = [study.take() for _ in range(8)]
    assert len({claim.drawn.seed for claim in claims}) == 8
    assert all(claim.drawn.settings.seed == claim.drawn.seed for claim in claims)
    assert {claim.drawn.settings.seed_of_split for claim in claims} == {3}
    assert {claim.drawn.settings.stages for claim in claims} == {1, 2}


def test_the_split_may_have_a_seed_of_its_own(tmp_path):
    claim = search(tmp_path / "s", seed=3, train={"split_seed": 8}).take()
    assert claim.drawn.settings.seed_of_split == 8


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_that_was_stopped_draws_what_an_unbroken_one_draws(tmp_path, sampler):
    whole = run_all(search(tmp_path / "a", max_trials=16, sampler=sampler))
    for _ in range(16):  # a process each
        search(tmp_path / "b", max_trials=16, sampler=sampler).take().run(Bowl())
    broken = search(tmp_path / "b", max_trials=16, sampler=sampler).trials()
    assert [trial.values for trial in broken] == [trial.values for trial in whole]


def test_tpe_and_chance_begin_alike_and_part_after_ten(tmp_path):
    by_tpe, by_chance = (
        [trial.values for trial in run_all(search(tmp_path / name, max_trials=14, sampler=name))]
        for name in ("tpe", "random")
    )
    assert by_tpe[:10] == by_chance[:10]
    assert all(a != b for a, b in zip(by_tpe[10:], by_chance[10:], strict=True))


def test_tpe_ends_nearer_to_the_bottom_than_chance(tmp_path):
    means = {
        sampler: sum(
            sum(sorted(trial.measured.cmae_deg for trial in run_all(study))[:16])
            for study in (
                search(tmp_path / f"{sampler}{seed}", max_trials=32, sampler=sampler, seed=seed) for seed in (1, 2)
            )
        )
        for sampler in ("tpe", "random")
    }
    assert means["tpe"] < means["random"]


def test_another_search_in_the_folder_is_named_by_what_differs(tmp_path):
    search(tmp_path / "s")
    with pytest.raises(StudyError, match=r'another search, with sampler "tpe" where this one has "random"'):
        search(tmp_path / "s", sampler="random")
    with pytest.raises(StudyError, match="with ranges"):
        search(tmp_path / "s", ranges={"filters": {"int": [5, 9]}})


def test_a_dataset_that_changed_since_is_refused(tmp_path):
    search(tmp_path / "s")
    with pytest.raises(StudyError, match="aaaaaaaaaaaa, dataset has bbbbbbbbbbbb"):
        search(tmp_path / "s", terms=Terms("b" * 64, "dataset", 20.0))


def test_more_trials_may_be_asked_for_later_and_the_first_stay(tmp_path):
    first = run_all(search(tmp_path / "s"))
    more = search(tmp_path / "s", max_trials=6, best_of=3)
    assert more.available() == 2
    assert run_all(more)[:4] == first


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="holds something that is no search"):
        search(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_in_which_another_process_begins_the_search_just_now_is_the_search_s(tmp_path):
    for name in (JOURNAL, f"{JOURNAL}.flock", f".{STUDY}.77.part"):
        (tmp_path / name).touch()
    assert search(tmp_path).available() == 4


def test_a_search_is_begun_by_one_process_at_a_time(tmp_path, monkeypatch):
    def write(path, content):
        with pytest.raises(Timeout):
            FileLock(tmp_path / LOCK, timeout=0).acquire()
        written.append(path.name)
        write_text(path, content)

    written, write_text = [], module.write_text
    monkeypatch.setattr(module, "write_text", write)
    search(tmp_path)
    assert written == [STUDY]


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "labelkit-study/0"}'])
def test_a_damaged_study_file_is_one_line(tmp_path, content):
    search(tmp_path / "s")
    (tmp_path / "s" / STUDY).write_text(content)
    with pytest.raises(StudyError, match=r"not a search"):
        search(tmp_path / "s")


def test_a_line_that_a_kill_tore_off_is_left_out_and_the_search_goes_on(tmp_path):
    study = search(tmp_path / "s")
    study.take().run(Bowl())
    with (tmp_path / "s" / JOURNAL).open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"gone","study_')
    again = search(tmp_path / "s")
    assert len(run_all(again)) == 4
    assert all(json.loads(line) for line in (tmp_path / "s" / JOURNAL).read_text().splitlines())


def test_a_damaged_journal_is_one_line(tmp_path):
    run_all(search(tmp_path / "s"))
    lines = (tmp_path / "s" / JOURNAL).read_text().splitlines()
    (tmp_path / "s" / JOURNAL).write_text("\n".join([lines[0], "\0\0\0", *lines[2:]]) + "\n")
    with pytest.raises(StudyError, match=r"journal.log: damaged"):
        search(tmp_path / "s")


def test_a_full_disk_is_an_error_a_user_can_mend_and_nothing_is_lost(tmp_path, monkeypatch):
    study = search(tmp_path / "s")
    claim = study.take()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(OutputError, match="No space left"):
            claim.run(Bowl())
    claim.lock.release()
    assert len(run_all(search(tmp_path / "s"))) == 4


def test_the_gaussian_process_asks_for_torch(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs torch"):
        search(tmp_path / "s", sampler="gp")


def test_latency_as_an_objective_must_be_measured():
    with pytest.raises(ValueError, match="needs latency to be measured"):
        TuneSettings(objectives="cmae,latency", latency=False)
