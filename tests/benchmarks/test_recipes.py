"""The recipes that the benchmarks of collapse compare are what they say."""

from __future__ import annotations

import importlib
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

import labelkit
from labelkit.settings import TrainSettings

BENCHMARKS = Path(labelkit.__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def scripts():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("collapse"), importlib.import_module("study")
    finally:
        sys.path.remove(str(BENCHMARKS))


def test_both_recipes_train_the_very_same_networks(scripts):
    collapse, _ = scripts
    network = (
        "kernel_size",
        "filters",
        "dropout",
        "dense",
        "base",
        "squeeze_ratio",
        "pct3x3",
        "stages",
        "shrink",
        "join",
    )
    seen = set()
    for draw in range(32):
        for family in collapse.FAMILIES:
            study, ours = (collapse.settings_of(collapse.Task(family, draw, name, 0)) for name in collapse.RECIPES)
            assert all(getattr(study, key) == getattr(ours, key) for key in network)
            seen.add((family, study.kernel_size, study.filters, study.dense))
            assert (study.guard, ours.guard) == (False, True)
    assert len(seen) == 3 * 32


def test_draws_reach_the_ends_of_the_ranges_that_the_study_searched(scripts):
    collapse, _ = scripts
    drawn = [collapse.drawn("squeezenet", draw) for draw in range(400)]
    assert {each["kernel_size"] for each in drawn} == {2, 3, 4, 5, 6, 7}
    for key, low, high in (("filters", 5, 25), ("dense", 16, 256), ("base", 16, 256), ("dropout", 0, 0.7)):
        values = [each[key] for each in drawn]
        assert low <= min(values) < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < max(values) <= high


def test_the_path_ends_at_labelkits_own_recipe(scripts):
    _, study = scripts
    last = TrainSettings(**{**study.STUDY, **study.path()[-1].settings})
    kept = {key: study.STUDY[key] for key in ("resolutions", "batch_size", "diagnostics")}
    assert last == TrainSettings(**kept, epochs=study.LONG, patience=study.LONG)
    assert not study.path()[-1].mistakes


def test_each_row_of_the_path_undoes_one_mistake_or_changes_a_setting(scripts):
    _, study = scripts
    rows = study.path()
    for before, after in itertools.pairwise(rows):
        assert after.mistakes < before.mistakes or (
            after.mistakes == before.mistakes and dict(after.settings) != dict(before.settings)
        ), after.name


def test_scrambled_colours_are_those_of_a_reshape_where_axes_should_be_swapped(scripts):
    _, study = scripts

    class Source:
        def gather(self, name, indices):
            return np.arange(2 * 2 * 3, dtype=np.uint8).reshape(1, 2, 2, 3)

    planes = [[0, 3], [6, 9], [1, 4], [7, 10], [2, 5], [8, 11]]  # red, then green, then blue, line by line
    assert study.Scrambled(Source()).gather("rgb32", [0]).tolist() == np.reshape(planes, (1, 2, 2, 3)).tolist()


def test_each_mistake_is_made(scripts):
    """The wrong answer, the wrong normalisation."""
    _, study = scripts
    from labelkit.training.backend import start_keras

    settings = TrainSettings(**{**study.STUDY, "filters": 5, "dense": 16, "seed": 0})
    pictures = {"rgb32": np.random.default_rng(32).integers(0, 256, (2, 32, 32, 3), dtype=np.uint8)}
    start_keras(0)
    plain = study.network(settings, frozenset()).predict_on_batch(pictures)
    start_keras(0)
    degrees = study.network(settings, frozenset({study.DEGREES})).predict_on_batch(pictures)
    assert np.deg2rad(90 - plain) == pytest.approx(degrees, abs=1e-5)
    start_keras(0)
    model = study.network(settings, frozenset({study.ONE_BRANCH}))
    assert model.predict_on_batch(pictures) == pytest.approx(plain, abs=1e-4)  # not when it is tested
    assert np.abs(np.asarray(model(pictures, training=True)) - plain).max() > 0.1
