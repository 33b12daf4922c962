from __future__ import annotations

import csv
import json
import tomllib

import pytest

from labelkit.errors import DatasetError, MissingExtraError
from labelkit.settings import TrainSettings, TuneSettings, load_settings
from labelkit.tuning.folder import begin_search
from labelkit.tuning.trial import Measured
from labelkit.workflows import tune as tuning
from labelkit.workflows.run_trial import TrainTrial
from labelkit.workflows.train import train
from tests.commands import called, one_error
from tests.datasets import make_dataset

SEARCH = """
name = "small"
max_trials = 2
best_of = 2
grace = 2

[train]
resolutions = "32"
stages = 2
epochs = 3
batch_size = 8
augment = false

[ranges]
filters = { int = [5, 8] }
learning_rate = { log = [1e-3, 1e-2] }
dropout = { float = [0.0, 0.3], when = { norm = "none" } }

[[structures]]
name = "plain"

[[structures]]
name = "batch-norm"
norm = "batch"
"""


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("data") / "dataset", participants=4, samples=12)


@pytest.fixture
def config(tmp_path):
    (tmp_path / "search.toml").write_text(SEARCH)
    return tmp_path / "search.toml"


@pytest.mark.sweep
def test_a_search_through_the_real_entry_point_runs_in_processes_of_its_own(dataset, config, tmp_path, capfd):
    config.write_text(SEARCH.replace("max_trials = 2", "max_trials = 1"))
    folder = tmp_path / "searches" / "small"
    code, out, err = called(capfd, "tune", dataset, "--config", config, "--no-latency", "--jobs", "2", "--out", folder)
    assert code == 0, err
    assert out.count("NOTE: ") == 2  # a score of two trials, and one was run
    assert [line for line in err.splitlines() if len(line) > 80 and "/" not in line] == []
    assert "   2/2 " in err
    rows = list(csv.DictReader((folder / "trials.csv").open()))
    assert [(row["structure"], row["trial"]) for row in rows] == [("plain", "0"), ("batch-norm", "0")]
    assert [bool(row["dropout"]) for row in rows] == [True, False]
    assert all(row["latency_ms"] == "" and int(row["multiply_adds"]) > 0 for row in rows)
    again = ["tune", dataset, "--config", config, "--no-latency", "--out", folder, "--json"]
    code, out, err = called(capfd, *again)
    assert (code, err, json.loads(out)["finished"]) == (0, "", 2)
    code, out, err = called(capfd, *again, "--max-trials", "3", "--dry-run")
    assert (code, err, json.loads(out)["trials"]) == (0, "", 4)


@pytest.fixture(scope="module")
def concluded(dataset, tmp_path_factory):
    """A search that ran in this process, so that TensorFlow starts once."""
    folder = tmp_path_factory.mktemp("search")
    (folder / "search.toml").write_text(SEARCH)
    settings = load_settings(TuneSettings, config=folder / "search.toml")
    path, terms = tuning._terms(dataset, settings)
    search = begin_search(folder / "s", settings, terms)
    while claim := search.take():
        claim.run(TrainTrial(path, terms, settings.grace, latency=False))
    return tuning.conclude(search, path), folder / "s"


def test_the_result_file_the_table_and_the_page_say_the_same(concluded):
    result, folder = concluded
    stored = json.loads((folder / "result.json").read_text())
    rows = list(csv.DictReader((folder / "trials.csv").open()))
    best = stored["structures"][0]
    assert best["best_deg"] == min(float(row["cmae_deg"]) for row in rows if row["structure"] == best["structure"])
    assert [each["structure"] for each in stored["structures"]] == [each.structure for each in result.structures]
    assert f"{best['best_deg']:.2f}" in (folder / "report.html").read_text()
    assert (stored["asked"], stored["finished"], len(rows)) == (4, 4, 4)
    assert stored["learned"] == [row["outcome"] for row in rows].count("learned")
    assert all(bool(row["dropout"]) == (row["structure"] == "plain") for row in rows)  # drawn by the other: none
    assert all(row["latency_ms"] == "" for row in rows)
    head = (folder / "best.toml").read_text().splitlines()[0]
    assert head.startswith(f"# Trial {best['best']['number']} of structure {best['structure']}: ")


def test_the_best_settings_train_to_the_error_that_the_search_found(concluded, dataset, tmp_path):
    result, folder = concluded
    settings = load_settings(TrainSettings, config=folder / "best.toml")
    assert (settings.report, settings.diagnostics) == (True, True)  # which no trial has
    settings = settings.model_copy(update={"report": False})
    train(dataset, settings, out=tmp_path / "run", quiet=True)
    again = json.loads((tmp_path / "run" / "report.json").read_text())["validation"]["cmae_deg"]
    assert again == pytest.approx(result.structures[0].best_deg, rel=0.02)  # but for the number of threads, the same


def test_the_people_tested_are_those_that_no_trial_met(concluded):
    _, folder = concluded
    splits = [json.loads(path.read_text()) for path in folder.glob("trials/*/*/split.json")]
    assert len(splits) == 4
    assert all(split == splits[0] for split in splits)


def test_a_dry_run_checks_all_and_makes_nothing(dataset, config, tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(tuning, "_build_corner_networks", lambda folder, settings: len(settings.structures) * 2)
    code, out, err = called(capfd, "tune", dataset, "--config", config, "--out", tmp_path / "s", "--dry-run", "--json")
    assert (code, err) == (0, "")
    plan = json.loads(out)
    assert (plan["trials"], plan["structures"], plan["networks"]) == (4, ["plain", "batch-norm"], 4)
    assert not (tmp_path / "s").exists()


def refuse(*_):
    raise AssertionError("there is nothing to be built")


def test_a_search_that_is_there_is_gone_on_with_and_its_networks_are_not_built_again(concluded, dataset, monkeypatch):
    monkeypatch.setattr(tuning, "_build_corner_networks", refuse)
    _, folder = concluded
    settings = load_settings(TuneSettings, config=folder.parent / "search.toml").model_copy(update={"max_trials": 3})
    plan = tuning.tune(dataset, settings, out=folder, dry_run=True)
    assert (plan.trials, plan.networks) == (2, 0)


def test_a_dry_run_says_what_the_sampler_lacks_and_a_search_goes_by_its_name(dataset, config, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(tuning, "_build_corner_networks", lambda *_: 0)
    settings = load_settings(TuneSettings, config=config)
    assert tuning.tune(dataset, settings, dry_run=True).search == "searches/small"
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match="needs torch"):
        tuning.tune(dataset, settings.model_copy(update={"sampler": "gp"}), dry_run=True)


def test_every_structure_finds_its_pictures_in_the_dataset(dataset, config, tmp_path, monkeypatch):
    monkeypatch.setattr(tuning, "_build_corner_networks", lambda *_: 0)
    config.write_text(SEARCH + '\n[[structures]]\nname = "deep"\ninput = "rgb-depth"\n')
    with pytest.raises(DatasetError, match="holds no 'depth32'; build it with --with-depth"):
        tuning.tune(dataset, load_settings(TuneSettings, config=config), out=tmp_path / "s")
    assert not (tmp_path / "s").exists()


def test_a_search_that_is_interrupted_says_how_far_it_is_and_leaves_its_page(dataset, config, tmp_path, monkeypatch):
    def interrupted(search, *_, **__):
        search.finish(search.take(), Measured("learned", 9.0, 1, 1))
        raise KeyboardInterrupt

    monkeypatch.setattr(tuning, "_build_corner_networks", lambda *_: 0)
    monkeypatch.setattr(tuning, "run_search", interrupted)
    settings = load_settings(TuneSettings, config=config)
    with pytest.raises(KeyboardInterrupt, match=r"1 of 4 trials are done, .*s holds them; go on with the same command"):
        tuning.tune(dataset, settings, out=tmp_path / "s", quiet=True)
    assert json.loads((tmp_path / "s" / "result.json").read_text())["finished"] == 1
    assert (tmp_path / "s" / "report.html").is_file()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("filters = { int = [5, 8] }", "filters = { int = [8, 5] }"),
        ("filters = { int", "filtres = { int"),
        ("max_trials = 2", "max_trails = 2"),
        ("max_trials = 2", "max_trials = 0"),
        ('name = "small"', 'name = "../small"'),
    ],
)
def test_bad_input_is_one_line_exit_code_2_and_no_folder(dataset, config, tmp_path, capfd, change, words):
    config.write_text(SEARCH.replace(change, words))
    code, out, err = called(capfd, "tune", dataset, "--config", config, "--out", tmp_path / "s")
    assert (code, out) == (2, "")
    assert one_error(err)
    assert not (tmp_path / "s").exists()


def test_a_search_without_a_file_says_what_to_write(dataset, capfd):
    code, out, err = called(capfd, "tune", dataset)
    assert (code, out) == (2, "")
    assert "filters = { int = [5, 25] }" in err
    assert tomllib.loads(err[err.index("[ranges]") :]) == {"ranges": {"filters": {"int": [5, 25]}}}
