"""Containers that others recorded with real sensors, from the file to a dataset that verifies."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from labelkit.recordings import find_recordings
from labelkit.recordings.readers.azure_mkv import calibration_from_json
from labelkit.records import Frame

pytestmark = pytest.mark.real


def copied(data: Path, name: str, to: Path) -> Path:
    """Copy a folder as one that a participant's recording is in."""
    shutil.copytree(data / name, to / "raw" / "p01")
    return to / "raw"


def labelkit(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labelkit", *map(str, words)], capture_output=True, text=True, check=False
    )


def build(raw: Path, *flags: str) -> dict:
    """Build a dataset with its command, verify it, and give what the build says."""
    out = raw.parent / "dataset"
    built = labelkit("build-dataset", raw, "--out", out, "--max-rejected", "1", "--json", *flags)
    assert built.returncode == 0, built.stderr
    assert built.stderr.count("\n") <= 1, "no library reports on its own"
    assert labelkit("verify", out).returncode == 0
    return json.loads(built.stdout)


def test_organised_clouds_of_a_kinect_show_its_camera(real_data: Path, tmp_path: Path) -> None:
    raw = copied(real_data, "pcd", tmp_path)
    (recording,) = find_recordings(raw)
    camera = recording.calibration.depth
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((525, 525, 320, 240), abs=0.5)
    for index in range(len(recording)):
        frame = recording[index]
        assert isinstance(frame, Frame)
        assert 0.5 < np.nanmedian(frame.depth_m) < 2
        assert frame.read_color().std() > 20
    assert build(raw, "--with-depth")["frames"] == 2


def test_an_azure_recording_brings_its_calibration(real_data: Path, tmp_path: Path) -> None:
    raw = copied(real_data, "azure_mkv", tmp_path)
    (recording,) = find_recordings(raw)
    frame = recording[0]
    assert isinstance(frame, Frame)
    assert frame.depth_m.shape == (576, 640)
    assert 1 < np.nanmedian(frame.depth_m) < 2
    assert frame.read_color().shape == (720, 1280, 3)
    beside = calibration_from_json((real_data / "azure_mkv/calibration.json").read_bytes(), (640, 576), (1280, 720))
    assert recording.calibration.color.fx == pytest.approx(beside["color_intrinsics"]["fx"])
    assert np.linalg.norm(recording.calibration.color_from_depth[:3, 3]) == pytest.approx(0.032, abs=0.003)
    assert build(raw)["frames"] == 1
