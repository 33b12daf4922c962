"""labelkit coverage-map [DATASET]"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

import click

from labelkit.cli.options import json_flag, quiet_flag, settings_flags, show
from labelkit.settings import CoverageSettings
from labelkit.workflows import coverage_map as workflow

MAP_WIDTH = 80  # columns, at most: wider, the cells only drift apart


@click.command("coverage-map")
@click.argument("dataset", type=click.Path(path_type=Path), default=Path("dataset"))
@click.option("--out", type=click.Path(path_type=Path), help="Also write the map: a .png, .svg or .json file.")
@click.option("--by", type=click.Choice(["participant"]), help="Also show each participant's coverage.")
@settings_flags(CoverageSettings)
@json_flag
@quiet_flag
def command(
    dataset: Path, out: Path | None, by: str | None, settings: CoverageSettings, as_json: bool, quiet: bool
) -> None:
    """Show which orientations DATASET holds, and which are missing.

    Samples are counted in cells of azimuth and elevation, centred: 0 faces the camera, positive
    azimuth is a normal toward the picture's right, positive elevation toward its bottom.
    """
    by_participant = by == "participant"
    result = workflow.coverage_map(dataset, out, settings, by_participant=by_participant)
    if as_json:
        show(result.as_plain(), as_json=True, quiet=quiet, text=str)
    else:
        show(result, as_json=False, quiet=quiet, text=lambda: _text(result, by_participant))


def _text(result: workflow.CoverageMap, by_participant: bool) -> str:
    from labelkit.figures.terminal import Terminal, can_show_unicode, coverage_text

    terminal = Terminal(
        width=min(MAP_WIDTH, shutil.get_terminal_size().columns),
        color=sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
        unicode=can_show_unicode(sys.stdout.encoding),
    )
    text = coverage_text(
        result.whole,
        result.participants,
        name=result.dataset,
        frame=result.frame,
        terminal=terminal,
        by_participant=by_participant,
    )
    return f"{text}\nWritten: {result.out}" if result.out else text
