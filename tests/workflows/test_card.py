from __future__ import annotations

import json
import shutil

import pytest

from labelkit.building.build import build
from labelkit.curation.splits import Split
from labelkit.dataset.dataset import open_dataset
from labelkit.dataset.lock import hold_dataset
from labelkit.dataset.verification import verify_dataset
from labelkit.errors import DatasetError, OutputExistsError
from labelkit.runs.folder import claim_run
from labelkit.runs.plan import write_plan
from labelkit.settings import TrainSettings
from labelkit.training.load import dataset_of
from labelkit.workflows.card import card
from tests.building.conftest import TINY, content_of, silent, write_recording
from tests.building.steps import kill, killed, watched
from tests.commands import called

ANSWERS = {"licence": "CC-BY-4.0", "contact": "Ada"}


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    raw = write_recording(tmp_path_factory.mktemp("raw") / "raw" / "p01", "he").parent
    out = tmp_path_factory.mktemp("built") / "set"
    build(raw, out, TINY, report=silent)
    return out


@pytest.fixture
def folder(built, tmp_path):
    return shutil.copytree(built, tmp_path / "set")


def findings_of(folder):
    return verify_dataset(folder, lambda done, total: None)[1]


def test_the_card_changes_and_nothing_else_does(built, folder):
    before = content_of(folder)
    stated = card(folder, ANSWERS)
    assert stated.changed == ("licence", "contact")
    assert (stated.answers["licence"], stated.spdx) == ("CC-BY-4.0", "CC-BY-4.0")
    assert "consent" in stated.blank
    after = content_of(folder)
    assert after.keys() == before.keys()
    assert {name for name in after if after[name] != before[name]} == {
        "README.md",
        "croissant.json",
        "manifest.json",
        "manifest.sha256",
    }
    assert findings_of(folder) == []


def test_a_key_can_be_made_blank_again_and_the_bytes_are_those_of_before(folder):
    before = content_of(folder)
    card(folder, ANSWERS)
    card(folder, dict.fromkeys(ANSWERS, ""))
    assert content_of(folder) == before


def test_a_run_still_finds_its_dataset_after_the_card_has_changed(folder, tmp_path):
    run = claim_run("vanilla", tmp_path / "run")
    digest = open_dataset(folder).manifest.digest()
    write_plan(run, TrainSettings(), Split(("p01",), ("p02",), ("p03",)), folder, digest, {})
    card(folder, ANSWERS)
    assert dataset_of(run).manifest.answers.contact == "Ada"


def test_another_label_table_is_another_dataset(folder):
    manifest = open_dataset(folder).manifest
    entry = manifest.files["labels.parquet"].model_copy(update={"sha256": "0" * 64})
    changed = manifest.model_copy(update={"files": {**manifest.files, "labels.parquet": entry}})
    assert changed.digest() != manifest.digest()


def test_a_change_that_is_killed_at_any_step_leaves_a_whole_dataset_or_goes_on_to_the_same_bytes(built, fast_path):
    def change(folder, at):
        with watched(folder, at) as steps:
            card(folder, ANSWERS)
        return steps

    whole = shutil.copytree(built, fast_path / "whole")
    n = len(change(whole, lambda number, when: None))
    expected, before = content_of(whole), content_of(built)
    unfinished = 0
    for last in range(n):
        folder = shutil.copytree(built, fast_path / f"{last:03d}")
        assert killed(lambda folder=folder, last=last: change(folder, lambda k, _: kill() if k == last else None))
        if (folder / "manifest.json").exists():
            there = content_of(folder)
            assert {name: there.get(name) for name in before} in (before, expected)
        else:
            unfinished += 1
            with pytest.raises(DatasetError, match=f"finish it with: labelkit card {folder}"):
                open_dataset(folder)
            card(folder)  # finishes it without the answers, too
        card(folder, ANSWERS)
        assert content_of(folder) == expected, last
        assert findings_of(folder) == []
    assert 3 < unfinished < n - 10


def test_a_begun_build_another_process_and_a_damaged_table_are_refused(folder):
    with hold_dataset(folder), pytest.raises(OutputExistsError, match="another"):
        card(folder, ANSWERS)
    (folder / ".build").mkdir()
    (folder / ".build" / "plan.json").write_text("{}")
    with pytest.raises(OutputExistsError, match="a build was begun here"):
        card(folder, ANSWERS)
    shutil.rmtree(folder / ".build")
    with (folder / "labels.parquet").open("ab") as file:
        file.write(b"x")
    with pytest.raises(DatasetError, match=r"labels\.parquet"):
        card(folder, ANSWERS)


def test_without_answers_nothing_is_written(folder):
    folder.chmod(0o500)
    try:
        assert card(folder).changed == ()
    finally:
        folder.chmod(0o700)


def test_the_command_states_lists_and_refuses(folder, capfd):
    code, out, _ = called(capfd, "card", folder, "--set", "licence=only for us", "--set", "contact=Ada = Bob")
    assert code == 0
    lines = out.splitlines()
    assert lines[0].startswith(f"{folder}: 2 of 10 answered")
    assert "licence       only for us (free text: no licence that SPDX lists)" in lines
    assert "contact       Ada = Bob" in lines
    assert "consent       (blank)" in lines
    assert "changed: licence, contact" in lines
    code, out, _ = called(capfd, "card", folder, "--json")
    assert json.loads(out)["answers"]["contact"] == "Ada = Bob"
    for pair, says in (("license=MIT", "did you mean 'licence'?"), ("licence", "KEY=ANSWER")):
        code, _, err = called(capfd, "card", folder, "--set", pair)
        assert code == 2
        assert says in err
    code, _, err = called(capfd, "card", folder.parent / "none", "--set", "licence=MIT")
    assert code == 2
    assert "no such dataset folder" in err
    assert not (folder.parent / "none").exists()
