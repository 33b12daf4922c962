"""labelkit evaluate RUN [RUN2]"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from labelkit.cli.options import settings_flags, show
from labelkit.settings import EvaluateSettings

if TYPE_CHECKING:
    from labelkit.workflows.evaluate import Evaluation

_LABEL, _NAME = 24, 26  # columns: of a label, of a run

log = logging.getLogger(__name__)


@click.command("evaluate")
@click.argument("run", type=click.Path(path_type=Path))
@click.argument("other", metavar="[RUN2]", type=click.Path(path_type=Path), required=False)
@click.option("--dataset", type=click.Path(path_type=Path), help="The runs' dataset. [the path they were trained on]")
@click.option("--out", type=click.Path(path_type=Path), help="Page to write, .html. [RUN/report.html]")
@settings_flags(EvaluateSettings)
def command(
    run: Path,
    other: Path | None,
    dataset: Path | None,
    out: Path | None,
    settings: EvaluateSettings,
    as_json: bool,
    quiet: bool,
) -> None:
    """Say how good RUN's network is, where it errs and what it costs; with RUN2, compare two networks.

    Writes a page with tables, error maps and galleries, and the same as JSON. The networks predict the
    participants of validation and test; they were not trained on them.
    """
    from labelkit.workflows.early import refuse_early

    refuse_early(dataset, runs=[run] if other is None else [run, other])
    log.info("loading Keras")
    from labelkit.workflows.evaluate import evaluate

    found = evaluate(run, other, dataset=dataset, out=out, settings=settings)
    show(found, as_json=as_json, quiet=quiet, text=lambda: "\n".join(_lines(found)))


def _lines(found: Evaluation) -> Iterator[str]:
    runs = found.runs
    if len(runs) == 2:
        yield " " * _LABEL + "  ".join(_fit_name(run["name"]) for run in runs)
    else:
        yield f"{runs[0]['name']}, test on {runs[0]['test']['samples']} samples:"
    for label, value in _VALUES.items():
        yield f"  {label:<{_LABEL - 2}}" + "  ".join(f"{value(run):<{_NAME}}" for run in runs).rstrip()
    if found.comparison:
        closer = "nearer" if found.comparison["difference_deg"] < 0 else "farther"
        yield (
            f"On the same samples the second is {abs(found.comparison['difference_deg']):.2f} deg {closer} on average."
        )
    elif len(runs) == 2:
        yield "They were tested on different samples, so the people make a difference too."
    for run in runs:
        if run["leaks"]:
            yield f"LEAKING: {run['name']} was split by frames; its figures measure memory too."
    yield f"Written: {found.page} and {found.json}"


def _fit_name(name: str) -> str:
    plain = "".join(c if c.isprintable() else "?" for c in name)
    return f"{plain if len(plain) <= _NAME else plain[: _NAME - 1] + '~':<{_NAME}}"


def _of_test(key: str, unit: str = "deg") -> Callable[[dict[str, Any]], str]:
    return lambda run: f"{run['test'][key]:.2f} {unit}"


def _share(key: str) -> Callable[[dict[str, Any]], str]:
    return lambda run: f"{run['test'][key]:.1%}"


def _cmae(run: dict[str, Any]) -> str:
    ratio = run["test"]["cmae_ratio"]
    return f"{run['test']['cmae_deg']:.2f} deg" + ("" if ratio is None else f" ({ratio:.0%})")


def _latency(run: dict[str, Any]) -> str:
    return "not measured" if run["latency_ms"] is None else f"{run['latency_ms']:.2f} ms"


_VALUES: dict[str, Callable[[dict[str, Any]], str]] = {
    "CMAE (of constant)": _cmae,
    "constant predictor": _of_test("constant_cmae_deg"),
    "MAE azimuth": _of_test("mae_azimuth_deg"),
    "MAE elevation": _of_test("mae_elevation_deg"),
    "normals, mean": _of_test("normal_mean_deg"),
    "normals, median": _of_test("normal_median_deg"),
    "under 5 deg": _share("under_5"),
    "under 10 deg": _share("under_10"),
    "under 15 deg": _share("under_15"),
    "flipped": _share("flip_rate"),
    "parameters": lambda run: f"{run['parameters']:,}",
    "multiply-adds": lambda run: f"{run['multiply_adds']:,}",
    "weights file": lambda run: f"{run['weights_bytes'] / 1e6:.2f} MB",
    "a picture, one core": _latency,
}
