from __future__ import annotations

import json

import pytest

from labelkit.curation.splits import FrameSplit
from labelkit.errors import RunError, SplitError
from labelkit.runs.folder import (
    SETTINGS,
    SPLIT,
    claim_run,
    write_json,
)
from labelkit.runs.plan import read_dataset, read_folds, read_settings, read_split, write_plan
from labelkit.settings import TrainSettings
from tests.runs.conftest import PEOPLE


def test_settings_and_split_read_back_the_same(run):
    assert read_settings(run) == TrainSettings(seed=7, dropout=0.25)
    assert read_split(run) == PEOPLE


def test_the_environment_does_not_change_a_run_s_settings(run, monkeypatch):
    monkeypatch.setenv("LABELKIT_TRAIN_SEED", "99")
    assert read_settings(run).seed == 7


def test_the_dataset_is_named_by_its_digest_and_its_path_from_the_run(run):
    stated = json.loads((run / "dataset.json").read_text())
    assert stated == {"dataset_sha256": "abc", "path": "../data/set"}


def test_settings_of_another_version_are_called_so(run):
    (run / SETTINGS).write_text("sead = 1\n")
    with pytest.raises(RunError, match=r"'sead'.*damaged or of another version"):
        read_settings(run)


@pytest.mark.parametrize("content", ["", "[1]", '{"train": 1}', '{"train": ["a"]}'])
def test_a_damaged_split_is_called_so(run, content):
    (run / SPLIT).write_text(content)
    with pytest.raises(RunError, match=r"not a split|split\.json: not readable"):
        read_split(run)


def test_a_split_edited_to_leak_is_refused(run):
    (run / SPLIT).write_text('{"train": ["a"], "validation": ["b"], "test": ["a"]}')
    with pytest.raises(SplitError, match="'a' is in two parts"):
        read_split(run)


def test_a_split_by_frames_is_kept_and_marked_as_leaking(tmp_path):
    run, split = claim_run("vanilla", tmp_path / "run"), FrameSplit(3, 0.2, 0.1)
    write_plan(run, TrainSettings(split="frames"), split, tmp_path / "set", "abc", {})
    assert read_split(run) == split
    assert json.loads((run / SPLIT).read_text())["leaks"] is True


def test_the_dataset_of_a_run_is_found_again_from_elsewhere(run, tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    digest, path = read_dataset(run)
    assert (digest, path) == ("abc", tmp_path / "data" / "set")


@pytest.mark.parametrize("subfolder", ["../elsewhere", "/etc", "a/b", ".", "", None])
def test_a_plan_of_folds_cannot_lead_out_of_its_folder(run, subfolder):
    write_json(run / "folds.json", {"subfolders": {"p01": subfolder}})
    with pytest.raises(RunError, match="names no subfolders"):
        read_folds(run)
