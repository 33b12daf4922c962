"""The network of a run, built again in code; only its weights are read."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labelkit.labelling.splits import Split
from labelkit.runs import BEST, Weights, read_settings, read_split, read_weights
from labelkit.settings import TrainSettings
from labelkit.training.backend import start_keras

if TYPE_CHECKING:
    import keras


@dataclass(frozen=True, eq=False)
class TrainedRun:
    """A run's network, and what it was made with."""

    path: Path
    settings: TrainSettings
    split: Split
    model: keras.Model


def load_run(path: Path | str, weights: str = BEST) -> TrainedRun:
    """Load the network of a run.

    Args:
        weights: the file in the run folder, BEST or LAST of labelkit.runs.
    Raises:
        RunError: no run, no weights yet, or weights of another network.
    """
    run = Path(path)
    settings, split = read_settings(run), read_split(run)
    start_keras(settings.seed)
    from labelkit.models import build_model  # behind start_keras, which quiets the import

    model = build_model(settings)
    load_weights(model, run / weights)
    return TrainedRun(run, settings, split, model)


def weights_of(model: keras.Model) -> Weights:
    """Copy a network's weights out of it, by name."""
    return {_name(variable): np.asarray(variable) for variable in model.weights}


def load_weights(model: keras.Model, path: Path) -> None:
    """Give a network the weights in a file.

    Raises:
        RunError: the file is missing, damaged, or of another network.
    """
    weights = read_weights(path, {_name(variable): tuple(variable.shape) for variable in model.weights})
    for variable in model.weights:
        variable.assign(weights[_name(variable)])


def _name(variable: keras.Variable) -> str:
    return str(variable.path).replace("/", ".")  # a slash would make groups in HDF5
