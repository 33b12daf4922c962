"""Measure the causes of the study's problems: from its recipe to labelkit's, one change at a time.

    python benchmarks/study.py [--seeds 5] [--folder FOLDER] [--picture docs/images/study.svg]

The network is the study's best vanilla one, on pictures of 32 pixels; each row keeps the changes of those before it,
until the last one also changes the network. Augmentation comes only at the end, with ten times the steps: it helps
with new people, and is slow. Four more tables change one thing each: the angle by which pictures are rotated, the
dropout of a narrow SqueezeNet, first weights and norms of the study's MobileNet, and single mistakes put back into
labelkit's recipe. Every row is trained from several seeds, on the dataset and the people of benchmarks/collapse.py.
First, the activations of untrained networks are examined, for all families and normalisations, on pictures of 128, 64
and 32 pixels.

FOLDER holds the dataset and the outcome of each run: the same call again continues where it stopped. Tables go to
stdout, all figures to benchmarks/results/study.json. docs/study.md explains them.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"))

import argparse
import json
import re
import statistics
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from collapse import FAMILIES, Task, dataset_in, fitted, settings_of, sides_of
from numpy.typing import NDArray

from labelkit import __version__
from labelkit.files import write_bytes
from labelkit.settings import TrainSettings
from labelkit.training.backend import start_keras
from labelkit.training.batches import BatchSource, Indices, Pictures, epoch_order
from labelkit.training.samples import Samples, Sides

RESULT = Path(__file__).parent / "results" / "study.json"
EPOCHS = 6
LONG = 60  # with augmentation; and without it, to see the effect of the steps alone
MOBILE_EPOCHS = 20  # in six, no MobileNet learns anything

# The study's training, as far as it is known: three colours, Adam at Keras's default rate, nothing else.
STUDY: Mapping[str, Any] = {
    "model": "study-vanilla",
    "resolutions": "32",
    "input": "rgb",
    "normalisation": "none",
    "learning_rate": 1e-3,
    "schedule": "constant",
    "augment": False,
    "start": "plain",
    "guard": False,
    "batch_size": 8,
    "epochs": EPOCHS,
    "patience": EPOCHS,
    "diagnostics": False,
}


@dataclass(frozen=True)
class Row:
    """What is trained.

    Attributes:
        settings: in addition to STUDY.
        mistakes: of the study's program, see `Mistakes`.
    """

    name: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    mistakes: frozenset[str] = frozenset()


# Mistakes of the study's program. labelkit has no settings for them, so they are made here.
SCRAMBLED = "colours scrambled"  # a reshape instead of a transpose
ONE_BRANCH = "one branch normalised"  # only the largest picture, and not in the test
DEGREES = "answer in degrees"  # 0..180: 90 faces the camera, and the last bias must learn it
FEW_STEPS, ONE_SAMPLE = "8 steps an epoch", "batches of 1"


def path() -> list[Row]:
    """List the rows from the study's recipe to labelkit's; each undoes a mistake or changes settings for good."""
    mistakes = {SCRAMBLED, ONE_BRANCH, DEGREES, FEW_STEPS, ONE_SAMPLE}
    rows = [Row("the study's recipe", {}, frozenset(mistakes))]
    changes: list[tuple[str, str | None, Mapping[str, Any]]] = [
        ("as many steps as all below", FEW_STEPS, {}),
        ("batches of 8", ONE_SAMPLE, {}),
        ("colours in their order", SCRAMBLED, {}),
        ("answer from 0, in radians", DEGREES, {}),
        ("every branch normalised, always", ONE_BRANCH, {"normalisation": "scale"}),
        ("each picture standardised", None, {"normalisation": "standardise"}),
        ("grey", None, {"input": "grey"}),
        ("rate 8e-4, falling", None, {"learning_rate": 8e-4, "schedule": "cosine"}),
        ("guard", None, {"guard": True, "start": "auto"}),
        ("ten times the steps", None, {"epochs": LONG, "patience": LONG}),
        ("turned, mirrored and lit", None, {"augment": True}),
        ("four pooled stages: labelkit's network", None, {"model": "vanilla"}),
    ]
    for name, undone, settings in changes:
        before = rows[-1]
        rows.append(Row(f"+ {name}", {**before.settings, **settings}, before.mistakes - {undone}))
    return rows


def beside() -> dict[str, list[Row]]:
    """List the rows that change one thing each."""
    ours = next(row for row in path() if row.name == "+ guard")
    small = {**ours.settings, "model": "study-mobilenet", "guard": False, "start": "plain", "norm": "none"}
    small |= {"learning_rate": 2e-3, "epochs": MOBILE_EPOCHS, "patience": MOBILE_EPOCHS}
    narrow = vars(settings_of(Task("squeezenet", 0, "labelkit", 0)))  # dense layers of 24 and 12, and a dropout of 0.67
    levelled = narrow | {"guard": False, "start": "lsuv"}
    turned, last = path()[-2:]
    return {
        "pictures rotated by up to 90 degrees, instead of 20": [
            Row("the study's network", turned.settings | {"turn_deg": 90.0}),
            Row("labelkit's network", last.settings | {"turn_deg": 90.0}),
        ],
        "the dropout of a narrow SqueezeNet, the first of collapse.py": [
            Row("0.67", levelled),
            Row("0.33", levelled | {"dropout": 0.33}),
            Row("0", levelled | {"dropout": 0.0}),
            Row("0, group norm", levelled | {"dropout": 0.0, "norm": "group"}),
            Row("0.67, guard", narrow),
        ],
        "the study's MobileNet in labelkit's recipe, without its guard": [
            Row("no norm", small),
            Row("no norm, levelled", small | {"start": "lsuv"}),
            Row("batch norm", small | {"norm": "batch"}),
            Row("group norm", small | {"norm": "group"}),
            Row("group norm, levelled", small | {"norm": "group", "start": "lsuv"}),
        ],
        "one trouble put back into labelkit's recipe, on the study's network": [
            replace(ours, name="none"),
            *(replace(ours, name=mistake, mistakes=frozenset({mistake})) for mistake in (SCRAMBLED, DEGREES)),
            Row("one branch normalised", ours.settings | {"normalisation": "none"}, frozenset({ONE_BRANCH})),
            Row(
                "pixels as they are, no guard",
                ours.settings | {"normalisation": "none", "guard": False, "start": "plain"},
            ),
            Row("answer a unit normal", ours.settings | {"loss": "angular"}),
            Row("He's first weights", ours.settings | {"initializer": "he"}),
        ],
    }


def before_the_first_step(sides: Sides) -> list[dict[str, Any]]:
    """Examine the activations of untrained networks: the weakest signal, the largest mean, the most silent layer."""
    from labelkit.models import build_model
    from labelkit.training.collapse import find_unfit
    from labelkit.training.guard import Watch, level, take_few

    cases = [
        *((f"study-{family}", norm) for family in FAMILIES for norm in ("none", "scale", "standardise")),
        *((family, "standardise") for family in FAMILIES),
    ]
    found = []
    for model, normalisation in cases:
        settings = TrainSettings(model=model, normalisation=normalisation, input="grey", norm="none")
        start_keras(0)
        network = build_model(settings)
        watch = Watch(network, sides.train, settings)
        drawn = watch.layers()
        level(network, take_few(sides.train, settings))
        found.append(
            {
                "model": model,
                "normalisation": normalisation,
                "least_spread": min(layer.spread for layer in drawn),
                "most_spread": max(layer.spread for layer in drawn),
                "most_off_centre": max(layer.off_centre for layer in drawn),
                "most_silent": max(layer.silent for layer in drawn),
                "unfit": find_unfit(drawn),
                "unfit_levelled": find_unfit(watch.layers()),
            }
        )
    return found


class Scrambled:
    """A source whose colours are reshaped instead of transposed."""

    def __init__(self, source: BatchSource) -> None:
        self._source = source

    def gather(self, name: str, indices: Indices) -> NDArray[Any]:
        """Gather the pictures of one field."""
        pictures = self._source.gather(name, indices)
        return np.moveaxis(pictures, -1, 1).reshape(pictures.shape)

    def gather_fields(self, names: Sequence[str], indices: Indices) -> Pictures:
        """Gather the pictures of several fields."""
        return {name: self.gather(name, indices) for name in names}


def with_mistakes(row: Row, sides: Sides, seed: int) -> tuple[Sides, dict[str, Any]]:
    """Change samples and settings as the row's mistakes do."""
    settings = {**STUDY, **row.settings, "seed": seed}
    if SCRAMBLED in row.mistakes:
        sides = Sides(*(replace(side, source=Scrambled(side.source)) for side in vars(sides).values()))
    if ONE_SAMPLE in row.mistakes:
        steps = 8 * EPOCHS if FEW_STEPS in row.mistakes else EPOCHS * -(-len(sides.train) // 8)
        settings |= {"batch_size": 1, "epochs": 1}
        sides = replace(sides, train=repeated(sides.train, steps, seed))
    return sides, settings


def repeated(train: Samples, n: int, seed: int) -> Samples:
    """Take n samples, pass after pass."""
    passes = -(-n // len(train))
    return train.at(np.concatenate([epoch_order(len(train), seed, k) for k in range(passes)])[:n])


def network(settings: TrainSettings, mistakes: frozenset[str]) -> Any:
    """Build the network, with the mistakes that concern it."""
    import keras

    from labelkit.models import build_model
    from labelkit.models.head import add_head
    from labelkit.models.inputs import pyramid_inputs
    from labelkit.models.parts import Style
    from labelkit.models.vanilla import vanilla

    class OnlyInTraining(keras.layers.Layer):  # type: ignore[misc]
        def call(self, x: Any, training: bool = False) -> Any:
            return x / 127.5 - 1.0 if training else x

    if ONE_BRANCH not in mistakes:
        model = build_model(settings)
    else:
        style = Style("vanilla", **{each.name: getattr(settings, each.name) for each in fields(Style)[1:]})
        inputs, pyramid = pyramid_inputs(settings.input, settings.sizes, settings.normalisation)
        pyramid[max(pyramid)] = OnlyInTraining()(pyramid[max(pyramid)])
        keys = {key: getattr(settings, key) for key in ("kernel_size", "filters", "growth", "stages")}
        features = vanilla(pyramid, style, **keys)
        said = {key: getattr(settings, key) for key in ("dense", "dropout", "loss", "uncertainty")}
        model = keras.Model(inputs, add_head(features, style, **said))
    if DEGREES in mistakes:
        model = keras.Model(model.inputs, (90.0 - model.output) * (np.pi / 180.0))
    return model


def outcome(row: Row, sides: Sides, seed: int, folder: Path) -> dict[str, Any]:
    """Train a row from one seed."""
    sides, keys = with_mistakes(row, sides, seed)
    settings = TrainSettings(**keys)
    start_keras(seed)
    return {"row": row.name, "seed": seed, **fitted(network(settings, row.mistakes), sides, settings, folder)}


def outcomes(
    table: str, rows: Sequence[Row], seeds: int, sides: Sides, folder: Path
) -> dict[str, list[dict[str, Any]]]:
    """Train the rows of a table, and store each outcome at once."""
    (folder / "study").mkdir(parents=True, exist_ok=True)
    found: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        for seed in range(seeds):
            name = re.sub(r"[^a-z0-9]+", "-", f"{table} {row.name} {seed}".lower())
            kept = folder / "study" / f"{name}.json"
            if not kept.is_file():
                kept.write_text(json.dumps(outcome(row, sides, seed, folder)), encoding="utf-8")
                print(f"{table}: {row.name}, seed {seed}", file=sys.stderr, flush=True)
            found.setdefault(row.name, []).append(json.loads(kept.read_text(encoding="utf-8")))
    return found


def summary(results: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Combine the seeds of a row."""
    errors = [each["validation_deg"] for each in results]
    return {
        "validation_mean_deg": statistics.mean(errors),
        "validation_least_deg": min(errors),
        "validation_most_deg": max(errors),
        "test_mean_deg": statistics.mean(each["test_deg"] for each in results),
        "collapsed": sum(not each["validation_ratio"] <= 0.95 for each in results),
        "runs": len(results),
        "cpu_s": sum(each["cpu_s"] for each in results),
    }


def draw(rows: Mapping[str, Sequence[Mapping[str, Any]]], out: Path) -> None:
    """Draw the path: the validation error of each seed, row by row, and that of the constant predictor."""
    from matplotlib.figure import Figure

    from labelkit.figures.layout import FAINT, INK
    from labelkit.figures.saving import figure_bytes, house_style

    with house_style():
        figure = Figure(figsize=(8.2, 0.6 + 0.33 * len(rows)), facecolor="white", layout="constrained")
        axes = figure.add_subplot()
        places = range(len(rows))
        for place, results in zip(places, rows.values(), strict=True):
            errors = [each["validation_deg"] for each in results]
            if min(errors) > _WIDEST:
                axes.plot(_WIDEST, place, ">", color="#2b4a8b", markersize=7, clip_on=False)
                axes.annotate(
                    f"{min(errors):,.0f} and more",
                    (_WIDEST, place),
                    xytext=(-8, 0),
                    textcoords="offset points",
                    fontsize=8,
                    ha="right",
                    va="center",
                    color=INK,
                )
                continue
            axes.plot(errors, [place] * len(errors), "o", color="#2b4a8b", alpha=0.65, markersize=6)
            axes.plot(statistics.mean(errors), place, "|", color="#d9772b", markersize=13, markeredgewidth=2)
        constant = list(rows.values())[-1][0]["validation_constant_deg"]  # in the first rows, that of fewer samples
        axes.axvline(constant, color=FAINT, linewidth=1.2, linestyle=(0, (4, 2)), zorder=0)
        axes.text(constant, -0.8, "constant predictor", fontsize=8, ha="center", color=INK)
        axes.set_yticks(places, list(rows), fontsize=8.5)
        axes.set_ylim(len(rows) - 0.5, -0.6)
        axes.set_xlim(0, _WIDEST)
        axes.set_xlabel("validation CMAE, degrees: a dot a seed, a bar their mean", fontsize=9, color=INK)
        axes.tick_params(labelsize=8, colors=INK, length=3)
        axes.grid(axis="y", color=FAINT, linewidth=0.5)
        axes.spines[["top", "right", "left"]].set_visible(False)
    write_bytes(out, figure_bytes(figure, "svg"))


_WIDEST = 24.0  # degrees: for larger errors, the least one is written


def main() -> None:
    """Measure, print, draw and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=5, help="seeds of each row (5)")
    parser.add_argument("--folder", type=Path, default=Path("collapse"), help="dataset and outcomes (collapse/)")
    parser.add_argument("--picture", type=Path, help="draw the path here, .svg")
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON file of all figures")
    flags = parser.parse_args()

    sides = sides_of(dataset_in(flags.folder))
    fresh = before_the_first_step(sides)
    print(f"{'before the first step':<32}{'spread':>18}{'off centre':>12}{'silent':>8}{'fit':>5}{'levelled':>10}")
    for each in fresh:
        name = f"{each['model']}, {each['normalisation']}"
        print(
            f"{name:<32}{each['least_spread']:>10.2g}{each['most_spread']:>8.2g}"
            f"{each['most_off_centre']:>12.1f}{each['most_silent']:>8.0%}{'no' if each['unfit'] else 'yes':>5}"
            f"{'unfit' if each['unfit_levelled'] else 'fit':>10}"
        )
    tables = {
        name: outcomes(name, rows, flags.seeds, sides, flags.folder)
        for name, rows in {"from the study's recipe to labelkit's": path(), **beside()}.items()
    }
    for name, rows in tables.items():
        print(f"\n{name}\n{'':<42}{'validation CMAE, deg':>22}{'strangers':>11}{'collapsed':>11}")
        for row, results in rows.items():
            said = summary(results)
            least, most = said["validation_least_deg"], said["validation_most_deg"]
            span = f"{said['validation_mean_deg']:.1f} ({least:.1f}..{most:.1f})"
            print(f"{row:<42}{span:>22}{said['test_mean_deg']:>11.1f}{said['collapsed']:>6} of {said['runs']}")
    first = next(iter(tables.values()))
    if flags.picture:
        draw(first, flags.picture)
    said = list(first.values())[-1][0]
    known, strange = said["validation_constant_deg"], said["test_constant_deg"]
    print(f"\nconstant predictor: {known:.1f}, {strange:.1f} on strangers")
    flags.out.parent.mkdir(parents=True, exist_ok=True)
    content = {
        "labelkit": __version__,
        "before_the_first_step": fresh,
        "summaries": {n: {r: summary(x) for r, x in t.items()} for n, t in tables.items()},
    }
    flags.out.write_text(json.dumps(content | {"outcomes": tables}, indent=1) + "\n", encoding="utf-8")
    print(f"written to {flags.out}")


if __name__ == "__main__":
    main()
