"""labelkit verify DATASET"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import json_flag, quiet_flag, show
from labelkit.wording import number_of

if TYPE_CHECKING:
    from labelkit.workflows.verify import Verification

FAILED = 4


@click.command("verify")
@click.argument("dataset", type=click.Path(path_type=Path), default=Path("dataset"))
@json_flag
@quiet_flag
@click.pass_context
def command(ctx: click.Context, dataset: Path, as_json: bool, quiet: bool) -> None:
    """Find every changed bit, missing or foreign file and contradiction in DATASET.

    Each file is hashed before it is opened; nothing outside the folder is read, and nothing is changed.
    The exit code is 4 if anything is wrong.
    """
    from labelkit.workflows.verify import verify

    result = verify(dataset, quiet=quiet or as_json)
    show(result, as_json=as_json, quiet=quiet and result.ok, text=lambda: _text(result))
    if not result.ok:
        ctx.exit(FAILED)


def _text(result: Verification) -> str:
    if result.ok:
        return (
            f"{result.dataset}: verified, {number_of(result.files, 'file')} and the manifest, {result.bytes:,} bytes, "
            f"{number_of(result.frames, 'frame')}, {number_of(result.samples, 'sample')}"
        )
    lines = [f"{finding.fault:<14} {finding.file}: {finding.says}" for finding in result.findings]
    return "\n".join([*lines, f"{result.dataset}: {number_of(len(lines), 'finding')}"])
