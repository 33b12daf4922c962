from __future__ import annotations

from labelkit.tuning import trial_lines
from labelkit.tuning.trial import Measured, Trial
from labelkit.tuning.trial_lines import HEADER, show_trials, trial_line
from tests.tuning.searcher import begin


def trial(outcome="learned", error=9.5, structure="pooled-4", number=3):
    return Trial(structure, number, 0, {}, Measured(outcome, error))


def test_a_line_says_how_far_the_search_is_what_the_trial_came_to_and_what_is_left():
    best = trial(error=8.25)
    assert trial_line(7, 64, trial(), best, 3725).split() == ["7/64", "pooled-4", "3", "9.50", "8.25", "1:02:05"]
    assert "8.25*" in trial_line(7, 64, best, best, 60)
    assert trial_line(1, 64, trial("collapsed"), None, 60).split()[3:] == ["collapsed", "-", "1:00"]


def test_no_line_is_wider_than_80_columns_and_they_stand_below_their_headings():
    for outcome in ("learned", "impossible"):
        line = trial_line(31_999, 99_999, trial(outcome, 99.99, "s" * 40, 99_999), trial(error=99.99), 360_000)
        assert len(line) <= 80
    short = trial_line(7, 64, trial(), trial(error=8.25), 60)
    heading = HEADER.splitlines()[1]
    assert short.index("pooled-4") == heading.index("structure")
    assert short.index("8.25") == heading.index("best")
    assert short.rindex("1:00") == heading.index("left")


def test_each_trial_is_told_once_and_quiet_is_quiet(tmp_path, capsys):
    search = begin(tmp_path / "s", 2)
    for quiet in (False, True):
        with show_trials(search, quiet=quiet) as on_change:
            claim = search.take()
            search.finish(claim, Measured("learned", 9.0))
            on_change(search)
            on_change(search)
        said = capsys.readouterr().err
        assert said.count("9.00") == (0 if quiet else 2)  # of it, and the best


class Clock:
    """A clock that goes when it is told to."""

    now_s = 100.0

    def monotonic(self):
        return self.now_s


def test_the_time_left_is_reckoned_from_the_trials_of_this_sitting(tmp_path, capsys, monkeypatch):
    clock = Clock()
    monkeypatch.setattr(trial_lines, "time", clock)
    search = begin(tmp_path / "s", 2)
    search.finish(search.take(), Measured("learned", 9.0))
    with show_trials(search, quiet=False) as on_change:
        search.finish(search.take(), Measured("learned", 9.0))
        clock.now_s += 60.0
        on_change(search)
    last = capsys.readouterr().err.splitlines()[-1].split()
    assert (last[0], last[-1]) == ("2/4", "2:00")


def test_the_smallest_error_is_the_best_and_has_the_star(tmp_path, capsys):
    search = begin(tmp_path / "s", 2)
    with show_trials(search, quiet=False) as on_change:
        for error in (8.0, 9.0):
            search.finish(search.take(), Measured("learned", error))
            on_change(search)
    first, second = (line.split() for line in capsys.readouterr().err.splitlines()[-2:])
    assert (first[3:5], second[3:5]) == (["8.00*", "8.00"], ["9.00", "8.00"])


def test_nothing_is_said_of_a_search_that_is_over(tmp_path, capsys):
    search = begin(tmp_path / "s", 1)
    while claim := search.take():
        search.finish(claim, Measured("learned", 9.0))
    with show_trials(search, quiet=False) as on_change:
        on_change(search)
    assert capsys.readouterr().err == ""
