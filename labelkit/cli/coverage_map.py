"""labelkit coverage-map [DATASET], labelkit coverage-map --live RAW"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labelkit.cli.options import json_flag, quiet_flag, settings_flags, show
from labelkit.settings import BuildSettings, CoverageSettings, load_settings

if TYPE_CHECKING:
    from labelkit.cells import Cells
    from labelkit.figures.coverage_text import Terminal
    from labelkit.workflows.coverage_map import By, CoverageMap

MAP_WIDTH = 80  # columns, at most: wider, the cells only drift apart


@click.command("coverage-map")
@click.argument("dataset", type=click.Path(path_type=Path), default=Path("dataset"))
@click.option("--out", type=click.Path(path_type=Path), help="Also write the map: .png, .svg, .html, .json or .csv.")
@click.option("--by", type=click.Choice(["participant", "split"]), help="Also show the coverage of each.")
@click.option("--run", type=click.Path(path_type=Path), help="The training run whose split is shown.")
@click.option(
    "--live",
    type=click.Path(path_type=Path),
    metavar="RAW",
    help="Play the painting game: the map of what is being recorded into RAW, in a browser.",
)
@click.option("--terminal", is_flag=True, help="--live: in this terminal, without a browser.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, help="--live: port of 127.0.0.1; 0: any. [0]")
@click.option("--show-pictures", is_flag=True, help="--live: show on the page what the camera sees.")
@click.option(
    "--build-config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="--live: TOML file of the settings that build-dataset will be given.",
)
@click.option("--no-cache", is_flag=True, help="--live: keep no labels in the user's cache for the next start.")
@settings_flags(CoverageSettings)
@json_flag
@quiet_flag
@click.pass_context
def command(
    ctx: click.Context,
    dataset: Path,
    out: Path | None,
    by: By | None,
    run: Path | None,
    live: Path | None,
    terminal: bool,
    port: int,
    show_pictures: bool,
    build_config: Path | None,
    no_cache: bool,
    settings: CoverageSettings,
    as_json: bool,
    quiet: bool,
) -> None:
    """Show which orientations DATASET holds, and which are missing.

    Distinct samples are counted in cells of azimuth and elevation, centred: 0 faces the camera,
    positive azimuth is a normal toward the picture's right, positive elevation toward its bottom.

    With --live RAW there is no DATASET: the map is of the recordings that are being made, and leads whoever is
    recorded to the gaps. Ctrl-C ends it.
    """
    if live:
        _refuse(ctx, ["dataset", "out", "by", "run"], "says nothing of recordings; leave it out beside --live")
        if terminal:
            _refuse(ctx, ["port", "show_pictures", "as_json"], "is of the page; leave it out beside --terminal")
        build = load_settings(BuildSettings, config=build_config)
        _play(live, settings, build, terminal, port, show_pictures, not no_cache, as_json, quiet)
        return
    _refuse(ctx, ["terminal", "port", "show_pictures", "build_config", "no_cache"], "needs --live RAW")
    from labelkit.workflows.coverage_map import coverage_map

    result = coverage_map(dataset, out, settings, by=by, run=run)
    if as_json:
        show(result.as_plain(), as_json=True, quiet=quiet, text=str)
    else:
        show(result, as_json=False, quiet=quiet, text=lambda: _text(result, by))


def _refuse(ctx: click.Context, names: list[str], why: str) -> None:
    for name in names:
        if ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE:
            (parameter,) = (one for one in ctx.command.params if one.name == name)
            raise click.UsageError(f"{parameter.human_readable_name if name == 'dataset' else parameter.opts[0]} {why}")


def _play(
    raw: Path,
    settings: CoverageSettings,
    build: BuildSettings,
    terminal: bool,
    port: int,
    show_pictures: bool,
    cache: bool,
    as_json: bool,
    quiet: bool,
) -> None:
    from labelkit.workflows.play import coverage_live, coverage_live_in_terminal

    def opened(url: str) -> None:
        # At once, and all there is on stdout: whoever reads it waits for the address.
        show({"url": url, "raw": str(raw)}, as_json=True, quiet=True, text=str) if as_json else click.echo(url)
        sys.stdout.flush()
        if not (quiet or as_json):
            click.echo("Open this address in a browser of this machine. Ctrl-C ends the game.", err=True)

    if terminal:
        result = coverage_live_in_terminal(raw, settings, build, cache=cache, draw=_drawing(quiet))
    else:
        result = coverage_live(raw, settings, build, port=port, show_pictures=show_pictures, cache=cache, opened=opened)
    if not (quiet or as_json):
        share = ", ".join(f"{name} {100 * filled:.0f} %" for name, filled in result.filled.items())
        click.echo(
            f"\n{result.raw}: {result.samples} samples in {result.frames} frames; full: {share or 'nothing'}\n"
            f"next: labelkit build-dataset {result.raw}",
            err=True,
        )


def _drawing(quiet: bool) -> Callable[[dict[str, Any], Cells, int], None]:
    """Draw over what was drawn before; where stdout is no terminal, write a line whenever there is another."""
    from labelkit.live.terminal import game_text, one_line

    said = [""]

    def draw(state: dict[str, Any], cells: Cells, target: int) -> None:
        if sys.stdout.isatty():
            terminal = _terminal()
            click.echo("\x1b[H" + game_text(state, cells, target, terminal).replace("\n", "\x1b[K\n") + "\x1b[J")
        elif not quiet and (line := one_line(state)) != said[0]:
            said[0] = line
            click.echo(line)

    if sys.stdout.isatty():
        click.clear()
    return draw


def _text(result: CoverageMap, by: By | None) -> str:
    from labelkit.figures.coverage_text import coverage_text

    text = coverage_text(
        result.whole,
        participants=len(result.participants),
        name=result.dataset,
        frame=result.frame,
        terminal=_terminal(),
        by=by,
        groups=result.groups(by),
    )
    return f"{text}\nWritten: {result.out}" if result.out else text


def _terminal() -> Terminal:
    from labelkit.figures.coverage_text import Terminal, can_show_unicode

    return Terminal(
        width=min(MAP_WIDTH, shutil.get_terminal_size().columns),
        color=sys.stdout.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb",
        unicode=can_show_unicode(sys.stdout.encoding),
    )
