"""labelkit coverage-map through the entry point that users call."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.datasets import make_dataset

PROGRAM = shutil.which("labelkit", path=Path(sys.executable).parent) or "labelkit"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    home = tmp_path_factory.mktemp("session")
    make_dataset(home / "dataset", participants=["p01", "Zoë"], samples=30)
    return home


def labelkit(folder, *arguments, **environment):
    plain = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    return subprocess.run(
        [PROGRAM, "coverage-map", *arguments],
        capture_output=True,
        cwd=folder,
        env={**plain, "PYTHONUTF8": "1", **environment},
        timeout=120,
    )


def test_the_dataset_in_the_current_folder_is_the_default(folder):
    done = labelkit(folder)
    assert (done.returncode, done.stderr) == (0, b"")
    lines = done.stdout.decode().splitlines()
    assert lines[0] == "dataset: 60 samples of 2 participants, view frame"
    assert any("of 256 reachable cells" in line for line in lines)
    assert max(map(len, lines)) <= 80
    assert "\x1b" not in done.stdout.decode()


def test_every_flag_is_heard(folder, tmp_path):
    out = tmp_path / "new" / "map.svg"
    flags = ["--by", "participant", "--frame", "camera", "--cell-deg", "15", "--reach-deg", "30", "--target", "3"]
    done = labelkit(folder, "dataset", "--out", str(out), *flags)
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    assert "camera frame" in text
    assert "of 12 reachable cells" in text
    assert "hold 3 samples or more" in text
    assert "\nZoë" in text
    assert text.endswith(f"Written: {out}\n")
    assert "Zoë" in out.read_text(encoding="utf-8")


def test_by_split_shows_train_validation_and_test(tmp_path):
    make_dataset(tmp_path / "dataset", participants=4, samples=5)
    done = labelkit(tmp_path, "--by", "split", "--cells", "equal-area", "--out", "map.html")
    assert (done.returncode, done.stderr) == (0, b"")
    text = done.stdout.decode()
    table = text[text.index("\nsplit ") :].splitlines()[2:5]
    assert {line.split()[0] for line in table} == {"train", "validation", "test"}
    assert max(map(len, text.splitlines())) <= 80
    assert "Coverage of dataset" in (tmp_path / "map.html").read_text(encoding="utf-8")


def test_json_is_one_object_and_quiet_is_silent(folder, tmp_path):
    done = labelkit(folder, "--json", "--target", "2")
    plain = json.loads(done.stdout, parse_constant=pytest.fail)
    assert (plain["samples"], plain["target"], set(plain["participants"])) == (60, 2, {"p01", "Zoë"})
    quiet = labelkit(folder, "--quiet", "--out", str(tmp_path / "map.json"), "--target", "2")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, b"", b"")
    assert json.loads((tmp_path / "map.json").read_text(encoding="utf-8")) == plain


def test_an_output_without_unicode_gets_ascii(folder):
    done = labelkit(folder, "--by", "participant", PYTHONUTF8="0", PYTHONIOENCODING="ascii")
    assert done.returncode == 0
    assert done.stdout.isascii()
    assert b"Zo\\xeb" in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["nowhere"], 2, "nowhere: no such dataset folder"),
        (["--out", "map.pdf"], 2, "--out map.pdf: is written as .png, .svg, .html, .json, .csv, not .pdf"),
        (["--cell-deg", "9", "--reach-deg", "8"], 2, "cell-deg must be more than 0 and at most reach-deg (8), not 9"),
        (["--cell-deg", "0.001"], 2, "cell-deg must be greater than or equal to 2"),
        (["--target", "0"], 2, "target must be greater than or equal to 1"),
        (["--by", "split"], 2, "a split needs samples of at least 3 participants"),
        (["--run", "nowhere"], 2, "nowhere"),
        (["--live", "recordings"], 2, "labelkit play recordings"),
        (["--live"], 2, "labelkit play RAW"),
        (["--live", "recordings", "--terminal"], 2, "labelkit play recordings"),
        (["--by", "hand"], 2, "'hand' is not one of 'participant', 'split'"),
    ],
)
def test_what_cannot_be_is_said_in_one_line(folder, arguments, code, words):
    done = labelkit(folder, *arguments)
    assert (done.returncode, done.stdout) == (code, b"")
    message = done.stderr.decode()
    assert words in message
    assert message.count("\n") == 1


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
@pytest.mark.parametrize(
    ("environment", "colored"),
    [({}, True), ({"NO_COLOR": "1"}, False), ({"NO_COLOR": ""}, True), ({"TERM": "dumb"}, False)],
)
def test_colour_is_for_terminals_and_without_no_color(folder, environment, colored):
    import pty

    ours, theirs = pty.openpty()
    plain = {key: value for key, value in os.environ.items() if key != "NO_COLOR"}
    process = subprocess.Popen(
        [PROGRAM, "coverage-map", "--target", "1"],
        stdout=theirs,
        cwd=folder,
        env={**plain, "PYTHONUTF8": "1", "TERM": "xterm-256color", **environment},
    )
    os.close(theirs)
    written = b""
    while True:
        try:
            chunk = os.read(ours, 4096)
        except OSError:  # Linux says so when the other side is closed
            break
        if not chunk:
            break
        written += chunk
    os.close(ours)
    assert process.wait() == 0
    assert (b"\x1b[48;5;" in written) is colored
