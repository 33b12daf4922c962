"""What a finished training has to say: errors of each side, and every prediction."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import numpy as np

from labelkit.evaluation.measures import measure, measure_by
from labelkit.geometry.orientation import centred_deg
from labelkit.records import FloatArray
from labelkit.training.samples import Samples


def side_report(samples: Samples, predicted_deg: FloatArray, constant_deg: FloatArray) -> dict[str, Any]:
    """Measure one side, beside the constant predictor, and each of its participants.

    Args:
        predicted_deg: (n, 2) centred, degrees.
        constant_deg: (2,) what the constant predictor says, centred, degrees.
    """
    errors = measure(samples.centred_deg, predicted_deg)
    constant = measure(samples.centred_deg, np.broadcast_to(constant_deg, predicted_deg.shape))
    people = measure_by(samples.participants, samples.centred_deg, predicted_deg)
    return {
        **asdict(errors),
        "constant_cmae_deg": constant.cmae_deg,
        "cmae_ratio": errors.cmae_deg / constant.cmae_deg if constant.cmae_deg else None,
        "constant": asdict(constant),
        "participants": {name: asdict(errors) for name, errors in people.items()},
    }


def prediction_rows(side: str, samples: Samples, predicted_deg: FloatArray) -> Iterator[dict[str, Any]]:
    """List truth and prediction of each sample: label angles (not centred), degrees, view frame."""
    true, predicted = centred_deg(samples.centred_deg), centred_deg(predicted_deg)  # centring undoes itself
    for k in range(len(samples)):
        yield {
            "side": side,
            "participant": str(samples.participants[k]),
            "row": int(samples.rows[k]),
            "view_azimuth": round(float(true[k, 0]), 4),
            "view_elevation": round(float(true[k, 1]), 4),
            "predicted_view_azimuth": round(float(predicted[k, 0]), 4),
            "predicted_view_elevation": round(float(predicted[k, 1]), 4),
        }
