"""The pipeline that makes the simulator's data files: its light."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from labelkit.simulator.light import harmonics

RUN = Path(__file__).resolve().parents[2] / "pipelines" / "people" / "run.py"


@pytest.fixture(scope="module")
def split():
    return runpy.run_path(str(RUN))["_split_light"]


def some_directions():
    ways = np.random.default_rng(1).standard_normal((50, 3))
    return ways / np.linalg.norm(ways, axis=1, keepdims=True)


def test_in_even_light_a_white_surface_is_white_however_it_is_turned(split):
    made = split(np.full((64, 128, 3), 7.0, dtype=np.float32))
    assert np.allclose(harmonics(some_directions()) @ made["irradiance"], 1.0, atol=0.03)


def test_the_brightest_spot_becomes_the_lamp(split):
    radiance = np.full((64, 128, 3), 0.1, dtype=np.float32)
    radiance[20:23, 40:43] = 300.0
    made = split(radiance)
    polar, around = (21.5 / 64) * np.pi, (41.5 / 128) * 2 * np.pi
    way = [np.sin(polar) * np.sin(around), -np.cos(polar), np.sin(polar) * np.cos(around)]
    assert made["lamp"] @ way > 0.99
    assert made["lamp_light"].min() > 1.0
    assert (harmonics(some_directions()) @ made["irradiance"]).max() < 0.5


def test_the_background_keeps_up_upward(split):
    radiance = np.full((64, 128, 3), 0.2, dtype=np.float32)
    radiance[:32] = 2.0
    glossy = split(radiance)["glossy"]
    assert glossy[:6].mean() > 5 * glossy[-6:].mean()
