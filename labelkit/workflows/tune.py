"""Ranges in, a ranked table of structures out."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any

from labelkit.files import write_bytes, write_text
from labelkit.processes import Apart, worker_count
from labelkit.report.search_page import search_page
from labelkit.runs.folder import write_json, write_rows
from labelkit.settings import TrainSettings, TuneSettings, as_toml, settings_of
from labelkit.training.backend import ONE_OF_SEVERAL
from labelkit.tuning.folder import SEARCH, Search, Terms, begin_search, check_sampler, trial_settings
from labelkit.tuning.importance import measure_importance
from labelkit.tuning.ranking import Ranked, find_unbeaten, rank_structures
from labelkit.tuning.search import run_search
from labelkit.tuning.space import structures_of
from labelkit.tuning.trial import Trial
from labelkit.tuning.trial_lines import show_trials
from labelkit.workflows.one_run import check_dataset
from labelkit.workflows.run_trial import TrainTrial, check_networks, terms_of

log = logging.getLogger(__name__)

BEST, RESULT, TABLE, PAGE = "best.toml", "result.json", "trials.csv", "report.html"
SCHEMA = "labelkit-search-result/1"


@dataclass(frozen=True)
class TuneResult:
    """The result of a search. Errors are validation CMAEs, degrees; the test was not touched.

    Attributes:
        search: its folder.
        asked, finished, learned: trials of all structures.
        constant_cmae_deg: of the constant predictor.
        structures: the best first.
        unbeaten: trials that no other beats in both error and latency, fastest first.
        importance: structure -> setting -> the share of the error that it decides.
        best: settings of the best trial of the best structure, for `labelkit train --config`; None if none learned.
        page, json, csv: the files that hold all this.
    """

    search: str
    dataset: str
    asked: int
    finished: int
    learned: int
    constant_cmae_deg: float
    structures: tuple[Ranked, ...]
    unbeaten: tuple[Trial, ...]
    importance: dict[str, dict[str, float]]
    best: str | None
    page: str
    json: str
    csv: str


@dataclass(frozen=True)
class TunePlan:
    """What a search would do.

    Attributes:
        search: its folder.
        trials: to be run; those that an earlier call finished are not counted.
        networks: built at the corners of the ranges, to see that they can be built.
    """

    search: str
    structures: tuple[str, ...]
    trials: int
    networks: int
    jobs: int


def tune(
    dataset: Path | str | None = None,
    settings: TuneSettings | None = None,
    *,
    out: Path | str | None = None,
    dry_run: bool = False,
    quiet: bool = False,
    **keywords: Any,
) -> TuneResult | TunePlan:
    """Search structures and settings on a dataset, each structure by itself, by the validation error.

    The same call on the same folder goes on with a search that was stopped, and takes part in one that runs elsewhere.

    Args:
        dataset: a finished dataset; dataset/ if None.
        settings: ranges and structures; there is no default.
        out: the search's folder; searches/<name> if None.
        dry_run: check everything and run nothing.
        quiet: show no progress.
        keywords: single settings, as of `TuneSettings`; they win over `settings`.
    Raises:
        SettingsError: ranges that are empty, unknown, or hold a network that cannot be built.
        DatasetError, SplitError: as `labelkit.train`.
        SearchError: the folder holds another search, or one of another dataset.
        OutputExistsError: the folder holds something else.
        MissingExtraError: the sampler needs torch.
        WorkerDiedError: processes are killed before they begin.
        OutputError: no space or permission.
        KeyboardInterrupt: says how many trials are done.
    """

    settings = settings_of(TuneSettings, settings, keywords)
    structures = structures_of(settings)
    check_sampler(settings)
    folder = Path("searches") / settings.name if out is None else Path(out)
    path, terms = _terms(dataset, settings)
    is_there = (folder / SEARCH).is_file()
    networks = 0 if is_there else _build_corner_networks(folder, settings)
    if dry_run:
        done = len(begin_search(folder, settings, terms).trials()) if is_there else 0
        asked = settings.max_trials * len(structures)
        names = tuple(structure.name for structure in structures)
        return TunePlan(str(folder), names, asked - done, networks, worker_count(settings.jobs, asked))
    search = begin_search(folder, settings, terms)
    objective = TrainTrial(path, search.terms, settings.grace, settings.latency)
    try:
        with show_trials(search, quiet=quiet) as on_change:
            run_search(
                search, objective, worker_count(settings.jobs, search.asked), on_change, environment=ONE_OF_SEVERAL
            )
    except KeyboardInterrupt:
        done = len(search.trials())
        if done:
            conclude(search, path)
        raise KeyboardInterrupt(
            f"interrupted; {done} of {search.asked} trials are done, {folder} holds them; go on with the same command"
        ) from None
    return conclude(search, path)


def _terms(dataset: Path | str | None, settings: TuneSettings) -> tuple[Path, Terms]:
    """Check the dataset, and give the terms that all trials on it share."""

    each = [trial_settings(structure, {}, settings, seed=0) for structure in structures_of(settings)]
    data, samples = check_dataset("dataset" if dataset is None else dataset, each[0])
    for own in each[1:]:
        data.check_fields(own.fields)
    return data.path, terms_of(data, samples, each[0])


def _build_corner_networks(folder: Path, settings: TuneSettings) -> int:
    """Build the networks at the corners of the ranges, in a process that gives its memory back."""

    checking = Apart(check_networks, settings, environment=ONE_OF_SEVERAL)
    try:
        while not checking.has_ended():
            wait([checking.pipe])
        checking.result()
    finally:
        checking.stop()
    built = len(checking.heard)
    log.info("%s: %d networks at the corners of the ranges can be built", folder, built)
    return built


def conclude(search: Search, dataset: Path) -> TuneResult:
    """Rank the finished trials, and write table, JSON, page and best settings into the search's folder."""

    trials, folder = search.trials(), search.folder
    table = rank_structures(trials, [structure.name for structure in search.structures], search.settings.best_of)
    best = next((each.best for each in table if each.best), None)
    result = TuneResult(
        search=str(folder),
        dataset=str(dataset),
        asked=search.asked,
        finished=len(trials),
        learned=sum(trial.learned for trial in trials),
        constant_cmae_deg=search.terms.constant_cmae_deg,
        structures=tuple(table),
        unbeaten=tuple(find_unbeaten(trials)),
        importance=measure_importance(search),
        best=str(folder / BEST) if best else None,
        page=str(folder / PAGE),
        json=str(folder / RESULT),
        csv=str(folder / TABLE),
    )
    if trials:
        write_rows(folder / TABLE, rows_of(search, trials))
    if best:
        write_text(folder / BEST, _best_toml(search, best))
    write_json(folder / RESULT, {"schema": SCHEMA, **asdict(result)})
    write_bytes(folder / PAGE, search_page(search, trials, table, result.importance, result.unbeaten))
    return result


def rows_of(search: Search, trials: Sequence[Trial]) -> list[dict[str, Any]]:
    """Make a row of each trial; a setting that a trial did not draw is left empty."""
    searched = dict.fromkeys(name for structure in search.structures for name in (p.name for p in structure.parameters))
    return [
        {
            "structure": trial.structure,
            "trial": trial.number,
            **{name: trial.values.get(name, "") for name in searched},
            **{key: "" if value is None else value for key, value in asdict(trial.measured).items()},
            "seed": trial.seed,
        }
        for trial in trials
    ]


def _best_toml(search: Search, best: Trial) -> str:

    structure = next(each for each in search.structures if each.name == best.structure)
    settings = trial_settings(structure, best.values, search.settings, best.seed)
    defaults = {key: TrainSettings.model_fields[key].default for key in ("diagnostics", "report")}
    head = (
        f"# Trial {best.number} of structure {best.structure}: validation CMAE {best.measured.cmae_deg:.2f} degrees.\n"
    )
    return head + as_toml(settings.model_copy(update=defaults))
