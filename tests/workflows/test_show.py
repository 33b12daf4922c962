from __future__ import annotations

import dataclasses
import shutil

import numpy as np
import pytest

from labelkit.dataset.dataset import open_dataset
from labelkit.imaging.segment import Hand
from labelkit.labelling import label
from labelkit.settings import BuildSettings
from labelkit.workflows.build_dataset import build_dataset
from labelkit.workflows.show import explain, show
from tests.golden.make import RAW


@pytest.mark.parametrize("settings", [BuildSettings(), BuildSettings(seed=5, crop="box", region="hand")])
def test_what_is_shown_is_to_the_bit_what_a_build_stores(tmp_path, settings):
    build_dataset(RAW, tmp_path / "dataset", settings)
    rows = open_dataset(tmp_path / "dataset").table().to_pylist()
    assert rows
    for stored in rows:
        shown = show(RAW, stored["frame"], tmp_path / "x.svg", settings)
        assert shown.row
        for key, value in shown.row.items():
            assert stored[key] == (np.float32(value) if isinstance(value, float) else value), key


def test_the_picture_is_the_same_each_time(tmp_path):
    for name in ("a", "b"):
        show(RAW, "p01:1", tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_recordings_are_not_touched(tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(RAW, raw)
    before = {path: path.stat() for path in raw.rglob("*")}
    show(raw, "p01:1", tmp_path / "x.png")
    assert {path: path.stat().st_mtime_ns for path in raw.rglob("*")} == {
        path: about.st_mtime_ns for path, about in before.items()
    }


def test_a_hand_without_a_pixel_is_no_hand_to_draw(tmp_path, monkeypatch):
    def empty(depth_m, **_):
        nothing = np.zeros((4, 4), bool)
        return Hand((0, 0), nothing, nothing, np.zeros(2), 0.04, 0.7, np.array([0.0, 1.0]))

    monkeypatch.setattr(label, "find_hand", empty)
    shown = show(RAW, "p01:1", tmp_path / "x.svg")
    assert shown.row["reason"] == "too-few-points"
    assert explain(RAW, "p01:1").scene.hand is None


def test_the_result_is_plain_values(tmp_path):
    import json

    shown = show(RAW, "p02:1", tmp_path / "x.svg")
    assert json.loads(json.dumps(dataclasses.asdict(shown)))["row"]["mirrored"] is True
    assert shown.words()[1][1][-1] == ("mirrored", "yes: left, stored as right")
