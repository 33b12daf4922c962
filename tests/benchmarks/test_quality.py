"""The benchmark of errors on strangers puts together what its runs came to."""

from __future__ import annotations

import importlib
import re
import sys
from pathlib import Path

import pytest

import labelkit

BENCHMARKS = Path(labelkit.__file__).parents[1] / "benchmarks"


@pytest.fixture(scope="module")
def quality():
    sys.path.insert(0, str(BENCHMARKS))
    try:
        yield importlib.import_module("quality")
    finally:
        sys.path.remove(str(BENCHMARKS))


def reported(cmae_deg, people):
    test = {"cmae_deg": cmae_deg, "constant_cmae_deg": 19.0, "normal_mean_deg": 7.0}
    test["participants"] = {name: {"cmae_deg": error} for name, error in people.items()}
    costs = {"parameters": 1000, "multiply_adds": 8_000_000, "seconds": 60.0, "samples_per_s": 500.0}
    return {"test": test, "validation": {"cmae_deg": 5.0}, **costs}


def test_all_networks_train_to_the_end_and_each_has_its_first_seed_before_another_its_second(quality):
    runs = {name: [Path(f"{name}-{seed}") for seed in (0, 1)] for name in quality.NETWORKS}
    planned = list(quality.planned(runs))
    assert [run.name for run, _ in planned[:2]] == ["base-0", "small-0"]
    assert [settings.seed for _, settings in planned] == [0] * len(runs) + [1] * len(runs)
    assert {(settings.batch_size, settings.dropout) for _, settings in planned} == {(32, 0.0)}
    rates = {run.name.rpartition("-")[0]: settings.learning_rate for run, settings in planned}
    assert rates == dict.fromkeys(quality.NETWORKS, 1.6e-3) | {"mobilenet": 3.2e-3}
    assert all(settings.patience == settings.epochs for _, settings in planned)


def test_seeds_are_put_together_and_people_by_what_is_behind_them(quality):
    reports = [reported(4.0, {"a": 3.0, "b": 5.0}), reported(5.0, {"a": 4.0, "c": 6.0})]
    row = quality.row_of("base", reports, [12.0, 14.0], 1.5)
    assert (row["cmae_mean_deg"], row["cmae_least_deg"], row["cmae_most_deg"]) == (4.5, 4.0, 5.0)
    assert (row["real_mean_deg"], row["latency_ms"], row["seeds"]) == (13.0, 1.5, 2)
    where = quality.by_backdrop(reports, {"a": "wall", "b": "clutter", "c": "clutter"})
    assert where == {"clutter": 5.5, "wall": 3.5}


def test_a_goal_is_shown_once_the_networks_it_is_about_are_there(quality):
    base = quality.row_of("base", [reported(4.5, {})], [], 1.2)
    assert [name for name, *_ in quality.goals({"base": base})] == ["best family, CMAE, deg"]
    families = {
        name: base | {"cmae_mean_deg": error} for name, error in zip(quality.FAMILIES, (4.5, 7.0, 8.5), strict=True)
    }
    assert quality.goals(families)[1] == ("worst of the three families, CMAE, deg", 8.5, "<=", 8.0)


def test_the_picture_names_every_network(quality, tmp_path):
    row = quality.row_of("base", [reported(4.5, {})], [], 1.2)
    rows = [row, row | {"network": "study-vanilla", "cmae_mean_deg": 9.0, "latency_ms": 4.5, "parameters": 8_000_000}]
    quality.draw(rows, tmp_path / "quality.svg")
    drawn = (tmp_path / "quality.svg").read_text()
    assert all(drawn.count(f">{row['network']}<") == 2 for row in rows)  # against latency, and against parameters
    assert "mathdefault" not in drawn


def test_a_name_stands_on_the_left_where_it_would_run_into_the_next(quality, tmp_path):
    row = quality.row_of("base", [reported(4.5, {})], [], 1.2)
    for error, on_the_left in ((4.6, 2), (9.0, 0)):  # in both halves of the picture
        next_row = row | {"network": "next", "latency_ms": 1.3, "parameters": 1200, "cmae_mean_deg": error}
        quality.draw([row, next_row], tmp_path / "quality.svg")
        drawn = (tmp_path / "quality.svg").read_text()
        assert len(re.findall("text-anchor: end[^>]*>base<", drawn)) == on_the_left
