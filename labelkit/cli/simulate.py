"""labelkit simulate OUT, labelkit simulate --live RAW"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from labelkit.cli.options import refuse_typed, settings_flags, show
from labelkit.cli.record import describe_recording
from labelkit.settings import SimulateSettings
from labelkit.wording import number_of, shell_command

# Options that need --live, and options that go with OUT alone.
_LIVE = ("follow", "participant", "session", "handedness", "fps", "seconds")
_NOT_LIVE = ("participants", "frames", "with_masks", "workers", "overwrite")


@click.command("simulate")
@click.argument("out", required=False, type=click.Path(path_type=Path, file_okay=False))
@settings_flags(SimulateSettings)
@click.option("--overwrite", is_flag=True, help="Replace what an earlier simulation wrote to OUT.")
@click.option(
    "--live",
    metavar="RAW",
    type=click.Path(path_type=Path, file_okay=False),
    help="Instead of OUT: record one participant into RAW/PARTICIPANT, in real time.",
)
@click.option("--follow", metavar="URL", help="Live: follow the arrow of labelkit play.")
@click.option("--participant", default="p01", show_default=True, help="Live: who plays; another name, another hand.")
@click.option("--session", default="", help="Live: a folder below the participant's.")
@click.option("--handedness", type=click.Choice(["right", "left"]), default="right", help="Live: the side of the hand.")
@click.option("--fps", type=click.FloatRange(0.1, 120), default=15.0, show_default=True, help="Live: frames a second.")
@click.option("--seconds", type=click.FloatRange(0), default=0.0, help="Live: seconds to record; 0: until Ctrl-C.")
def command(
    out: Path | None,
    settings: SimulateSettings,
    overwrite: bool,
    live: Path | None,
    as_json: bool,
    quiet: bool,
    **how: Any,
) -> None:
    """Make recordings of simulated hands in OUT/raw, with the exact truth in OUT/truth.csv.

    One recording per participant, as a Kinect v1 in front of a person turning the palm about. The same
    seed gives the same files, byte for byte. With --live, frames appear as from a sensor, so that the
    painting game can be tried without one.
    """
    from labelkit.workflows.simulate import simulate, simulate_live

    if live is not None:
        refuse_typed(_NOT_LIVE, "goes with OUT, not with --live")
        if out is not None:
            raise click.UsageError("give OUT, or --live RAW, not both")
        recorded = simulate_live(live, settings, **how, quiet=quiet or as_json)
        show(recorded, as_json=as_json, quiet=quiet, text=lambda: describe_recording(recorded))
        return
    refuse_typed(_LIVE, "goes with --live RAW")
    if out is None:
        raise click.UsageError("say where to write: OUT, or --live RAW")
    result = simulate(out, settings, overwrite=overwrite, quiet=quiet or as_json)
    show(
        result,
        as_json=as_json,
        quiet=quiet,
        text=lambda: (
            f"{number_of(result.participants, 'participant')}, {number_of(result.frames, 'frame')} "
            f"in {result.seconds:.1f} s: {result.raw}\n"
            f"the exact truth of each frame: {result.truth}\n"
            f"next: {shell_command('build-dataset', result.raw)}"
        ),
    )
