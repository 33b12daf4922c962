"""labelkit build-dataset through its entry point, on good input and on every kind of bad input."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import cv2
import numpy as np
import pytest

import labelkit
from tests.commands import called
from tests.golden.make import RAW


@pytest.fixture
def raw(tmp_path):
    return shutil.copytree(RAW, tmp_path / "raw")


def frames(dataset):
    return {row["frame"]: row["reason"] or "sample" for row in labelkit.open_dataset(dataset).table().to_pylist()}


def test_a_build_says_what_it_made_and_what_to_type_next(capfd, raw, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    code, out, err = called(capfd, "build-dataset", "raw", "--max-rejected", "1", "--workers", "1")
    assert (code, err) == (0, "")
    assert "dataset: 2 samples of 2 participants in 2 shards, from 6 frames" in out
    assert "2 missing-pair, 1 decode, 1 no-hand" in out
    assert out.endswith("next: labelkit coverage-map dataset\n")
    assert all(len(line) <= 80 for line in out.splitlines())
    code, out, _ = called(capfd, "build-dataset", "raw", "--max-rejected", "1")
    assert "nothing to do" in out


def test_json_is_one_object_and_nothing_else(capfd, raw, tmp_path):
    code, out, err = called(capfd, "build-dataset", raw, "--out", tmp_path / "d", "--json", "--max-rejected", "1")
    assert (code, err) == (0, "")
    told = json.loads(out)
    assert (told["frames"], told["samples"], told["rejected"]["decode"]) == (6, 2, 1)


def test_quiet_is_silent(capfd, raw, tmp_path):
    arguments = ("build-dataset", raw, "--out", tmp_path / "d", "--quiet", "--max-rejected", "1")
    assert called(capfd, *arguments) == (0, "", "")


def test_too_many_rejections_are_exit_code_3_with_the_dataset_made(capfd, raw, tmp_path):
    code, _, err = called(capfd, "build-dataset", raw, "--out", tmp_path / "d")
    assert code == 3
    assert "67% of the frames were rejected, more than --max-rejected 0.5" in err
    assert len(labelkit.open_dataset(tmp_path / "d")) == 2


def test_a_dry_run_writes_nothing(capfd, raw, tmp_path):
    code, out, _ = called(capfd, "build-dataset", raw, "--out", tmp_path / "d", "--dry-run")
    assert code == 0
    assert "6 frames of 2 participants in at most 2 shards" in out
    assert not (tmp_path / "d").exists()


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda raw: shutil.rmtree(raw), "there is no such folder"),
        (lambda raw: [shutil.rmtree(child) for child in raw.iterdir()], "it holds no picture"),
        (lambda raw: shutil.rmtree(raw / "p01" / "depth"), "no reader recognises"),
        (lambda raw: (raw / "p01" / "recording.toml").unlink(), "the unit of the depth is not stated"),
        (lambda raw: state(raw, "depth_unit_m = 0.0002", ""), "depth_unit_m = ?"),
        (lambda raw: state(raw, "fx = 262.5", ""), "fx = ?"),
        (lambda raw: state(raw, "fx", "fxx"), "unknown key 'fxx' in [intrinsics]; did you mean 'fx'?"),
        (lambda raw: state(raw, "= 320", "= 640"), "the depth pictures are 320x240, but [intrinsics] is for 640x240"),
    ],
)
def test_input_that_cannot_be_read_is_told_with_its_cure(capfd, raw, tmp_path, spoil, words):
    spoil(raw)
    code, out, err = called(capfd, "build-dataset", raw, "--out", tmp_path / "d")
    assert (code, out) == (2, "")
    assert err.startswith("labelkit: error: ")
    assert words in err
    assert "Traceback" not in err
    assert not (tmp_path / "d").exists()


def state(raw, old, new):
    path = raw / "p01" / "recording.toml"
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "decode"),
        (b"no picture", "decode"),
        ("truncated", "decode"),
        (np.zeros((240, 320), np.uint8), "decode"),  # 8 bits: a picture of the depth, not the depth
        (np.zeros((240, 320, 3), np.uint16), "decode"),
        (np.zeros((240, 320), np.uint16), "no-hand"),  # nothing seen anywhere
        (np.full((240, 320), 65535, np.uint16), "no-hand"),
        (np.full((240, 320), 4000, np.uint16), "no-hand"),  # a wall
        (np.zeros((120, 160), np.uint16), "size"),
    ],
)
def test_a_bad_depth_picture_costs_its_frame_and_no_other(raw, tmp_path, content, reason):
    path = raw / "p01" / "depth" / "depth_020.png"
    if isinstance(content, str):
        content = path.read_bytes()[: path.stat().st_size // 2]
    path.write_bytes(content if isinstance(content, bytes) else cv2.imencode(".png", content)[1].tobytes())
    labelkit.build_dataset(raw, tmp_path / "d")
    told = frames(tmp_path / "d")
    assert told.pop("p01/depth/depth_020.png") == reason
    assert sorted(told.values()) == ["decode", "missing-pair", "missing-pair", "no-hand", "sample"]


def test_a_bad_colour_picture_costs_its_frame_and_no_other(raw, tmp_path):
    (raw / "p02" / "color" / "color_030.jpg").write_bytes(b"")
    labelkit.build_dataset(raw, tmp_path / "d")
    told = frames(tmp_path / "d")
    assert told.pop("p02/depth/depth_030.png") == "decode"
    assert sorted(told.values()) == ["decode", "missing-pair", "missing-pair", "no-hand", "sample"]


def test_a_dataset_without_a_single_sample_is_still_a_dataset(raw, tmp_path):
    for path in raw.glob("*/color/*.jpg"):
        path.unlink()
    for path in raw.glob("*/depth/*.png"):
        path.with_name(path.name).rename(path.parents[1] / "color" / path.name)
    cv2.imwrite(str(raw / "p01" / "depth" / "d_1.png"), np.zeros((240, 320), np.uint16))
    shutil.rmtree(raw / "p02")
    labelkit.build_dataset(raw, tmp_path / "d")
    dataset = labelkit.open_dataset(tmp_path / "d")
    assert (len(dataset), len(dataset.table())) == (0, 4)


def test_output_that_cannot_be_written_is_exit_code_5(capfd, raw, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = called(capfd, "build-dataset", raw, "--out", tmp_path / "file" / "d")
    assert (code, out) == (5, "")
    assert "in the way of a folder" in err


@pytest.mark.parametrize("workers", ["1", "2"])
def test_ctrl_c_leaves_one_line_no_half_written_file_and_a_build_that_goes_on(raw, tmp_path, workers):
    for copy in range(30):
        shutil.copytree(raw / "p02", raw / f"q{copy:02d}")
    out = tmp_path / "d"
    arguments = [sys.executable, "-m", "labelkit", "build-dataset", raw, "--out", out, "--workers", workers]
    process = subprocess.Popen(arguments, stderr=subprocess.PIPE, text=True, start_new_session=True)
    deadline = time.monotonic() + 60
    while not list(out.glob(".build/*.h5")) and time.monotonic() < deadline:
        time.sleep(0.01)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the parent and its workers
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err.lstrip().startswith(f"labelkit: error: interrupted; {out} keeps the shards that are done; ")
    assert err.strip().count("\n") == 0
    assert not (out / "manifest.json").exists()
    assert not list(out.rglob("*.part"))
    labelkit.build_dataset(raw, out)
    labelkit.open_dataset(out).check_hashes()
