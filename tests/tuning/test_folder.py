from __future__ import annotations

import json
import threading

import pytest
from filelock import FileLock, Timeout
from optuna.trial import TrialState

from labelkit.errors import OutputError, OutputExistsError, SearchError
from labelkit.settings import TuneSettings
from labelkit.tuning import folder as module
from labelkit.tuning.folder import JOURNAL, LOCK, MOST_DEATHS, SEARCH, Search, Terms, begin_search
from labelkit.tuning.trial import Measured
from tests.tuning.objectives import Bowl

TERMS = Terms("a" * 64, "dataset", 20.0)
RANGES = {"filters": {"int": [5, 25]}, "dropout": {"float": [0.0, 0.7]}}
TWO = [{"name": "one", "stages": 1}, {"name": "two", "stages": 2}]


def begin(folder, terms=TERMS, **settings):
    return begin_search(folder, TuneSettings.model_validate({"max_trials": 4, "ranges": RANGES, **settings}), terms)


def run_all(search, objective=None):
    while claim := search.take():
        claim.run(objective or Bowl())
    return search.trials()


def test_there_are_as_many_trials_as_asked_for_structures_in_turn(tmp_path):
    search = begin(tmp_path / "s", structures=TWO)
    order = []
    while claim := search.take():
        order.append((claim.drawn.structure, claim.drawn.number))
        claim.run(Bowl())
    assert order == [(name, number) for number in range(4) for name in ("one", "two")]
    assert search.is_finished()
    assert search.count_available() == 0


def test_trials_that_many_take_at_once_are_as_many_and_all_different(tmp_path):
    begin(tmp_path / "s", max_trials=12)
    taken = []

    def work():
        search = Search(tmp_path / "s", begin(tmp_path / "s", max_trials=12).settings)
        while claim := search.take():
            taken.append(claim.drawn.number)
            claim.run(Bowl())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(taken) == list(range(12))


def test_a_claimed_trial_is_nobody_else_s_until_its_holder_is_gone(tmp_path):
    search = begin(tmp_path / "s", max_trials=1)
    claim = search.take()
    assert search.take() is None
    assert search.count_available() == 0
    claim.lock.release()  # as the system does when a process dies
    assert search.count_available() == 1
    again = search.take()
    assert again.drawn == claim.drawn


def test_a_lost_trial_is_taken_before_a_new_one_and_with_the_same_values(tmp_path):
    search = begin(tmp_path / "s")
    first, second = search.take(), search.take()
    first.lock.release()
    again = search.take()
    assert (again.drawn.number, again.drawn.values) == (0, first.drawn.values)
    assert second.drawn.values != first.drawn.values


def test_a_trial_whose_process_died_before_all_was_drawn_is_drawn_to_the_end(tmp_path):
    search = begin(tmp_path / "s")
    whole = search.take().drawn
    other = begin(tmp_path / "t")
    structure = other.structures[0]
    other.study_of(structure).ask()  # made, and nothing drawn
    drawn = other.take().drawn
    assert (drawn.number, drawn.values) == (0, whole.values)


def test_a_trial_that_kills_its_process_time_and_again_is_told_as_lost(tmp_path):
    search = begin(tmp_path / "s", max_trials=1)
    for death in range(1, MOST_DEATHS + 1):
        search.take().lock.release()
        search.mark_death("all", 0)
        assert search.is_finished() == (death == MOST_DEATHS)
    (trial,) = search.trials()
    assert (trial.measured.outcome, trial.learned) == ("lost", False)
    assert "killed 5 times" in trial.measured.why


def test_deaths_with_an_epoch_between_them_are_not_the_trial_s_fault(tmp_path):
    search = begin(tmp_path / "s", max_trials=1)
    for epoch in range(3 * MOST_DEATHS):
        claim = search.take()
        claim._report(epoch + 1, 15.0)
        claim.lock.release()
        search.mark_death("all", 0)
    assert not search.is_finished()


def test_a_death_that_another_process_made_good_already_changes_nothing(tmp_path):
    search = begin(tmp_path / "s", max_trials=1)
    claim = search.take()
    for _ in range(2 * MOST_DEATHS):
        search.mark_death("all", 0)
    claim.run(Bowl())
    assert search.trials()[0].learned


def told(search):
    return [trial.values for trial in search.study_of(search.structures[0]).get_trials(states=(TrialState.COMPLETE,))]


@pytest.mark.parametrize("outcome", ["collapsed", "diverged", "impossible"])
def test_the_sampler_hears_of_a_trial_that_did_not_learn_as_of_the_constant_predictor(tmp_path, outcome):
    search = begin(tmp_path / "s", max_trials=1)
    run_all(search, lambda drawn, on_epoch: Measured(outcome, None if outcome == "impossible" else 1e9))
    assert told(search) == [[20.0]]


def test_with_two_objectives_the_sampler_hears_both(tmp_path):
    search = begin(tmp_path / "s", max_trials=2, objectives="cmae,latency")
    search.take().run(lambda drawn, on_epoch: Measured("learned", 9.0, latency_ms=2.5))
    search.take().run(lambda drawn, on_epoch: Measured("impossible"))
    assert told(search) == [[9.0, 2.5], [20.0, 1000.0]]


def test_every_trial_has_a_seed_of_its_own_and_the_split_of_all(tmp_path):
    search = begin(tmp_path / "s", structures=TWO, seed=3)
    claims = [search.take() for _ in range(8)]
    assert len({claim.drawn.seed for claim in claims}) == 8
    assert all(claim.drawn.settings.seed == claim.drawn.seed for claim in claims)
    assert {claim.drawn.settings.seed_of_split for claim in claims} == {3}
    assert {claim.drawn.settings.stages for claim in claims} == {1, 2}


def test_the_split_may_have_a_seed_of_its_own(tmp_path):
    claim = begin(tmp_path / "s", seed=3, train={"split_seed": 8}).take()
    assert claim.drawn.settings.seed_of_split == 8


@pytest.mark.parametrize("sampler", ["tpe", "random"])
def test_a_search_that_was_stopped_draws_what_an_unbroken_one_draws(tmp_path, sampler):
    whole = run_all(begin(tmp_path / "a", max_trials=16, sampler=sampler))
    for _ in range(16):  # a process each
        begin(tmp_path / "b", max_trials=16, sampler=sampler).take().run(Bowl())
    broken = begin(tmp_path / "b", max_trials=16, sampler=sampler).trials()
    assert [trial.values for trial in broken] == [trial.values for trial in whole]


def test_tpe_and_chance_begin_alike_and_part_after_ten(tmp_path):
    by_tpe, by_chance = (
        [trial.values for trial in run_all(begin(tmp_path / name, max_trials=14, sampler=name))]
        for name in ("tpe", "random")
    )
    assert by_tpe[:10] == by_chance[:10]
    assert all(a != b for a, b in zip(by_tpe[10:], by_chance[10:], strict=True))


def test_tpe_ends_nearer_to_the_bottom_than_chance(tmp_path):
    means = {
        sampler: sum(
            sum(sorted(trial.measured.cmae_deg for trial in run_all(search))[:16])
            for search in (
                begin(tmp_path / f"{sampler}{seed}", max_trials=32, sampler=sampler, seed=seed) for seed in (1, 2)
            )
        )
        for sampler in ("tpe", "random")
    }
    assert means["tpe"] < means["random"]


def test_another_search_in_the_folder_is_named_by_what_differs(tmp_path):
    begin(tmp_path / "s")
    with pytest.raises(SearchError, match=r'sampler "tpe".* "random"'):
        begin(tmp_path / "s", sampler="random")
    with pytest.raises(SearchError, match="with ranges"):
        begin(tmp_path / "s", ranges={"filters": {"int": [5, 9]}})


def test_a_dataset_that_changed_since_is_refused(tmp_path):
    begin(tmp_path / "s")
    with pytest.raises(SearchError, match="aaaaaaaaaaaa, dataset has bbbbbbbbbbbb"):
        begin(tmp_path / "s", terms=Terms("b" * 64, "dataset", 20.0))


def test_more_trials_may_be_asked_for_later_and_the_first_stay(tmp_path):
    first = run_all(begin(tmp_path / "s"))
    more = begin(tmp_path / "s", max_trials=6, best_of=3)
    assert more.count_available() == 2
    assert run_all(more)[:4] == first


def test_a_folder_that_holds_something_else_is_left_alone(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(OutputExistsError, match="holds something that is no search"):
        begin(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_folder_in_which_another_process_begins_the_search_just_now_is_the_search_s(tmp_path):
    for name in (JOURNAL, f"{JOURNAL}.flock", f".{SEARCH}.77.part"):
        (tmp_path / name).touch()
    assert begin(tmp_path).count_available() == 4


def test_a_search_is_begun_by_one_process_at_a_time(tmp_path, monkeypatch):
    def write(path, content):
        with pytest.raises(Timeout):
            FileLock(tmp_path / LOCK, timeout=0).acquire()
        written.append(path.name)
        write_text(path, content)

    written, write_text = [], module.write_text
    monkeypatch.setattr(module, "write_text", write)
    begin(tmp_path)
    assert written == [SEARCH]


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "labelkit-search/0"}'])
def test_a_damaged_search_file_is_one_line(tmp_path, content):
    begin(tmp_path / "s")
    (tmp_path / "s" / SEARCH).write_text(content)
    with pytest.raises(SearchError, match=r"not a search"):
        begin(tmp_path / "s")


def test_a_line_that_a_kill_tore_off_is_left_out_and_the_search_goes_on(tmp_path):
    search = begin(tmp_path / "s")
    search.take().run(Bowl())
    with (tmp_path / "s" / JOURNAL).open("ab") as file:
        file.write(b'{"op_code":4,"worker_id":"gone","study_')
    again = begin(tmp_path / "s")
    assert len(run_all(again)) == 4
    assert all(json.loads(line) for line in (tmp_path / "s" / JOURNAL).read_text().splitlines())


def test_a_damaged_journal_is_one_line(tmp_path):
    run_all(begin(tmp_path / "s"))
    lines = (tmp_path / "s" / JOURNAL).read_text().splitlines()
    (tmp_path / "s" / JOURNAL).write_text("\n".join([lines[0], "\0\0\0", *lines[2:]]) + "\n")
    with pytest.raises(SearchError, match=r"journal.log: damaged"):
        begin(tmp_path / "s")


def test_a_full_disk_is_an_error_a_user_can_mend_and_nothing_is_lost(tmp_path, monkeypatch):
    search = begin(tmp_path / "s")
    claim = search.take()

    def full(*_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", full)
        with pytest.raises(OutputError, match="No space left"):
            claim.run(Bowl())
    claim.lock.release()
    assert len(run_all(begin(tmp_path / "s"))) == 4


def test_the_gaussian_process_asks_for_torch(tmp_path, monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"needs torch"):
        begin(tmp_path / "s", sampler="gp")


def test_latency_as_an_objective_must_be_measured():
    with pytest.raises(ValueError, match="needs latency to be measured"):
        TuneSettings(objectives="cmae,latency", latency=False)
