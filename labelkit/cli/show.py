"""labelkit show RAW FRAME, labelkit show DATASET ROW"""

from __future__ import annotations

import re
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import settings_flags, show
from labelkit.errors import SettingsError
from labelkit.settings import BuildSettings

if TYPE_CHECKING:
    from labelkit.workflows.show import ShownFrame

# Settings of a build that change no label.
NO_LABEL = ("with_depth", "with_contour", "shard_frames", "workers", "max_rejected")

_WIDTH = 80
_WHAT = 18  # of a line: "  view, centred   "


@click.command("show")
@click.argument("folder", metavar="RAW|DATASET", type=click.Path(path_type=Path))
@click.argument("frame", metavar="FRAME|ROW")
@click.option("--raw", type=click.Path(path_type=Path), help="With DATASET: show the source picture from here too.")
@click.option("--out", type=click.Path(path_type=Path), help="Picture to write, .png or .svg. [show-FRAME.png]")
@settings_flags(BuildSettings, leave_out=NO_LABEL)
def command(
    folder: Path,
    frame: str,
    raw: Path | None,
    out: Path | None,
    settings: BuildSettings,
    as_json: bool,
    quiet: bool,
) -> None:
    """Explain one frame: mask, palm, plane, normal and crop, or why it was rejected.

    FRAME is its name in labels.parquet, the end of that name (depth_00040.png), its colour picture,
    or RECORDING:INDEX. It is labelled as build-dataset labels it with the same settings.

    With a dataset in place of RAW, and ROW, a row of its labels.parquet as the pages number them, it shows
    what the dataset stores; no recording is needed.
    """
    from labelkit.workflows.show import show as show_frame
    from labelkit.workflows.show import show_row

    if (folder / "manifest.json").exists() and re.fullmatch("[0-9]{1,12}", frame):
        _refuse_settings()
        result = show_row(folder, int(frame), out, raw)
    elif raw is not None:
        raise SettingsError(f"--raw {raw}: is for a dataset and a row of it, and {folder} {frame} is not that")
    else:
        result = show_frame(folder, frame, out, settings)
    show(result, as_json=as_json, quiet=quiet, text=lambda: _printable("\n".join(_lines(result))))


def _refuse_settings() -> None:
    """Refuse flags that decide a label: a stored one is decided."""
    ctx = click.get_current_context()
    for key in ("config", *BuildSettings.model_fields):
        if ctx.get_parameter_source(key) is click.core.ParameterSource.COMMANDLINE:
            raise SettingsError(
                f"--{key.replace('_', '-')}: a stored sample is as it was built; to label it again, give RAW FRAME"
            )


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
