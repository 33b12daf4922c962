"""labelkit play RAW"""

from __future__ import annotations

import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labelkit.cli.coverage_map import describe_terminal
from labelkit.cli.options import refuse_typed, settings_flags, show
from labelkit.settings import BuildSettings, CoverageSettings, load_settings
from labelkit.wording import number_of, printable, shell_command

if TYPE_CHECKING:
    from labelkit.cells import Cells
    from labelkit.workflows.play import GameResult

_PAGE_ONLY = ("port", "show_pictures", "as_json")


@click.command("play")
@click.argument("raw", type=click.Path(path_type=Path))
@click.option("--terminal", is_flag=True, help="Play in this terminal, without a browser.")
@click.option("--port", type=click.IntRange(0, 65535), default=0, show_default=True, help="Port of 127.0.0.1; 0: any.")
@click.option("--show-pictures", is_flag=True, help="Show on the page what the camera sees.")
@click.option(
    "--build-config",
    type=click.Path(path_type=Path, dir_okay=False),
    help="TOML file of the settings that build-dataset will get.",
)
@click.option("--no-cache", is_flag=True, help="Keep no labels in the user's cache folder for the next start.")
@settings_flags(CoverageSettings)
def command(
    raw: Path,
    terminal: bool,
    port: int,
    show_pictures: bool,
    build_config: Path | None,
    no_cache: bool,
    settings: CoverageSettings,
    as_json: bool,
    quiet: bool,
) -> None:
    """Play the painting game: the coverage map of RAW, while recordings are written into it.

    The map fills while a person is recorded. An arrow and words lead the hand to the next gap. The game is a page
    for a browser of this machine: open the address that is printed. Ctrl-C ends the game. If RAW is not there yet,
    the game waits for it.
    """
    build = load_settings(BuildSettings, config=build_config)
    if terminal:
        refuse_typed(_PAGE_ONLY, "is only for the page in a browser; leave out that or --terminal")
    from labelkit.workflows.play import play, play_in_terminal

    if not (quiet or as_json or raw.exists()):
        print(f"{raw}: there is no such folder yet; the game waits for it", file=sys.stderr)
    if terminal:
        result = play_in_terminal(raw, settings, build, cache=not no_cache, draw=_make_draw(quiet))
    else:
        result = play(
            raw,
            settings,
            build,
            port=port,
            show_pictures=show_pictures,
            cache=not no_cache,
            on_open=lambda url: _say_address(url, raw, as_json=as_json, quiet=quiet),
        )
    if not (quiet or as_json):
        print(f"\n{_summary(result)}", file=sys.stderr)


def _say_address(url: str, raw: Path, *, as_json: bool, quiet: bool) -> None:
    # Flushed at once, and alone on stdout: a program may wait for this line.
    show({"url": url, "raw": str(raw)}, as_json=as_json, quiet=False, text=lambda: url)
    sys.stdout.flush()
    if not (quiet or as_json):
        print("Open this address in a browser of this machine. Ctrl-C ends the game.", file=sys.stderr)


def _summary(result: GameResult) -> str:
    counted = f"{result.raw}: {number_of(result.samples, 'sample')} in {number_of(result.frames, 'frame')}"
    if not result.frames:
        return counted
    people = [
        f"  {printable(name, 40)}: {number_of(begun, 'cell')} begun and {result.full[name]} full, of {result.cells}"
        for name, begun in result.begun.items()
    ]
    return "\n".join([counted, *people, f"next: {shell_command('build-dataset', result.raw)}"])


def _make_draw(quiet: bool) -> Callable[[dict[str, Any], Cells, int], None]:
    """Make what draws the game: over the last drawing in a terminal, else as a line each time the line changes."""
    from labelkit.live.terminal import game_text, one_line

    written = [""]

    def draw(state: dict[str, Any], cells: Cells, target: int) -> None:
        if sys.stdout.isatty():
            lines = game_text(state, cells, target, describe_terminal()).split("\n")
            # No more lines than the terminal has, and no newline after the last: the words must not scroll away.
            lines = lines[: shutil.get_terminal_size().lines]
            print("\x1b[H" + "\x1b[K\n".join(lines) + "\x1b[J", end="", flush=True)
        elif not quiet and (line := one_line(state)) != written[0]:
            written[0] = line
            print(line, flush=True)

    if sys.stdout.isatty():
        click.clear()
    return draw
