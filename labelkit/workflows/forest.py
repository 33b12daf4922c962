"""A forest as `labelkit train --model forest`: trained and tested on the same sides of a split as a network."""

from __future__ import annotations

import logging
import time
from pathlib import Path
from typing import Any

import numpy as np
import sklearn

from labelkit import __version__
from labelkit.baselines.forest import Forest, grow_forest, write_forest
from labelkit.cells import Cells
from labelkit.curation.splits import FrameSplit, Split
from labelkit.deploy.timing import time_calls_ms
from labelkit.evaluation.judged_samples import JudgedSamples, prediction_rows, side_report
from labelkit.evaluation.measures import constant_deg
from labelkit.records import FloatArray
from labelkit.runs.folder import (
    FINISHED,
    FOREST_FILE,
    PREDICTIONS,
    REPORT,
    REPORT_SCHEMA,
    write_json,
    write_rows,
    write_state,
)
from labelkit.runs.plan import read_dataset
from labelkit.settings import CONTOUR, EvaluateSettings, TrainSettings
from labelkit.training.samples import Samples, Sides
from labelkit.wording import number_of

log = logging.getLogger(__name__)

_LATENCY_S = 1.5  # as of networks


MADE_WITH = {"labelkit": __version__, "scikit-learn": sklearn.__version__}


def train_forest(run: Path, sides: Sides, split: Split | FrameSplit, settings: TrainSettings) -> None:
    """Grow the forest of a run whose plan is written, test it, and write the results.

    The files are those of a network's run, with forest.h5 in place of weights and without a page. An interrupted
    training begins again.
    """
    log.info("growing %s on %s", number_of(settings.trees, "tree"), number_of(len(sides.train), "sample"))
    started = time.perf_counter()
    forest = grow_forest(read_contours(sides.train), sides.train.centred_deg, trees=settings.trees, seed=settings.seed)
    seconds = time.perf_counter() - started
    write_forest(run / FOREST_FILE, forest)
    judged = {side: judge_forest(forest, getattr(sides, side)) for side in ("validation", "test")}
    write_rows(run / PREDICTIONS, [row for side in judged for row in prediction_rows(side, judged[side])])
    constant, evaluation = constant_deg(sides.train.centred_deg), EvaluateSettings()
    cells = Cells(evaluation.cell_deg, evaluation.reach_deg)
    taken_ms = time_calls_ms(lambda: forest.predict(read_contours(sides.test.at(np.array([0])))), _LATENCY_S)
    report: dict[str, Any] = {
        "schema": REPORT_SCHEMA,
        "name": run.resolve().name,
        "model": settings.model,
        "split": settings.split,
        "leaks": split.leaks,
        **MADE_WITH,
        "dataset_sha256": read_dataset(run)[0],
        "parameters": forest.nodes,
        "weights_bytes": (run / FOREST_FILE).stat().st_size,
        "latency_ms": float(np.median(taken_ms)),
        "latency_p95_ms": float(np.percentile(taken_ms, 95)),
        "epochs": 0,
        "best_epoch": 0,
        "seconds": seconds,
        "samples_per_s": len(sides.train) / seconds,
        "constant_deg": dict(zip(("azimuth", "elevation"), constant.tolist(), strict=True)),
        "guard": [],
        "train": {"samples": len(sides.train)},
        **{side: side_report(judged[side], constant, cells) for side in judged},
    }
    write_json(run / REPORT, report)
    write_state(run, FINISHED, epochs=0)


def read_contours(samples: Samples) -> FloatArray:
    """Read the contour features of samples: (n, CONTOUR_POINTS)."""
    return np.asarray(samples.source.gather(CONTOUR, samples.indices))


def judge_forest(forest: Forest, samples: Samples) -> JudgedSamples:
    """Ask a forest about samples, and pair its answers with the truth."""
    said = forest.predict(read_contours(samples))
    return JudgedSamples(samples.participants, samples.rows, samples.centred_deg, said)
