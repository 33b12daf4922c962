"""labelkit train [DATASET]"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import refuse_typed, settings_flags, show
from labelkit.settings import FOREST, TrainSettings
from labelkit.wording import number_of, shell_command

if TYPE_CHECKING:
    from labelkit.workflows.leave_one_out import LeaveOneOutResult
    from labelkit.workflows.one_run import TrainResult

log = logging.getLogger(__name__)


@click.command("train")
@click.argument("dataset", type=click.Path(path_type=Path), required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Run folder. [runs/MODEL, or the next free number]")
@click.option("--overwrite", is_flag=True, help="Replace the run that is in --out.")
@click.option("--resume", type=click.Path(path_type=Path), metavar="RUN", help="Go on with this interrupted run.")
@settings_flags(TrainSettings)
def command(
    dataset: Path | None,
    out: Path | None,
    overwrite: bool,
    resume: Path | None,
    settings: TrainSettings,
    as_json: bool,
    quiet: bool,
) -> None:
    """Train a network, or a forest, on DATASET (default: dataset), and test it on participants it has never seen.

    Participants are split into train, validation and test. The weights that do best on validation are
    kept and tested once. All results are in the run folder.
    """
    from labelkit.workflows.early import refuse_early

    if resume is not None:
        typed = ("out", "overwrite", "config", *TrainSettings.model_fields)
        refuse_typed(typed, f"with --resume: {resume} goes on with its own settings; leave it out")
        refuse_early(dataset, runs=[resume])
    else:
        refuse_early(dataset, models=[settings.model])
    log.info("loading Keras")
    from labelkit.workflows.train import train

    result = train(dataset, settings, out=out, overwrite=overwrite, resume=resume, quiet=quiet or as_json)
    show(result, as_json=as_json, quiet=quiet, text=lambda: _text(result))


def _text(result: TrainResult | LeaveOneOutResult) -> str:
    from labelkit.workflows.one_run import TrainResult

    return _text_of_run(result) if isinstance(result, TrainResult) else _text_of_folds(result)


def _text_of_run(result: TrainResult) -> str:
    people = len(result.test_participants)
    whom = number_of(people, "unseen participant")
    settings, is_forest = Path(result.run) / "settings.toml", result.model == FOREST
    of_epoch = "" if is_forest else f"of epoch {result.best_epoch} "
    changed = ("--trees", 300) if is_forest else ("--epochs", 60)
    if result.leaks:
        whom = f"{number_of(people, 'participant')} IT WAS TRAINED ON (split by frames: LEAKING)"
    return "\n".join(
        (
            _training(result),
            *_recoveries(result),
            f"test {of_epoch}on {number_of(result.test_samples, 'sample')} of {whom}:",
            *_errors(result),
            f"run: {result.run} ({'' if is_forest else 'report.html, '}report.json, predictions.csv, weights, ...)",
            f"again, changed: {shell_command('train', result.dataset, '--config', settings, *changed)}",
        )
    )


def _training(result: TrainResult) -> str:
    if result.model == FOREST:
        return f"{result.model}: {result.parameters:,} nodes, in {result.seconds:.0f} s"
    return (
        f"{result.model}: {result.parameters:,} parameters, {number_of(result.epochs, 'epoch')} "
        f"in {result.seconds:.0f} s ({result.samples_per_s:.0f} samples/s)"
    )


def _recoveries(result: TrainResult) -> tuple[str, ...]:
    if not result.recoveries:
        return ()
    return (
        f"it collapsed {number_of(result.recoveries, 'time')} and was brought back; {result.run}/guard.json says why",
    )


def _text_of_folds(result: LeaveOneOutResult) -> str:
    return "\n".join(
        (
            f"{result.model}: {len(result.folds)} networks, each tested on the one participant it never saw",
            "",
            "participant               samples    CMAE   constant",
            *(
                f"{fold.test_participants[0]:<24}{fold.test_samples:>9}{fold.cmae_deg:>8.2f}{fold.constant_cmae_deg:>11.2f}"
                for fold in result.folds
            ),
            "",
            f"all {result.test_samples} samples together, in {result.seconds:.0f} s:",
            *_errors(result),
            f"runs: {result.run}/",
        )
    )


def _errors(result: TrainResult | LeaveOneOutResult) -> tuple[str, ...]:
    against = "" if result.cmae_ratio is None else f" ({result.cmae_ratio:.0%} of the constant predictor's)"
    return (
        f"  CMAE                     {result.cmae_deg:6.2f} deg{against}",
        f"  constant predictor       {result.constant_cmae_deg:6.2f} deg",
        f"  MAE azimuth              {result.mae_azimuth_deg:6.2f} deg",
        f"  MAE elevation            {result.mae_elevation_deg:6.2f} deg",
        f"  between normals, median  {result.normal_median_deg:6.2f} deg",
    )
