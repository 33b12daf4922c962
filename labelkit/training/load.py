"""The network of a run, built again in code; only its weights are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.curation.splits import FrameSplit, Split
from labelkit.dataset.dataset import Dataset, open_dataset
from labelkit.errors import RunError
from labelkit.evaluation.predictions import Predictions
from labelkit.keras import keras
from labelkit.models import build_model
from labelkit.runs.arrays import Weights, read_weights
from labelkit.runs.folder import BEST, PREDICTIONS, REPORT
from labelkit.runs.plan import read_dataset, read_settings, read_split
from labelkit.settings import FOREST, TrainSettings
from labelkit.training.backend import start_keras
from labelkit.training.predict import predict
from labelkit.training.samples import Samples


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A run's network, and what it was made with."""

    path: Path
    settings: TrainSettings
    split: Split | FrameSplit
    model: keras.Model

    def predict(self, samples: Samples) -> Predictions:
        """Predict samples, in their order."""
        return predict(self.model, self.settings, samples)


def load_run(path: Path | str, weights: str = BEST) -> TrainedRun:
    """Load the network of a run.

    Args:
        weights: the file in the run folder, BEST or LAST of labelkit.runs.
    Raises:
        RunError: no run, no weights yet, or weights of another network.
    """
    run = Path(path)
    settings, split = read_settings(run), read_split(run)
    if settings.model == FOREST:
        raise RunError(f"{run}: is a forest, not a network; its errors are in {REPORT}, its answers in {PREDICTIONS}")
    start_keras(settings.seed)

    model = build_model(settings)
    load_weights(model, run / weights)
    return TrainedRun(run, settings, split, model)


def dataset_of(run: Path | str, dataset: Path | str | None = None) -> Dataset:
    """Open the dataset that a run was trained on.

    Args:
        dataset: its path now; the path in the run folder if None.
    Raises:
        RunError: no run, or that is another dataset.
        DatasetError: no dataset is there.
    """
    digest, remembered = read_dataset(Path(run))
    data = open_dataset(remembered if dataset is None else dataset)
    if data.manifest.digest() != digest:
        raise RunError(
            f"{run}: was trained on the dataset {digest[:12]}, {data.path} has "
            f"{data.manifest.digest()[:12]}; name the dataset it was trained on, or train a new run on this one"
        )
    return data


def weights_of(model: keras.Model) -> Weights:
    """Copy a network's weights out of it, by name."""
    return {name_of(variable): copy_values(variable) for variable in model.weights}


def load_weights(model: keras.Model, path: Path) -> None:
    """Give a network the weights in a file.

    Raises:
        RunError: the file is missing, damaged, or of another network.
    """
    put_weights(model, read_weights(path, {name_of(variable): tuple(variable.shape) for variable in model.weights}))


def put_weights(model: keras.Model, weights: Weights) -> None:
    """Give a network weights that `weights_of` copied out."""
    for variable in model.weights:
        variable.assign(weights[name_of(variable)])


def copy_values(variable: keras.Variable) -> NDArray[Any]:
    """Copy the numbers of a variable from its backend."""
    # keras.ops.convert_to_numpy warns for each variable of TensorFlow, which does not know NumPy 2's `copy`.
    return np.array(variable.numpy())


def name_of(variable: keras.Variable) -> str:
    """Name a network's weight in files."""
    return str(variable.path).replace("/", ".")  # a slash would make groups in HDF5
