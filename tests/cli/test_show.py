"""labelkit show through its real entry point, on the golden recording."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
from PIL import Image

from labelkit.cli.program import run
from labelkit.dataset.dataset import open_dataset
from labelkit.workflows.build_dataset import build_dataset
from tests.golden.make import LABELS, RAW


@pytest.fixture
def labelkit(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)

    def call(*arguments):
        with pytest.raises(SystemExit) as left:
            run(["show", *map(str, arguments)])
        out, err = capsys.readouterr()
        return int(left.value.code or 0), out, err

    return call


def test_a_sample_is_told_in_80_columns_and_drawn_beside_the_user(labelkit):
    code, out, err = labelkit(RAW, "depth_020.png")
    assert (code, err) == (0, "")
    lines = out.splitlines()
    assert re.match(r"sample: azimuth \+\d+\.\d, elevation \+\d+\.\d degrees \(view frame, centred\), sd 0\.\d\d", out)
    assert max(map(len, lines)) <= 80
    for words in ("unit            0.0002 m: p01/recording.toml", "mirrored        no", "region          palm, "):
        assert f"  {words}" in out
    assert lines[-1] == "Written: show-p01-depth-depth_020.png"
    assert Image.open("show-p01-depth-depth_020.png").size[0] == 1800


def test_the_json_is_the_row_that_a_build_writes(labelkit):
    written = {line["frame"]: line for line in json.loads(LABELS.read_text())}
    for frame, expected in written.items():
        code, out, _ = labelkit(RAW, frame, "--json", "--out", "x.svg")
        assert code == 0
        row = json.loads(out)["row"]
        assert "plane_rms" in set(row) & set(expected) or expected["status"] != "sample"
        for key in set(row) & set(expected):
            near = (
                pytest.approx(expected[key], abs=0.1, rel=5e-3) if isinstance(expected[key], float) else expected[key]
            )
            assert row[key] == near, key


@pytest.mark.parametrize(
    ("frame", "says"),
    [
        ("depth_000.png", "rejected: no-hand: "),
        ("depth_045.png", "rejected: missing-pair: no colour picture with it"),
        ("depth_012.png", "rejected: decode: the colour picture is cut short"),
    ],
)
def test_why_a_frame_was_rejected_is_said_drawn_and_no_failure(labelkit, frame, says):
    code, out, err = labelkit(RAW, frame, "--out", "why.png")
    assert (code, err) == (0, "")
    assert out.startswith(says)
    assert Path("why.png").stat().st_size > 10_000


def test_a_frame_that_is_not_there_is_one_line(labelkit):
    code, out, err = labelkit(RAW, "depth_021.png")
    assert (code, out) == (2, "")
    assert "'p01/depth/depth_020.png'" in err
    assert err.count("\n") == 1
    assert list(Path().iterdir()) == []


@pytest.mark.parametrize(
    ("out", "says"),
    [("x.pdf", "written as .png, .svg, not .pdf"), ("x", "has no suffix"), ("raw/x.png", "would count as a frame")],
)
def test_a_picture_that_cannot_be_written_is_refused(labelkit, tmp_path, out, says):
    shutil.copytree(RAW, tmp_path / "raw")
    code, _, err = labelkit("raw", "p01:1", "--out", out)
    assert code == 2
    assert says in err


def test_inside_raw_no_picture_is_left(labelkit, tmp_path, monkeypatch):
    shutil.copytree(RAW, tmp_path / "raw")
    monkeypatch.chdir(tmp_path / "raw")
    code, _, err = labelkit(".", "p01:1")
    assert code == 2
    assert "name a file elsewhere" in err
    assert sorted(map(str, Path().iterdir())) == ["p01", "p02"]


def test_a_frame_of_which_nothing_can_be_read_has_no_picture(labelkit, tmp_path):
    shutil.copytree(RAW, tmp_path / "raw")
    for picture in ("depth/depth_020.png", "color/color_020.jpg"):
        (tmp_path / "raw" / "p01" / picture).write_bytes(b"")
    code, out, _ = labelkit("raw", "p01:1")
    assert code == 0
    assert out.startswith("rejected: decode: ")
    assert out.endswith("No picture: nothing of the frame could be read.\n")
    assert [*map(str, Path().iterdir())] == ["raw"]


def test_the_settings_are_those_of_a_build(labelkit):
    code, out, _ = labelkit(RAW, "p01:1", "--max-tilt-deg", "10", "--out", "x.svg")
    assert code == 0
    assert out.startswith("rejected: too-oblique: ")
    assert "points" in out
    Path("build.toml").write_text("max_tilt_deg = 10.0\nworkers = 2\n")
    assert labelkit(RAW, "p01:1", "--config", "build.toml", "--out", "x.svg")[1] == out
    assert labelkit(RAW, "p01:1", "--workers", "2")[0] == 2


def test_hostile_names_do_not_reach_the_terminal(labelkit, tmp_path):
    shutil.copytree(RAW / "p01", tmp_path / "raw" / "$x^{$")
    sidecar = tmp_path / "raw" / "$x^{$" / "recording.toml"
    sidecar.write_text(sidecar.read_text().replace("[recording]", '[recording]\nparticipant = "a\\u001b[2J"'))
    code, out, err = labelkit("raw", "depth_020.png")
    assert (code, err) == (0, "")
    assert "\x1b" not in out
    assert "Written: show-x-depth-depth_020.png" in out


def test_a_row_of_a_dataset_is_shown_without_its_recording(labelkit, tmp_path):
    build_dataset(RAW, tmp_path / "dataset")
    row = int(open_dataset(tmp_path / "dataset").rows[0])
    code, out, err = labelkit("dataset", row)
    assert (code, err) == (0, "")
    assert out.startswith("sample: azimuth")
    assert max(map(len, out.splitlines())) <= 80
    assert out.splitlines()[-1] == f"Written: show-row-{row}.png"
    code, _, err = labelkit("dataset", row, "--max-tilt-deg", "10")
    assert code == 2
    assert "--max-tilt-deg" in err
    code, _, err = labelkit(RAW, "p01:1", "--raw", RAW)
    assert code == 2
    assert "--raw" in err
