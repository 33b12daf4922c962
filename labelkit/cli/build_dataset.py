"""labelkit build-dataset RAW"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import refuse_typed, settings_flags, show
from labelkit.settings import BuildSettings
from labelkit.wording import number_of, shell_command

if TYPE_CHECKING:
    from labelkit.workflows.build_dataset import BuildPlan, BuildResult, PartResult

TOO_MANY_REJECTED = 3

_WHOLE_ONLY = ("overwrite", "retry_rejected", "commit", "dry_run")


@click.command("build-dataset")
@click.argument("raw", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("dataset"), help="Dataset folder. [dataset]")
@click.option("--overwrite", is_flag=True, help="Build everything again; the old dataset is replaced at the end.")
@click.option("--retry-rejected", is_flag=True, help="Try frames again that could not be read or crashed a worker.")
@click.option(
    "--pseudonyms",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Replace names by random ids. FILE lists the names and their ids; it is written if it is not there.",
)
@click.option("--part", metavar="I/N", help="Build part I of N alone; other processes and machines build the others.")
@click.option("--commit", is_flag=True, help="Make the dataset of its parts; refuse if one of them is not built.")
@click.option("--dry-run", is_flag=True, help="Say what would be built; write nothing.")
@settings_flags(BuildSettings)
@click.pass_context
def command(
    ctx: click.Context,
    raw: Path,
    out: Path,
    overwrite: bool,
    retry_rejected: bool,
    pseudonyms: Path | None,
    part: str | None,
    commit: bool,
    dry_run: bool,
    settings: BuildSettings,
    as_json: bool,
    quiet: bool,
) -> None:
    """Turn the recordings below RAW into a labelled dataset.

    Every source frame becomes a sample, or is rejected with a reason. After an interruption, give the
    same command again: the build goes on. New recordings are added to the dataset.
    """
    from labelkit.workflows.build_dataset import build_dataset, build_dataset_part, plan_dataset

    if part is not None:
        refuse_typed(_WHOLE_ONLY, f"with --part {part}: it is of the whole dataset; leave out that or --part")
        built = build_dataset_part(raw, out, part, settings, pseudonyms=pseudonyms, quiet=quiet or as_json)
        show(built, as_json=as_json, quiet=quiet, text=lambda: _part_text(built, raw))
        return

    if dry_run:
        plan = plan_dataset(raw, out, settings)
        show(plan, as_json=as_json, quiet=quiet, text=lambda: _plan_text(plan))
        return
    result = build_dataset(
        raw,
        out,
        settings,
        overwrite=overwrite,
        retry_rejected=retry_rejected,
        pseudonyms=pseudonyms,
        commit=commit,
        quiet=quiet or as_json,
    )
    show(result, as_json=as_json, quiet=quiet, text=lambda: _text(result))
    if result.too_many_rejected:
        print(
            f"labelkit: {result.rejected_share:.0%} of the frames were rejected, more than "
            f"--max-rejected {settings.max_rejected:g}",
            file=sys.stderr,
        )
        ctx.exit(TOO_MANY_REJECTED)


def _part_text(part: PartResult, raw: Path) -> str:
    return (
        f"{part.out}: part {part.part} is built, {number_of(part.shards, 'shard')} of "
        f"{number_of(part.frames, 'frame')}; {part.frames_done_now:,} of them now, in {part.seconds:.1f} s\n"
        f"when all parts are: {shell_command('build-dataset', raw, '--out', part.out, '--commit')}"
    )


def _plan_text(plan: BuildPlan) -> str:
    return (
        f"{plan.out}: would hold {number_of(plan.frames, 'frame')} of {number_of(plan.participants, 'participant')} "
        f"in at most {number_of(plan.shards, 'shard')}"
    )


def _text(result: BuildResult) -> str:
    lines = [
        f"{result.out}: {number_of(result.samples, 'sample')} of {number_of(result.participants, 'participant')} "
        f"in {number_of(result.shards, 'shard')}, from {number_of(result.frames, 'frame')}"
    ]
    if result.rejected:
        by_count = sorted(result.rejected.items(), key=lambda item: -item[1])
        lines.append("rejected: " + ", ".join(f"{count} {reason}" for reason, count in by_count))
    if result.frames_done_now:
        rate = result.frames_done_now / max(result.seconds, 1e-9)
        lines.append(f"{result.seconds:.1f} s, {rate:.0f} frames/s, {number_of(result.workers, 'worker')}")
    else:
        lines.append("nothing to do: it is complete")
    lines.append(f"next: {shell_command('coverage-map', result.out)}")
    return "\n".join(lines)
