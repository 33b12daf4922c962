"""labelkit show RAW FRAME"""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import settings_flags, show
from labelkit.settings import BuildSettings

if TYPE_CHECKING:
    from labelkit.workflows.show import ShownFrame

# Settings of a build that change no label.
NO_LABEL = ("with_depth", "shard_frames", "workers", "max_rejected")

_WIDTH = 80
_WHAT = 18  # of a line: "  view, centred   "


@click.command("show")
@click.argument("raw", type=click.Path(path_type=Path))
@click.argument("frame")
@click.option("--out", type=click.Path(path_type=Path), help="Picture to write, .png or .svg. [show-FRAME.png]")
@settings_flags(BuildSettings, leave_out=NO_LABEL)
def command(raw: Path, frame: str, out: Path | None, settings: BuildSettings, as_json: bool, quiet: bool) -> None:
    """Explain one frame: mask, palm, plane, normal and crop, or why it was rejected.

    FRAME is its name in labels.parquet, the end of that name (depth_00040.png), its colour picture,
    or RECORDING:INDEX. It is labelled as build-dataset labels it with the same settings.
    """
    from labelkit.workflows.show import show as show_frame

    result = show_frame(raw, frame, out, settings)
    show(result, as_json=as_json, quiet=quiet, text=lambda: _printable("\n".join(_lines(result))))


def _lines(result: ShownFrame) -> Iterator[str]:
    yield from textwrap.wrap(result.verdict, _WIDTH, subsequent_indent="  ")
    for heading, about in result.words():
        yield ""
        yield heading
        for what, value in about:
            yield from textwrap.wrap(
                value,
                _WIDTH,
                initial_indent=f"  {what:<{_WHAT - 2}}",
                subsequent_indent=" " * _WHAT,
                break_on_hyphens=False,
            ) or [f"  {what}"]
    yield ""
    yield f"Written: {result.out}" if result.out else "No picture: nothing of the frame could be read."


def _printable(text: str) -> str:
    """Keep what the terminal can show, and escape the rest."""
    escaped = "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
    encoding = sys.stdout.encoding or "utf-8"
    return escaped.encode(encoding, "backslashreplace").decode(encoding)
