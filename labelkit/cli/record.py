"""labelkit record RAW --source SOURCE --participant NAME"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import settings_flags, show
from labelkit.settings import RecordSettings
from labelkit.wording import shell_command

if TYPE_CHECKING:
    from labelkit.workflows.record import Recorded


@click.command("record")
@click.argument("raw", type=click.Path(path_type=Path, file_okay=False))
@settings_flags(RecordSettings)
def command(raw: Path, settings: RecordSettings, as_json: bool, quiet: bool) -> None:
    """Record from a sensor into RAW/PARTICIPANT[/SESSION], in the layout that a build reads.

    Ctrl-C ends a recording. It is complete after every frame, so a crash loses nothing. An older
    recording is never overwritten.
    """
    from labelkit.workflows.record import record

    result = record(raw, settings, quiet=quiet or as_json)
    show(result, as_json=as_json, quiet=quiet, text=lambda: describe_recording(result))


def describe_recording(result: Recorded) -> str:
    """Say what was recorded."""
    if result.folder is None:
        return f"no frame came from {result.camera}; nothing was written"
    rate = f", {result.fps:.1f} frames/s" if result.fps else ""
    return (
        f"{result.frames} frames in {result.seconds:.1f} s{rate}: {result.folder}\n"
        f"next: {shell_command('build-dataset', result.raw)}"
    )
