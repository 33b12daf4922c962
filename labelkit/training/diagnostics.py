"""Statistics of weights and activations, epoch by epoch: drifts and dead units show here first."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.keras import keras
from labelkit.runs.folder import DIAGNOSTICS, DIAGNOSTICS_SCHEMA, parse_json, write_json
from labelkit.settings import TrainSettings
from labelkit.training.load import weights_of
from labelkit.training.samples import Samples

_BINS = 32
_SAMPLES = 16
_ACTIVATIONS = (keras.layers.LeakyReLU, keras.layers.ReLU)


class Diagnostics:
    """The statistics of a run's network, always on the same few validation samples."""

    def __init__(self, run: Path, model: keras.Model, samples: Samples, settings: TrainSettings, epochs: int) -> None:
        """Go on after the first `epochs` of those that are kept in the run folder."""
        self._path = run / DIAGNOSTICS
        self._model = model
        self._pictures = samples.source.gather_fields(settings.fields, samples.indices[:_SAMPLES])
        outputs = {layer.name: layer.output for layer in model.layers if is_activation(layer)}
        self._activations = keras.Model(model.inputs, outputs)
        self._epochs = read_diagnostics(run)[:epochs]

    def take(self, epoch: int) -> None:
        """Take and keep the statistics after an epoch."""
        weights = {name: summary(values) for name, values in weights_of(self._model).items()}
        seen = self._activations.predict_on_batch(self._pictures)
        activations = {
            name: summary(values) | {"zeros": float(np.mean(np.equal(values, 0)))} for name, values in seen.items()
        }
        self._epochs.append({"epoch": epoch, "weights": weights, "activations": activations})
        write_json(self._path, {"schema": DIAGNOSTICS_SCHEMA, "epochs": self._epochs}, indent=None)


def read_diagnostics(run: Path) -> list[dict[str, Any]]:
    """Read the statistics of each epoch of a run; empty if none were kept.

    Raises:
        RunError: damaged.
    """
    fault = "not diagnostics of this version"
    return parse_json(run / DIAGNOSTICS, DIAGNOSTICS_SCHEMA, lambda stored: list(stored["epochs"]), fault) or []


def is_activation(layer: keras.layers.Layer) -> bool:
    """Whether a layer is one of the activations that networks here have."""
    return isinstance(layer, _ACTIVATIONS) or type(layer).__name__ == "RReLU"


def summary(values: NDArray[Any]) -> dict[str, Any]:
    """Summarise numbers: mean, standard deviation, range, and counts in even bins over the range."""
    values = np.asarray(values, dtype=np.float32).ravel()
    low, high = float(values.min()), float(values.max())
    counts, _ = np.histogram(values, _BINS, (low, high))
    return {
        "mean": float(values.mean(dtype=np.float64)),
        "sd": float(values.std(dtype=np.float64)),
        "min": low,
        "max": high,
        "counts": counts.tolist(),
    }
