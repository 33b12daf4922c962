"""Ask a network about samples, batch by batch."""

from __future__ import annotations

import numpy as np

from labelkit.errors import is_out_of_memory
from labelkit.evaluation.predictions import Predictions, predictions_from_output
from labelkit.keras import keras
from labelkit.records import FloatArray
from labelkit.settings import TrainSettings
from labelkit.training.batches import Pictures
from labelkit.training.samples import Samples

# Predicting keeps every activation of a batch: 64 samples take about 70 MB in the widest layer.
_PREDICT_BATCH = 64


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
    return predictions_from_output(np.concatenate(said).astype(np.float64), settings.loss, settings.uncertainty)


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
