"""labelkit export RUN"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import settings_flags, show
from labelkit.settings import ExportSettings
from labelkit.wording import number_of, shell_command

if TYPE_CHECKING:
    from labelkit.workflows.export import ExportResult

log = logging.getLogger(__name__)


@click.command("export")
@click.argument("run", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="File to write. [RUN/network.tflite, .onnx or .keras]")
@click.option("--dataset", type=click.Path(path_type=Path), help="The run's dataset. [the path it was trained on]")
@settings_flags(ExportSettings)
def command(
    run: Path, out: Path | None, dataset: Path | None, settings: ExportSettings, as_json: bool, quiet: bool
) -> None:
    """Convert RUN's network for LiteRT, ONNX Runtime or plain Keras, with the normalisation inside.

    Its answers are compared with Keras's on 256 validation pictures before it is kept. A JSON file next to it
    says how crops are made, what the numbers mean, and how far the network errs.
    """
    from labelkit.workflows.early import refuse_early

    refuse_early(dataset, runs=[run])
    log.info("loading Keras")
    from labelkit.workflows.export import export

    result = export(run, out=out, dataset=dataset, settings=settings)
    show(result, as_json=as_json, quiet=quiet, text=lambda: _text(result))


def _text(result: ExportResult) -> str:
    lines = [
        f"{result.file}: {result.bytes / 1000:,.0f} kB, {result.format}, {result.weights} weights",
        f"  answers differ from Keras's by at most {result.largest_deg:.4f} degrees, {result.mean_deg:.4f} in the "
        f"mean, on {number_of(result.pictures, 'validation picture')}",
        f"  {result.card} says how to use it",
    ]
    if result.format == "litert":
        lines.append(f"next: {shell_command('predict', result.file, 'hand.jpg')}")
    return "\n".join(lines)
