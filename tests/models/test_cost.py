from __future__ import annotations

import keras
import pytest

from labelkit.models import build_model
from labelkit.models.cost import multiply_adds
from labelkit.settings import TrainSettings

IN = (8, 10, 4)
LAYERS = {
    "convolution": (lambda: keras.layers.Conv2D(6, 3, padding="same"), 8 * 10 * 3 * 3 * 4 * 6),
    "strided": (lambda: keras.layers.Conv2D(6, 3, strides=2, padding="same"), 4 * 5 * 3 * 3 * 4 * 6),
    "valid": (lambda: keras.layers.Conv2D(6, 3), 6 * 8 * 3 * 3 * 4 * 6),
    "grouped": (lambda: keras.layers.Conv2D(6, 3, groups=2, padding="same"), 8 * 10 * 3 * 3 * 2 * 6),
    "depthwise": (lambda: keras.layers.DepthwiseConv2D(3, padding="same"), 8 * 10 * 3 * 3 * 4),
    "separable": (lambda: keras.layers.SeparableConv2D(6, 3, padding="same"), 8 * 10 * (3 * 3 * 4 + 4 * 6)),
    "dense": (lambda: keras.layers.Dense(7), 8 * 10 * 4 * 7),
    "batch normalisation": (lambda: keras.layers.BatchNormalization(), 0),
    "maximum": (lambda: keras.layers.MaxPooling2D(2), 0),
}


@pytest.mark.parametrize("kind", LAYERS)
def test_a_layer_costs_what_a_hand_computation_says(kind):
    make, expected = LAYERS[kind]
    picture = keras.Input(IN)
    assert multiply_adds(keras.Model(picture, make()(picture))) == expected


def test_a_network_within_a_network_is_counted():
    picture = keras.Input(IN)
    inner = keras.Model(picture, keras.layers.Dense(7)(picture))
    outer = keras.Input(IN)
    assert multiply_adds(keras.Model(outer, keras.layers.Dense(2)(inner(outer)))) == 8 * 10 * (4 * 7 + 7 * 2)


def test_the_multiresolution_network_costs_what_its_stages_cost():
    model = build_model(TrainSettings(filters=5, stages=2, dense=16, kernel_size=3, input="grey"))
    branches = sum(s * s * 9 * 1 * 5 + (s // 2) ** 2 * 9 * 5 * 10 for s in (128, 64, 32))
    joined = sum((s // 4) ** 2 * 10 for s in (128, 64, 32))
    assert multiply_adds(model) == branches + joined * 16 + 16 * 8 + 8 * 2
