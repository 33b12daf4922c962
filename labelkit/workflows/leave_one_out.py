"""Leave one participant out: a training for each participant, tested on that participant alone."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from labelkit.dataset.dataset import Dataset
from labelkit.dataset.schema import slug
from labelkit.evaluation.measures import measure
from labelkit.runs.folder import (
    FINISHED,
    FOLDS,
    PREDICTIONS,
    REPORT,
    STATE,
    claim_run,
    hold_run,
    read_rows,
    read_state,
    write_json,
    write_state,
)
from labelkit.runs.plan import read_folds, read_settings, write_folds
from labelkit.settings import TrainSettings
from labelkit.training.load import dataset_of
from labelkit.training.samples import Samples
from labelkit.workflows.one_run import (
    TrainOutcome,
    TrainResult,
    build_network,
    check_dataset,
    go_on,
    read_result,
    split_samples,
    train_new,
)

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class LeaveOneOutResult(TrainOutcome):
    """The result of all trainings: errors over all their test samples together.

    Attributes:
        run: the folder that holds a run for each participant.
        constant_cmae_deg: of predictors that always answer the median of each training's angles.
        folds: each training by itself.
    """

    folds: tuple[TrainResult, ...]


def leave_one_out(
    data: Dataset, samples: Samples, settings: TrainSettings, out: Path | None, overwrite: bool, quiet: bool
) -> LeaveOneOutResult:
    """Train once for each participant; the arguments are those of `train`, the dataset checked."""
    people = sorted(set(samples.participants.tolist()))
    split_samples(samples, _of_fold(settings, people[0]))  # this and the next line check, before a folder is made
    build_network(settings)
    if out is not None and overwrite and (out / FOLDS).is_file():
        for subfolder in read_folds(out).values():
            claim_run(settings.model, out / subfolder, overwrite=True)
    folder = claim_run(f"{settings.model}-leave-one-out", out, overwrite=overwrite)
    write_folds(folder, {name: slug(name) for name in people}, settings, data.path, data.manifest.digest())
    with hold_run(folder):
        return _train_folds(folder, settings, data, samples, quiet)


def resume_folds(folder: Path, dataset: Path | str | None, quiet: bool) -> LeaveOneOutResult:
    """Train the networks that are not finished, and put all results together. As `train`."""
    settings = read_settings(folder)
    with hold_run(folder):
        data, samples = check_dataset(dataset_of(folder, dataset).path, settings)
        return _train_folds(folder, settings, data, samples, quiet)


def _train_folds(
    folder: Path, settings: TrainSettings, data: Dataset, samples: Samples, quiet: bool
) -> LeaveOneOutResult:
    subfolders = read_folds(folder)
    for number, (name, subfolder) in enumerate(subfolders.items(), start=1):
        run, own = folder / subfolder, _of_fold(settings, name)
        log.info("%d of %d: tested on %s", number, len(subfolders), name)
        if not (run / STATE).is_file():
            network, split = build_network(own), split_samples(samples, own)
            train_new(claim_run(own.model, run), network, data, samples, split, own, quiet)
        elif read_state(run)["status"] != FINISHED:
            go_on(run, samples, quiet)
    return _join_results(folder, settings, [folder / subfolder for subfolder in subfolders.values()])


def _of_fold(settings: TrainSettings, participant: str) -> TrainSettings:
    return settings.model_copy(update={"split": "participants", "hold_out": participant})


def _join_results(folder: Path, settings: TrainSettings, runs: list[Path]) -> LeaveOneOutResult:
    rows = [row for run in runs for row in read_rows(run / PREDICTIONS) if row["side"] == "test"]
    true, predicted = (
        90.0 - np.array([[float(row[f"{which}view_{angle}"]) for angle in ("azimuth", "elevation")] for row in rows])
        for which in ("", "predicted_")
    )
    errors, folds = measure(true, predicted), tuple(read_result(run) for run in runs)
    constant_cmae = sum(fold.constant_cmae_deg * fold.test_samples for fold in folds) / errors.samples
    result = LeaveOneOutResult(
        run=str(folder),
        model=settings.model,
        test_samples=errors.samples,
        cmae_deg=errors.cmae_deg,
        constant_cmae_deg=constant_cmae,
        cmae_ratio=errors.cmae_deg / constant_cmae if constant_cmae else None,
        mae_azimuth_deg=errors.mae_azimuth_deg,
        mae_elevation_deg=errors.mae_elevation_deg,
        normal_median_deg=errors.normal_median_deg,
        seconds=sum(fold.seconds for fold in folds),
        folds=folds,
    )
    write_json(folder / REPORT, asdict(result))
    write_state(folder, FINISHED, epochs=sum(fold.epochs for fold in folds))
    return result
