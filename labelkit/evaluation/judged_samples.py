"""Predictions compared with the truth, and the report of one side of a split."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.cells import Cells, IntArray
from labelkit.evaluation.by_cell import CellErrors, errors_by_cell
from labelkit.evaluation.calibration import UncertaintyCalibration, calibrate
from labelkit.evaluation.extremes import keep_apart_in_time
from labelkit.evaluation.measures import SUCCESS_DEG, Measures, measure, measure_by, normals_apart_deg
from labelkit.evaluation.outcomes import Outcomes, outcomes
from labelkit.geometry.orientation import centred_from_label_deg
from labelkit.records import FloatArray

GALLERY = 24  # samples in the gallery of the best, and in that of the worst


@dataclass(frozen=True, eq=False)
class JudgedSamples:
    """A network's predictions for some samples, and the truth; view frame.

    Attributes:
        participants: (n,) names.
        rows: (n,) rows in labels.parquet.
        true_deg, predicted_deg: (n, 2), n >= 1, centred azimuth and elevation, degrees.
        sd_deg: (n,) the standard deviation the network states, along one direction of the normal's
            tangent plane, degrees; None if it states none.
    """

    participants: NDArray[np.str_]
    rows: IntArray
    true_deg: FloatArray
    predicted_deg: FloatArray
    sd_deg: FloatArray | None = None

    def __len__(self) -> int:
        return len(self.rows)

    @cached_property
    def apart_deg(self) -> FloatArray:
        """(n,) angle between true and predicted normal, degrees."""
        return normals_apart_deg(self.true_deg, self.predicted_deg)

    @cached_property
    def measures(self) -> Measures:
        """Errors of all samples."""
        return measure(self.true_deg, self.predicted_deg)

    def by_participant(self) -> dict[str, Measures]:
        """Errors of each participant's samples."""
        return measure_by(self.participants, self.true_deg, self.predicted_deg)

    def of_constant(self, constant_deg: FloatArray) -> Measures:
        """Errors of the constant answer `constant_deg` (2,) on the same samples."""
        return measure(self.true_deg, np.broadcast_to(constant_deg, self.true_deg.shape))

    def outcomes(self) -> dict[str, Outcomes]:
        """Where the labels of successes and failures lie, for each angle."""
        return outcomes(self.true_deg, self.predicted_deg)

    def by_cell(self, cells: Cells) -> CellErrors:
        """Errors by the cell of the truth."""
        return errors_by_cell(self.true_deg, self.predicted_deg, cells)

    @cached_property
    def calibration(self) -> UncertaintyCalibration | None:
        """How right the stated uncertainty is; None if none is stated."""
        return None if self.sd_deg is None else calibrate(self.apart_deg, self.sd_deg)

    def best(self) -> list[int]:
        """Successes, the best first, no two from one moment.

        If the network states its uncertainty, they are of the surer half: the others were right by luck.
        """
        good = self.apart_deg < SUCCESS_DEG
        if self.sd_deg is not None:
            good &= self.sd_deg <= np.median(self.sd_deg)
        order = np.argsort(self.apart_deg, kind="stable")
        return keep_apart_in_time(order[good[order]], self.rows, GALLERY)

    def worst(self) -> list[int]:
        """Samples of the worse half, by the angle between normals, the worst first, no two from one moment."""
        order = np.argsort(-self.apart_deg, kind="stable")[: (len(self) + 1) // 2]
        return keep_apart_in_time(order, self.rows, GALLERY)


def side_report(judged: JudgedSamples, constant_deg: FloatArray, cells: Cells) -> dict[str, Any]:
    """Give the results of one side in plain values, for JSON.

    Args:
        constant_deg: (2,) the constant predictor's answer, centred, degrees.
        cells: of the errors over orientation space.
    """
    constant = judged.of_constant(constant_deg)
    errors = judged.measures
    return {
        **asdict(errors),
        "constant_cmae_deg": constant.cmae_deg,
        "cmae_ratio": errors.cmae_deg / constant.cmae_deg if constant.cmae_deg else None,
        "constant": asdict(constant),
        "participants": {name: asdict(errors) for name, errors in judged.by_participant().items()},
        "outcomes": {angle: asdict(each) for angle, each in judged.outcomes().items()},
        "cells": judged.by_cell(cells).as_plain(),
        "calibration": None if judged.calibration is None else asdict(judged.calibration),
        "best_rows": judged.rows[judged.best()].tolist(),
        "worst_rows": judged.rows[judged.worst()].tolist(),
    }


def prediction_rows(side: str, judged: JudgedSamples) -> Iterator[dict[str, Any]]:
    """List truth and prediction of each sample: label angles (not centred), degrees, view frame."""
    true, predicted = centred_from_label_deg(judged.true_deg), centred_from_label_deg(judged.predicted_deg)
    for k in range(len(judged)):
        yield {
            "side": side,
            "participant": str(judged.participants[k]),
            "row": int(judged.rows[k]),
            "view_azimuth": round(float(true[k, 0]), 4),
            "view_elevation": round(float(true[k, 1]), 4),
            "predicted_view_azimuth": round(float(predicted[k, 0]), 4),
            "predicted_view_elevation": round(float(predicted[k, 1]), 4),
            "predicted_sd": None if judged.sd_deg is None else round(float(judged.sd_deg[k]), 4),
        }
