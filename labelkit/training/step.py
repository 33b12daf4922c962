"""One step of training, in as many parts as fit into memory, and all the state that steps change."""

from __future__ import annotations

from typing import Any

import numpy as np

from labelkit.keras import keras
from labelkit.records import FloatArray
from labelkit.runs.arrays import Arrays
from labelkit.settings import TrainSettings
from labelkit.training.batches import Pictures
from labelkit.training.load import copy_values, name_of
from labelkit.training.losses import loss_of

# As Keras names them.
_ITERATION, _ACCUMULATOR, _SQUARES = "iteration", "gradient_accumulator", "_velocity"
_WEIGHT, _SEED, _OPTIMIZER = "weight.", "seed.", "optimizer."


class Stepper:
    """A network and its optimizer.

    A batch can be taken in parts, whose gradients are summed before the weights change: the step is the
    same as that of the whole batch, but for rounding, and for norms over a batch.
    """

    def __init__(self, model: keras.Model, settings: TrainSettings, parts: int = 1, dropout: float = 1.0) -> None:
        """Make a new optimizer.

        Args:
            dropout: factor on the dropout of the settings.
        """
        self.model = model
        for layer in model.layers:
            if isinstance(layer, keras.layers.Dropout):
                layer.rate = dropout * settings.dropout
        self.parts = parts
        self._optimizer = keras.optimizers.Adam(
            settings.learning_rate, gradient_accumulation_steps=parts if parts > 1 else None, name="adam"
        )
        self._optimizer.build(model.trainable_variables)  # now, so that there is a state before the first step
        model.compile(optimizer=self._optimizer, loss=loss_of(settings))

    def step(self, pictures: Pictures, angles_rad: FloatArray, learning_rate: float) -> float:
        """Make one step; return the batch's loss before it."""
        self._optimizer.learning_rate = learning_rate
        if self.parts == 1:
            return float(self.model.train_on_batch(pictures, angles_rad))
        parts = zip(*(in_parts(self.parts, values) for values in (*pictures.values(), angles_rad)), strict=True)
        weights = part_weights(self.parts, len(angles_rad))
        losses = [
            float(self.model.train_on_batch(dict(zip(pictures, fields, strict=True)), angles, sample_weight=weight))
            for (*fields, angles), weight in zip(parts, weights, strict=True)
        ]
        return sum(losses) / self.parts

    def gradient_norm(self) -> float:
        """Give the root mean square norm of the gradients of about the last thousand steps, as Adam remembers them."""
        squares = [copy_values(each).sum() for each in self._optimizer.variables if each.path.endswith(_SQUARES)]
        remembered = 1.0 - self._optimizer.beta_2 ** (int(copy_values(self._optimizer.iterations)) // self.parts)
        return float(np.sqrt(np.sum(squares) / remembered)) if remembered else 0.0

    def state(self) -> Arrays:
        """Copy out weights, seeds and what the optimizer remembers. It does not depend on the number of parts."""
        return {name: self._read(name, variable) for name, variable in self._variables().items()}

    def restore(self, state: Arrays) -> None:
        """Put a state back, which may be that of another number of parts."""
        for name, variable in self._variables().items():
            variable.assign(state[name] * self.parts if name == _OPTIMIZER + _ITERATION else state[name])

    def _read(self, name: str, variable: keras.Variable) -> Any:
        values = copy_values(variable)
        return values // self.parts if name == _OPTIMIZER + _ITERATION else values  # Keras counts parts

    def _variables(self) -> dict[str, keras.Variable]:
        weights = {id(variable) for variable in self.model.weights}
        seeds = [variable for variable in self.model.variables if id(variable) not in weights]
        return {
            **{_WEIGHT + name_of(variable): variable for variable in self.model.weights},
            # Keras gives seeds new numbers in each network of a process; their order stays.
            **{f"{_SEED}{number}": variable for number, variable in enumerate(seeds)},
            # Sums of gradients are always empty between steps.
            **{
                _OPTIMIZER + name_of(variable).removeprefix("adam."): variable
                for variable in self._optimizer.variables
                if not variable.path.endswith(_ACCUMULATOR)
            },
        }


def in_parts(parts: int, values: Any) -> list[Any]:
    """Cut (n, ...) into parts of one size, the last ones filled up with the first value: a part is never empty."""
    size = -(-len(values) // parts)
    filled = np.concatenate([values, np.repeat(values[:1], parts * size - len(values), axis=0)])
    return list(filled.reshape(parts, size, *values.shape[1:]))


def part_weights(parts: int, n: int) -> list[FloatArray]:
    """Weigh the samples of `in_parts`, so that the mean over the parts of their mean losses is the mean over all n."""
    size = -(-n // parts)
    weights = np.where(np.arange(parts * size) < n, parts * size / n, 0.0)
    return list(weights.astype(np.float32).reshape(parts, size))
