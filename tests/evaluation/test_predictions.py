from __future__ import annotations

import numpy as np
import pytest

from labelkit.evaluation.predictions import predictions_from_output
from labelkit.geometry.orientation import normal_from_angles_deg
from tests.datasets import angles_on_disc

ANGLES_DEG = angles_on_disc(20, np.random.default_rng(0))


def test_angles_and_normals_are_understood_alike():
    normals = normal_from_angles_deg(ANGLES_DEG)
    of_angles = predictions_from_output(np.deg2rad(90 - ANGLES_DEG), "mae", "none")
    of_normals = predictions_from_output(normals, "angular", "none")
    for got in (of_angles, of_normals):
        assert got.normals == pytest.approx(normals)
        assert got.centred_deg == pytest.approx(90 - ANGLES_DEG)
        assert got.sd_deg is None


def test_angles_beyond_the_disc_stay_as_they_were_said_and_their_normal_is_edge_on():
    got = predictions_from_output(np.deg2rad([[80.0, 60.0]]), "mae", "none")
    assert got.centred_deg == pytest.approx(np.array([[80.0, 60.0]]))
    assert np.linalg.norm(got.normals, axis=1) == pytest.approx([1.0])
    assert got.normals[0, 2] == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("loss", ["mae", "angular"])
def test_the_standard_deviation_is_that_of_the_errors_along_an_axis(loss):
    rng, scale = np.random.default_rng(0), 0.1
    radius = {"gaussian": scale * np.sqrt(2 * rng.exponential(size=200_000)), "laplace": rng.gamma(2.0, scale, 200_000)}
    said = normal_from_angles_deg(ANGLES_DEG) if loss == "angular" else np.deg2rad(90 - ANGLES_DEG)
    for density, radii in radius.items():
        got = predictions_from_output(np.column_stack([said, np.full(20, np.log(scale))]), loss, density)
        assert got.sd_deg == pytest.approx(np.full(20, np.rad2deg(np.sqrt(np.mean(radii**2) / 2))), rel=0.01)
        assert got.normals == pytest.approx(normal_from_angles_deg(ANGLES_DEG))
