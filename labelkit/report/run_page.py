"""The page of a run, or of two side by side: the results, where the network errs, and how it trained."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from markupsafe import Markup

from labelkit.cells import Cells
from labelkit.evaluation.comparison import Comparison, compare
from labelkit.evaluation.judged_samples import JudgedSamples
from labelkit.evaluation.measures import SUCCESS_DEG, Measures, nearest_normals
from labelkit.figures.error_maps import (
    Answers,
    calibration_figure,
    distribution_figure,
    drift_figure,
    error_map_figure,
    scatter_figure,
)
from labelkit.figures.training import Curves, curves_figure, histograms_figure, signs_figure
from labelkit.records import ColorImage, FloatArray
from labelkit.report.figure_plate import figure_plate, plates
from labelkit.report.page import TEMPLATES, Cell, Column, Section, Shown, facts, note, page, render, table
from labelkit.report.tiles import NormalArrow, tile, tiles
from labelkit.runs.folder import EVENTS
from labelkit.runs.histograms import Histogram, Histograms
from labelkit.training.collapse import COLLAPSED, DID, FOUND
from labelkit.training.guard_record import GuardRecord
from labelkit.wording import number_of

_STYLE = TEMPLATES / "run.css"


@dataclass(frozen=True)
class Cost:
    """What a network costs.

    Attributes:
        multiply_adds: for one picture.
        weights_bytes: size of best.h5.
        latency_ms, latency_p95_ms: for one picture, compiled, on one core; None if it was not measured.
    """

    parameters: int
    multiply_adds: int
    weights_bytes: int
    latency_ms: float | None = None
    latency_p95_ms: float | None = None


@dataclass(frozen=True, eq=False)
class RunResult:
    """All that the page shows of one run.

    Attributes:
        name: of the run.
        settings: key -> value, as the run was made.
        leaks: whether single frames were split, so that the same people stand on every side.
        seconds, samples_per_s: of the training steps.
        constant_deg: (2,) what the constant predictor says, centred, degrees.
        histograms: "weights" and "activations" -> theirs, an entry an epoch; empty if none were kept.
        guard: what its guard saw and did; None if it had no guard.
        crops: row in labels.parquet -> (S, S, 3) picture, for the test's galleries.
        dataset: the path it was found at, for commands to copy.
        cost_digest: the same for networks that take the same time.
    """

    name: str
    settings: Mapping[str, Any]
    leaks: bool
    cost: Cost
    training: Curves
    seconds: float
    samples_per_s: float
    train_samples: int
    constant_deg: FloatArray
    validation: JudgedSamples
    test: JudgedSamples
    cells: Cells
    histograms: Mapping[str, Histograms]
    guard: GuardRecord | None
    crops: Mapping[int, ColorImage]
    dataset: str = "dataset"
    cost_digest: str = ""

    @cached_property
    def constant(self) -> Measures:
        """Errors of the constant predictor on the test."""
        return self.test.of_constant(self.constant_deg)

    @property
    def cmae_ratio(self) -> float | None:
        """The CMAE on the test as a share of the constant predictor's; None if that is never wrong."""
        return self.test.measures.cmae_deg / self.constant.cmae_deg if self.constant.cmae_deg else None

    @property
    def answers(self) -> Answers:
        """What figures of its errors are drawn from."""
        return Answers(self.name, self.test, self.constant_deg)


def run_page(runs: Sequence[RunResult]) -> bytes:
    """Make the page of one run, or of two.

    Returns:
        The content of an HTML file that needs no other file.
    """
    names = " and ".join(run.name for run in runs)
    first = runs[0]
    people = len(set(first.test.participants))
    lead = f"Tested once, on {number_of(len(first.test), 'sample')} of {number_of(people, 'participant')}"
    lead += "." if first.leaks else " it was not trained on."
    sections = [section for section in _sections(runs) if section]
    return page(f"Run {names}" if len(runs) == 1 else f"Runs {names}", sections, lead=lead, style=_STYLE.read_text())


def _sections(runs: Sequence[RunResult]) -> Iterator[Section | None]:
    yield _result(runs)
    yield _gallery(runs, "Worst", "The largest angles between normals, no two of one moment.", JudgedSamples.worst)
    yield _gallery(runs, "Best", _best_lead(runs), JudgedSamples.best)
    yield _measures(runs)
    yield _participants(runs)
    yield _errors(runs)
    yield _outcomes(runs)
    yield _uncertainty(runs)
    yield _training(runs)
    yield _guard(runs)
    yield _inner_life(runs)
    yield _settings(runs)


def _result(runs: Sequence[RunResult]) -> Section:
    facts_of_one = [_figures(runs[0])] if len(runs) == 1 else []
    return Section("Result", Markup("").join([*_warnings(runs), *facts_of_one, *map(_error_map, runs)]))


def _error_map(run: RunResult) -> Markup:
    errors = run.test.by_cell(run.cells)
    outside = f" {number_of(errors.outside, 'sample')} lie in no cell." if errors.outside else ""
    return plates(
        [
            figure_plate(
                error_map_figure(errors),
                alt=f"Mean error in each cell of orientation space, {run.name}.",
                caption=f"{run.name}: test samples by the cell of their truth; 0, 0 faces the camera.{outside}",
            ),
            figure_plate(
                drift_figure(errors),
                alt=f"Where the predictions for each cell drift, {run.name}.",
                caption="If all arrows point to one place, the network gives the same answer to all pictures.",
            ),
        ]
    )


def _measures(runs: Sequence[RunResult]) -> Section:
    body = _table(runs)
    if len(runs) == 2:
        body += _comparison(runs, compare(runs[0].test, runs[1].test))
    return Section(
        "Measures", body, lead="Degrees, view frame. CMAE is the mean of the two angles' mean absolute errors."
    )


def _warnings(runs: Sequence[RunResult]) -> Iterator[Markup]:
    for run in runs:
        if run.leaks:
            yield note(
                f"LEAKING: {run.name} was split by frames, so the people it is tested on, and near-copies of the "
                "very pictures, were trained on. Its figures measure memory too.",
                warning=True,
            )
        if run.cmae_ratio is not None and run.cmae_ratio > COLLAPSED:
            yield note(
                f"{run.name} has learned almost nothing: its error is {100 * run.cmae_ratio:.0f} % of that of "
                "the constant predictor.",
                warning=True,
            )


def _figures(run: RunResult) -> Markup:
    test = run.test.measures
    ratio = {} if run.cmae_ratio is None else {"of the constant predictor's": f"{100 * run.cmae_ratio:.0f} %"}
    return facts(
        {
            "CMAE": f"{test.cmae_deg:.2f}°",
            **ratio,
            "between normals, median": f"{test.normal_median_deg:.2f}°",
            "under 5°": _share(test.under_5),
            "under 15°": _share(test.under_15),
            "flipped": _share(test.flip_rate),
        }
    )


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"


# The rows on errors and on cost: a heading, and how its value is written.
_NONE = "–"  # noqa: RUF001
_ERRORS: Mapping[str, Callable[[Measures], str]] = {
    "samples": lambda m: f"{m.samples:,}",
    "CMAE": lambda m: f"{m.cmae_deg:.2f}°",
    "MAE azimuth": lambda m: f"{m.mae_azimuth_deg:.2f}°",
    "MAE elevation": lambda m: f"{m.mae_elevation_deg:.2f}°",
    "between normals, mean": lambda m: f"{m.normal_mean_deg:.2f}°",
    "between normals, median": lambda m: f"{m.normal_median_deg:.2f}°",
    "under 5°": lambda m: _share(m.under_5),
    "under 10°": lambda m: _share(m.under_10),
    "under 15°": lambda m: _share(m.under_15),
    "flipped": lambda m: _share(m.flip_rate),
}
_COSTS: Mapping[str, Callable[[Cost], str]] = {
    "parameters": lambda c: f"{c.parameters:,}",
    "multiply-adds for a picture": lambda c: f"{c.multiply_adds:,}",
    "weights file": lambda c: f"{c.weights_bytes / 1e6:.2f} MB",
    "time for a picture, median": lambda c: _NONE if c.latency_ms is None else f"{c.latency_ms:.2f} ms",
    "time for a picture, 95 % under": lambda c: _NONE if c.latency_p95_ms is None else f"{c.latency_p95_ms:.2f} ms",
    "pictures a second": lambda c: _NONE if c.latency_ms is None else f"{1000 / c.latency_ms:,.0f}",
}


def _table(runs: Sequence[RunResult]) -> Markup:
    """Make a table of errors and costs of all runs and of the constant predictor."""
    alike = all(run.constant == runs[0].constant for run in runs)
    columns: dict[str, tuple[Measures, Cost | None]] = {}
    for run in runs:
        columns[f"{run.name}, test"] = run.test.measures, run.cost
        columns[f"{run.name}, validation"] = run.validation.measures, None
    for run in runs[:1] if alike else runs:
        columns["constant predictor, test" + ("" if alike else f" of {run.name}")] = run.constant, None
    rows = [(what, [say(errors) for errors, _ in columns.values()]) for what, say in _ERRORS.items()]
    rows += [
        (what, ["" if cost is None else say(cost) for _, cost in columns.values()]) for what, say in _COSTS.items()
    ]
    return render(
        "run_measures.html",
        columns=list(columns),
        rows=rows,
        caption="Errors, and cost: one picture at a time, compiled, on one core.",
    )


def _comparison(runs: Sequence[RunResult], found: Comparison | None) -> Markup:
    first, second = runs
    if found is None:
        return note(
            f"{first.name} and {second.name} were tested on other samples, so their errors differ by the people "
            "too, not only because of the networks.",
            warning=True,
        )
    better = sum(difference < 0 for difference in found.participants.values())
    nearer = "nearer to" if found.difference_deg < 0 else "farther from"
    return note(
        f"On the same {number_of(found.samples, 'sample')}, {second.name} is {abs(found.difference_deg):.2f}° {nearer} "
        f"the truth than {first.name} on average (angle between normals): nearer on {_share(found.second_better)} of "
        f"the samples, and on average with {better} of {number_of(len(found.participants), 'participant')}."
    )


def _participants(runs: Sequence[RunResult]) -> Section:
    titles = ["samples", "CMAE", "azimuth", "elevation", "normals", "median", "< 5°", "< 10°", "< 15°", "flipped"]
    columns = [Column("participant"), *_run_column(runs), *(Column(title, numeric=True) for title in titles)]
    rows: list[list[Cell]] = [
        [name, *_run_cell(runs, run), *_measure_cells(measures)]
        for run in runs
        for name, measures in run.test.by_participant().items()
    ]
    body = table(columns, sorted(rows, key=lambda row: str(row[0])), caption="Test, degrees")
    return Section("By participant", body)


def _run_column(runs: Sequence[RunResult]) -> list[Column]:
    return [Column("run")] if len(runs) == 2 else []


def _run_cell(runs: Sequence[RunResult], run: RunResult) -> list[Cell]:
    return [run.name] if len(runs) == 2 else []


def _measure_cells(measures: Measures) -> list[Cell]:
    shares = (measures.under_5, measures.under_10, measures.under_15, measures.flip_rate)
    return [
        measures.samples,
        *(measures.cmae_deg, measures.mae_azimuth_deg, measures.mae_elevation_deg),
        *(measures.normal_mean_deg, measures.normal_median_deg),
        *(Shown(_share(share), share) for share in shares),
    ]


def _errors(runs: Sequence[RunResult]) -> Section:
    body = figure_plate(
        distribution_figure([run.answers for run in runs]),
        alt="Share of the test samples under each angle between normals.",
        caption="Test samples under each error. The thin lines stand at 5, 10 and 15 degrees.",
    )
    for run in runs:
        body += figure_plate(
            scatter_figure(run.test),
            alt=f"Predicted against true angles of the test, {run.name}.",
            caption=f"{run.name}: test samples. Grey: within 5 and 15 degrees. A flat cloud: it learned only the mean.",
        )
    return Section("Errors", body)


def _outcomes(runs: Sequence[RunResult]) -> Section:
    columns = [
        *_run_column(runs),
        Column("angle"),
        Column("outcome"),
        *(Column(title, numeric=True) for title in ("samples", "share", "mean |azimuth|", "mean |elevation|")),
    ]
    rows: list[list[Cell]] = []
    for run in runs:
        for angle, each in run.test.outcomes().items():
            named = {"success (< 5°)": each.success, "between": each.between, "failure (> 15°)": each.failure}
            for name, outcome in named.items():
                rows.append(
                    [
                        *_run_cell(runs, run),
                        *(angle, name, outcome.samples, Shown(_share(outcome.share), outcome.share)),
                        *(outcome.label_azimuth_deg, outcome.label_elevation_deg),
                    ]
                )
    lead = (
        "Where the labels of successes and failures lie: mean magnitude of the true angles, centred, in degrees. "
        "These are not errors; a large one says that such hands are turned far from the camera."
    )
    return Section("Successes and failures", table(columns, rows, caption="Test, each angle by itself"), lead=lead)


def _uncertainty(runs: Sequence[RunResult]) -> Section | None:
    stated = {run.name: run.test.calibration for run in runs if run.test.calibration}
    if not stated:
        return None
    columns = [
        Column("run"),
        *(
            Column(title, numeric=True)
            for title in (
                "mean d² (right: 2)",
                "d² ≤ 2.30 (right: 68 %)",
                "d² ≤ 6.18 (right: 95 %)",
                "mean stated sd, °",
            )
        ),
    ]
    rows: list[list[Cell]] = [
        [
            name,
            found.mean_d2,
            *(Shown(_share(share), share) for share in (found.within_68, found.within_95)),
            found.mean_sd_deg,
        ]
        for name, found in stated.items()
    ]
    lead = "d² is the squared Mahalanobis distance of the true normal: the angle over the stated deviation, squared."
    body = table(columns, rows, caption="Test") + figure_plate(
        calibration_figure(stated),
        alt="Samples within their stated bounds, and errors against the stated uncertainty.",
        caption="On the line: right. Below it on the left, above it on the right: too sure of itself.",
    )
    return Section("Uncertainty", body, lead=lead)


def _gallery(runs: Sequence[RunResult], title: str, lead: str, choose: Any) -> Section | None:
    body = Markup("")
    for run in runs:
        judged = run.test
        shown = [k for k in choose(judged) if int(judged.rows[k]) in run.crops]
        if shown and len(runs) == 2:
            body += Markup("<h3>{}</h3>\n").format(run.name)
        if shown:
            body += tiles([_tile(run, k) for k in shown])
    lead = f"{lead} Orange dot: the truth; blue dot, dashed line: the prediction."
    return Section(title, body, lead=lead) if body else None


def _best_lead(runs: Sequence[RunResult]) -> str:
    states_uncertainty = any(run.test.sd_deg is not None for run in runs)
    sure = ", and stated with less uncertainty than half of all" if states_uncertainty else ""
    return f"The smallest angles between normals, all under {SUCCESS_DEG:g}°{sure}; no two of one moment."


def _tile(run: RunResult, sample: int) -> Markup:
    judged = run.test
    true_deg, predicted_deg = judged.true_deg[sample], judged.predicted_deg[sample]
    true, predicted = nearest_normals(np.stack([true_deg, predicted_deg]))
    row, who = int(judged.rows[sample]), str(judged.participants[sample])
    said = f" ± {judged.sd_deg[sample]:.1f}°" if judged.sd_deg is not None else ""
    return tile(
        run.crops[row],
        [NormalArrow(true, "label"), NormalArrow(predicted, "guess")],
        alt=f"Row {row} of {who}: true {_pair(true_deg)}, predicted {_pair(predicted_deg)}",
        caption=Markup("{:.1f}°{} · {}<br><code>labelkit show {} {}</code>").format(
            judged.apart_deg[sample], said, who, shlex.quote(run.dataset), row
        ),
    )


def _pair(angles_deg: FloatArray) -> str:
    return f"{angles_deg[0]:+z.0f}, {angles_deg[1]:+z.0f} degrees"


def _training(runs: Sequence[RunResult]) -> Section:
    columns = [Column("run"), *(Column(title, numeric=True) for title in ("epochs", "kept", "samples/s"))]
    rows: list[list[Cell]] = [
        [run.name, len(run.training.loss), run.training.best, Shown(f"{run.samples_per_s:,.0f}", run.samples_per_s)]
        for run in runs
    ]
    body = table(columns, rows, caption="Epochs trained, and the one whose weights were kept") + figure_plate(
        curves_figure([run.training for run in runs]),
        alt="Training loss and validation error over the epochs.",
        caption="The loss is in its own unit, with dropout and augmentation on.",
    )
    return Section("Training", body)


def _guard(runs: Sequence[RunResult]) -> Section | None:
    journals = {run.name: run.guard for run in runs if run.guard and run.guard.signs}
    if not journals:
        return None
    dotted = "Dotted: something was done. " if any(journal.events for journal in journals.values()) else ""
    body = Markup("").join(_start(name, journal) for name, journal in journals.items())
    body += _events(journals) + figure_plate(
        signs_figure(journals),
        alt="Spread of the predictions, silent units and gradients over the epochs.",
        caption=dotted + "A spread near 0: the network gives the same answer to all pictures.",
    )
    return Section("Guard", body, lead="Whether the network collapsed, why, and what was done about it.")


def _start(name: str, journal: GuardRecord) -> Markup:
    start = journal.start
    if not start.unfit:
        return note(f"{name}: all activations were alive and centred before the first step.")
    then = "so weights were levelled on a batch" if start.levelled else "and was left so, as start is plain"
    columns = [Column("activation"), *(Column(title, numeric=True) for title in ("spread", "off centre", "silent"))]
    rows: list[list[Cell]] = [
        [
            layer.name,
            Shown(f"{layer.spread:.2g}", layer.spread),
            layer.off_centre,
            Shown(_share(layer.silent), layer.silent),
        ]
        for layer in start.layers
    ]
    caption = f"{name} before the first step, as it was drawn"
    return note(f"{name} was not fit to train, {then}: {'; '.join(start.unfit)}.") + table(
        columns, rows, caption=caption
    )


def _events(journals: Mapping[str, GuardRecord]) -> Markup:
    rows: list[list[Cell]] = [
        [name, event.epoch, FOUND[event.found], "; ".join(event.why), DID[event.did].format(event)]
        for name, journal in journals.items()
        for event in journal.events
    ]
    if not rows:
        return note("No collapse was found while it trained." if len(journals) == 1 else "No collapse was found.")
    columns = [Column("run"), Column("epoch", numeric=True), Column("found"), Column("why"), Column("done")]
    return table(columns, rows, caption="What was found")


def _inner_life(runs: Sequence[RunResult]) -> Section | None:
    body = Markup("")
    for run in runs:
        if run.histograms:
            body += figure_plate(
                histograms_figure(group_tensors(run.histograms)),
                alt=f"Histograms of kernels, biases and activations over the epochs, {run.name}.",
                caption=f"{run.name}. Epochs from left to right, values upward; the line is zero.",
                as_png=True,
            )
    lead = f"The values of each layer over the epochs. {EVENTS} in the run folder holds the same for TensorBoard."
    return Section("Inside the network", body, lead=lead) if body else None


def group_tensors(histograms: Mapping[str, Histograms]) -> dict[str, Histograms]:
    """Sort tensors into kernels, biases, other weights and activations; leave out empty groups."""
    groups: dict[str, dict[str, Sequence[Histogram]]] = {"kernels": {}, "biases": {}, "other weights": {}}
    for name, tensor in histograms.get("weights", {}).items():
        layer, _, what = name.rpartition(".")
        heading = {"kernel": "kernels", "bias": "biases"}.get(what)
        groups[heading or "other weights"][layer if heading else name] = tensor
    groups["activations"] = dict(histograms.get("activations", {}))
    return {heading: tensors for heading, tensors in groups.items() if tensors}


def _settings(runs: Sequence[RunResult]) -> Section:
    columns = [Column("setting"), *(Column(run.name) for run in runs)]
    keys = list(dict.fromkeys(key for run in runs for key in run.settings))
    rows: list[list[Cell]] = [[key, *(str(run.settings.get(key, "")) for run in runs)] for key in keys]
    return Section("Settings", table(columns, rows, caption="As the run was made", shown=100))


def list_picture_rows(judged: JudgedSamples) -> Iterable[int]:
    """List the samples whose pictures the page shows."""
    return dict.fromkeys([*judged.worst(), *judged.best()])
