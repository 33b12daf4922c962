"""labelkit report [DATASET]"""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import settings_flags, show
from labelkit.settings import CoverageSettings
from labelkit.wording import number_of, percent

if TYPE_CHECKING:
    from labelkit.workflows.report import Reported

_WIDTH = 80


@click.command("report")
@click.argument("dataset", type=click.Path(path_type=Path), default=Path("dataset"))
@click.option("--out", type=click.Path(path_type=Path), help="The page. [DATASET-report.html, next to the dataset]")
@click.option("--raw", type=click.Path(path_type=Path), help="The recordings of the dataset, to show rejected frames.")
@click.option("--run", type=click.Path(path_type=Path), help="The training run whose split is shown.")
@click.option("--check/--no-check", default=True, help="Hash every file of the dataset first. [check]")
@settings_flags(CoverageSettings)
def command(
    dataset: Path,
    out: Path | None,
    raw: Path | None,
    run: Path | None,
    check: bool,
    settings: CoverageSettings,
    as_json: bool,
    quiet: bool,
) -> None:
    """Write one page about DATASET that opens from disk, without a network.

    It shows what is in the set, its coverage with a gallery by cell, doubtful labels, near
    duplicates, rejections, and how even the participants and the sides of the split are.
    """
    from labelkit.workflows.report import report

    result = report(dataset, out, settings, raw=raw, run=run, check=check)
    show(result, as_json=as_json, quiet=quiet, text=lambda: _text(result))


def _text(r: Reported) -> str:
    counted = (
        f"{number_of(r.samples, 'sample')} ({r.distinct:,} distinct) of {number_of(r.participants, 'participant')}, "
        f"{number_of(r.rejected, 'frame')} rejected; {percent(r.filled_share)} of the cells are full."
    )
    found = (
        f"To look at: {number_of(r.jumps, 'sudden jump')}, {number_of(r.twins, 'pair')} of near duplicates in "
        f"different recordings, {r.leaks:,} of them on two sides of the split, {number_of(r.alike, 'pair')} of "
        "participants who look like one person."
    )
    written = f"Written: {r.out} ({r.bytes / 1e6:.1f} MB)"
    return "\n".join([*textwrap.wrap(counted, _WIDTH), *textwrap.wrap(found, _WIDTH), written])
