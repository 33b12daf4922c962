"""The whole job on simulated recordings, in one folder."""

from __future__ import annotations

import csv
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from labelkit.dataset.dataset import open_dataset
from labelkit.errors import OutputExistsError
from labelkit.files import make_folder, write_text
from labelkit.geometry.orientation import angle_between, mirror_vectors
from labelkit.settings import (
    BuildSettings,
    CoverageSettings,
    DemoSettings,
    SimulateSettings,
    TrainSettings,
    as_toml,
    settings_of,
)
from labelkit.workflows.build_dataset import BuildResult, build_dataset
from labelkit.workflows.coverage_map import coverage_map
from labelkit.workflows.one_run import TrainResult
from labelkit.workflows.report import report
from labelkit.workflows.simulate import Simulated, simulate
from labelkit.workflows.train import train

SETTINGS_NAME = "demo.toml"  # marks a folder as a demo's own
CELL_DEG = 10.0  # cells of 5 degrees are four times as many, for recordings of hours
# One in seven people is the test, 14 of them: one alone may be easy.
RECIPE: dict[str, Any] = {
    "model": "small",
    "input": "rgb",
    "learning_rate": 1.6e-3,
    "batch_size": 32,
    "dropout": 0.0,
    "validation": 0.1,
    "test": 0.15,
}


@dataclass(frozen=True)
class DemoResult:
    """What the demo made, all of it below `out`.

    Attributes:
        page: the report on the dataset.
        map: the picture of the coverage map.
        cell_deg, target: how the map counts: side of a cell, and the distinct samples that make it full.
        filled_share: share of the reachable cells that are full.
        label_error_median_deg: angle between labelled and true normal, over all samples.
    """

    out: str
    simulated: Simulated
    built: BuildResult
    page: str
    map: str
    cell_deg: float
    target: int
    filled_share: float
    label_error_median_deg: float
    trained: TrainResult
    seconds: float


def demo(
    out: Path | str = "demo",
    settings: DemoSettings | None = None,
    *,
    quiet: bool = False,
    announce: Callable[[str], None] = lambda step: None,  # noqa: ARG005
    **keywords: Any,
) -> DemoResult:
    """Simulate recordings, build the dataset, report on it and train a network, in one folder.

    An older demo in `out` is replaced; any other folder that is not empty is refused.

    Args:
        announce: called with the name of each step when it begins.
        keywords: single settings, as of `DemoSettings`; they win over `settings`.
    Raises:
        OutputExistsError: `out` holds something that is not a demo.
        OutputError: no space or no permission.
    """
    settings = settings_of(DemoSettings, settings, keywords)
    out, began = Path(out), time.monotonic()
    _claim(out, settings)
    announce("1/4 simulate recordings")
    simulated = simulate(
        out,
        SimulateSettings(participants=settings.participants, frames=settings.frames, seed=settings.seed),
        overwrite=True,
        quiet=quiet,
    )
    announce("2/4 build the dataset")
    built = build_dataset(out / "raw", out / "dataset", BuildSettings(), overwrite=True, quiet=quiet)
    announce("3/4 draw the coverage map, and write the page of the dataset")
    counts = CoverageSettings(cell_deg=CELL_DEG, target=_target(built.samples))
    covered = coverage_map(out / "dataset", out / "coverage-map.png", counts)
    reported = report(out / "dataset", settings=counts, raw=out / "raw")
    announce("4/4 train a network")
    trained = train(
        out / "dataset",
        TrainSettings(**RECIPE, epochs=settings.epochs, patience=settings.epochs, seed=settings.seed),
        out=out / "runs" / "small",
        overwrite=True,
        quiet=quiet,
    )
    assert isinstance(trained, TrainResult)
    return DemoResult(
        out=str(out),
        simulated=simulated,
        built=built,
        page=reported.out,
        map=str(out / "coverage-map.png"),
        cell_deg=counts.cell_deg,
        target=counts.target,
        filled_share=covered.whole.filled_share,
        label_error_median_deg=label_error_median_deg(out / "dataset", simulated.truth),
        trained=trained,
        seconds=time.monotonic() - began,
    )


def _target(samples: int) -> int:
    """Choose what makes a cell full: a third of what an even spread would give each of the 60 cells."""
    return max(1, samples // 180)


def _claim(out: Path, settings: DemoSettings) -> None:
    if out.is_dir() and any(out.iterdir()) and not (out / SETTINGS_NAME).is_file():
        raise OutputExistsError(f"{out}: is not empty and is not a demo; name a new folder for the demo")
    make_folder(out)
    write_text(out / SETTINGS_NAME, as_toml(settings))


def label_error_median_deg(dataset: Path | str, truth: Path | str) -> float:
    """Measure how far a simulated dataset's normals are from the truth, as the camera saw the hand.

    Args:
        dataset: built from the simulation's raw/.
        truth: the simulation's truth.csv.
    Returns:
        Median angle between labelled and true normal, degrees.
    """
    with Path(truth).open(newline="", encoding="utf-8") as file:
        true_normal = {row["frame"]: _normal(row) for row in csv.DictReader(file) if row["nx"]}
    samples = [row for row in open_dataset(dataset).table().to_pylist() if row["status"] == "sample"]
    labelled = np.array([_normal(row) for row in samples])
    labelled = np.where([[row["mirrored"]] for row in samples], mirror_vectors(labelled), labelled)
    return float(
        np.rad2deg(np.median(angle_between(labelled, np.array([true_normal[row["frame"]] for row in samples]))))
    )


def _normal(row: dict[str, Any]) -> list[float]:
    return [float(row[key]) for key in ("nx", "ny", "nz")]
