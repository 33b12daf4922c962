"""What was made to harm its reader ends in one clear line, within limits of memory and time."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import cv2
import h5py
import numpy as np
import pytest

from tests.datasets import make_dataset
from tests.golden.make import RAW as GOLDEN
from tests.hostile.corpus import DATASETS, PICTURES, RECORDINGS, SHARD

REPOSITORY = Path(__file__).parents[2]

MOST_MB = 400  # that reading any of it may add, with nothing of it being that large
MOST_S = 60


def folder_name(case):
    return re.sub(r"[^a-z0-9]+", "-", case.lower())[:60].strip("-")


def opened(kind, folder, environment=None):
    """Open all cases in processes under limits; give what became of each, by its folder's name."""
    script = [sys.executable, "-m", "tests.hostile.opener", kind, str(folder)]
    ran = subprocess.run(
        script, cwd=REPOSITORY, env={**os.environ, **(environment or {})}, capture_output=True, text=True, timeout=560
    )
    assert ran.returncode == 0, ran.stderr[-2000:]
    return {told["case"]: told for told in map(json.loads, ran.stdout.splitlines())}


def sound_picture(format):
    noise = np.random.default_rng(0).integers(0, 256, (240, 320), np.uint8)
    return cv2.imencode(format, noise if format == ".jpg" else noise.astype(np.uint16))[1].tobytes()


def make_recording(folder):
    for kind, format in (("depth", ".png"), ("rgb", ".jpg")):
        (folder / kind).mkdir(parents=True)
        for name in ("1.0", "2.0"):
            (folder / kind / f"{name}{format}").write_bytes(sound_picture(format))
        lines = "".join(f"{name} {kind}/{name}{format}\n" for name in ("1.0", "2.0"))
        (folder / f"{kind}.txt").write_text(lines)
    shutil.copy(GOLDEN / "p01" / "recording.toml", folder)


@pytest.fixture(scope="module")
def of_datasets(tmp_path_factory):
    made = make_dataset(tmp_path_factory.mktemp("sound") / "dataset", participants=1, samples=2)
    root = tmp_path_factory.mktemp("datasets")
    for case, spoil in {"sound": lambda folder: None, **DATASETS}.items():
        spoil(shutil.copytree(made, root / folder_name(case) / "dataset"))
    return opened("datasets", root)


@pytest.fixture(scope="module")
def of_recordings(tmp_path_factory):
    root = tmp_path_factory.mktemp("recordings")
    for case, spoil in {"sound": lambda folder: None, **RECORDINGS}.items():
        make_recording(root / folder_name(case) / "raw" / "p01")
        spoil(root / folder_name(case) / "raw" / "p01")
    return opened("recordings", root)


@pytest.fixture(scope="module")
def of_pictures(tmp_path_factory):
    root = tmp_path_factory.mktemp("pictures")
    png, jpeg = sound_picture(".png"), sound_picture(".jpg")
    for case, content in {"sound": lambda p, j: p, **PICTURES}.items():
        (root / folder_name(case)).mkdir()
        (root / folder_name(case) / "picture").write_bytes(content(png, jpeg))
    return opened("pictures", root)


def check_it_did_no_harm(told):
    assert told["died"] == 0, told
    assert told["error"] is None or told["error"].startswith("refused: "), told
    assert "\n\n" in (told["error"] or "") or "\n" not in (told["error"] or ""), told
    assert told["grew_mb"] < MOST_MB, told
    assert told["seconds"] < MOST_S, told


def test_every_case_has_a_folder_of_its_own():
    for cases in (DATASETS, RECORDINGS, PICTURES):
        assert len({folder_name(case) for case in cases}) == len(cases)


@pytest.mark.parametrize("case", DATASETS)
def test_a_hostile_dataset_is_told_and_does_no_harm(of_datasets, case):
    told = of_datasets[folder_name(case)]
    check_it_did_no_harm(told)
    assert told["error"] or told["findings"], told


def test_the_dataset_that_was_not_spoiled_has_no_finding(of_datasets):
    assert of_datasets["sound"]["findings"] == []
    assert of_datasets["sound"]["error"] is None


@pytest.mark.parametrize("case", RECORDINGS)
def test_a_hostile_recording_is_refused_or_costs_its_frames_and_does_no_harm(of_recordings, case):
    check_it_did_no_harm(of_recordings[folder_name(case)])


def test_a_recording_that_was_not_spoiled_is_built(of_recordings):
    assert of_recordings["sound"]["error"] is None
    assert of_recordings["sound"]["findings"] == []


@pytest.mark.parametrize("case", PICTURES)
def test_a_hostile_picture_is_refused_or_read_at_its_size_and_does_no_harm(of_pictures, case):
    told = of_pictures[folder_name(case)]
    check_it_did_no_harm(told)
    read = {line for line in told["findings"] if line.startswith("read_")}
    assert read <= {"read_depth: (240, 320)", "read_color: (240, 320, 3)", "read_color: (7000, 7000, 3)"}, told


def test_no_hdf5_plug_in_is_loaded_though_one_is_offered(tmp_path):
    made = make_dataset(tmp_path / "cases" / "plug-in" / "dataset", participants=1, samples=2)
    DATASETS["filter plug-in"](made)
    (tmp_path / "plugins").mkdir()
    shutil.copy(next(Path(h5py.__file__).parent.glob("_errors*.so")), tmp_path / "plugins" / "libplugin.so")

    def loads_it(name, *arguments):
        """Let the dynamic loader tell what it loads."""
        telling = {"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(tmp_path / name)}
        environment = {**os.environ, **telling, "HDF5_PLUGIN_PATH": str(tmp_path / "plugins")}
        subprocess.run([sys.executable, *arguments], cwd=REPOSITORY, env=environment, capture_output=True, timeout=120)
        told = "".join(path.read_text(errors="replace") for path in tmp_path.glob(f"{name}.*"))
        assert "libhdf5" in told
        return "libplugin.so" in told

    plain = f"import h5py; h5py.File({str(made / SHARD)!r})['azimuth'][:]"
    assert loads_it("plain", "-c", plain), "or this test shows nothing"
    assert not loads_it("opener", "-m", "tests.hostile.opener", "datasets", str(tmp_path / "cases"))
    assert not loads_it("verify", "-m", "labelkit", "verify", str(made))
