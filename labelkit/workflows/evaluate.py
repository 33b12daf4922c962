"""Run folder in, report out: what a trained network can do, where it errs, and what it costs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelkit import __version__
from labelkit.errors import OutputError, RunError, SettingsError
from labelkit.files import make_folder, write_bytes
from labelkit.settings import EvaluateSettings

if TYPE_CHECKING:
    from labelkit.evaluation.judged import Judged
    from labelkit.records import ColorImage
    from labelkit.report.run import Cost, RunResult
    from labelkit.training.load import TrainedRun
    from labelkit.training.samples import Samples, Sides

SCHEMA = "labelkit-report/1"


@dataclass(frozen=True)
class Evaluation:
    """What `evaluate` found.

    Attributes:
        page, json: the files that were written.
        runs: each run's report, as report.json holds it.
        comparison: of two runs, sample by sample; None for one run, or where they were tested on other samples.
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
) -> Evaluation:
    """Measure a finished run's network on its validation and test participants, and write the report.

    Args:
        run: a finished run.
        other: another, to stand beside it.
        dataset: where the runs' dataset is now; where they remember it, if None.
        out: the page, a .html file; its JSON is written beside it. RUN/report.html where None, for two
            runs RUN-and-OTHER.html beside the first.
    Raises:
        RunError: no run, an unfinished one, one of another dataset or version, or a checkpoint that is not
            plainly its network's.
        DatasetError: the dataset is missing or changed, or holds a label that is no orientation.
        SettingsError: `out` is no .html file.
        OutputError: no space or permission.
    """
    from labelkit.evaluation.comparison import compare
    from labelkit.report.run import run_page
    from labelkit.runs import write_json

    settings = settings or EvaluateSettings()
    folders = [Path(run), *([Path(other)] if other is not None else [])]
    path = _page_path(folders, out)
    for folder in folders:
        _check_finished(folder)
    results = [_evaluated(folder, dataset, settings) for folder in folders]
    reports = tuple(report_of(result, folder) for result, folder in zip(results, folders, strict=True))
    comparison = compare(results[0].test, results[1].test) if len(results) == 2 else None
    found = Evaluation(
        page=str(path),
        json=str(path.with_suffix(".json")),
        runs=reports,
        comparison=asdict(comparison) if comparison else None,
    )
    make_folder(path.parent)
    content = reports[0] if len(reports) == 1 else {"schema": SCHEMA, "runs": reports, "comparison": found.comparison}
    write_json(Path(found.json), content)
    write_bytes(path, run_page(results))
    return found


def _page_path(folders: Sequence[Path], out: Path | str | None) -> Path:
    from labelkit.runs import PAGE

    if out is None:
        first, *second = folders
        return first / PAGE if not second else first.parent / f"{first.name}-and-{second[0].name}.html"
    path = Path(out)
    if path.suffix.lower() not in (".html", ".htm"):
        raise SettingsError(f"--out {path}: the report is a page; name a .html file (its JSON is written beside it)")
    if path.is_dir():
        raise OutputError(f"--out {path}: is a folder; name a file in it, such as {path / 'report.html'}")
    return path


def _check_finished(run: Path) -> None:
    """Refuse to touch the test before the network is chosen."""
    from labelkit.runs import FINISHED, read_state

    state = read_state(run)
    if state.get("status") != FINISHED:
        raise RunError(
            f"{run}: its training is not finished (status {state.get('status')!r}, {state.get('epochs', 0)} epochs); "
            "the test is touched once the network is chosen: train to the end first"
        )


def _evaluated(run: Path, dataset: Path | str | None, settings: EvaluateSettings) -> RunResult:
    from labelkit.training.load import dataset_of, load_run
    from labelkit.training.samples import read_samples, take_sides

    data = dataset_of(run, dataset)
    data.check_hashes()
    samples = read_samples(data)
    trained = load_run(run)
    return assess(trained, take_sides(samples, trained.split), settings)


def assess(trained: TrainedRun, sides: Sides, settings: EvaluateSettings) -> RunResult:
    """Ask a run's network about validation and test, and gather all that is said of the run.

    Args:
        trained: with the weights that were kept.
        sides: of the run's split.
    """
    from labelkit.cells import Cells
    from labelkit.evaluation.measures import constant_deg
    from labelkit.figures.training import Curves
    from labelkit.report.run import RunResult
    from labelkit.runs import read_histograms, read_history, read_state

    history = read_history(trained.path)
    constant = constant_deg(sides.train.centred_deg)
    validation, test = judge(trained, sides.validation), judge(trained, sides.test)
    return RunResult(
        name=trained.path.resolve().name,
        settings=trained.settings.model_dump(mode="json"),
        leaks=bool(trained.split.leaks),
        cost=_cost(trained, settings),
        training=Curves(
            name=trained.path.resolve().name,
            loss=history["loss"],
            cmae_deg=history["cmae_deg"],
            constant_cmae_deg=validation.of_constant(constant).cmae_deg,
            best=int(read_state(trained.path)["best_epoch"]),
        ),
        seconds=float(history["seconds"].sum()),
        samples_per_s=len(sides.train) * len(history["seconds"]) / float(history["seconds"].sum()),
        train_samples=len(sides.train),
        constant_deg=constant,
        validation=validation,
        test=test,
        cells=Cells(settings.cell_deg, settings.reach_deg),
        histograms=read_histograms(trained.path),
        crops=_crops(sides.test, test),
    )


def judge(trained: TrainedRun, samples: Samples) -> Judged:
    """Ask a run's network about samples, and set its answers beside the truth."""
    from labelkit.evaluation.judged import Judged

    said = trained.predict(samples)
    return Judged(samples.participants, samples.rows, samples.centred_deg, said.centred_deg, said.sd_deg)


def _cost(trained: TrainedRun, settings: EvaluateSettings) -> Cost:
    from labelkit.deploy.latency import measure_latency
    from labelkit.models.cost import multiply_adds
    from labelkit.report.run import Cost
    from labelkit.runs import BEST

    latency = measure_latency(trained.path) if settings.latency else None
    return Cost(
        parameters=trained.model.count_params(),
        multiply_adds=multiply_adds(trained.model),
        weights_bytes=(trained.path / BEST).stat().st_size,
        latency_ms=latency.median_ms if latency else None,
        latency_p95_ms=latency.p95_ms if latency else None,
    )


def _crops(samples: Samples, judged: Judged) -> Mapping[int, ColorImage]:
    """Read the pictures of the galleries."""
    import numpy as np

    from labelkit.report.run import rows_shown

    shown = np.array(list(rows_shown(judged)), np.int64)
    pictures = samples.source.gather("rgb128", samples.indices[shown])
    return dict(zip(samples.rows[shown].tolist(), pictures, strict=True))


def report_of(result: RunResult, run: Path) -> dict[str, Any]:
    """Say in plain values, as report.json holds them, what came out of a run."""
    from labelkit.evaluation.judged import side_report
    from labelkit.runs import read_dataset
    from labelkit.training.backend import versions

    return {
        "schema": SCHEMA,
        "name": result.name,
        "model": result.settings["model"],
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
        "train": {"samples": result.train_samples},
        "validation": side_report(result.validation, result.constant_deg, result.cells),
        "test": side_report(result.test, result.constant_deg, result.cells),
    }
