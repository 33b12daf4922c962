"""What a network costs on every machine: its multiplications."""

from __future__ import annotations

import math

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
