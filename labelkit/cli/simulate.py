"""labelkit simulate OUT"""

from __future__ import annotations

from pathlib import Path

import click

from labelkit.cli.options import json_flag, quiet_flag, settings_flags, show
from labelkit.settings import SimulateSettings
from labelkit.workflows.simulate import simulate


@click.command("simulate")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False))
@settings_flags(SimulateSettings)
@click.option("--overwrite", is_flag=True, help="Replace what an earlier simulation wrote to OUT.")
@json_flag
@quiet_flag
def command(out: Path, settings: SimulateSettings, overwrite: bool, as_json: bool, quiet: bool) -> None:
    """Make recordings of simulated hands in OUT/raw, with the exact truth in OUT/truth.csv.

    One recording per participant, as a Kinect v1 in front of a person turning the palm about. The same
    seed gives the same files, byte for byte.
    """
    result = simulate(out, settings, overwrite=overwrite, quiet=quiet or as_json)
    show(
        result,
        as_json=as_json,
        quiet=quiet,
        text=lambda: (
            f"{result.participants} participants, {result.frames} frames in {result.seconds:.1f} s: {result.raw}\n"
            f"what is exactly true of each frame: {result.truth}\n"
            f"next: labelkit build-dataset {result.raw}"
        ),
    )
