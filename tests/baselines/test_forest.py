"""Forests: what they learn, and that a file of one is data, never code."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from sklearn.ensemble import RandomForestRegressor

from labelkit.baselines import forest as forests
from labelkit.baselines.forest import grow_forest, read_forest, write_forest
from labelkit.errors import RunError
from labelkit.records import CONTOUR_POINTS
from labelkit.runs.arrays import write_arrays
from tests.datasets import angles_on_disc, contours_of


def hands(n, seed):
    """Draw contours whose waves follow the angles, and the centred angles: (n, 1000), (n, 2)."""
    rng = np.random.default_rng(seed)
    angles_deg = angles_on_disc(n, rng)
    return contours_of(angles_deg, rng), 90 - angles_deg


@pytest.fixture(scope="module")
def grown():
    return grow_forest(*hands(300, 0), trees=20, workers=1)


def test_a_forest_learns_angles_that_the_contour_shows(grown):
    contours, angles_deg = hands(200, 1)
    assert np.abs(grown.predict(contours) - angles_deg).mean() < 4
    assert np.abs(angles_deg).mean() > 14


def test_it_answers_as_scikit_learn_does(grown, monkeypatch):
    kept = {}
    fit = RandomForestRegressor.fit

    def keep(self, features, truth):
        kept["model"] = fit(self, features, truth)
        return kept["model"]

    monkeypatch.setattr(RandomForestRegressor, "fit", keep)
    forest = grow_forest(*hands(300, 0), trees=20, workers=1)
    contours, _ = hands(300, 2)
    features = (contours - forest.mean) @ forest.components.T
    np.testing.assert_allclose(forest.predict(contours), kept["model"].predict(features), atol=1e-9)
    for name, values in vars(grown).items():
        np.testing.assert_array_equal(getattr(forest, name), values)


def test_components_hold_nine_tenths_of_the_variance():
    contours, _ = hands(300, 0)
    forest = grow_forest(*hands(300, 0), trees=1, workers=1)
    centred = contours - contours.mean(axis=0)
    held = np.square(centred @ forest.components.T).sum() / np.square(centred).sum()
    without_last = np.square(centred @ forest.components[:-1].T).sum() / np.square(centred).sum()
    assert without_last < forests.VARIANCE <= held + 1e-9


def test_a_forest_comes_back_from_its_file_and_the_same_forest_has_the_same_bytes(grown, tmp_path):
    for name in ("a.h5", "b.h5"):
        write_forest(tmp_path / name, grown)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()
    again = read_forest(tmp_path / "a.h5")
    contours, _ = hands(50, 3)
    np.testing.assert_array_equal(again.predict(contours), grown.predict(contours))


def at(values, place, value):
    changed = values.copy()
    changed[place] = value
    return changed


HOSTILE = {
    "a root after the last node": lambda f: replace(f, roots=at(f.roots, 0, f.nodes)),
    "a root before the first": lambda f: replace(f, roots=at(f.roots, 0, -1)),
    "no tree": lambda f: replace(f, roots=f.roots[:0]),
    "a child after the last node": lambda f: replace(f, left=at(f.left, f.roots[0], f.nodes)),
    "a circle": lambda f: replace(f, right=at(f.right, f.roots[0], f.roots[0])),
    "a child before the first": lambda f: replace(f, right=at(f.right, f.roots[0], -1)),
    "a component that is not there": lambda f: replace(f, feature=at(f.feature, f.roots[0], len(f.components))),
    "an answer that is no number": lambda f: replace(f, answer=at(f.answer, 0, np.nan)),
}


@pytest.mark.parametrize("spoil", HOSTILE.values(), ids=HOSTILE.keys())
def test_a_file_whose_trees_lead_astray_is_refused(grown, tmp_path, spoil):
    write_forest(tmp_path / "forest.h5", spoil(grown))
    with pytest.raises(RunError, match=r"forest\.h5: its trees point out of the forest or in circles; train again"):
        read_forest(tmp_path / "forest.h5")


def test_other_files_are_refused(grown, tmp_path):
    path = tmp_path / "forest.h5"
    with pytest.raises(RunError, match="cannot be read"):
        read_forest(path)
    write_forest(path, grown)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(RunError, match="damaged"):
        read_forest(path)
    write_arrays(path, vars(grown) | {"left": grown.left[:-1]})
    with pytest.raises(RunError, match="left is"):
        read_forest(path)
    write_arrays(path, {name: values for name, values in vars(grown).items() if name != "left"})
    with pytest.raises(RunError, match="left is only in one of them"):
        read_forest(path)


def test_no_sample_has_no_answer(grown):
    assert grown.predict(np.zeros((0, CONTOUR_POINTS))).shape == (0, 2)
