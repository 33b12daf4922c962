"""labelkit demo [OUT]"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import settings_flags, show
from labelkit.settings import DemoSettings

if TYPE_CHECKING:
    from labelkit.workflows.demo import DemoResult


@click.command("demo")
@click.argument("out", type=click.Path(path_type=Path, file_okay=False), default=Path("demo"))
@settings_flags(DemoSettings)
def command(out: Path, settings: DemoSettings, as_json: bool, quiet: bool) -> None:
    """Do the whole job in the folder OUT (default: demo), in a few minutes.

    Simulates recordings, builds a dataset from them, draws its coverage map and trains a network.
    """
    from labelkit.workflows.demo import demo

    silent = quiet or as_json
    result = demo(out, settings, quiet=silent, announce=lambda step: None if silent else print(step, file=sys.stderr))
    show(result, as_json=as_json, quiet=quiet, text=lambda: _text(result))


def _text(result: DemoResult) -> str:
    built, trained = result.built, result.trained
    return f"""
The whole job took {result.seconds:.0f} s. What it made:

  {result.simulated.raw}/   {result.simulated.frames} frames of {built.participants} simulated participants
  {built.out}/   {built.samples} samples; {sum(built.rejected.values())} frames rejected, each with its reason
      labels are {result.label_error_median_deg:.1f} deg from the truth (median)
  {result.map}   {result.started_share:.0%} of the reachable cells hold a sample
  {trained.run}/   a network; on participants that it never saw its error is {trained.cmae_deg:.1f} deg
      (CMAE; always answering the middle gives {trained.constant_cmae_deg:.1f})

Two minutes of frames give a thin map and a weak network. Now with your own recordings:

  labelkit inspect raw/         what each recording is, and which facts are missing
  labelkit build-dataset raw/
  labelkit coverage-map
  labelkit train"""
