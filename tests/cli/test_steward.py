"""A data steward's whole path: state the licence, extend the dataset, verify it, share it, take somebody out."""

from __future__ import annotations

import json
import shutil

import mlcroissant

from tests.building.conftest import write_recording
from tests.commands import called

LICENCE, CONSENT = "CC-BY-4.0", "in writing; a letter to Ada | the group withdraws it"
BUILD = ("--workers", "1", "--max-rejected", "1")


def write_simulated(folder):
    """Write a recording of two hands that says that it shows no person."""
    sidecar = write_recording(folder, "hh") / "recording.toml"
    sidecar.write_text(sidecar.read_text().replace("[recording]", "[recording]\nsimulated = true"))


def assert_stated(folder, samples, people):
    """The three files say the same: counts, licence, consent, and that all of it is simulated."""
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["samples"] == samples
    assert list(manifest["participants"]) == people
    assert (manifest["answers"]["licence"], manifest["answers"]["consent"]) == (LICENCE, CONSENT)
    assert [entry["simulated"] for entry in manifest["recordings"]] == [True] * len(people)

    readme = (folder / "README.md").read_text()
    assert f"{samples} samples of {len(people)} participants" in readme
    assert f"| licence | Licence | {LICENCE} |" in readme
    assert CONSENT.replace("|", r"\|") in readme
    assert "All of it is simulated: no person was recorded." in readme

    described = mlcroissant.Dataset(jsonld=folder / "croissant.json").metadata
    assert described.license == [f"https://spdx.org/licenses/{LICENCE}.html"]
    assert described.data_release_maintenance_plan == CONSENT
    assert described.keywords == ["simulated"]
    assert "All of it is simulated" in described.description


def test_the_path_of_a_steward(tmp_path, monkeypatch, capfd):
    monkeypatch.chdir(tmp_path)
    write_simulated(tmp_path / "raw" / "p01")
    write_simulated(tmp_path / "raw" / "p02")

    def runs(*words):
        code, out, err = called(capfd, *words)
        assert code == 0, err
        return out

    runs("build-dataset", "raw", *BUILD)
    assert "changed: licence, consent" in runs("card", "--set", f"licence={LICENCE}", "--set", f"consent={CONSENT}")
    assert_stated(tmp_path / "dataset", 4, ["p01", "p02"])

    write_simulated(tmp_path / "raw" / "p03")
    assert "dataset: 6 samples of 3 participants in 3 shards, from 6 frames" in runs("build-dataset", "raw", *BUILD)
    assert_stated(tmp_path / "dataset", 6, ["p01", "p02", "p03"])
    assert "verified, 6 files and the manifest" in runs("verify")

    shared = shutil.copytree(tmp_path / "dataset", tmp_path / "at others" / "hands")
    assert "6 frames, 6 samples" in runs("verify", shared)
    (shared / "README.md").write_text((shared / "README.md").read_text().replace(LICENCE, "CC0-1.0"))
    code, out, _ = called(capfd, "verify", shared)
    assert code == 4
    assert out.startswith("changed        README.md: ")

    assert "nothing was changed" in runs("withdraw", "dataset", "p02")
    assert "dataset held 2 rows of 'p02', 2 samples in 1 shard" in runs("withdraw", "dataset", "p02", "--yes")
    assert_stated(tmp_path / "dataset", 4, ["p01", "p03"])
    assert "4 frames, 4 samples" in runs("verify")
    assert runs("withdraw", "dataset", "p02", "--yes") == "dataset: 'p02' was withdrawn before\n"

    code, _, err = called(capfd, "build-dataset", "raw", *BUILD)
    assert code == 2
    assert "p02" in err
    shutil.rmtree(tmp_path / "raw" / "p02")
    runs("build-dataset", "raw", *BUILD)
    assert_stated(tmp_path / "dataset", 4, ["p01", "p03"])
