from __future__ import annotations

import itertools

import numpy as np
import pytest

from labelkit.errors import SettingsError
from labelkit.models import MODELS, build_model
from labelkit.settings import TrainSettings

SMALL = {"filters": 5, "dense": 16}


def pictures(n=3, seed=0, low=0, high=256):
    rng = np.random.default_rng(seed)
    return {f"rgb{s}": rng.integers(low, high, (n, s, s, 3), dtype=np.uint8) for s in (128, 64, 32)}


def predict(model, batch):
    return model.predict_on_batch(batch)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("input", ["rgb", "grey"])
def test_every_model_takes_the_pyramid_and_gives_two_angles(name, input):
    model = build_model(TrainSettings(model=name, input=input, **SMALL))
    assert predict(model, pictures()).shape == (3, 2)


def test_the_default_network_has_the_parameters_of_a_hand_count():
    # per branch 3x3 convolutions 1->16->32->64->128; 128, 64 and 32 pixels are halved four times
    filters = [1, 16, 32, 64, 128]
    branch = sum((9 * before + 1) * after for before, after in itertools.pairwise(filters))
    joined = (8**2 + 4**2 + 2**2) * 128
    expected = 3 * branch + (joined + 1) * 128 + (128 + 1) * 64 + (64 + 1) * 2
    assert build_model(TrainSettings()).count_params() == expected == 1_676_226


def test_an_unknown_model_names_the_nearest():
    with pytest.raises(SettingsError, match="no model 'vanila'; did you mean 'vanilla'"):
        build_model(TrainSettings(model="vanila"))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            {"padding": "valid", "kernel_size": 7},
            "stage 4 of the 64-pixel branch has 2 x 2 pixels left, too few for its",
        ),
        ({"padding": "valid", "kernel_size": 5, "shrink": "stride", "resolutions": "32"}, "stage 4 .* 1 pixel left"),
        (
            {"model": "mobilenet", "resolution": 0.5},
            "stage 4 of the 32-pixel branch would halve its 1 pixel to nothing",
        ),
        ({"model": "squeezenet", "resolutions": "32", "padding": "valid", "kernel_size": 7}, "stage 4 .* halve its 1"),
    ],
)
def test_a_branch_that_shrinks_to_nothing_names_the_stage(settings, words):
    with pytest.raises(SettingsError, match=words):
        build_model(TrainSettings(**settings))


def normalised(batch, **settings):
    """What the branches see, largest first."""
    import keras

    model = build_model(TrainSettings(**SMALL, **settings))
    seen = [model.get_layer(f"branch{s}_stage1").input for s in (128, 64, 32)]
    return keras.Model(model.inputs, seen).predict_on_batch(batch)


def test_scale_takes_every_branch_to_minus_one_to_one():
    for seen in normalised({name: p % 2 * 255 for name, p in pictures(1).items()}, normalisation="scale"):
        assert (seen.min(), seen.max()) == pytest.approx((-1, 1))


def test_standardise_gives_each_sample_mean_0_and_deviation_1():
    largest = normalised(pictures(), normalisation="standardise", input="rgb")[0]
    assert largest.mean(axis=(1, 2, 3)) == pytest.approx(np.zeros(3), abs=1e-4)
    assert largest.std(axis=(1, 2, 3)) == pytest.approx(np.ones(3), abs=1e-4)


def test_every_branch_is_normalised_by_the_same_numbers():
    flat = {name: np.full_like(p, 180) for name, p in pictures(1).items()}
    flat["rgb128"][:, ::2] = 100  # mean 140, deviation 40, in the largest only
    assert [float(seen[0, 1, 0, 0]) for seen in normalised(flat, normalisation="standardise")] == pytest.approx([1] * 3)


def test_a_flat_picture_stays_finite():
    black = {name: np.zeros_like(p) for name, p in pictures(1).items()}
    assert all(np.isfinite(seen).all() for seen in normalised(black, normalisation="standardise"))


def test_standardising_makes_light_and_contrast_immaterial():
    dim = pictures(high=100)
    bright = {name: (2 * p + 30).astype(np.uint8) for name, p in dim.items()}
    model = build_model(TrainSettings(normalisation="standardise", input="rgb", **SMALL))
    assert predict(model, dim) == pytest.approx(predict(model, bright), abs=1e-4)


def test_grey_does_not_see_colours_of_equal_grey():
    blue = {name: np.zeros_like(p) for name, p in pictures(1).items()}
    red = {name: p.copy() for name, p in blue.items()}
    for name in blue:
        blue[name][:, 8:20, 8:20, 2] = 200  # 200 * 0.114 = 22.8
        red[name][:, 8:20, 8:20, 0] = 76  # 76 * 0.299 = 22.7
    grey = build_model(TrainSettings(input="grey", normalisation="scale", **SMALL))
    assert predict(grey, blue) == pytest.approx(predict(grey, red), abs=1e-3)


def test_a_prediction_does_not_depend_on_the_rest_of_the_batch():
    model, batch = build_model(TrainSettings(**SMALL)), pictures(4)
    alone = {name: p[2:3] for name, p in batch.items()}
    assert predict(model, batch)[2:3] == pytest.approx(predict(model, alone), abs=1e-5)
