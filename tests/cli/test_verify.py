from __future__ import annotations

import json
import shutil

import pytest

from labelkit.dataset.dataset import open_dataset
from tests.commands import called
from tests.datasets import make_dataset


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("made") / "set", participants=2, samples=2)


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "set")


def test_a_dataset_that_is_whole_is_code_0_and_one_line(capfd, folder):
    code, out, err = called(capfd, "verify", folder)
    assert (code, err) == (0, "")
    assert out.startswith(f"{folder}: verified, 3 files and the manifest, ")
    assert out.endswith("6 frames, 4 samples\n")
    assert called(capfd, "verify", folder, "--quiet") == (0, "", "")


def spoil(folder):
    (folder / "shards" / "p01-0000.h5").write_bytes(b"x")
    (folder / "labels.parquet").unlink()
    (folder / "a\x1b[2J").write_text("")


@pytest.mark.parametrize("flags", [[], ["--quiet"]])
def test_every_finding_is_a_line_and_the_code_is_4(capfd, folder, flags):
    spoil(folder)
    code, out, _ = called(capfd, "verify", folder, *flags)
    assert code == 4
    changed, foreign, missing, total = sorted(out.splitlines())[1:] + sorted(out.splitlines())[:1]
    assert changed.startswith("changed        shards/p01-0000.h5: is 1 bytes, the manifest says ")
    assert foreign == "foreign        a\\x1b[2J: the manifest does not name it"
    assert missing == "missing        labels.parquet: the manifest names it"
    assert total == f"{folder}: 3 findings"


def test_json_is_one_object_with_the_same_list(capfd, folder):
    code, out, _ = called(capfd, "verify", folder, "--json")
    told = json.loads(out)
    assert (code, told["ok"], told["findings"], told["samples"]) == (0, True, [], 4)
    assert told["dataset_sha256"] == open_dataset(folder).manifest.digest()
    spoil(folder)
    code, out, _ = called(capfd, "verify", folder, "--json")
    told = json.loads(out)
    assert (code, told["ok"]) == (4, False)
    assert {"fault": "missing", "file": "labels.parquet", "says": "the manifest names it"} in told["findings"]


def test_a_folder_without_a_dataset_is_code_2(capfd, tmp_path):
    code, out, err = called(capfd, "verify", tmp_path / "none")
    assert (code, out) == (2, "")
    assert "cannot be opened as a dataset folder (No such file or directory); make one with: labelkit build-data" in err
