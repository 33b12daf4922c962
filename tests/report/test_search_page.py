from __future__ import annotations

from dataclasses import replace

import pytest

from labelkit.report.search_page import search_page
from labelkit.settings import TuneSettings
from labelkit.tuning.folder import Terms, begin_search
from labelkit.tuning.importance import measure_importance
from labelkit.tuning.ranking import find_unbeaten, rank_structures
from labelkit.tuning.trial import Measured
from tests.tuning.objectives import Bowl

RANGES = {
    "filters": {"int": [5, 25]},
    "dropout": {"float": [0.0, 0.7]},
    "learning_rate": {"log": [1e-5, 1e-2]},
    "activation": {"choice": ["relu", "leaky-relu"]},
}


def errs(drawn, on_epoch):
    """Most learn; a large learning rate diverges, and deeper is slower and better."""
    if drawn.values["learning_rate"] > 1e-3:
        return Measured("diverged", why="the loss became <nan>")
    measured = Bowl()(drawn, on_epoch)
    stages, error = drawn.settings.stages, measured.cmae_deg or 0.0
    return Measured(
        "learned", error / stages**0.5, 9, 7, 60.0, 5000 * stages, 10**6, stages * (1 + drawn.values["filters"] / 9)
    )


@pytest.fixture(scope="module")
def search(tmp_path_factory):
    structures = [{"name": f"stages-{stages}", "stages": stages} for stages in (1, 4)]
    asked = {"max_trials": 10, "best_of": 6, "ranges": RANGES, "structures": structures}
    return begin_search(
        tmp_path_factory.mktemp("search") / "s", TuneSettings.model_validate(asked), Terms("a" * 64, "<i>dataset", 19.0)
    )


def page_of(search):
    trials = search.trials()
    ranking = rank_structures(trials, [structure.name for structure in search.structures], search.settings.best_of)
    return search_page(search, trials, ranking, measure_importance(search), find_unbeaten(trials)).decode()


def test_a_search_without_a_finished_trial_has_a_page_that_says_so(search):
    html = page_of(search)
    assert "Only 0 of 20 trials are finished" in html
    assert "History" not in html


def test_a_page_says_what_ranks_first_what_mattered_and_every_trial(search):
    while claim := search.take():
        claim.run(errs)
    html = page_of(search)
    assert "Only" not in html
    assert "stages-4" in html[html.index("best structure") - 400 : html.index("its best trial")]
    assert html.count("<img") == 4
    assert "the loss became &lt;nan&gt;" in html
    assert "on &lt;i&gt;dataset" in html
    assert html == page_of(search)


def test_a_caption_explains_only_what_is_drawn(search):
    assert "Crosses: not learned" in page_of(search)  # some diverged
    assert "a gap is a setting" not in page_of(search)
    trials = [trial for trial in search.trials() if trial.learned]
    first = replace(trials[0], values={"filters": 7})
    ranking = rank_structures(trials, ["stages-1", "stages-4"], 6)
    html = search_page(search, [first, *trials[1:]], ranking, {}, []).decode()
    assert "Crosses" not in html
    assert "a gap is a setting that was not drawn" in html


def test_a_structure_of_which_too_few_learned_is_pointed_out(search):
    assert search.is_finished()
    strict = search.settings.model_copy(update={"best_of": 10})
    search.settings, before = strict, search.settings
    html = page_of(search)
    search.settings = before
    learned = sum(trial.learned for trial in search.trials() if trial.structure == "stages-1")
    assert f"stages-1: {learned} of 10 trials learned (" in html
    assert f"the mean of {learned} errors, not of 10" in html


def test_what_decides_the_error_is_measured(search):
    shares = measure_importance(search)["stages-1"]
    assert sum(shares.values()) == pytest.approx(1.0)
    assert shares["filters"] > shares["activation"]
