"""Run folder in, report out: what a trained network can do, where it errs, and what it costs."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from labelkit import __version__
from labelkit.cells import Cells
from labelkit.deploy.timing import Latency, measure_latency
from labelkit.errors import RunError
from labelkit.evaluation.comparison import compare
from labelkit.evaluation.judged_samples import JudgedSamples, prediction_rows, side_report
from labelkit.evaluation.measures import constant_deg
from labelkit.figures.training import Curves
from labelkit.files import check_output, make_folder, write_bytes
from labelkit.models.cost import cost_digest, multiply_adds
from labelkit.records import ColorImage
from labelkit.report.run_page import Cost, RunResult, list_picture_rows, run_page
from labelkit.runs.folder import (
    BEST,
    FINISHED,
    FOLDS,
    PAGE,
    PREDICTIONS,
    REPORT,
    REPORT_SCHEMA,
    read_epochs,
    read_state,
    write_json,
    write_rows,
)
from labelkit.runs.histograms import read_histograms
from labelkit.runs.plan import read_dataset, read_folds
from labelkit.settings import EvaluateSettings, settings_of
from labelkit.training.backend import versions
from labelkit.training.epochs import Epoch, best_of, read_history
from labelkit.training.events import write_events
from labelkit.training.guard_record import read_journal
from labelkit.training.load import TrainedRun, dataset_of, load_run
from labelkit.training.samples import Samples, Sides, read_samples, take_sides
from labelkit.wording import shell_command
from labelkit.workflows.hashing import check_all_hashes

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        page, json: the files that were written.
        runs: each run's report, as report.json holds it.
        comparison: of two runs, sample by sample; None for one run, or if they were tested on other samples.
    """

    page: str
    json: str
    runs: tuple[dict[str, Any], ...]
    comparison: dict[str, Any] | None


def evaluate(
    run: Path | str,
    other: Path | str | None = None,
    *,
    dataset: Path | str | None = None,
    out: Path | str | None = None,
    settings: EvaluateSettings | None = None,
    **keywords: Any,
) -> Evaluation:
    """Measure a finished run's network on its validation and test participants, and write the report.

    Args:
        run: a finished run.
        other: another one, to compare with it.
        dataset: where the runs' dataset is now; if None, the path that the runs hold.
        out: the page, a .html file; its JSON gets the same name with .json. If None, RUN/report.html, and for two
            runs RUN-and-OTHER.html next to the first.
        keywords: single settings, as of `EvaluateSettings`; they win over `settings`.
    Raises:
        RunError: no run, an unfinished one, one of another dataset or version, or a checkpoint that is not
            plainly its network's.
        DatasetError: the dataset is missing or changed, or holds a label that is no orientation.
        SettingsError: `out` is no .html file.
        OutputError: no space or permission.
    """
    settings = settings_of(EvaluateSettings, settings, keywords)
    folders = [Path(run), *([Path(other)] if other is not None else [])]
    path = _page_path(folders, out)
    for folder in folders:
        _check_finished(folder)
    results = [_evaluate(folder, dataset, settings) for folder in folders]
    if settings.latency:
        results = time_networks(results, folders)
    found = Evaluation(
        page=str(path),
        json=str(path.with_suffix(".json")),
        runs=tuple(report_of(result, folder) for result, folder in zip(results, folders, strict=True)),
        comparison=_comparison(results),
    )
    log.info("%s: writing the page", path)
    make_folder(path.parent)
    pair = {"schema": REPORT_SCHEMA, "runs": found.runs, "comparison": found.comparison}
    write_json(Path(found.json), found.runs[0] if len(folders) == 1 else pair)
    write_bytes(path, run_page(results))
    return found


def _comparison(results: Sequence[RunResult]) -> dict[str, Any] | None:
    found = compare(results[0].test, results[1].test) if len(results) == 2 else None
    return asdict(found) if found else None


def _page_path(folders: Sequence[Path], out: Path | str | None) -> Path:
    if out is None:
        first, *second = folders
        return first / PAGE if not second else first.parent / f"{first.name}-and-{second[0].name}.html"
    return check_output(Path(out), (".html", ".htm"))


def _check_finished(run: Path) -> None:
    """Refuse a run that is not finished: the test is not used before the network is chosen."""
    state = read_state(run)
    if state.get("status") != FINISHED:
        raise RunError(
            f"{run}: its training is not finished (status {state.get('status')!r}); the test is touched once the "
            f"network is chosen: finish it with: {shell_command('train', '--resume', run)}"
        )
    if (run / FOLDS).is_file():
        folds = sorted(read_folds(run).values())
        raise RunError(
            f"{run}: holds {len(folds)} runs, one for each participant; name one of them, such as {run / folds[0]}"
        )


def _evaluate(run: Path, dataset: Path | str | None, settings: EvaluateSettings) -> RunResult:
    data = dataset_of(run, dataset)
    check_all_hashes(data)
    samples = read_samples(data)
    trained = load_run(run)
    data.check_fields(trained.settings.fields)
    history = read_history(run, read_epochs(run))
    log.info("%s: predicting validation and test", run)
    result = assess(trained, take_sides(samples, trained.split), history, settings)
    return replace(result, dataset=str(data.path))


def assess(trained: TrainedRun, sides: Sides, history: Sequence[Epoch], settings: EvaluateSettings) -> RunResult:
    """Ask a run's network about validation and test, and gather everything about the run except its latency.

    Args:
        trained: with the weights that were kept.
        sides: of the run's split.
        history: of the run, at least one epoch.
    """
    name, constant = trained.path.resolve().name, constant_deg(sides.train.centred_deg)
    validation, test = judge(trained, sides.validation), judge(trained, sides.test)
    seconds = sum(epoch.seconds for epoch in history)
    return RunResult(
        name=name,
        settings=trained.settings.model_dump(mode="json"),
        leaks=trained.split.leaks,
        cost=Cost(trained.model.count_params(), multiply_adds(trained.model), (trained.path / BEST).stat().st_size),
        training=Curves(
            name=name,
            loss=[epoch.loss for epoch in history],
            cmae_deg=[epoch.cmae_deg for epoch in history],
            constant_cmae_deg=validation.of_constant(constant).cmae_deg,
            best=best_of(history).epoch,
        ),
        seconds=seconds,
        samples_per_s=sum(epoch.samples_per_s * epoch.seconds for epoch in history) / seconds,
        train_samples=len(sides.train),
        constant_deg=constant,
        validation=validation,
        test=test,
        cells=Cells(settings.cell_deg, settings.reach_deg),
        histograms=read_histograms(trained.path),
        guard=read_journal(trained.path),
        crops=_crops(sides.test, test),
        cost_digest=cost_digest(trained.model),
        dataset=str(read_dataset(trained.path)[1]),
    )


def time_networks(results: Sequence[RunResult], runs: Sequence[Path]) -> list[RunResult]:
    """Add the latencies of runs' networks; equal ones are timed once, so that their times do not differ by noise."""
    times: dict[str, Latency] = {}
    timed = []
    for result, run in zip(results, runs, strict=True):
        if result.cost_digest not in times:
            log.info("%s: measuring its time for one picture, on one core", run)
            times[result.cost_digest] = measure_latency(run)
        found = times[result.cost_digest]
        cost = replace(result.cost, latency_ms=found.median_ms, latency_p95_ms=found.p95_ms)
        timed.append(replace(result, cost=cost))
    return timed


def judge(trained: TrainedRun, samples: Samples) -> JudgedSamples:
    """Ask a run's network about samples, and pair its answers with the truth."""
    said = trained.predict(samples)
    return JudgedSamples(samples.participants, samples.rows, samples.centred_deg, said.centred_deg, said.sd_deg)


def _crops(samples: Samples, judged: JudgedSamples) -> Mapping[int, ColorImage]:
    """Read the pictures of the galleries."""
    shown = np.array(list(list_picture_rows(judged)), np.int64)
    pictures = samples.source.gather_shown(128, samples.indices[shown])
    return dict(zip(samples.rows[shown].tolist(), pictures, strict=True))


def report_of(result: RunResult, run: Path) -> dict[str, Any]:
    """Describe a run in plain values, as report.json holds them."""
    return {
        "schema": REPORT_SCHEMA,
        "name": result.name,
        "model": result.settings["model"],
        "split": result.settings["split"],
        "leaks": result.leaks,
        "labelkit": __version__,
        **versions(),
        "dataset_sha256": read_dataset(run)[0],
        **asdict(result.cost),
        "epochs": len(result.training.loss),
        "best_epoch": result.training.best,
        "seconds": result.seconds,
        "samples_per_s": result.samples_per_s,
        "constant_deg": dict(zip(("azimuth", "elevation"), result.constant_deg.tolist(), strict=True)),
        "guard": [asdict(event) for event in result.guard.events] if result.guard else [],
        "train": {"samples": result.train_samples},
        "validation": side_report(result.validation, result.constant_deg, result.cells),
        "test": side_report(result.test, result.constant_deg, result.cells),
    }


def keep_report(result: RunResult, run: Path) -> None:
    """Write the test of a training: every prediction, and report.json."""
    sides = {"validation": result.validation, "test": result.test}
    write_rows(run / PREDICTIONS, [row for side, judged in sides.items() for row in prediction_rows(side, judged)])
    write_json(run / REPORT, report_of(result, run))


def keep_page(result: RunResult, run: Path, history: Sequence[Epoch]) -> None:
    """Time the network, and write the rest of the report: the page, and the event file for TensorBoard."""
    (result,) = time_networks([result], [run])
    log.info("%s: writing the page", run)
    write_json(run / REPORT, report_of(result, run))
    write_bytes(run / PAGE, run_page([result]))
    write_events(run, history, result.histograms)
