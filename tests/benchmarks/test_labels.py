"""The benchmark of the labels runs, and says what it could not measure."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import labelkit

SCRIPT = Path(labelkit.__file__).parents[1] / "benchmarks" / "labels.py"


@pytest.mark.sweep
def test_a_tiny_run_gives_every_figure_and_names_the_data_that_are_missing(tmp_path):
    out = tmp_path / "labels.json"
    size = ["--participants", "2", "--frames", "4", "--spread-frames", "1"]
    environment = {**os.environ, "LABELKIT_TEST_DATA": str(tmp_path / "nowhere")}
    ran = subprocess.run(
        [sys.executable, SCRIPT, *size, "--out", out], capture_output=True, text=True, env=environment, timeout=600
    )
    assert ran.returncode == 0, ran.stderr
    result = json.loads(out.read_text(encoding="utf-8"))
    assert set(result["clouds"]) == {"simulator, palm found", "simulator, hand found"}
    for cloud in result["clouds"].values():
        for name, figures in cloud["methods"].items():
            expected = {"median_deg", "p95_deg"} | ({"spread_deg", "ms"} if name != "oracle" else set())
            assert expected <= set(figures), name
    assert 0 <= result["full_path"]["recall"] <= 1
    assert result["time"]["decode_ms"] > 0
    assert result["same_bytes"]
    assert result["missing"] == ["boards", "hand_mesh_truth", "kinect_v1_openni"]
    assert "missing: boards" in ran.stdout
    assert max(map(len, ran.stdout.splitlines()[:-1])) <= 100
    met = {target: met for target, _, met in result["must_show"]}
    assert met["boards: median <= 0.35 deg"] is None
    assert met["the same bytes from 1 and 2 workers"] is True
