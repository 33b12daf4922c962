"""The benchmark of the painting game runs, and its walks are what it says they are."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest

import labelkit
from labelkit.cells import Cells

SCRIPT = Path(labelkit.__file__).parents[1] / "benchmarks" / "live.py"


@pytest.fixture(scope="module")
def live():
    spec = importlib.util.spec_from_file_location("live", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize("turn_deg", [None, 30.0])
def test_a_walk_goes_the_greatest_speed_in_the_disc_and_comes_everywhere(live, turn_deg):
    walk = live.Walk(np.random.default_rng(0), turn_deg)
    path = np.array([walk((0.0, 0.0), np.zeros(1)) for _ in range(20_000)])
    steps = np.linalg.norm(np.diff(path, axis=0), axis=1)
    radius = np.linalg.norm(path, axis=1)
    assert radius.max() <= 45.0
    assert np.allclose(steps[(radius[1:] < 40) & (radius[:-1] < 40)], 60 / 15)
    assert np.mean(radius < 22.5) == pytest.approx(0.25, abs=0.06)  # evenly, by area


def test_a_game_goes_on_until_enough_cells_are_full_and_the_arrows_beat_the_walk(live, monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(live, "CELLS", Cells(15.0))  # 32 cells: a game takes a second
    monkeypatch.setattr(sys, "argv", ["live.py", "--seeds", "2", "--out", str(tmp_path / "live.json")])
    live.main()
    guidance = json.loads((tmp_path / "live.json").read_text(encoding="utf-8"))["guidance"]
    assert guidance["fewest_possible"] == 310
    for way in live.WAYS:
        assert all(frames > 310 for frames in guidance["frames"][way])
    assert max(guidance["ratios"]["random walk"]) < 0.8
    assert guidance["ratios"]["whim"] == [
        a / b for a, b in zip(guidance["frames"]["arrows"], guidance["frames"]["whim"], strict=True)
    ]
    assert max(map(len, capsys.readouterr().out.splitlines())) <= 80 + len(str(tmp_path))
