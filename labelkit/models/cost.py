"""What a network costs on every machine: its multiplications, and which networks cost the same."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

from labelkit.keras import keras


def multiply_adds(model: keras.Model) -> int:
    """Count the multiplications, each with its addition, of one picture through a network.

    Every kernel counts once for each position of its layer's output: convolutions (depthwise, pointwise
    and grouped ones too) and dense layers. Normalisations, activations and poolings are left out, as
    is usual: they take a few operations for each value, and a kernel takes hundreds.
    """
    return sum(multiply_adds(each) if isinstance(each, keras.Model) else _of_layer(each) for each in model.layers)


def _of_layer(layer: keras.Layer) -> int:
    kernels = [weight for weight in layer.weights if len(weight.shape) > 1]
    if not kernels:
        return 0
    positions = math.prod(layer.output.shape[1:-1])
    return int(positions * sum(math.prod(kernel.shape) for kernel in kernels))


# What no prediction's time depends on. Names are numbered in the order in which layers are made.
_COSTS_NOTHING = frozenset({"name", "trainable", "seed", "rate", "batch_shape"})


def cost_digest(model: keras.Model) -> str:
    """Hash what decides how long a network takes: layers, how they are connected, and the shapes of all values.

    Networks that differ in weights, first weights or dropout only have the same.
    """
    place = {layer.name: number for number, layer in enumerate(model.layers)}
    words = [[_describe(layer), _sources(layer, place)] for layer in model.layers]
    return hashlib.sha256(json.dumps(words, sort_keys=True, default=str).encode()).hexdigest()


def _describe(layer: keras.Layer) -> list[Any]:
    if isinstance(layer, keras.Model):
        return [cost_digest(layer)]
    plain = {
        key: value
        for key, value in layer.get_config().items()
        if key not in _COSTS_NOTHING and not isinstance(value, dict)  # initialisers and the like are dictionaries
    }
    return [type(layer).__name__, plain, [list(weight.shape) for weight in layer.weights], _shapes(layer.output)]


def _shapes(values: Any) -> list[Any]:
    return [list(value.shape) for value in keras.tree.flatten(values)]


def _sources(layer: keras.Layer, place: dict[str, int]) -> list[int]:
    """Number the layers that a layer gets its input from."""
    return [
        place[tensor._keras_history.operation.name]
        for node in layer._inbound_nodes
        for tensor in node.input_tensors
        if tensor._keras_history.operation.name in place
    ]
