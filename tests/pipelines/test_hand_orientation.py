"""The study's pipeline: its files of ranges, and all of it in small."""

from __future__ import annotations

import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from labelkit.models import build_model
from labelkit.settings import TrainSettings, TuneSettings, load_settings
from labelkit.tuning.ranking import rank_structures
from labelkit.tuning.space import structures_of
from labelkit.tuning.trial import Measured, Trial
from labelkit.workflows.tune import TuneResult

FOLDER = Path(__file__).resolve().parents[2] / "pipelines" / "hand-orientation"

# The study's Table 1.
SHARED = {"kernel_size": (2, 7), "filters": (5, 25), "dropout": (0.0, 0.7), "dense": (16, 256)}
OF_FIRE = {"base": (16, 256), "squeeze_ratio": (0.1, 0.7), "pct3x3": (0.15, 0.75)}
TABLE_1 = {"vanilla": SHARED, "squeezenet": SHARED | OF_FIRE, "mobilenet": SHARED}


@pytest.fixture(scope="module")
def pipeline():
    return runpy.run_path(str(FOLDER / "run.py"))


@pytest.mark.parametrize("family", TABLE_1)
def test_each_file_searches_the_ranges_of_the_study_in_32_trials_a_structure_scored_by_16(family):
    settings = load_settings(TuneSettings, config=FOLDER / f"tune-{family}.toml", environment={})
    assert (settings.max_trials, settings.best_of, settings.sampler) == (32, 16, "tpe")
    for structure in structures_of(settings):
        assert {parameter.name: parameter.ends for parameter in structure.parameters} == TABLE_1[family]
        assert structure.settings({}).model == family


def test_the_reduced_run_searches_the_same_ranges_with_fewer_and_smaller_trials(pipeline):
    for family in TABLE_1:
        whole, small = (pipeline["search_settings"](family, reduced=reduced) for reduced in (False, True))
        assert small.ranges == whole.ranges
        assert small.max_trials < whole.max_trials
        assert len(structures_of(small)) == 2
        assert all(structure.settings({}).epochs <= 20 for structure in structures_of(small))


@pytest.fixture
def structures(monkeypatch):
    monkeypatch.syspath_prepend(str(FOLDER))
    yield runpy.run_path(str(FOLDER / "structures.py"))
    sys.modules.pop("run", None)


@pytest.mark.parametrize("reduced", [False, True])
def test_every_structural_experiment_changes_one_thing_and_can_be_built(structures, reduced):
    networks: dict[str, list[TrainSettings]] = {}
    for experiment, _, settings in structures["variants"](reduced=reduced):
        networks.setdefault(experiment, []).append(TrainSettings(**settings))
    assert len(networks) == 7
    for experiment, variants in networks.items():
        dumps = [variant.model_dump() for variant in variants]
        assert len({structures["folder_of"](variant) for variant in variants}) == len(variants) > 1
        assert len({key for dump in dumps for key in dump if dump[key] != dumps[0][key]}) == 1, experiment
        for variant in variants if not reduced else ():
            assert build_model(variant).count_params() > 0


def test_the_structural_table_puts_the_seeds_of_a_variant_together(structures):
    reports = [
        {"test": {"cmae_deg": error, "constant_cmae_deg": 19.0}, "parameters": 1234, "multiply_adds": 5_600_000}
        for error in (8.0, 9.0, 8.2)
    ]
    assert list(structures["figures"](reports)) == ["8.40", "8.00 to 9.00", "19.00", "1,234", "5.6"]


@pytest.mark.sweep
def test_the_structural_experiments_go_from_nothing_to_a_table(tmp_path):
    command = [
        sys.executable,
        str(FOLDER / "structures.py"),
        "--reduced",
        "--seeds",
        "1",
        "--out",
        str(tmp_path / "out"),
    ]
    subprocess.run(command, capture_output=True, text=True, timeout=3600, check=True)
    lines = (tmp_path / "out" / "structures.md").read_text().splitlines()
    assert sum(line.startswith("| number of stages |") for line in lines) == 4
    assert sum(line.startswith("| input |") for line in lines) == 4


def searched(values):
    trials = [Trial("pooled-2", 0, 0, values, Measured("learned", 9.5, 5, 4))] if values else []
    table = rank_structures(trials, ["pooled-2", "pooled-3"], 2)
    return TuneResult("s", "dataset", 2, 1, 1, 19.0, tuple(table), (), {}, "s/best.toml", "s/report.html", "", "")


def reported():
    outcome = {"share": 0.25, "label_azimuth_deg": 19.76, "label_elevation_deg": None}
    angle = {"success": outcome, "failure": outcome | {"share": 0.5}}
    test = {"cmae_deg": 10.5, "mae_elevation_deg": 10.52, "mae_azimuth_deg": 10.56, "constant_cmae_deg": 19.0}
    return {
        "test": {**test, "outcomes": {"azimuth": angle, "elevation": angle}},
        "latency_ms": 4.0,
        "parameters": 8_070_794,
        "weights_bytes": 32_283_176,
    }


def test_the_tables_say_what_came_out_and_where_trials_are_missing(pipeline):
    search = searched({"kernel_size": 3, "filters": 17, "dropout": 0.163, "dense": 24})
    first = pipeline["table_1"]({"vanilla": search})
    assert "| vanilla | dropout | 0.0 to 0.7 | 0.163 |" in first
    assert "| vanilla | structure | 2 of them | pooled-2 |" in first
    second = pipeline["table_2"]({"vanilla": search}, {"vanilla": reported()})
    assert "| vanilla | 10.50 | 10.52 | 10.56 | 19.00 | 250 | 8,070,794 | 32.28 |" in second
    assert "vanilla, pooled-2: the score is the mean of 1 trials, not of 2." in second
    third = pipeline["table_3"]({"vanilla": reported()})
    assert "| vanilla | success azimuth | 25 % | 19.76 | - |" in third
    assert "| vanilla | failure elevation | 50 % | 19.76 | - |" in third


def test_a_family_of_which_nothing_learned_leaves_its_column_empty(pipeline):
    assert "| vanilla | filters | 5 to 25 |  |" in pipeline["table_1"]({"vanilla": searched({})})


@pytest.mark.sweep
def test_the_reduced_run_goes_from_nothing_to_three_tables_and_does_nothing_twice(tmp_path):
    command = [sys.executable, str(FOLDER / "run.py"), "--reduced", "--out", str(tmp_path / "out")]
    first = subprocess.run(command, capture_output=True, text=True, timeout=3600, check=True)
    assert all(f"Table {number}." in first.stdout for number in (1, 2, 3))
    assert (tmp_path / "out" / "tables.md").read_text() in first.stdout
    for family in TABLE_1:
        settings = load_settings(TrainSettings, config=tmp_path / "out" / "searches" / family / "best.toml")
        assert settings.model == family
        assert (tmp_path / "out" / "runs" / family / "report.html").is_file()
    runs = [(tmp_path / "out" / "runs" / family / "best.h5").stat().st_mtime_ns for family in TABLE_1]
    subprocess.run(command, capture_output=True, text=True, timeout=600, check=True)
    assert [(tmp_path / "out" / "runs" / family / "best.h5").stat().st_mtime_ns for family in TABLE_1] == runs
