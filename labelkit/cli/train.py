"""labelkit train [DATASET]"""

from __future__ import annotations

from pathlib import Path

import click

from labelkit.cli.options import json_flag, quiet_flag, settings_flags, show
from labelkit.settings import TrainSettings
from labelkit.workflows.train import TrainResult, train


@click.command("train")
@click.argument("dataset", type=click.Path(path_type=Path), default=Path("dataset"))
@click.option("--out", type=click.Path(path_type=Path), help="Run folder. [runs/MODEL, or the next free number]")
@click.option("--overwrite", is_flag=True, help="Replace the run that is in --out.")
@settings_flags(TrainSettings)
@json_flag
@quiet_flag
def command(
    dataset: Path, out: Path | None, overwrite: bool, settings: TrainSettings, as_json: bool, quiet: bool
) -> None:
    """Train a network on DATASET, and test it on participants it has never met.

    Participants are split into train, validation and test. The weights that do best on validation are
    kept and tested once. All that the run made is in its folder.
    """
    result = train(dataset, settings, out=out, overwrite=overwrite, quiet=quiet or as_json)
    show(result, as_json=as_json, quiet=quiet, text=lambda: _text(result))


def _text(result: TrainResult) -> str:
    people = len(result.test_participants)
    against = "" if result.cmae_ratio is None else f" ({result.cmae_ratio:.0%} of the constant predictor's)"
    return "\n".join(
        (
            f"{result.model}: {result.parameters:,} parameters, {result.epochs} epochs in {result.seconds:.0f} s "
            f"({result.samples_per_s:.0f} samples/s)",
            f"test of epoch {result.best_epoch} on {result.test_samples} samples of {people} unseen "
            f"participant{'s' if people > 1 else ''}:",
            f"  CMAE                     {result.cmae_deg:6.2f} deg{against}",
            f"  constant predictor       {result.constant_cmae_deg:6.2f} deg",
            f"  MAE azimuth              {result.mae_azimuth_deg:6.2f} deg",
            f"  MAE elevation            {result.mae_elevation_deg:6.2f} deg",
            f"  between normals, median  {result.normal_median_deg:6.2f} deg",
            f"run: {result.run} (report.json, predictions.csv, weights, ...)",
            f"again, changed: labelkit train --config {result.run}/settings.toml --epochs 60",
        )
    )
