"""Predictions of a network, as normals: the one place that knows what a network's numbers mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.errors import is_out_of_memory
from labelkit.evaluation.measures import nearest_normals
from labelkit.geometry.orientation import angles_deg_from_normal, centred_from_label_deg
from labelkit.keras import keras
from labelkit.records import FloatArray
from labelkit.settings import TrainSettings
from labelkit.training.batches import Pictures
from labelkit.training.samples import Samples

# Predicting keeps every activation of a batch: 64 samples take about 70 MB in the widest layer.
_PREDICT_BATCH = 64
# A density that falls as exp(-r / scale) on a plane has E[r^2] = 6 scale^2, half of it along each axis.
_LAPLACE_SD = np.sqrt(3.0)


@dataclass(frozen=True, eq=False)
class Predictions:
    """A network's answers for some samples, view frame.

    Attributes:
        normals: (n, 3) unit normals that face the camera.
        centred_deg: (n, 2) centred azimuth and elevation, degrees, as the network gave them: one that
            answers in angles may leave the disc of orientations.
        sd_deg: (n,) one standard deviation of the normal along each axis of its tangent plane, degrees;
            None if the network learned none.
    """

    normals: FloatArray
    centred_deg: FloatArray
    sd_deg: FloatArray | None

    def __len__(self) -> int:
        return len(self.normals)


def predict(model: keras.Model, settings: TrainSettings, samples: Samples) -> Predictions:
    """Predict samples, in their order.

    Args:
        model: the network that the settings describe.
    """
    batches = (samples.indices[k : k + _PREDICT_BATCH] for k in range(0, len(samples), _PREDICT_BATCH))
    said = [
        part
        for indices in batches
        for part in ask_network(model, samples.source.gather_fields(settings.fields, indices))
    ]
    return predictions_from_output(np.concatenate(said).astype(np.float64), settings)


def ask_network(model: keras.Model, pictures: Pictures) -> list[FloatArray]:
    """Ask a network about a batch, in halves, quarters, ... if the whole does not fit into memory."""
    n = len(next(iter(pictures.values())))
    try:
        return [model.predict_on_batch(pictures)]
    except Exception as error:
        if n == 1 or not is_out_of_memory(error):
            raise
    halves = ({field: stack[half] for field, stack in pictures.items()} for half in (np.s_[: n // 2], np.s_[n // 2 :]))
    return [answer for half in halves for answer in ask_network(model, half)]


def predictions_from_output(said: FloatArray, settings: TrainSettings) -> Predictions:
    """Turn a network's output into normals.

    Args:
        said: (n, 2) centred angles in radians or (n, 3) unit normals, and one column more, the
            logarithm of the scale in radians, if an uncertainty was learned.
    """
    sd_deg = None
    if settings.uncertainty != "none":
        said, log_scale = said[:, :-1], said[:, -1]
        sd_deg = np.rad2deg(np.exp(log_scale)) * (_LAPLACE_SD if settings.uncertainty == "laplace" else 1.0)
    if settings.loss == "angular":
        return Predictions(said, centred_from_label_deg(angles_deg_from_normal(said)), sd_deg)
    angles_deg = np.rad2deg(said)
    return Predictions(nearest_normals(angles_deg), angles_deg, sd_deg)
