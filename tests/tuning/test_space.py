from __future__ import annotations

import optuna
import pytest

from labelkit.errors import SettingsError
from labelkit.settings import TuneSettings
from labelkit.tuning.space import SHAPING, structures_of

FILTERS = {"filters": {"int": [5, 25]}}


def asked(**settings):
    return structures_of(TuneSettings.model_validate(settings))


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "nothing to search"),
        ({"ranges": {"filters": {"int": [25, 5]}}}, r"from 25 to 5 is empty; write the smaller first"),
        ({"ranges": {"filters": {"int": [5, 5]}}}, r"from 5 to 5 is empty; name a fixed value in \[train\]"),
        ({"ranges": {"filters": {"int": []}}}, "wants two whole numbers"),
        ({"ranges": {"filters": {"int": [5, 9.5]}}}, "wants two whole numbers"),
        ({"ranges": {"stages": {"int": [True, 3]}}}, "wants two whole numbers"),
        ({"ranges": {"filters": {"int": 5}}}, "wants a list"),
        ({"ranges": {"filters": {"int": [5, 26]}}}, r"not 26 \(allowed: 5 to 25\)"),
        ({"ranges": {"filters": {"float": [5, 20]}}}, "valid integer, not 5.0"),
        ({"ranges": {"filters": {}}}, "states no range"),
        ({"ranges": {"filters": {"int": [5, 9], "log": [5, 9]}}}, "states int and log"),
        ({"ranges": {"filters": {"imt": [5, 9]}}}, "no kind of range 'imt'; did you mean 'int'"),
        ({"ranges": {"norm": {"choice": ["batch"]}}}, "is no choice"),
        ({"ranges": {"norm": {"choice": ["batch", "batch"]}}}, "is no choice"),
        ({"ranges": {"norm": {"choice": ["batch", "layer"]}}}, "norm must be 'none', 'batch' or 'group'"),
        ({"ranges": {"learning_rate": {"log": [0, 0.1]}}}, "begins above 0"),
        ({"ranges": {"filtres": {"int": [5, 9]}}}, "unknown setting 'filtres' .* did you mean 'filters'"),
        ({"ranges": {"seed": {"int": [0, 9]}}}, "seed is set by the search"),
        ({"ranges": {"split_seed": {"int": [0, 9]}}}, "decides which people"),
        ({"ranges": {"model": {"choice": ["vanilla", "mobilenet"]}}}, r"name them in \[\[structures\]\]"),
        ({"ranges": FILTERS, "train": {"filters": 9}}, r"fixed in \[train\] and searched here"),
        ({"ranges": FILTERS, "train": {"filtres": 9}}, r"\[train\]: unknown setting 'filtres'"),
        ({"ranges": FILTERS, "train": {"dense": 5000}}, "dense must be"),
        ({"ranges": FILTERS, "train": {"split": "leave-one-out"}}, "a trial is one training"),
        ({"ranges": FILTERS, "structures": [{"stages": 2}]}, "number 1 has no name"),
        ({"ranges": FILTERS, "structures": [{"name": "../up"}]}, "is named '../up'"),
        ({"ranges": FILTERS, "structures": [{"name": "a"}, {"name": "a"}]}, "two structures"),
        ({"ranges": FILTERS, "structures": [{"name": "a", "filters": 7}]}, "fixed here and searched"),
        ({"ranges": FILTERS, "structures": [{"name": "a", "test": 0.3}]}, "decides which people"),
        ({"ranges": FILTERS, "structures": [{"name": "a", "stages": 9}]}, r"structures\]\] a: stages must be"),
        ({"ranges": {"filters": {"int": [5, 9], "when": {"nrom": "batch"}}}}, "no setting; did you mean 'norm'"),
        ({"ranges": {"filters": {"int": [5, 9], "when": {"norm": "bach"}}}}, "norm must be"),
        ({"ranges": {"filters": {"int": [5, 9], "when": {"norm": "batch"}}}}, "its condition never holds"),
        (
            {"ranges": {"filters": {"int": [5, 9], "when": {"norm": "batch"}}, "norm": {"choice": ["none", "batch"]}}},
            "norm, which is drawn later",
        ),
    ],
)
def test_what_cannot_be_searched_is_said_before_anything_runs(settings, words):
    with pytest.raises(SettingsError, match=words):
        asked(**settings)


def test_a_search_without_structures_is_one_of_all():
    (only,) = asked(ranges=FILTERS, train={"model": "mobilenet"})
    assert (only.name, only.fixed) == ("all", {"model": "mobilenet"})


def test_a_structure_outranks_what_all_share():
    (only,) = asked(ranges=FILTERS, train={"stages": 2, "dense": 20}, structures=[{"name": "deep", "stages": 4}])
    settings = only.settings({"filters": 7})
    assert (settings.stages, settings.dense, settings.filters) == (4, 20, 7)


def test_what_is_drawn_stays_within_its_ranges_and_is_of_its_setting_s_type():
    ranges = {
        "filters": {"int": [6, 9]},
        "dense": {"log": [16, 256]},
        "dropout": {"float": [0, 0.5]},
        "learning_rate": {"log": [1e-5, 1e-2]},
        "residual": {"choice": [True, False]},
    }
    (structure,) = asked(ranges=ranges, train={"model": "squeezenet"})
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(0))
    drawn = []
    for _ in range(60):
        trial = study.ask()
        drawn.append(structure.draw(lambda parameter, trial=trial: parameter.suggest(trial)))
        structure.settings(drawn[-1])
    assert {each["filters"] for each in drawn} == {6, 7, 8, 9}
    assert {each["residual"] for each in drawn} == {True, False}
    assert all(16 <= each["dense"] <= 256 and isinstance(each["dense"], int) for each in drawn)
    assert all(0 <= each["dropout"] <= 0.5 for each in drawn)
    assert 15 < sum(each["learning_rate"] < 10**-3.5 for each in drawn) < 45  # half of a log range, not a fiftieth
    assert 15 < sum(each["dense"] < 64 for each in drawn) < 45  # half of it too, not a fifth


def test_a_condition_decides_what_is_drawn():
    ranges = {
        "norm": {"choice": ["none", "batch", "group"]},
        "dropout": {"float": [0, 0.5], "when": {"norm": ["none", "group"], "stages": 2}},
    }
    two, three = asked(ranges=ranges, structures=[{"name": "two", "stages": 2}, {"name": "three", "stages": 3}])

    def names(structure, norm):
        return list(structure.draw(lambda parameter: norm if parameter.name == "norm" else 0.1))

    assert [names(two, norm) for norm in ("none", "batch", "group")] == [
        ["norm", "dropout"],
        ["norm"],
        ["norm", "dropout"],
    ]
    assert names(three, "none") == ["norm"]


def test_a_condition_may_ask_for_a_default_and_for_what_a_preset_stands_for():
    ranges = {"dropout": {"float": [0, 0.5], "when": {"shrink": "none"}}}
    (preset,) = asked(ranges=ranges, train={"model": "study-vanilla"})
    assert list(preset.draw(lambda parameter: 0.1)) == ["dropout"]
    with pytest.raises(SettingsError, match="never holds"):
        asked(ranges=ranges)


def test_corners_hold_every_pair_of_ends_that_shape_a_network_and_no_others():
    ranges = {"kernel_size": {"int": [2, 7]}, "stages": {"int": [1, 4]}, "dense": {"int": [16, 256]}}
    (structure,) = asked(ranges=ranges)
    corners = [tuple(values.values()) for values in structure.corners(SHAPING)]
    assert corners == [(2, 1, 16), (2, 4, 16), (7, 1, 16), (7, 4, 16), (7, 4, 256)]


def test_corners_reach_what_only_a_value_within_a_range_brings():
    ranges = {"stages": {"int": [1, 4]}, "kernel_size": {"int": [2, 7], "when": {"stages": 3}}}
    (structure,) = asked(ranges=ranges)
    assert {"stages": 3, "kernel_size": 7} in list(structure.corners(SHAPING))
