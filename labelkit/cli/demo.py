"""labelkit demo [OUT]"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import settings_flags, show
from labelkit.settings import DemoSettings
from labelkit.wording import number_of, open_command, percent, shell_command

if TYPE_CHECKING:
    from labelkit.workflows.demo import DemoResult
    from labelkit.workflows.one_run import TrainResult


@click.command("demo")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"))
@settings_flags(DemoSettings)
def command(out: Path, settings: DemoSettings, as_json: bool, quiet: bool) -> None:
    """Do the whole job in the folder OUT (default: demo), in a few minutes.

    Simulates recordings, builds a dataset from them, draws its coverage map and trains a network, which is tested on
    people that it never saw.
    """
    from labelkit.workflows.demo import demo

    silent = quiet or as_json
    result = demo(out, settings, quiet=silent, announce=lambda step: None if silent else print(step, file=sys.stderr))
    show(result, as_json=as_json, quiet=quiet, text=lambda: _text(result))


def _text(result: DemoResult) -> str:
    built, trained = result.built, result.trained
    cells, target = f"{result.cell_deg:g}", result.target
    rejected = number_of(sum(built.rejected.values()), "frame")
    count = ("--cell-deg", cells, "--target", target)
    steps = {
        shell_command("coverage-map", built.out, *count): "the map, in the terminal",
        shell_command("evaluate", trained.run): "the network, measured again",
        shell_command("verify", built.out): "the dataset, bit for bit",
    }
    return f"""
The whole job took {result.seconds:.0f} s. What it made:

  {result.simulated.raw}/   {result.simulated.frames} frames of {result.simulated.participants} simulated people
  {built.out}/   {number_of(built.samples, "sample")}; {rejected} rejected, each with its reason
      labels are {result.label_error_median_deg:.1f} deg from the truth (median)
  {result.map}   {percent(result.filled_share)} of the cells of {cells} degrees are full ({target} samples or more)
  {trained.run}/   a network; {_verdict(trained)}

Pages to open in a browser:

  {open_command(result.page)}
  {open_command(f"{trained.run}/report.html")}
  {open_command(result.map)}

next:

{_columns(steps)}

With your own recordings: inspect, build-dataset, coverage-map, train; README.md shows how."""


def _verdict(trained: TrainResult) -> str:
    share = "" if trained.cmae_ratio is None else f", {percent(trained.cmae_ratio)} of it"
    return (
        f"on {number_of(len(trained.test_participants), 'unseen participant')} it errs by "
        f"{trained.cmae_deg:.1f} deg\n      (CMAE; always answering the middle: {trained.constant_cmae_deg:.1f}{share})"
    )


def _columns(steps: dict[str, str]) -> str:
    width = max(map(len, steps))
    return "\n".join(f"  {step:<{width}}   # {what}" for step, what in steps.items())
