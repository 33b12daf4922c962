"""The page of a search: structures ranked, what mattered, every trial, and error against latency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup
from matplotlib.figure import Figure
from optuna.distributions import FloatDistribution, IntDistribution

from labelkit.figures.saving import figure_bytes
from labelkit.figures.tuning import Tried, history_figure, importance_figure, parallel_figure, pareto_figure
from labelkit.report.page import Cell, Column, Section, Shown, facts, note, page, plate, table
from labelkit.tuning.ranking import Ranked, error_of
from labelkit.tuning.study import Study
from labelkit.tuning.trial import Trial


def study_page(
    study: Study,
    trials: Sequence[Trial],
    ranking: Sequence[Ranked],
    importance: Mapping[str, Mapping[str, float]],
    unbeaten: Sequence[Trial],
) -> bytes:
    """Make the page of a search.

    Args:
        trials: the finished ones.
        ranking: of the structures, the best first.
        importance: structure -> setting -> share of 1.
        unbeaten: in error and latency, fastest first.
    Returns:
        The HTML file's content; it needs nothing beside it.
    """
    sections = [_result(study, trials, ranking), *_pictures(study, trials, importance, unbeaten)]
    sections += [_trials(study, trials), _terms(study)]
    lead = f"Validation errors, on {study.terms.dataset}. The test was not touched."
    return page(f"Search {study.folder.resolve().name}", sections, lead=lead)


def _result(study: Study, trials: Sequence[Trial], ranking: Sequence[Ranked]) -> Section:
    best = next((each.best for each in ranking if each.best), None)
    body = Markup("").join(_notes(study, trials, ranking))
    if best:
        body += facts(
            {
                "best structure": best.structure,
                "its best trial": f"{error_of(best):.2f}°",
                "constant predictor": f"{study.terms.constant_cmae_deg:.2f}°",
                "trials": f"{len(trials)} of {study.asked}",
            }
        )
    columns = [
        Column("structure"),
        *(Column(title, numeric=True) for title in ("score", "mean of", "best", "spread", "finished", "learned")),
        *(Column(title, numeric=True) for title in ("collapsed", "hours")),
    ]
    body += table(columns, [_row(each) for each in ranking], caption="Structures, degrees", shown=100)
    lead = (
        f"A structure's score is the mean validation CMAE of its best {study.settings.best_of} trials; spread is their "
        "standard deviation. Structures with fewer that learned come last."
    )
    return Section("Structures", body, lead=lead)


def _row(each: Ranked) -> list[Cell]:
    share = each.collapsed_share
    return [
        each.structure,
        *(each.score_deg, each.scored, each.best_deg, each.spread_deg),
        *(each.finished, each.learned),
        None if share is None else Shown(f"{100 * share:.0f} %", share),
        each.seconds / 3600,
    ]


def _notes(study: Study, trials: Sequence[Trial], ranking: Sequence[Ranked]) -> Iterator[Markup]:
    if len(trials) < study.asked:
        yield note(
            f"Only {len(trials)} of {study.asked} trials are finished: the ranking is not the last word.", warning=True
        )
    for each in ranking:
        if each.is_short and each.finished >= study.settings.max_trials:
            came = ", ".join(f"{count} {outcome}" for outcome, count in each.outcomes.items())
            yield note(
                f"{each.structure}: {each.learned} of {each.finished} trials learned, where {each.best_of} were to be "
                f"averaged ({came or 'fewer were asked for'}); its score is the mean of {each.scored}.",
                warning=True,
            )


def _pictures(
    study: Study, trials: Sequence[Trial], importance: Mapping[str, Mapping[str, float]], unbeaten: Sequence[Trial]
) -> Iterator[Section]:
    tried = [_tried(trial) for trial in trials]
    names = [structure.name for structure in study.structures]
    if trials:
        yield Section(
            "History",
            _plate(
                history_figure(tried, names, study.terms.constant_cmae_deg),
                alt="Validation error of each trial in its order, for each structure.",
                caption="Line: the best so far. Dashed: always saying the same; crosses on it did not learn.",
            ),
        )
    if importance:
        yield Section(
            "What mattered",
            _plate(
                importance_figure(importance),
                alt="Share of the error that each searched setting decides, for each structure.",
                caption="PED-ANOVA: how far the best trials' settings differ from all that were tried. Sums to 1.",
            ),
        )
    if any(trial.learned for trial in trials):
        yield Section(
            "Settings and error",
            _plate(
                parallel_figure(tried, _on_log_axes(study)),
                alt="A line for each trial through its settings, coloured by its validation error.",
                caption="A line for each trial that learned, the best on top; broken where a setting was not drawn.",
            ),
        )
    if unbeaten:
        yield _latency(tried, unbeaten)


def _tried(trial: Trial) -> Tried:
    error = error_of(trial) if trial.learned else None
    return Tried(trial.structure, trial.number, error, trial.measured.latency_ms, trial.values)


def _on_log_axes(study: Study) -> frozenset[str]:
    return frozenset(
        parameter.name
        for structure in study.structures
        for parameter in structure.parameters
        if isinstance(parameter.distribution, IntDistribution | FloatDistribution) and parameter.distribution.log
    )


def _latency(tried: Sequence[Tried], unbeaten: Sequence[Trial]) -> Section:
    columns = [
        *(Column("structure"), Column("trial", numeric=True)),
        *(Column(title, numeric=True) for title in ("CMAE", "ms", "parameters", "multiply-adds")),
    ]
    rows: list[list[Cell]] = [
        [
            *(trial.structure, trial.number, error_of(trial), trial.measured.latency_ms),
            *(trial.measured.parameters, trial.measured.multiply_adds),
        ]
        for trial in unbeaten
    ]
    body = _plate(
        pareto_figure(tried, [_tried(trial) for trial in unbeaten]),
        alt="Validation error against the time for one picture, a point for each trial.",
        caption="Nearer to the lower left is better. The line joins the trials that no other beats in both.",
    )
    body += table(columns, rows, caption="Unbeaten in error and latency, fastest first")
    lead = "Timed while other trials were trained on the machine: good for comparing, high for a quiet one."
    return Section("Error and latency", body, lead=lead)


def _trials(study: Study, trials: Sequence[Trial]) -> Section:
    names = list(dict.fromkeys(p.name for structure in study.structures for p in structure.parameters))
    columns = [
        *(Column("structure"), Column("trial", numeric=True), Column("outcome"), Column("CMAE", numeric=True)),
        *(Column(name) for name in names),
        *(Column(title, numeric=True) for title in ("epochs", "kept", "parameters", "ms")),
        Column("why"),
    ]
    rows = [_trial_row(trial, names) for trial in trials]
    return Section("Trials", table(columns, rows, caption="Every finished trial; parameters as they were drawn"))


def _trial_row(trial: Trial, names: Sequence[str]) -> list[Cell]:
    measured = trial.measured
    return [
        *(trial.structure, trial.number, measured.outcome, measured.cmae_deg),
        *(_value(trial.values.get(name)) for name in names),
        *(measured.epochs, measured.best_epoch or None, measured.parameters, measured.latency_ms),
        measured.why,
    ]


def _value(value: object) -> Cell:
    if isinstance(value, bool):
        return str(value).lower()
    return Shown(f"{value:.4g}", value) if isinstance(value, int | float) else None if value is None else str(value)


def _terms(study: Study) -> Section:
    rows: list[list[Cell]] = [
        [key, str(value)] for key, value in study.settings.model_dump(mode="json").items() if key != "structures"
    ]
    rows += [[f"structure {structure.name}", str(dict(structure.fixed))] for structure in study.structures]
    rows.append(["dataset's manifest", study.terms.dataset_sha256])
    body = table([Column("setting"), Column("value")], rows, caption="As the search was asked for", shown=100)
    return Section("Settings", body)


def _plate(figure: Figure, *, alt: str, caption: str) -> Markup:
    return plate(figure_bytes(figure, "svg"), "svg+xml", alt=alt, caption=caption)
