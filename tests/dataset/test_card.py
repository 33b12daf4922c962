from __future__ import annotations

import json
import logging
import shutil

import mlcroissant
import numpy as np
import pytest

from labelkit.dataset.answers import QUESTIONS, CardAnswers
from labelkit.dataset.card import BLANK, card_files
from labelkit.dataset.dataset import open_dataset
from labelkit.dataset.table import table_bytes
from tests.datasets import make_dataset

NAMES = ["p01", "Zoë | [x](y) <b>", "p03"]


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    """A dataset with its card."""
    folder = make_dataset(tmp_path_factory.mktemp("card") / "dataset", participants=NAMES, samples=12)
    for name, content in files_of(folder).items():
        (folder / name).write_bytes(content)
    return folder


def files_of(folder):
    opened = open_dataset(folder)
    return card_files(opened.manifest, opened.table())


def test_mlcroissant_finds_neither_error_nor_warning_but_that_no_date_is_stated(dataset, caplog):
    with caplog.at_level(logging.WARNING):
        described = mlcroissant.Dataset(jsonld=dataset / "croissant.json")
    assert not described.metadata.issues.errors
    warnings = [line for line in described.metadata.issues.warnings if "datePublished" not in line]
    assert warnings == []


def test_mlcroissant_reads_the_label_table_through_the_description(dataset):
    records = list(mlcroissant.Dataset(jsonld=dataset / "croissant.json").records(record_set="frames"))
    rows = open_dataset(dataset).table().to_pylist()
    assert len(records) == len(rows)
    for record, row in zip(records, rows, strict=True):
        assert {f"frames/{name}" for name in row} == set(record)
        assert record["frames/participant"].decode() == row["participant"]
        assert record["frames/view_azimuth"] == pytest.approx(row["view_azimuth"])


def test_a_label_table_that_changed_is_noticed_through_the_description(dataset, tmp_path):
    changed = shutil.copytree(dataset, tmp_path / "dataset")
    (changed / "labels.parquet").write_bytes(table_bytes([open_dataset(dataset).table().slice(1)]))
    with pytest.raises(Exception, match=r"Download\(labels.parquet\)"):  # where it compares hashes
        list(mlcroissant.Dataset(jsonld=changed / "croissant.json").records(record_set="frames"))


def test_what_only_people_know_is_blank_in_both(dataset):
    readme = (dataset / "README.md").read_text(encoding="utf-8")
    described = json.loads((dataset / "croissant.json").read_text(encoding="utf-8"))
    for question in ("Licence", "Consent of the participants", "Ethics approval"):
        (line,) = [line for line in readme.splitlines() if f"| {question}" in line]
        assert line.endswith(f"| {BLANK} |")
    for key in ("license", "citeAs", "rai:personalSensitiveInformation", "rai:dataSocialImpact"):
        assert described[key] == BLANK
    assert described["creator"]["name"] == BLANK


def test_an_answered_card_is_valid_croissant_and_every_answer_is_in_it(dataset, tmp_path, caplog):
    opened = open_dataset(dataset)
    answers = CardAnswers(**{key: f"answer to {key.replace('_', ' ')}" for key in QUESTIONS})
    entries = [entry.model_copy(update={"simulated": True}) for entry in opened.manifest.recordings]
    manifest = opened.manifest.model_copy(update={"answers": answers, "recordings": entries})
    files = card_files(manifest, opened.table())
    (tmp_path / "croissant.json").write_bytes(files["croissant.json"])
    with caplog.at_level(logging.WARNING):
        described = mlcroissant.Dataset(jsonld=tmp_path / "croissant.json")
    assert not described.metadata.issues.errors
    assert [line for line in described.metadata.issues.warnings if "datePublished" not in line] == []
    for key in (key.replace("_", " ") for key in QUESTIONS):
        assert f"answer to {key} |" in files["README.md"].decode()
        assert f'"answer to {key}"' in files["croissant.json"].decode()
    assert BLANK not in files["README.md"].decode() + files["croissant.json"].decode()


def test_the_card_says_what_is_in_the_set_and_what_is_missing(dataset):
    readme = (dataset / "README.md").read_text(encoding="utf-8")
    assert "36 samples of 3 participants, from 39 source frames. 92% of the source frames" in readme
    assert "- 0 of 256 reachable cells (0 %) hold 10 samples or more" in readme
    assert "| p01 | 13 | 12 |" in readme
    assert "| no-hand | 3 |" in readme
    assert "sensors: kinect-v1" in readme


def test_a_hostile_name_is_text_in_the_readme(dataset):
    readme = (dataset / "README.md").read_text(encoding="utf-8")
    assert r"| Zoë \| \[x\](y) \<b\> | 13 | 12 |" in readme


def test_the_same_dataset_gives_the_same_card(dataset):
    assert files_of(dataset) == files_of(dataset)


def test_a_dataset_without_a_sample_has_a_card_too(tmp_path):
    folder = make_dataset(tmp_path / "dataset", participants=2, samples=0, angles_deg=np.empty((0, 2)))
    files = files_of(folder)
    assert "No samples: every cell is empty." in files["README.md"].decode()
    json.loads(files["croissant.json"])
