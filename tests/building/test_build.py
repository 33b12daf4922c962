from __future__ import annotations

import json
import os
import random
import shutil
from contextlib import contextmanager

import numpy as np
import pytest
from filelock import FileLock

from labelkit.building.build import build
from labelkit.dataset.dataset import open_dataset
from labelkit.errors import OutputExistsError
from labelkit.recordings import find_recordings
from labelkit.settings import BuildSettings
from tests.building.conftest import content_of, silent
from tests.datasets import map_shard

SETTINGS = BuildSettings(shard_frames=5, workers=1)  # two shards a recording, the second shorter


@pytest.fixture(scope="module")
def built(simulated, tmp_path_factory):
    """A finished build; never written to."""
    out = tmp_path_factory.mktemp("built") / "dataset"
    build(simulated / "raw", out, SETTINGS, report=silent)
    return out


def test_every_source_frame_is_in_the_table_once_as_sample_or_rejection(simulated, built):
    names = [
        recording.frame_name(index).key
        for recording in find_recordings(simulated / "raw")
        for index in range(len(recording))
    ]
    rows = open_dataset(built).table().to_pylist()
    assert sorted(row["frame"] for row in rows) == sorted(names)
    for row in rows:
        assert (row["status"] == "sample") == (row["reason"] is None) == (row["shard"] is not None)


def test_a_samples_row_says_what_its_shard_says(built):
    dataset = open_dataset(built)
    rows = dataset.table().to_pylist()
    assert len(dataset) > 15
    for i in range(len(dataset)):
        sample, row = dataset[i], rows[dataset.rows[i]]
        assert row["status"] == "sample"
        assert row["participant"] == dataset.participants[i]
        for key in ("azimuth", "elevation", "view_azimuth", "view_elevation", "normal_sd", "in_plane", "distance"):
            assert row[key] == pytest.approx(float(sample[key]), rel=1e-6)
        np.testing.assert_allclose([row["nx"], row["ny"], row["nz"]], sample["normal"], atol=1e-7)
        np.testing.assert_allclose(np.linalg.norm(sample["normal"]), 1, atol=1e-6)
        assert sample["view_normal"][2] < 0


def test_a_row_s_shard_and_index_lead_to_its_sample_and_the_sample_s_row_leads_back(built):
    rows = open_dataset(built).table().to_pylist()
    first = {row["recording"]: number for number, row in reversed(list(enumerate(rows)))}
    shards = {name: map_shard(built / name) for name in open_dataset(built).shard_names}
    placed = [(number, row) for number, row in enumerate(rows) if row["status"] == "sample"]
    assert len(placed) == sum(len(shard["row"]) for shard in shards.values())
    for number, row in placed:
        assert first[row["recording"]] + shards[row["shard"]]["row"][row["index"]] == number


def test_the_files_are_those_of_the_manifest_and_their_hashes_hold(built):
    dataset = open_dataset(built)
    dataset.check_hashes()
    there = {path.relative_to(built).as_posix() for path in built.rglob("*") if path.is_file()}
    assert there == {*dataset.manifest.files, "manifest.json", "manifest.sha256", "build.log", ".lock"}
    assert dataset.manifest.frames == 24
    assert sum(dataset.manifest.rejected.values()) == 24 - len(dataset)


def test_two_processes_make_the_same_bytes_as_one(simulated, built, tmp_path):
    build(simulated / "raw", tmp_path / "d", SETTINGS.model_copy(update={"workers": 2}), report=silent)
    assert content_of(tmp_path / "d") == content_of(built)


def test_an_interrupted_build_goes_on_to_the_same_bytes(simulated, built, tmp_path, in_this_process):
    out = tmp_path / "d"
    seen = []

    def interrupt(done, samples, total):
        seen.append(total)
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(simulated / "raw", out, SETTINGS, report=interrupt)
    assert not (out / "manifest.json").exists()
    assert not list(out.rglob("*.part"))
    outcome = build(simulated / "raw", out, SETTINGS, report=lambda done, samples, total: seen.append(total))
    assert outcome.frames_done_now == seen[-1] == 24 - 8  # the first recording's two shards were done
    assert content_of(out) == content_of(built)
    assert not (out / ".build").exists()


def test_a_shard_damaged_while_the_build_was_down_is_built_again(simulated, built, tmp_path, in_this_process):
    out = tmp_path / "d"

    def interrupt(done, samples, total):
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(simulated / "raw", out, SETTINGS, report=interrupt)
    shard = next((out / ".build").glob("*.h5"))
    shard.write_bytes(shard.read_bytes()[:-1])
    build(simulated / "raw", out, SETTINGS, report=silent)
    assert content_of(out) == content_of(built)


def test_a_finished_dataset_is_left_as_it_is(simulated, built, tmp_path):
    out = shutil.copytree(built, tmp_path / "d")
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.h5")}
    assert build(simulated / "raw", out, SETTINGS, report=silent).frames_done_now == 0
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.h5")} == before


def test_other_settings_or_versions_are_refused_by_name(simulated, built, tmp_path, monkeypatch):
    out = shutil.copytree(built, tmp_path / "d")
    with pytest.raises(OutputExistsError, match=r"setting crop-margin: 0\.1 there, 0\.25 now.*--overwrite"):
        build(simulated / "raw", out, SETTINGS.model_copy(update={"crop_margin": 0.25}), report=silent)
    monkeypatch.setattr("labelkit.building.plan.__version__", "9.9")
    with pytest.raises(OutputExistsError, match=r"version of labelkit: '.*' there, '9\.9' now"):
        build(simulated / "raw", out, SETTINGS, report=silent)


def test_a_build_begun_with_other_settings_is_refused(simulated, tmp_path, in_this_process):
    out = tmp_path / "d"

    def interrupt(done, samples, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(simulated / "raw", out, SETTINGS, report=interrupt)
    with pytest.raises(OutputExistsError, match=r"holds a build begun otherwise \(setting seed: 0 there, 4 now\)"):
        build(simulated / "raw", out, SETTINGS.model_copy(update={"seed": 4}), report=silent)


def test_overwriting_removes_the_dataset_and_nothing_else(simulated, built, tmp_path, in_this_process):
    out = shutil.copytree(built, tmp_path / "d")
    (out / "notes.txt").write_text("mine")
    settings = SETTINGS.model_copy(update={"shard_frames": 100})
    build(simulated / "raw", out, settings, overwrite=True, report=silent)
    assert (out / "notes.txt").read_text() == "mine"
    assert len(list((out / "shards").iterdir())) == 3
    open_dataset(out).check_hashes()


def test_a_folder_with_files_of_the_same_names_is_left_alone(simulated, tmp_path):
    (tmp_path / "README.md").write_text("mine")
    with pytest.raises(OutputExistsError, match=r"holds README\.md of something else"):
        build(simulated / "raw", tmp_path, SETTINGS, report=silent)
    assert (tmp_path / "README.md").read_text() == "mine"


def test_a_second_build_in_the_same_folder_refuses(simulated, tmp_path):
    with FileLock(tmp_path / ".lock"), pytest.raises(OutputExistsError, match="another build is at work"):
        build(simulated / "raw", tmp_path, SETTINGS, report=silent)


def test_the_plan_does_not_depend_on_the_workers_and_holds_no_place_or_time(simulated, built):
    manifest = json.loads((built / "manifest.json").read_text())
    assert "workers" not in manifest["settings"]
    assert str(simulated) not in json.dumps(manifest)


def test_an_overwritten_dataset_stays_readable_until_the_new_one_is_whole(simulated, built, tmp_path, in_this_process):
    out = shutil.copytree(built, tmp_path / "d")
    settings = SETTINGS.model_copy(update={"crop_margin": 0.2})

    def interrupt(done, samples, total):
        if done == 12:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(simulated / "raw", out, settings, overwrite=True, report=interrupt)
    open_dataset(out).check_hashes()
    assert open_dataset(out).manifest.settings["crop_margin"] == SETTINGS.crop_margin
    outcome = build(simulated / "raw", out, settings, report=silent)  # it goes on without being told again
    assert (outcome.frames_done_now, outcome.manifest.settings["crop_margin"]) == (16, 0.2)


def test_the_bytes_do_not_depend_on_the_order_in_which_a_folder_is_listed(built, simulated, tmp_path, monkeypatch):
    listed = os.scandir

    @contextmanager
    def shuffled(folder):
        with listed(folder) as entries:
            yield random.Random(5).sample(there := list(entries), len(there))

    monkeypatch.setattr(os, "scandir", shuffled)
    build(simulated / "raw", tmp_path / "d", SETTINGS.model_copy(update={"workers": 3}), report=silent)
    assert content_of(tmp_path / "d") == content_of(built)
