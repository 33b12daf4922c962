"""labelkit latency RUN..."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import settings_flags, show
from labelkit.settings import LatencySettings

if TYPE_CHECKING:
    from labelkit.workflows.latency import RunLatency


@click.command("latency")
@click.argument("runs", metavar="RUN...", nargs=-1, required=True, type=click.Path(path_type=Path))
@settings_flags(LatencySettings)
def command(runs: tuple[Path, ...], settings: LatencySettings, as_json: bool, quiet: bool) -> None:
    """Say how long each RUN's network takes for one picture on one core of this machine, in every runtime.

    From the pyramid in memory to the prediction: decoding and cropping are not included. Also the time
    from the start of a process to its first answer, and the memory that it takes.
    """
    from labelkit.workflows.latency import latency

    found = latency(runs, settings)
    if as_json:
        show({"runs": found}, as_json=True, quiet=quiet, text=str)
    else:
        show(found, as_json=False, quiet=quiet, text=lambda: "\n".join(_lines(found)))


def _lines(found: Sequence[RunLatency]) -> Iterator[str]:
    yield f"{'median':>9} {'95 % under':>11} {'a second':>9} {'first':>7} {'memory':>8} {'file':>8}  runtime"
    run = None
    for each in found:
        if each.run != run:
            run = each.run
            yield f"{run}:"
        yield (
            f"{each.median_ms:>6.2f} ms {each.p95_ms:>8.2f} ms {each.per_s:>9,.0f} {each.first_answer_s:>5.1f} s "
            f"{each.memory_mb:>5.0f} MB {each.size_kb:>5,.0f} kB  {each.engine} {each.weights}"
        )
