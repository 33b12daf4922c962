"""The golden recording: a few simulated frames at half size, some of them damaged, and their labels.

    python -m tests.golden.make              # writes labels.json anew: when labels are meant to change
    python -m tests.golden.make recording    # makes the recording anew: hardly ever

Both from the repository's root. tests/building/test_golden.py compares.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from labelkit.dataset.dataset import open_dataset
from labelkit.settings import SimulateSettings
from labelkit.workflows.build_dataset import build_dataset
from labelkit.workflows.simulate import simulate

RAW = Path(__file__).parent / "raw"
LABELS = Path(__file__).parent / "labels.json"
FRAMES = {"p01": (0, 20, 45), "p02": (12, 30)}  # p01's first has no hand yet
STATED = """[recording]
sensor = "kinect-v1"
handedness = "{handedness}"
depth_unit_m = 0.0002
registered = true

[intrinsics]  # half of 525 525 319.5 239.5, in pixel centres
fx = 262.5
fy = 262.5
cx = 159.5
cy = 119.5
width = 320
height = 240
"""


def make_recording() -> None:
    """Simulate, halve, and leave only what the golden recording holds."""
    shutil.rmtree(RAW, ignore_errors=True)
    with tempfile.TemporaryDirectory() as folder:
        simulate(Path(folder), SimulateSettings(participants=2, frames=60, seed=6), quiet=True)
        for name, frames in FRAMES.items():
            source = Path(folder) / "raw" / name
            left = 'handedness = "left"' in (source / "recording.toml").read_text()
            for kind in ("color", "depth"):
                (RAW / name / kind).mkdir(parents=True)
            (RAW / name / "recording.toml").write_text(STATED.format(handedness="left" if left else "right"))
            depth, color = (sorted((source / kind).iterdir()) for kind in ("depth", "rgb"))
            for k in frames:
                halved = cv2.imread(str(depth[k]), cv2.IMREAD_UNCHANGED)[::2, ::2]
                cv2.imwrite(str(RAW / name / "depth" / f"depth_{k:03d}.png"), halved)
                small = cv2.resize(cv2.imread(str(color[k])), (320, 240), interpolation=cv2.INTER_AREA)
                cv2.imwrite(str(RAW / name / "color" / f"color_{k:03d}.jpg"), small)
    whole = RAW / "p02" / "color" / "color_012.jpg"
    whole.write_bytes(whole.read_bytes()[:2000])  # its copy was cut short
    (RAW / "p01" / "color" / "color_045.jpg").rename(RAW / "p01" / "color" / "color_046.jpg")  # lost its partner


def labels(out: Path) -> list[dict[str, Any]]:
    """Build a dataset from the golden recording and tell it in plain values, rounded for reading."""
    build_dataset(RAW, out)
    dataset = open_dataset(out)
    place = {int(row): index for index, row in enumerate(dataset.rows)}
    told = []
    for number, row in enumerate(dataset.table().to_pylist()):
        line = {key: round(value, 2) if isinstance(value, float) else value for key, value in row.items()}
        if number in place:
            sample = dataset[place[number]]
            line["crop"] = sample["crop"].tolist()
            for size in (128, 64, 32):
                line[f"rgb{size} mean"] = np.round(sample[f"rgb{size}"].mean(axis=(0, 1)), 1).tolist()
        told.append({key: value for key, value in line.items() if value is not None})
    return told


def write_labels() -> None:
    """Write labels.json as the build now makes them."""
    with tempfile.TemporaryDirectory() as folder:
        LABELS.write_text(json.dumps(labels(Path(folder) / "dataset"), indent=1) + "\n")


if __name__ == "__main__":
    if sys.argv[1:] == ["recording"]:
        make_recording()
    write_labels()
