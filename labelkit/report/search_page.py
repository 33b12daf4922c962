"""The page of a search: structures ranked, what mattered, every trial, and error against latency."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from markupsafe import Markup
from optuna.distributions import FloatDistribution, IntDistribution

from labelkit.figures.tuning import TrialPoint, history_figure, importance_figure, parallel_figure, pareto_figure
from labelkit.report.figure_plate import figure_plate
from labelkit.report.page import Cell, Column, Section, Shown, facts, note, page, table
from labelkit.tuning.folder import Search
from labelkit.tuning.ranking import TIMING_NOISE, Ranked, error_of, share_latency
from labelkit.tuning.trial import Trial
from labelkit.wording import number_of


def search_page(
    search: Search,
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
        The content of an HTML file that needs no other file.
    """
    sections = [*_result(search, trials, ranking), *_pictures(search, trials, importance, unbeaten)]
    sections += [_structures(search, ranking), _trials(search, trials), _terms(search)]
    lead = f"Validation errors, on {search.terms.dataset}. The test was not touched."
    return page(f"Search {search.folder.resolve().name}", sections, lead=lead)


def _result(search: Search, trials: Sequence[Trial], ranking: Sequence[Ranked]) -> Iterator[Section]:
    best = next((each.best for each in ranking if each.best), None)
    body = Markup("").join(_notes(search, trials, ranking))
    if best:
        body += facts(
            {
                "best structure": best.structure,
                "error of its best trial": f"{error_of(best):.2f}°",
                "constant predictor": f"{search.terms.constant_cmae_deg:.2f}°",
                "trials": f"{len(trials)} of {search.asked}",
            }
        )
    if body:
        yield Section("Result", body)


def _structures(search: Search, ranking: Sequence[Ranked]) -> Section:
    columns = [
        Column("structure"),
        *(Column(title, numeric=True) for title in ("score", "mean of", "best", "spread", "finished", "learned")),
        *(Column(title, numeric=True) for title in ("collapsed", "hours")),
    ]
    body = table(columns, [_row(each) for each in ranking], caption="Structures, degrees", shown=100)
    lead = (
        f"A structure's score is the mean validation CMAE of {search.settings.best_of} trials at most, the best; "
        "spread is their standard deviation. Structures with fewer trials that learned come last."
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


def _notes(search: Search, trials: Sequence[Trial], ranking: Sequence[Ranked]) -> Iterator[Markup]:
    if len(trials) < search.asked:
        yield note(
            f"Only {len(trials)} of {search.asked} trials are finished: the ranking may still change.", warning=True
        )
    for each in ranking:
        if each.is_short and each.finished >= search.settings.max_trials:
            came = ", ".join(f"{count} {outcome}" for outcome, count in each.outcomes.items())
            learned = f"{each.learned} of {number_of(each.finished, 'trial')} learned ({came or 'others: 0'})"
            yield note(
                f"{each.structure}: {learned}; its score is the mean of {number_of(each.scored, 'error')}, "
                f"not of {each.best_of}.",
                warning=True,
            )


def _pictures(
    search: Search, trials: Sequence[Trial], importance: Mapping[str, Mapping[str, float]], unbeaten: Sequence[Trial]
) -> Iterator[Section]:
    points = [_trial_point(trial) for trial in trials]
    names = [structure.name for structure in search.structures]
    if trials:
        yield Section(
            "History",
            figure_plate(
                history_figure(points, names, search.terms.constant_cmae_deg),
                alt="Validation error of each trial in its order, for each structure.",
                caption="Dots: trials. Line: the best so far. Dashed: the constant predictor."
                + ("" if all(trial.learned for trial in trials) else " Crosses: not learned."),
            ),
        )
    if importance:
        yield Section(
            "What mattered",
            figure_plate(
                importance_figure(importance),
                alt="Share of the error that each searched setting decides, for each structure.",
                caption="PED-ANOVA: how far the best trials' settings differ from those of all trials. Sums to 1.",
            ),
        )
    if any(trial.learned for trial in trials):
        yield Section(
            "Settings and error",
            figure_plate(
                parallel_figure(points, _on_log_axes(search)),
                alt="A line for each trial through its settings, coloured by its validation error.",
                caption="A line for each trial that learned, the best on top"
                + ("; a gap is a setting that was not drawn." if _draw_different_settings(trials) else "."),
            ),
        )
    if unbeaten:
        yield _latency(trials, points, unbeaten)


def _draw_different_settings(trials: Sequence[Trial]) -> bool:
    return len({frozenset(trial.values) for trial in trials if trial.learned}) > 1


def _trial_point(trial: Trial) -> TrialPoint:
    error = error_of(trial) if trial.learned else None
    return TrialPoint(trial.structure, trial.number, error, trial.measured.latency_ms, trial.values)


def _on_log_axes(search: Search) -> frozenset[str]:
    return frozenset(
        parameter.name
        for structure in search.structures
        for parameter in structure.parameters
        if isinstance(parameter.distribution, IntDistribution | FloatDistribution) and parameter.distribution.log
    )


def _latency(trials: Sequence[Trial], points: Sequence[TrialPoint], unbeaten: Sequence[Trial]) -> Section:
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
    if share_latency(trials):
        body = note(f"All times lie within {100 * TIMING_NOISE:.0f} % of each other, which is noise: nothing to trade.")
    else:
        body = figure_plate(
            pareto_figure(points, [_trial_point(trial) for trial in unbeaten]),
            alt="Validation error against the time for one picture, a point for each trial.",
            caption="Nearer to the lower left is better. The line joins the trials that no other trial beats in both; "
            f"times within {100 * TIMING_NOISE:.0f} % of each other count as equal.",
        )
    body += table(columns, rows, caption="Unbeaten in error and latency, fastest first")
    lead = (
        "Timed while other trials were training on the machine, equal networks once: compare the times; on a quiet "
        "machine they are shorter."
    )
    return Section("Error and latency", body, lead=lead)


def _trials(search: Search, trials: Sequence[Trial]) -> Section:
    names = list(dict.fromkeys(p.name for structure in search.structures for p in structure.parameters))
    columns = [
        *(Column("structure"), Column("trial", numeric=True), Column("outcome"), Column("CMAE", numeric=True)),
        *(Column(name) for name in names),
        *(Column(title, numeric=True) for title in ("epochs", "kept", "parameters", "ms")),
        Column("why"),
    ]
    rows = [_trial_row(trial, names) for trial in trials]
    return Section("Trials", table(columns, rows, caption="Every finished trial, with the settings that were drawn"))


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


def _terms(search: Search) -> Section:
    rows: list[list[Cell]] = [
        [key, str(value)] for key, value in search.settings.model_dump(mode="json").items() if key != "structures"
    ]
    rows += [[f"structure {structure.name}", str(dict(structure.fixed))] for structure in search.structures]
    rows.append(["dataset's SHA-256", search.terms.dataset_sha256])
    body = table([Column("setting"), Column("value")], rows, caption="The settings of the search", shown=100)
    return Section("Settings", body)
