from __future__ import annotations

import keras
import pytest

from labelkit.models import build_model
from labelkit.models.cost import cost_digest, multiply_adds
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


SMALL = TrainSettings(filters=5, stages=2, dense=16, kernel_size=3, input="grey", resolutions="64,32")


def digest_of(**changes):
    return cost_digest(build_model(SMALL.model_copy(update=changes)))


def test_networks_that_take_the_same_time_are_known_by_their_digest():
    assert digest_of() == digest_of(seed=7, dropout=0.5, initializer="he", learning_rate=1.0)


@pytest.mark.parametrize(
    "changes",
    [
        {"filters": 6},
        {"kernel_size": 5},
        {"stages": 3},
        {"shrink": "stride"},
        {"padding": "valid"},
        {"activation": "relu"},
        {"norm": "batch"},
        {"join": "average"},
        {"dense": 17},
        {"resolutions": "32"},
        {"input": "rgb"},
    ],
)
def test_networks_that_may_take_another_time_have_another_digest(changes):
    assert digest_of(**changes) != digest_of()


def test_how_layers_are_connected_is_part_of_the_digest():
    def build(twice):
        picture = keras.Input((4,))
        one = keras.layers.Dense(4)(picture)
        two = keras.layers.Dense(4)(one if twice else picture)
        return keras.Model(picture, keras.layers.Add()([one, two]))

    assert cost_digest(build(True)) == cost_digest(build(True))
    assert cost_digest(build(True)) != cost_digest(build(False))
