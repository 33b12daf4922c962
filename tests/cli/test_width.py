"""What the commands print fits 80 columns, and the coverage map a terminal of 24 lines."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from labelkit.cli.inspect import _text
from labelkit.curation.alignment import Alignment, Fit
from labelkit.workflows.inspect import inspect
from tests.commands import called, too_wide
from tests.datasets import make_dataset
from tests.golden.make import RAW
from tests.live.conftest import begin, put
from tests.recordings.made import write, write_pairs


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    names = ["p01", "a participant with a name that is as long as a sentence, or longer", "p03"]
    return make_dataset(tmp_path_factory.mktemp("width") / "dataset", participants=names, samples=40)


def test_only_a_path_may_make_a_line_longer():
    path = "/a/folder" * 12
    assert too_wide(f"Written: {path}/of.html (0.3 MB)\nnext: labelkit build-dataset {path}") == []
    assert too_wide(f"{'much to say ' * 7}\n") != []
    assert too_wide(f"{'much to say ' * 6} {path}") != []
    assert too_wide("a/b " * 21) != []


@pytest.mark.parametrize(
    "arguments",
    [
        ("coverage-map", "{dataset}"),
        ("coverage-map", "{dataset}", "--by", "participant", "--out", "{dataset}/../map.svg"),
        ("report", "{dataset}", "--out", "{dataset}/../page.html"),
        ("inspect", str(RAW)),
    ],
)
def test_no_line_is_too_wide(capfd, dataset, arguments):
    _, out, err = called(capfd, *(argument.format(dataset=dataset) for argument in arguments))
    assert len(out.splitlines()) > 1
    assert too_wide(out + err) == []


def test_no_line_of_inspect_is_too_wide_whatever_was_found(tmp_path):
    write_pairs(tmp_path / "raw" / "p1", sidecar=None)
    write(tmp_path / "raw" / "p2" / "1.png", b"")
    shutil.copytree(RAW, tmp_path / "raw" / "all of the recordings of a whole winter" / "session 2")
    result = inspect(tmp_path / "raw")
    wide = {"fx": 1525.001, "fy": 1525.002, "cx": 1319.501, "cy": 1239.502, "distortion": [0.1] * 5}
    shifted = Alignment(frames=24, fit=Fit.SHIFTED, shift_px=(-120.0, 120.0), **_scores())
    recordings = [
        replace(each, intrinsics=wide, color_intrinsics=wide, alignment=shifted, sensor="a sensor of a long name " * 3)
        for each in result.recordings
    ]
    text = _text(replace(result, recordings=tuple(recordings)))
    assert "-120 px right" in text
    assert too_wide(text) == []


def _scores():
    known = {"frames", "fit", "shift_px"}
    return {name: 0.0 for name in Alignment.__dataclass_fields__ if name not in known}


def test_no_line_of_the_painting_game_is_too_wide(tmp_path):
    raw = tmp_path / "raw"
    command = [sys.executable, "-m", "labelkit", "play", str(raw), "--terminal", "--no-cache"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    first = process.stdout.readline()
    put(begin(raw / "a participant with a name that is as long as a sentence, or longer"), 0)
    said = [first, *(process.stdout.readline() for _ in range(2))]
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=60)
    assert "a participant" in said[2]
    assert too_wide("".join(said) + out + err) == []


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_the_coverage_map_fits_a_terminal_of_24_lines_and_the_shell_s_next_line_too(dataset):
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 80))
    environment = {key: value for key, value in os.environ.items() if key not in ("LINES", "COLUMNS", "NO_COLOR")}
    out = ["--out", str(Path(dataset).with_name("map.svg"))]
    process = subprocess.Popen(
        [sys.executable, "-m", "labelkit", "coverage-map", str(dataset), *out],
        stdout=theirs,
        env=environment | {"TERM": "xterm", "PYTHONUTF8": "1"},
    )
    os.close(theirs)
    written = b""
    try:
        while piece := os.read(ours, 65536):
            written += piece
    except OSError:  # how Linux says that the other end is closed
        pass
    assert process.wait(60) == 0
    os.close(ours)
    lines = re.sub(r"\x1b\[[0-9;]*m", "", written.decode()).splitlines()
    assert len(lines) < 24
    assert too_wide("\n".join(lines)) == []
    assert any("of 256 reachable" in line for line in lines)
