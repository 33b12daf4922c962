"""labelkit array-script RAW"""

from __future__ import annotations

from pathlib import Path

import click

from labelkit.cli.options import json_flag, quiet_flag, show


@click.command("array-script")
@click.argument("raw", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("dataset"), help="Dataset folder. [dataset]")
@click.option(
    "--parts", type=click.IntRange(1), help="How many parts. [one for each shard, up to what an array may hold]"
)
@click.option(
    "--max-array-size",
    type=click.IntRange(2),
    help="MaxArraySize of the cluster, as `scontrol show config` says. [1001, SLURM's own default]",
)
@click.option(
    "--config", type=click.Path(path_type=Path, dir_okay=False), help="Settings of build-dataset (a TOML file)."
)
@json_flag
@quiet_flag
def command(
    raw: Path, out: Path, parts: int | None, max_array_size: int | None, config: Path | None, as_json: bool, quiet: bool
) -> None:
    """Print a script for SLURM that builds the dataset of RAW on many machines.

    Each task of the array builds a part; a last job makes the dataset of them. All machines see RAW and the dataset's
    folder under the same names.
    """
    from labelkit.workflows.array_script import MAX_ARRAY_SIZE, array_script

    result = array_script(raw, out, parts=parts, max_array_size=max_array_size or MAX_ARRAY_SIZE, config=config)
    show(result, as_json=as_json, quiet=quiet, text=lambda: result.script)
