"""Keras on other libraries, where they are installed."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys

import pytest

from tests.datasets import make_dataset

SMALL = ["--epochs", "2", "--filters", "5", "--dense", "16", "--stages", "2", "--resolutions", "64,32"]


@pytest.mark.slow
@pytest.mark.parametrize("backend", ["torch", "jax"])
def test_a_run_trains_resumes_and_reloads_on_another_backend(backend, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    dataset = make_dataset(tmp_path / "dataset", participants=3, samples=6)
    environment = {**os.environ, "KERAS_BACKEND": backend, "CUDA_VISIBLE_DEVICES": ""}

    def python(code, *arguments):
        command = [sys.executable, "-c", code, *map(str, arguments)]
        done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    options = [*SMALL, "--activation", "rrelu", "--norm", "batch", "--checkpoint-s", "0", "--quiet"]
    train = "import sys; from labelkit.cli import main; sys.argv[0] = 'labelkit'; main()"
    dying = """
import sys
from labelkit.training.step import Stepper
steps, real = iter(range(9)), Stepper.step
def step(*arguments):
    if next(steps) == 1:
        raise SystemExit(0)
    return real(*arguments)
Stepper.step = step
"""
    python(train, "train", dataset, *options, "--batch-size", "3", "--out", "whole")
    python(dying + train, "train", dataset, *options, "--batch-size", "3", "--out", "broken")
    python(train, "train", "--resume", "broken", "--quiet")
    assert (tmp_path / "whole" / "last.h5").read_bytes() == (tmp_path / "broken" / "last.h5").read_bytes()
    assert json.loads((tmp_path / "whole" / "report.json").read_text())["backend"] == backend
    loaded = (
        "import sys; from labelkit.training.load import load_run; print(load_run(sys.argv[1]).model.count_params())"
    )
    assert int(python(loaded, "whole")) > 0
