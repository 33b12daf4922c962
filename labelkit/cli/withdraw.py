"""labelkit withdraw DATASET PARTICIPANT"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import json_flag, quiet_flag, show
from labelkit.wording import number_of, shell_command

if TYPE_CHECKING:
    from labelkit.workflows.withdraw import Withdrawal


@click.command("withdraw")
@click.argument("dataset", type=click.Path(path_type=Path))
@click.argument("participant")
@click.option(
    "--runs",
    type=click.Path(path_type=Path),
    multiple=True,
    help="A run, or a folder with runs below, to take the participant out of too; repeatable.",
)
@click.option("--yes", is_flag=True, help="Remove what is listed, without asking.")
@json_flag
@quiet_flag
def command(dataset: Path, participant: str, runs: tuple[Path, ...], yes: bool, as_json: bool, quiet: bool) -> None:
    """Take PARTICIPANT out of DATASET: shards, rows, pictures, and everything that holds the name.

    First it lists what is there. At a terminal it asks you then; elsewhere it changes nothing without
    --yes. A later build into the folder refuses recordings of the participant.
    """
    from labelkit.workflows.withdraw import withdraw

    result = withdraw(dataset, participant, runs=runs, yes=yes)
    asks = bool(result.spellings) and not yes and not as_json and not quiet and sys.stdin.isatty()
    if asks:
        print("\n".join(_lines(result, runs)))
        if click.confirm("Remove this for good?", err=True):
            result = withdraw(dataset, participant, runs=runs, yes=True)
    if not asks or result.removed:
        show(result, as_json=as_json, quiet=quiet, text=lambda: "\n".join(_lines(result, runs)))


def _lines(result: Withdrawal, places: tuple[Path, ...]) -> Iterator[str]:
    if any(name != result.participant for name in result.spellings):
        # ASCII alone shows in which of Unicode's forms a name is written.
        yield f"{result.participant!a} is spelled {' and '.join(ascii(name) for name in result.spellings)} there"
    if holds := result.holds:
        yield (
            f"{result.dataset} {_verb(result)} {number_of(holds.frames, 'row')} of {result.participant!r}, "
            f"{number_of(holds.samples, 'sample')} in {number_of(len(holds.shards), 'shard')} ({holds.bytes:,} bytes)"
        )
        yield from (f"  {name}" for name in (*holds.shards, *holds.files))
    else:
        yield f"{result.dataset}: {result.participant!r} was withdrawn before"
    for run in result.runs:
        yield (
            f"{run.run} {_verb(result)} {result.participant!r} in {run.side}, "
            f"{number_of(run.predictions, 'prediction')}; "
            "its weights stay: train again, or delete it"
        )
        yield from (f"  {name}" for name in run.files)
    if result.spellings and not result.removed:
        words = [
            "withdraw",
            result.dataset,
            result.participant,
            *(word for place in places for word in ("--runs", place)),
        ]
        yield f"nothing was changed; remove it with: {shell_command(*words, '--yes')}"


def _verb(result: Withdrawal) -> str:
    return "held" if result.removed else "holds"
