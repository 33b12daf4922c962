"""Measure how often networks collapse: labelkit's recipe and the study's plain one, on the same random networks.

    python benchmarks/collapse.py [--draws 12] [--first 0] [--shuffles 5] [--folder FOLDER]

Networks are the study's three families with settings drawn from the ranges it searched (its Table 1), on pictures of
32 pixels, in batches of 8. Both recipes train the very same networks on the same pictures; they differ in how:
normalisation, first weights, norm, learning rate, guard. A network has collapsed when its validation CMAE, of the best
epoch, is above 0.95 of the constant predictor's. Validation is on other frames of the people it was trained on: a few
hundred steps teach no network to know strangers, collapsed or not. The test is on strangers. Then one drawn network is
trained from several seeds, which change its first weights and the order of its samples, and nothing else.

Times are processor time of the training, restarts counted, so that a busy machine favours nobody. FOLDER holds the
simulated dataset and each run's outcome as it comes: the same call again goes on where it stopped. Tables go to stdout,
all figures to benchmarks/results/collapse.json. docs/study.md explains them.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"))

import argparse
import json
import shutil
import statistics
import sys
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from labelkit import __version__
from labelkit.dataset.dataset import open_dataset
from labelkit.evaluation.measures import constant_deg, measure
from labelkit.runs.folder import BEST, claim_run
from labelkit.settings import BuildSettings, SimulateSettings, TrainSettings
from labelkit.training.backend import start_keras
from labelkit.training.collapse import COLLAPSED, in_words
from labelkit.training.epochs import best_of
from labelkit.training.guard_record import read_journal
from labelkit.training.load import load_weights
from labelkit.training.predict import predict
from labelkit.training.samples import Sides, read_samples
from labelkit.workflows.build_dataset import build_dataset
from labelkit.workflows.simulate import simulate

RESULT = Path(__file__).parent / "results" / "collapse.json"
PEOPLE, FRAMES, SEED = 48, 20, 8
STRANGERS, VALIDATION = 8, 0.2  # people of the test; share of the frames of the others
FAMILIES = ("vanilla", "squeezenet", "mobilenet")
EPOCHS, BATCH = 10, 8
SHUFFLED = 2  # draw of the vanilla network that is trained from several seeds

# What the networks have whatever the recipe: the study's structure, on smaller pictures.
NETWORK: Mapping[str, Any] = {
    "resolutions": "32",
    "input": "grey",
    "initializer": "xavier",
    "loss": "mae",
    "augment": False,
}
# What is known of how the study trained them: pixels as they are, Adam at Keras's own rate, no norm but where the
# family has one. labelkit's are the defaults, at a rate for a few hundred steps. Neither augments: that is for
# strangers, and for more steps.
RECIPES: Mapping[str, Mapping[str, Any]] = {
    "study": {"normalisation": "none", "start": "plain", "guard": False, "learning_rate": 1e-3, "schedule": "constant"},
    "labelkit": {"normalisation": "standardise", "learning_rate": 2e-3},
}
NORMS = {("study", "mobilenet"): "batch"}  # of recipe and family; no other has one


class Task(NamedTuple):
    """One network to train."""

    family: str
    draw: int
    recipe: str
    seed: int

    @property
    def name(self) -> str:
        """Of its outcome's file."""
        return f"{self.family}-{self.draw:02d}-{self.recipe}-{self.seed}"


def drawn(family: str, draw: int) -> dict[str, Any]:
    """Draw a network's settings evenly from the study's ranges (Laboyrie 2017, Table 1)."""
    rng = np.random.default_rng([FAMILIES.index(family), draw])
    settings: dict[str, Any] = {
        "kernel_size": int(rng.integers(2, 8)),
        "filters": int(rng.integers(5, 26)),
        "dropout": float(rng.uniform(0, 0.7)),
        "dense": int(rng.integers(16, 257)),
    }
    if family == "squeezenet":
        settings |= {
            "base": int(rng.integers(16, 257)),
            "squeeze_ratio": float(rng.uniform(0.1, 0.7)),
            "pct3x3": float(rng.uniform(0.15, 0.75)),
        }
    return settings


def settings_of(task: Task) -> TrainSettings:
    """Put a drawn network and a recipe together."""
    norm = NORMS.get((task.recipe, task.family), "none")
    keys = {**NETWORK, **drawn(task.family, task.draw), **RECIPES[task.recipe], "norm": norm, "seed": task.seed}
    return TrainSettings(
        model=f"study-{task.family}", epochs=EPOCHS, patience=EPOCHS, batch_size=BATCH, diagnostics=False, **keys
    )


def dataset_in(folder: Path) -> Path:
    """Simulate and build the dataset where it is not there yet."""
    if not (folder / "dataset" / "manifest.json").is_file():
        simulate(folder, SimulateSettings(participants=PEOPLE, frames=FRAMES, seed=SEED), overwrite=True, quiet=True)
        build_dataset(folder / "raw", folder / "dataset", BuildSettings(), overwrite=True, quiet=True)
    return folder / "dataset"


def sides_of(dataset: Path) -> Sides:
    """Set the last people aside for the test, and deal the frames of the others to training and validation."""
    samples = read_samples(open_dataset(dataset))
    strange = np.isin(samples.participants, sorted(set(samples.participants))[-STRANGERS:])
    known = np.random.default_rng(SEED).permutation(np.flatnonzero(~strange))
    n = round(VALIDATION * len(known))
    return Sides(samples.at(known[n:]), samples.at(known[:n]), samples.at(strange))


def outcome(task: Task, sides: Sides, folder: Path) -> dict[str, Any]:
    """Train a drawn network; say what came of it."""
    settings = settings_of(task)
    start_keras(settings.seed)
    from labelkit.models import build_model

    found = fitted(build_model(settings), sides, settings, folder)
    return {**task._asdict(), "drawn": drawn(task.family, task.draw), **found}


def fitted(model: Any, sides: Sides, settings: TrainSettings, folder: Path) -> dict[str, Any]:
    """Train a network in a folder, and measure it on all sides."""
    import keras

    from labelkit.training.trainer import fit_run

    shutil.rmtree(folder / "run", ignore_errors=True)  # of a call that was interrupted
    run = claim_run("run", folder / "run")
    began = time.process_time()
    history = fit_run(run, model, sides, settings, on_step=lambda: None, on_epoch=lambda *_: None)
    seconds = time.process_time() - began
    load_weights(model, run / BEST)
    journal = read_journal(run)
    shutil.rmtree(run)
    constant = constant_deg(sides.train.centred_deg)
    errors = {}
    for side in ("validation", "test"):
        true_deg = getattr(sides, side).centred_deg
        said_deg = predict(model, settings, getattr(sides, side)).centred_deg
        errors[f"{side}_deg"] = measure(true_deg, said_deg).cmae_deg
        errors[f"{side}_constant_deg"] = measure(true_deg, np.broadcast_to(constant, true_deg.shape)).cmae_deg
    parameters = model.count_params()
    keras.backend.clear_session()
    return {
        **errors,
        "validation_ratio": errors["validation_deg"] / errors["validation_constant_deg"],
        "parameters": parameters,
        "best_epoch": best_of(history).epoch,
        "losses": [epoch.loss for epoch in history],
        "validation_degs": [epoch.cmae_deg for epoch in history],
        "cpu_s": seconds,
        "levelled": bool(journal and journal.start.levelled),
        "events": [in_words(event) for event in journal.events] if journal else [],
    }


def tasks_of(draws: Iterable[int], shuffles: int) -> Iterator[Task]:
    """List all that is trained, draw by draw, so that what is done first is of use by itself."""
    for draw in draws:
        for family in FAMILIES:
            for recipe in RECIPES:
                yield Task(family, draw, recipe, draw)
    for seed in range(1000, 1000 + shuffles):
        for recipe in RECIPES:
            yield Task("vanilla", SHUFFLED, recipe, seed)


def outcomes(tasks: Sequence[Task], sides: Sides, folder: Path) -> list[dict[str, Any]]:
    """Train what was not trained before; keep each outcome as it comes."""
    (folder / "outcomes").mkdir(parents=True, exist_ok=True)
    found = []
    for number, task in enumerate(tasks, start=1):
        path = folder / "outcomes" / f"{task.name}.json"
        if not path.is_file():
            result = outcome(task, sides, folder)
            path.write_text(json.dumps(result, allow_nan=True), encoding="utf-8")
            print(
                f"{number}/{len(tasks)} {task.name}: {result['validation_ratio']:.2f} of the constant's, "
                f"{result['cpu_s']:.0f} s",
                file=sys.stderr,
                flush=True,
            )
        found.append(json.loads(path.read_text(encoding="utf-8")))
    return found


def collapsed(result: Mapping[str, Any]) -> bool:
    """Whether a network knows people it was not trained on no better than a constant does; no number is no better."""
    return not result["validation_ratio"] <= COLLAPSED


def table(results: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Count what collapsed, for each family and recipe."""
    rows = []
    for family in (*FAMILIES, "all"):
        for recipe in RECIPES:
            mine = [each for each in results if each["recipe"] == recipe and family in (each["family"], "all")]
            rows.append(
                {
                    "family": family,
                    "recipe": recipe,
                    "draws": len(mine),
                    "collapsed": sum(map(collapsed, mine)),
                    "median_ratio": statistics.median(each["validation_ratio"] for each in mine),
                    "worst_ratio": max(each["validation_ratio"] for each in mine),
                    "median_test_deg": statistics.median(each["test_deg"] for each in mine),
                    "levelled": sum(each["levelled"] for each in mine),
                    "events": sum(len(each["events"]) for each in mine),
                    "cpu_s": sum(each["cpu_s"] for each in mine),
                }
            )
    return rows


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--draws", type=int, default=12, help="networks drawn for each family (12)")
    parser.add_argument("--first", type=int, default=0, help="number of the first draw (0)")
    parser.add_argument("--shuffles", type=int, default=5, help="seeds of the third vanilla network (5)")
    parser.add_argument("--folder", type=Path, default=Path("collapse"), help="dataset and outcomes (collapse/)")
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON file of all figures")
    flags = parser.parse_args()

    sides = sides_of(dataset_in(flags.folder))
    tasks = list(tasks_of(range(flags.first, flags.first + flags.draws), flags.shuffles))
    results = outcomes(tasks, sides, flags.folder)
    draws = [each for each in results if each["seed"] < 1000]
    rows = table(draws)
    print(f"{'':<24}{'draws':>6}{'collapsed':>11}{'CMAE / constant':>18}{'test':>8}{'guard':>7}{'CPU':>8}")
    print(f"{'':<24}{'':>6}{'':>11}{'median  worst':>18}{'median':>8}{'':>7}{'s':>8}")
    for row in rows:
        print(
            f"{row['family']:<12}{row['recipe']:<12}{row['draws']:>6}{row['collapsed']:>11}"
            f"{row['median_ratio']:>11.2f}{row['worst_ratio']:>7.2f}{row['median_test_deg']:>8.1f}{row['events']:>7}"
            f"{row['cpu_s']:>8.0f}"
        )
    shuffled = {
        recipe: sorted(each["test_deg"] for each in results if each["recipe"] == recipe and each["seed"] >= 1000)
        for recipe in RECIPES
    }
    for recipe, errors in shuffled.items():
        if errors:
            print(f"test CMAE of {len(errors)} shuffles, {recipe}: {errors[0]:.1f} to {errors[-1]:.1f} degrees")
    ours, theirs = (
        next(row for row in rows if (row["family"], row["recipe"]) == ("all", recipe))
        for recipe in ("labelkit", "study")
    )
    figures = [
        ("collapsed, labelkit's recipe", ours["collapsed"], "<=", 0),
        ("processor time over the study's recipe", ours["cpu_s"] / theirs["cpu_s"], "<=", 1.5),
    ]
    print(f"\n{'must show':<42}{'measured':>10}{'goal':>10}  met")
    for name, value, sign, goal in figures:
        print(f"{name:<42}{value:>10.3g}{f'{sign} {goal:g}':>10}  {'yes' if value <= goal else 'no'}")
    flags.out.parent.mkdir(parents=True, exist_ok=True)
    content = {"labelkit": __version__, "recipes": RECIPES, "network": NETWORK, "table": rows, "must_show": figures}
    content |= {"shuffles_test_cmae_deg": shuffled, "samples": {k: len(v) for k, v in vars(sides).items()}}
    flags.out.write_text(json.dumps(content | {"outcomes": results}, indent=1) + "\n", encoding="utf-8")
    print(f"written to {flags.out}")


if __name__ == "__main__":
    main()
