"""labelkit coverage-map [DATASET]"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import settings_flags, show
from labelkit.settings import CoverageSettings
from labelkit.wording import shell_command

if TYPE_CHECKING:
    from labelkit.figures.coverage_text import Terminal
    from labelkit.workflows.coverage_map import By, CoverageMap

MAP_WIDTH = 80  # columns, at most: in a wider map the cells only lie further apart


class _CoverageMap(click.Command):
    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if "--live" in args:
            raw = (*args[args.index("--live") + 1 :], "RAW")[0]
            raise click.UsageError(f"--live is a command of its own: {shell_command('play', raw)}", ctx)
        return super().parse_args(ctx, args)


@click.command("coverage-map", cls=_CoverageMap)
@click.argument("dataset", type=click.Path(path_type=Path), default=Path("dataset"))
@click.option("--out", type=click.Path(path_type=Path), help="Also write the map: .png, .svg, .html, .json or .csv.")
@click.option("--by", type=click.Choice(["participant", "split"]), help="Also show the coverage of each.")
@click.option("--run", type=click.Path(path_type=Path), help="The training run whose split is shown.")
@settings_flags(CoverageSettings)
def command(
    dataset: Path,
    out: Path | None,
    by: By | None,
    run: Path | None,
    settings: CoverageSettings,
    as_json: bool,
    quiet: bool,
) -> None:
    """Show which orientations DATASET holds, and which are missing.

    Distinct samples are counted in cells of azimuth and elevation, centred: 0 faces the camera,
    positive azimuth is a normal toward the picture's right, positive elevation toward its bottom.
    """
    from labelkit.workflows.coverage_map import coverage_map

    result = coverage_map(dataset, out, settings, by=by, run=run)
    if as_json:
        show(result.as_plain(), as_json=True, quiet=quiet, text=str)
    else:
        show(result, as_json=False, quiet=quiet, text=lambda: _text(result, by))


def _text(result: CoverageMap, by: By | None) -> str:
    from labelkit.figures.coverage_text import coverage_text

    text = coverage_text(
        result.whole,
        participants=result.number_of_participants,
        name=result.dataset,
        frame=result.frame,
        terminal=describe_terminal(),
        by=by,
        groups=result.groups(by),
    )
    return f"{text}\nWritten: {result.out}" if result.out else text


def describe_terminal() -> Terminal:
    """Say what the terminal at stdout can show."""
    from labelkit.figures.coverage_text import Terminal, can_show_unicode

    columns, lines = shutil.get_terminal_size()
    return Terminal(
        width=min(MAP_WIDTH, columns),
        height=lines if sys.stdout.isatty() else None,
        color=sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
        unicode=can_show_unicode(sys.stdout.encoding),
    )
