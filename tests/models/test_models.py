from __future__ import annotations

import itertools

import numpy as np
import pytest

from labelkit.errors import SettingsError
from labelkit.models import MODELS, build_model
from labelkit.models.parts import RReLU
from labelkit.models.squeezenet import fire_of
from labelkit.settings import FAMILIES, PRESETS, TrainSettings

SMALL = {"filters": 5, "dense": 16}


def pictures(n=3, seed=0, low=0, high=256):
    rng = np.random.default_rng(seed)
    rgb = {f"rgb{s}": rng.integers(low, high, (n, s, s, 3), dtype=np.uint8) for s in (128, 64, 32)}
    return rgb | {f"depth{s}": rng.integers(500, 800, (n, s, s), dtype=np.uint16) for s in (128, 64, 32)}


def predict(model, batch):
    return model.predict_on_batch({tensor.name: batch[tensor.name] for tensor in model.inputs})


@pytest.mark.parametrize("name", [*MODELS, *PRESETS])
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"input": "rgb", "resolutions": "128,32", "activation": "rrelu", "norm": "batch"},
        {"input": "depth", "resolutions": "64", "activation": "relu", "norm": "group", "initializer": "he"},
        {"input": "grey-depth", "resolutions": "64,32", "shrink": "stride", "join": "average", "normalisation": "none"},
        {"input": "rgb-depth", "resolutions": "32", "normalisation": "dataset", "padding": "valid", "stages": 1},
    ],
)
def test_every_model_takes_the_pictures_it_asks_for_and_gives_two_angles(name, settings):
    settings = TrainSettings(model=name, **settings, **({} if name in PRESETS else SMALL))
    model = build_model(settings)
    assert {tensor.name for tensor in model.inputs} == set(settings.fields)
    said = predict(model, {field: pictures()[field] for field in settings.fields})
    assert said.shape == (3, 2)
    assert np.isfinite(said).all()
    assert len(np.unique(said[:, 0])) == 3  # it looks at them


@pytest.mark.parametrize(("preset", "parameters"), [("study-vanilla", 8_070_794), ("study-mobilenet", 9_155)])
def test_the_study_s_networks_have_the_parameters_it_reports(preset, parameters):
    assert build_model(TrainSettings(model=preset)).count_params() == parameters


@pytest.mark.parametrize("loss", ["mae", "angular"])
@pytest.mark.parametrize("uncertainty", ["none", "gaussian", "laplace"])
def test_the_answer_is_angles_or_a_unit_normal_that_faces_the_camera_and_how_sure_it_is(loss, uncertainty):
    model = build_model(TrainSettings(loss=loss, uncertainty=uncertainty, **SMALL))
    said = predict(model, pictures())
    normal = 3 if loss == "angular" else 2
    assert said.shape == (3, normal + (uncertainty != "none"))
    if loss == "angular":
        assert np.linalg.norm(said[:, :3], axis=1) == pytest.approx(np.ones(3))
        assert (said[:, 2] < 0).all()
    if uncertainty != "none":
        assert (said[:, -1] > -5).all()  # at the least: 0.4 degrees


@pytest.mark.parametrize("family", MODELS)
def test_the_smallest_picture_may_shrink_in_a_way_of_its_own_or_not_at_all(family):
    def last_sides(**settings):
        model = build_model(TrainSettings(model=family, stages=2, resolutions="64,32", **settings))
        return {name: model.get_layer(f"branch{name}_stage2_leaky").output.shape[1] for name in (64, 32)}

    pooled = last_sides()
    assert pooled[64] == 2 * pooled[32]
    assert last_sides(shrink_smallest="stride") == pooled
    assert last_sides(shrink_smallest="none") == {64: pooled[64], 32: 32}
    assert last_sides(shrink="none", shrink_smallest="pool") == {64: 64, 32: pooled[32]}


def test_the_only_picture_is_not_the_smallest_of_several():
    alone, same = (
        build_model(TrainSettings(resolutions="32", shrink_smallest=how)).count_params() for how in ("none", "same")
    )
    assert alone == same


def test_small_has_a_fiftieth_of_the_study_s_parameters():
    small, study = (build_model(TrainSettings(model=name)).count_params() for name in ("small", "study-vanilla"))
    assert 50 * small <= study


def test_stages_are_counted_without_the_stem():
    for stages in (1, 2, 4):
        model = build_model(TrainSettings(model="squeezenet", stages=stages, resolutions="128"))
        assert sum(layer.name.endswith("_squeeze") for layer in model.layers) == stages


def test_a_fire_module_has_the_filters_its_metaparameters_say():
    # SqueezeNet itself: base 128, incr 128, freq 2, half of them 3x3, an eighth to squeeze
    original = {"base": 128, "incr": 128, "freq": 2, "pct3x3": 0.5, "squeeze_ratio": 0.125}
    fires = [fire_of(stage, **original) for stage in range(1, 9)]
    assert [tuple(fire) for fire in fires] == [(16 * k, 64 * k, 64 * k) for k in (1, 1, 2, 2, 3, 3, 4, 4)]
    model = build_model(TrainSettings(model="squeezenet", resolutions="128", **original))
    for stage in range(1, 5):
        assert model.get_layer(f"branch128_stage{stage}_3x3").filters == fires[stage - 1].expand3x3


@pytest.mark.parametrize(
    ("share", "words"),
    [
        ({"pct3x3": 0.1}, "the Fire module of stage 2 expands to 6 filters, of which pct3x3 0.1 leaves no 3x3 filter"),
        ({"pct3x3": 1.0}, "pct3x3 1 leaves no 1x1 filter; raise base, or lower pct3x3"),
        ({"squeeze_ratio": 0.1}, "squeeze-ratio 0.1 leaves no squeezing filter"),
    ],
)
def test_a_fire_module_without_a_kind_of_filter_names_its_stage(share, words):
    with pytest.raises(SettingsError, match=words):
        fire_of(2, **{"base": 5, "incr": 1, "freq": 1, "pct3x3": 0.5, "squeeze_ratio": 0.5, **share})


def test_residual_links_are_where_the_channels_match():
    def links(**settings):
        model = build_model(TrainSettings(model="squeezenet", resolutions="128", base=64, incr=32, **settings))
        return [layer.name for layer in model.layers if layer.name.endswith("_link")]

    assert links() == ["branch128_stage2_link", "branch128_stage4_link"]
    assert links(residual=False) == []


def test_mobilenet_s_multipliers_thin_and_shrink_it():
    def convolutions(**settings):
        model = build_model(TrainSettings(model="mobilenet", resolutions="128", stages=2, filters=20, **settings))
        return [(model.get_layer(name).filters, model.get_layer(name).output.shape[1]) for name in STAGES]

    assert convolutions() == [(20, 128), (20, 64), (40, 32)]
    assert convolutions(width=0.5, resolution=0.5) == [(10, 64), (10, 32), (20, 16)]


STAGES = ("branch128_stem", "branch128_stage1", "branch128_stage2")


def test_a_setting_of_another_family_is_refused():
    with pytest.raises(SettingsError, match="width is a setting of mobilenet, not of vanilla; leave it out"):
        build_model(TrainSettings(width=0.5))
    with pytest.raises(SettingsError, match=r"growth is a setting of .*, not of squeezenet"):
        build_model(TrainSettings(model="squeezenet", growth=1))


def test_rrelu_draws_its_slope_in_training_and_takes_the_mean_otherwise():
    layer = RReLU()
    x = -np.ones((1000,), np.float32)
    drawn, again = (np.asarray(layer(x, training=True)) for _ in range(2))
    assert (drawn >= -1 / 3).all()
    assert (drawn <= -1 / 8).all()
    assert drawn.std() > 0.05
    assert not np.array_equal(drawn, again)
    assert np.asarray(layer(x)) == pytest.approx(np.full(1000, -11 / 48))
    assert np.asarray(layer(-x, training=True)).tolist() == [1.0] * 1000


def test_depth_is_seen_from_the_nearest_point_on_and_what_was_not_seen_is_far():
    depth = {f"depth{s}": np.full((1, s, s), 1200, np.uint16) for s in (128, 64, 32)}
    for level, size in depth.items():
        depth[level][:, : len(size[0]) // 2] = 700
        depth[level][:, -1] = 0
    near = normalised(depth, input="depth", normalisation="none")
    for seen in near:
        assert (seen[0, 0, 0, 0], seen[0, -2, 0, 0], seen[0, -1, 0, 0]) == (0.0, 255.0, 255.0)
    # a hand farther off looks the same
    for level in depth:
        depth[level][depth[level] == 700] = 800
    assert all(
        np.array_equal(one, other)
        for one, other in zip(near, normalised(depth, input="depth", normalisation="none"), strict=True)
    )


def test_the_default_network_has_the_parameters_of_a_hand_count():
    # per branch 3x3 convolutions 1->16->32->64->128; 128, 64 and 32 pixels are halved four times
    filters = [1, 16, 32, 64, 128]
    branch = sum((9 * before + 1) * after for before, after in itertools.pairwise(filters))
    joined = (8**2 + 4**2 + 2**2) * 128
    expected = 3 * branch + (joined + 1) * 128 + (128 + 1) * 64 + (64 + 1) * 2
    assert build_model(TrainSettings()).count_params() == expected == 1_676_226


def test_every_family_that_settings_know_has_its_function():
    assert tuple(MODELS) == FAMILIES


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
    return predict(keras.Model(model.inputs, seen), batch)


def test_none_leaves_the_levels_as_they_are():
    for seen, size in zip(normalised(pictures(1), normalisation="none", input="rgb"), (128, 64, 32), strict=True):
        assert np.array_equal(seen, pictures(1)[f"rgb{size}"])


def test_dataset_statistics_normalise_all_branches_by_the_same_numbers():
    model = build_model(TrainSettings(**SMALL, normalisation="dataset", input="grey-depth"))
    layer = model.get_layer("dataset_statistics")
    layer.moving_mean.assign([100.0, 50.0])
    layer.moving_variance.assign([399.0, 99.0])  # one is added, so that a flat channel stays finite
    flat = {name: np.full_like(p, 140 if name.startswith("rgb") else 600) for name, p in pictures(1).items()}
    import keras

    seen = keras.Model(model.inputs, [model.get_layer(f"branch{s}_stage1").input for s in (128, 64, 32)])
    for branch in predict(seen, flat):
        assert branch[0, 3, 3].tolist() == pytest.approx([2.0, -5.0])


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
    blue = {name: np.zeros_like(p) for name, p in pictures(1).items() if name.startswith("rgb")}
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
