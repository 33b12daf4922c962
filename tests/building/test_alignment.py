"""A build says of each recording whether its colour lies on its depth, and so do inspect and the report."""

from __future__ import annotations

import shutil

import cv2
import numpy as np
import pytest

from labelkit.dataset.manifest import read_manifest
from labelkit.settings import BuildSettings
from labelkit.workflows.build_dataset import build_dataset
from labelkit.workflows.inspect import inspect
from labelkit.workflows.report import report_dataset

ONE = BuildSettings(workers=1)


def change_pictures(folder, change):
    for path in folder.iterdir():
        stored = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_UNCHANGED)
        path.write_bytes(cv2.imencode(".png", change(stored))[1].tobytes())


@pytest.fixture(scope="module")
def raw(simulated, tmp_path_factory):
    raw = tmp_path_factory.mktemp("misaligned") / "raw"
    shutil.copytree(simulated / "raw", raw)
    change_pictures(raw / "p02" / "depth", lambda stored: np.ascontiguousarray(stored[:, ::-1]))
    change_pictures(raw / "p03" / "rgb", lambda stored: np.roll(stored, 30, axis=1))
    return raw


def test_a_build_warns_of_what_does_not_belong_together_and_the_report_shows_it(raw, tmp_path, caplog):
    build_dataset(raw, tmp_path / "set", ONE)
    warned = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert [message.split(":")[0] for message in warned] == ["p02", "p03"]
    fits = {entry.name: entry.alignment for entry in read_manifest(tmp_path / "set").recordings}
    assert {name: fit.fit for name, fit in fits.items()} == {"p01": "aligned", "p02": "mirrored", "p03": "shifted"}
    assert fits["p03"].shift_px[0] == pytest.approx(30, abs=4)
    page = report_dataset(tmp_path / "set", out=tmp_path / "report.html").out
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page
    assert all(words in text for words in ("mirrored (", "shifted (", "aligned (", "mirror image"))


def test_a_dataset_that_grows_keeps_what_is_known_of_its_recordings(raw, simulated, tmp_path):
    shutil.copytree(raw / "p02", tmp_path / "raw" / "p02")
    build_dataset(tmp_path / "raw", tmp_path / "set", ONE)
    before = read_manifest(tmp_path / "set").recordings
    shutil.copytree(simulated / "raw" / "p01", tmp_path / "raw" / "p01")
    build_dataset(tmp_path / "raw", tmp_path / "set", ONE)
    after = read_manifest(tmp_path / "set").recordings
    assert [entry.alignment.fit for entry in after] == ["aligned", "mirrored"]
    assert before[0].alignment == after[1].alignment


def test_inspect_calls_it_a_problem(raw):
    found = inspect(raw)
    assert [len(recording.problems) for recording in found.recordings] == [0, 1, 1]
    assert "mirror" in found.recordings[1].problems[0]
    assert "px right" in found.recordings[2].problems[0]
