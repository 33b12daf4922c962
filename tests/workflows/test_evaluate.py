from __future__ import annotations

import csv
import json
import os
import shutil
from pathlib import Path

import h5py
import numpy as np
import pytest

from labelkit.dataset.dataset import open_dataset
from labelkit.dataset.manifest import FileEntry, read_manifest, write_manifest
from labelkit.deploy.timing import Latency
from labelkit.errors import DatasetError, OutputError, RunError, SettingsError
from labelkit.files import sha256_of
from labelkit.runs.folder import BEST, DIAGNOSTICS, FINISHED, INTERRUPTED, write_json, write_state
from labelkit.runs.plan import read_split
from labelkit.settings import EvaluateSettings
from labelkit.training.load import load_run
from labelkit.training.samples import read_samples
from labelkit.workflows import evaluate as module
from labelkit.workflows.evaluate import evaluate
from tests.commands import are_said, called, one_error
from tests.datasets import make_dataset
from tests.made_runs import SMALL, make_run

UNTIMED = EvaluateSettings(latency=False)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("data") / "dataset", participants=5, samples=12)


@pytest.fixture(scope="module")
def kept(dataset, tmp_path_factory):
    return make_run(tmp_path_factory.mktemp("runs") / "vanilla", dataset)


@pytest.fixture
def run(kept, tmp_path, dataset):
    """A run that a test may damage; it remembers where its dataset is."""
    folder = shutil.copytree(kept, tmp_path / "runs" / "vanilla")
    stated = json.loads((folder / "dataset.json").read_text())
    write_json(folder / "dataset.json", stated | {"path": Path(os.path.relpath(dataset, folder)).as_posix()})
    return folder


def test_the_report_agrees_with_the_network_s_predictions(run, dataset):
    found = evaluate(run, settings=UNTIMED)
    test = read_samples(open_dataset(dataset)).of(read_split(run).test)
    off = np.abs(load_run(run).predict(test).centred_deg - test.centred_deg)
    assert json.loads((run / "report.json").read_text()) == json.loads(json.dumps(found.runs[0]))
    report = found.runs[0]["test"]
    assert [report["mae_azimuth_deg"], report["mae_elevation_deg"]] == pytest.approx(off.mean(axis=0), abs=1e-4)
    assert set(report["participants"]) == set(read_split(run).test)
    assert found.runs[0]["parameters"] == load_run(run).model.count_params()
    assert found.runs[0]["weights_bytes"] == (run / BEST).stat().st_size
    assert found.runs[0]["latency_ms"] is None


def test_the_page_shows_the_crops_of_the_worst(run, dataset):
    from labelkit.report.page import data_url
    from labelkit.report.tiles import jpeg_of

    found = evaluate(run, settings=UNTIMED)
    page = Path(found.page).read_text(encoding="utf-8")
    data = open_dataset(dataset)
    worst = int(np.flatnonzero(data.rows == found.runs[0]["test"]["worst_rows"][0])[0])
    first = page[page.index('id="worst"') :]
    assert data_url(jpeg_of(data[worst]["rgb128"]), "jpeg") == first[first.index("data:") : first.index('" width')]


def test_the_command_says_it_all_in_80_columns(run, capfd):
    code, out, err = called(capfd, "evaluate", run, "--no-latency")
    assert (code, one_error(err)) == (0, False)
    assert are_said(err, "loading Keras", "comparing its", "predicting validation and test", "writing the page")
    for words in ("CMAE", "constant predictor", "flipped", "multiply-adds", "a picture, one core"):
        assert words in out
    assert "not measured" in out
    assert out.splitlines()[-1] == f"Written: {run / 'report.html'} and {run / 'report.json'}"
    assert [line for line in out.splitlines()[:-1] if len(line) > 80] == []


def test_two_runs_stand_beside_each_other(run, dataset, capfd):
    second = make_run(run.parent / "second", dataset, SMALL.model_copy(update={"seed": 5}))
    code, out, err = called(capfd, "evaluate", run, second, "--no-latency", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)
    assert [each["name"] for each in found["runs"]] == ["vanilla", "second"]
    assert Path(found["page"]) == run.parent / "vanilla-and-second.html"
    first, other = (each["test"]["normal_mean_deg"] for each in found["runs"])
    assert found["comparison"]["difference_deg"] == pytest.approx(other - first)
    assert json.loads(Path(found["json"]).read_text())["comparison"] == found["comparison"]
    assert not (run / "report.html").exists()
    code, out, _ = called(capfd, "evaluate", run, second, "--no-latency")
    assert code == 0
    assert "On the same samples the second is" in out
    assert [line for line in out.splitlines()[:-1] if len(line) > 80] == []


def test_equal_networks_are_timed_once(run, dataset, monkeypatch, tmp_path):
    equal = make_run(run.parent / "equal", dataset, SMALL.model_copy(update={"seed": 6, "dropout": 0.5}))
    wider = make_run(run.parent / "wider", dataset, SMALL.model_copy(update={"filters": SMALL.filters + 1}))
    times = iter([2.5, 3.5, 4.5])
    monkeypatch.setattr(module, "measure_latency", lambda run: Latency(next(times), 9.0, 30, "", 1.0, 100.0))

    def found(second):
        return [each["latency_ms"] for each in evaluate(run, second, out=tmp_path / f"{second.name}.html").runs]

    assert found(equal) == [2.5, 2.5]
    assert found(wider) == [3.5, 4.5]


def test_a_dataset_that_moved_is_found_by_its_new_name(run, dataset, tmp_path):
    moved = shutil.copytree(dataset, tmp_path / "elsewhere")
    write_json(run / "dataset.json", json.loads((run / "dataset.json").read_text()) | {"path": "../gone"})
    with pytest.raises(DatasetError, match="gone: no such dataset folder"):
        evaluate(run, settings=UNTIMED)
    out = tmp_path / "new" / "page.html"
    assert evaluate(run, dataset=moved, out=out, settings=UNTIMED).json == str(tmp_path / "new" / "page.json")
    assert out.is_file()


def test_evaluating_changes_nothing_but_the_report(run):
    before = {path.name: path.read_bytes() for path in run.iterdir()}
    evaluate(run, settings=UNTIMED)
    after = {path.name: path.read_bytes() for path in run.iterdir()}
    assert {name: after[name] for name in before} == before
    assert set(after) - set(before) == {"report.html", "report.json"}


def another_dataset(run, dataset):
    shutil.rmtree(run.parent / "other", ignore_errors=True)
    make_dataset(run.parent / "other", participants=5, samples=12, seed=9)
    return {"dataset": run.parent / "other"}


def changed_shard(run, dataset):
    copy = shutil.copytree(dataset, run.parent / "copy")
    shard = next((copy / "shards").iterdir())
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    return {"dataset": copy}


def nan_label(run, dataset):
    """Put a NaN into a label of a dataset whose hashes are right, and let the run be of it."""
    copy = shutil.copytree(dataset, run.parent / "copy")
    manifest = read_manifest(copy)
    name = next(name for name in manifest.files if name.startswith("shards/"))
    with h5py.File(copy / name, "r+") as file:
        file["view_azimuth"][3] = np.nan
    entry = FileEntry(bytes=(copy / name).stat().st_size, sha256=sha256_of(copy / name))
    manifest = manifest.model_copy(update={"files": {**manifest.files, name: entry}})
    write_manifest(copy, manifest)
    write_json(run / "dataset.json", {"dataset_sha256": manifest.digest(), "path": "../copy"})


def cut(run, dataset):
    (run / BEST).write_bytes((run / BEST).read_bytes()[:-20])


def pickled(run, dataset):
    (run / BEST).write_bytes(b"\x80\x04cos\nsystem\n(S'touch owned'\ntR.")


def of_another_network(run, dataset):
    make_run(run.parent / "wide", dataset, SMALL.model_copy(update={"filters": 6}))
    shutil.copy(run.parent / "wide" / BEST, run / BEST)


def hostile_histograms(run, dataset):
    (run / DIAGNOSTICS).write_text(
        '{"schema": "labelkit-diagnostics/1", "epochs": [{"weights": [1], "activations": 0}]}'
    )


@pytest.mark.parametrize(
    ("damage", "kind", "words"),
    [
        (another_dataset, RunError, r"was trained on the dataset .*; name the dataset"),
        (changed_shard, DatasetError, r"changed since the dataset was built \(.*\); build the dataset again"),
        (nan_label, DatasetError, "row 3 of labels.parquet has view_azimuth nan .* no orientation"),
        (
            lambda run, _: (run / "run.json").write_text('{"schema": "labelkit-run/9"}'),
            RunError,
            "not a run of this vers",
        ),
        (lambda run, _: (run / "run.json").unlink(), RunError, r"not a run \(no readable run.json\)"),
        (lambda run, _: write_state(run, INTERRUPTED, epochs=1), RunError, "not finished .*train --resume"),
        (lambda run, _: write_state(run, FINISHED, epochs="many"), RunError, "epochs must be a whole number"),
        (lambda run, _: (run / "history.csv").write_text("epoch\nx\n"), RunError, "not a history of epochs"),
        (cut, RunError, "best.h5: damaged"),
        (pickled, RunError, "best.h5: damaged"),
        (of_another_network, RunError, "of another network"),
        (hostile_histograms, RunError, "not readable diagnostics"),
    ],
)
def test_what_cannot_be_trusted_is_one_line_and_leaves_the_run_as_it_was(run, dataset, capfd, damage, kind, words):
    arguments = damage(run, dataset) or {}
    arguments = arguments if isinstance(arguments, dict) else {}
    before = sorted(path.name for path in run.iterdir())
    with pytest.raises(kind, match=words):
        evaluate(run, settings=UNTIMED, **arguments)
    flags = [f"--{key}={value}" for key, value in arguments.items()]
    code, out, err = called(capfd, "evaluate", run, "--no-latency", *flags)
    assert (code, out) == (2, "")
    assert one_error(err)
    assert sorted(path.name for path in run.iterdir()) == before


def test_a_page_must_be_named_html_before_anything_is_done(run, tmp_path):
    with pytest.raises(SettingsError, match=r"written as \.html, \.htm, not \.pdf"):
        evaluate(run, out=tmp_path / "report.pdf", settings=UNTIMED)
    (tmp_path / "folder.html").mkdir()
    with pytest.raises(OutputError, match="is a folder; name a file in it"):
        evaluate(run, out=tmp_path / "folder.html", settings=UNTIMED)


def test_a_run_folder_that_cannot_be_written_is_exit_code_5(run, capfd, monkeypatch):
    def full(*_):
        raise OutputError(f"{run / 'report.json'}: cannot write (No space left on device)")

    monkeypatch.setattr("labelkit.runs.folder.write_text", full)
    code, out, err = called(capfd, "evaluate", run, "--no-latency")
    assert (code, out) == (5, "")
    assert "No space left" in err


@pytest.mark.slow
def test_predictions_of_every_test_sample_are_listed_at_the_end_of_a_training(dataset, tmp_path):
    from labelkit.settings import TrainSettings
    from labelkit.workflows.train import train

    settings = TrainSettings(epochs=1, filters=5, dense=16, stages=2, resolutions="64,32", uncertainty="gaussian")
    train(dataset, settings, out=tmp_path / "run", quiet=True)
    files = {path.name for path in (tmp_path / "run").iterdir()}
    assert {"report.html", "report.json", "predictions.csv", "events.out.tfevents.labelkit"} <= files
    with (tmp_path / "run" / "predictions.csv").open() as file:
        rows = list(csv.DictReader(file))
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert 0 < report["latency_ms"] <= report["latency_p95_ms"]
    assert report["test"]["calibration"]["mean_sd_deg"] == pytest.approx(
        np.mean([float(row["predicted_sd"]) for row in rows if row["side"] == "test"]), abs=1e-3
    )
    evaluate(tmp_path / "run", settings=UNTIMED, out=tmp_path / "again.html")
    again = json.loads((tmp_path / "again.json").read_text())
    same = {key: value for key, value in again.items() if not key.startswith("latency")}
    assert same == {key: value for key, value in report.items() if not key.startswith("latency")}
