"""labelkit build-dataset RAW"""

from __future__ import annotations

from pathlib import Path

import click

from labelkit.cli.options import json_flag, quiet_flag, settings_flags, show
from labelkit.settings import BuildSettings
from labelkit.wording import counted
from labelkit.workflows import build_dataset as workflow

TOO_MANY_REJECTED = 3


@click.command("build-dataset")
@click.argument("raw", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), default=Path("dataset"), help="Dataset folder. [dataset]")
@click.option("--overwrite", is_flag=True, help="Build all anew; the dataset that is there is replaced at the end.")
@click.option("--retry-rejected", is_flag=True, help="Try frames again that could not be read or crashed a worker.")
@click.option(
    "--pseudonyms",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Replace names by random ids; FILE leads back to the names, and is made where there is none.",
)
@click.option("--dry-run", is_flag=True, help="Say what would be built; write nothing.")
@settings_flags(BuildSettings)
@json_flag
@quiet_flag
@click.pass_context
def command(
    ctx: click.Context,
    raw: Path,
    out: Path,
    overwrite: bool,
    retry_rejected: bool,
    pseudonyms: Path | None,
    dry_run: bool,
    settings: BuildSettings,
    as_json: bool,
    quiet: bool,
) -> None:
    """Turn the recordings below RAW into a labelled dataset.

    Every source frame becomes a sample or a rejection with its reason. An interrupted build goes on
    when the same command is given again; recordings added since are added to the dataset.
    """
    if dry_run:
        plan = workflow.plan_dataset(raw, out, settings)
        show(plan, as_json=as_json, quiet=quiet, text=lambda: _plan_text(plan))
        return
    result = workflow.build_dataset(
        raw,
        out,
        settings,
        overwrite=overwrite,
        retry_rejected=retry_rejected,
        pseudonyms=pseudonyms,
        quiet=quiet or as_json,
    )
    show(result, as_json=as_json, quiet=quiet, text=lambda: _text(result))
    if result.too_many_rejected:
        click.echo(
            f"labelkit: {result.rejected_share:.0%} of the frames were rejected, more than "
            f"--max-rejected {settings.max_rejected:g}",
            err=True,
        )
        ctx.exit(TOO_MANY_REJECTED)


def _plan_text(plan: workflow.BuildPlan) -> str:
    return (
        f"{plan.out}: would hold {counted(plan.frames, 'frame')} of {counted(plan.participants, 'participant')} "
        f"in at most {counted(plan.shards, 'shard')}"
    )


def _text(result: workflow.BuildResult) -> str:
    lines = [
        f"{result.out}: {counted(result.samples, 'sample')} of {counted(result.participants, 'participant')} "
        f"in {counted(result.shards, 'shard')}, from {counted(result.frames, 'frame')}"
    ]
    if result.rejected:
        by_count = sorted(result.rejected.items(), key=lambda item: -item[1])
        lines.append("rejected: " + ", ".join(f"{count} {reason}" for reason, count in by_count))
    if result.frames_done_now:
        rate = result.frames_done_now / max(result.seconds, 1e-9)
        lines.append(f"{result.seconds:.1f} s, {rate:.0f} frames/s, {counted(result.workers, 'worker')}")
    else:
        lines.append("nothing to do: it was complete")
    lines.append(f"next: labelkit coverage-map {result.out}")
    return "\n".join(lines)
