"""Mean and variance of all training pictures, for the normalisation "dataset"."""

from __future__ import annotations

import numpy as np

from labelkit.keras import keras
from labelkit.models.inputs import STATISTICS, channels_of
from labelkit.settings import TrainSettings
from labelkit.training.samples import Samples

_BATCH = 64


def learn_statistics(model: keras.Model, train: Samples, settings: TrainSettings) -> None:
    """Give a network mean and variance of each channel over the largest pictures of the training samples.

    They are among its weights, so they are loaded with the network.
    """
    channels = channels_of(model)
    sums, squares, count = 0.0, 0.0, 0
    for k in range(0, len(train), _BATCH):
        pictures = train.source.gather_fields(settings.fields, train.indices[k : k + _BATCH])
        seen = np.asarray(channels.predict_on_batch(pictures), dtype=np.float64)
        sums = sums + seen.sum(axis=(0, 1, 2))
        squares = squares + (seen**2).sum(axis=(0, 1, 2))
        count += seen[..., 0].size
    mean = sums / count
    layer = model.get_layer(STATISTICS)
    layer.moving_mean.assign(mean)
    layer.moving_variance.assign(squares / count - mean**2)
