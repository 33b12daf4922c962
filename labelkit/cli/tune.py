"""labelkit tune [DATASET] --config FILE"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from labelkit.cli.options import settings_flags, show
from labelkit.settings import TuneSettings
from labelkit.wording import number_of, shell_command

if TYPE_CHECKING:
    from labelkit.tuning.ranking import Ranked
    from labelkit.workflows.tune import TunePlan, TuneResult

log = logging.getLogger(__name__)


@click.command("tune")
@click.argument("dataset", type=click.Path(path_type=Path), required=False)
@click.option("--out", type=click.Path(path_type=Path), help="Folder of the search. [searches/NAME]")
@click.option("--dry-run", is_flag=True, help="Check ranges, networks and dataset; run nothing.")
@settings_flags(TuneSettings, leave_out=("train", "ranges", "structures"))
def command(
    dataset: Path | None, out: Path | None, dry_run: bool, settings: TuneSettings, as_json: bool, quiet: bool
) -> None:
    """Search the ranges and structures in --config on DATASET (default: dataset), by the validation error.

    Each structure gets --max-trials trials and is scored by the mean error of its best ones. The same command
    goes on with a search that was stopped, and takes part in it from other machines that share the folder. The test is
    never touched: train the best settings with `labelkit train --config searches/NAME/best.toml`.
    """
    from labelkit.workflows.early import refuse_early

    named = [table.get("model") for table in (settings.train, *settings.structures)]
    refuse_early(dataset, models=[model for model in named if isinstance(model, str)])
    log.info("loading Keras")
    from labelkit.workflows.tune import tune

    result = tune(dataset, settings, out=out, dry_run=dry_run, quiet=quiet or as_json)
    show(result, as_json=as_json, quiet=quiet, text=lambda: "\n".join(_lines(result)))


def _lines(result: TuneResult | TunePlan) -> Iterator[str]:
    from labelkit.workflows.tune import TunePlan

    if isinstance(result, TunePlan):
        yield f"{result.search}: {number_of(result.trials, 'trial')} to run, {result.jobs} at a time"
        yield f"structures: {', '.join(result.structures)}"
        if result.networks:
            yield f"built: {number_of(result.networks, 'network')} at the corners of the ranges"
        return
    yield "structure                 score     of    best  spread  collapsed"
    for each in result.structures:
        yield _row(each)
    constant = f"constant predictor: {result.constant_cmae_deg:.2f}"
    yield f"score: mean validation CMAE of the best trials, degrees ({constant})"
    for each in result.structures:
        if each.is_short:
            scored = number_of(each.scored, "trial")
            yield f"NOTE: {each.structure}: the score is the mean of {scored}, not of {each.best_of}"
    done = f"{result.finished} of {number_of(result.asked, 'trial')}"
    yield f"search: {result.search} ({done}; report.html, result.json, trials.csv)"
    if result.best:
        yield f"the best, tested: {shell_command('train', result.dataset, '--config', result.best)}"


def _row(each: Ranked) -> str:
    def degrees(value: float | None) -> str:
        return "-" if value is None else f"{value:.2f}"

    share = "-" if each.collapsed_share is None else f"{each.collapsed_share:.0%}"
    return (
        f"{each.structure:<22.22} {degrees(each.score_deg):>8} {each.scored:>3}/{each.best_of:<3}"
        f"{degrees(each.best_deg):>7} {degrees(each.spread_deg):>7} {share:>10}"
    )
