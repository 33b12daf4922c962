"""labelkit report through the entry point that users call."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.commands import are_said
from tests.datasets import make_dataset

PROGRAM = shutil.which("labelkit", path=Path(sys.executable).parent) or "labelkit"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("session")
    make_dataset(home / "dataset", participants=3, samples=10)
    (home / "raw").mkdir()
    return home


def labelkit(folder, *arguments):
    return subprocess.run([PROGRAM, "report", *arguments], capture_output=True, text=True, cwd=folder, timeout=120)


def test_the_dataset_in_the_current_folder_is_the_default(folder):
    done = labelkit(folder)
    assert done.returncode == 0
    said = done.stderr.splitlines()
    assert len(said) == 3
    assert are_said(done.stderr, "comparing its 4 files", "all hashes match", "looking for doubtful labels")
    assert "30 samples" in done.stdout
    assert "3 frames rejected" in done.stdout
    assert f"Written: {(folder / 'dataset-report.html').resolve()}" in done.stdout
    assert (folder / "dataset-report.html").read_bytes().startswith(b"<!doctype html>")


def test_json_is_one_object_and_quiet_is_silent_and_every_flag_is_heard(folder):
    flags = ["dataset", "--raw", "raw", "--no-check", "--target", "1", "--cells", "equal-area", "--frame", "camera"]
    done = labelkit(folder, *flags, "--distinct-deg", "0", "--json", "--out", "new/a.html")
    found = json.loads(done.stdout)
    assert (found["samples"], found["distinct"], found["out"]) == (30, 30, "new/a.html")
    assert found["bytes"] == (folder / "new" / "a.html").stat().st_size
    assert "camera frame" in (folder / "new" / "a.html").read_text(encoding="utf-8")
    quiet = labelkit(folder, "--quiet", "--out", "b.html")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere"], "nowhere: no such dataset folder"),
        (["--raw", "nowhere"], "nowhere: no such folder of recordings"),
        (["--out", "a.txt"], "--out a.txt: is written as .html, not .txt"),
        (["--distinct-deg", "-1"], "distinct-deg must be greater than or equal to 0"),
        (["--cells", "round"], "'round' is not one of 'square', 'equal-area'"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(folder, arguments, words):
    done = labelkit(folder, *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert words in done.stderr
    assert done.stderr.count("\n") == 1
