"""The pipeline that makes the palm's network, in small."""

from __future__ import annotations

import runpy
from pathlib import Path

import numpy as np
import pytest

from labelkit.imaging import palm_network

RUN = Path(__file__).resolve().parents[2] / "pipelines" / "palm" / "run.py"


@pytest.mark.slow
@pytest.mark.sweep
def test_it_trains_a_network_that_numpy_computes_as_keras_does():
    pipeline = runpy.run_path(str(RUN))
    looks = [pipeline["looks_at"](index, 3, 1) for index in range(2)]
    x, y = (np.concatenate(parts) for parts in zip(*looks, strict=True))
    side = {"x": x, "y": y}
    model = pipeline["fit"](side, side, 1)
    assert "intersection over union" in pipeline["describe"](model, side)
    ours = palm_network._Network([np.asarray(weight) for weight in model.get_weights()])
    said = model.predict(x.astype(np.float32), verbose=0)
    found = np.stack([np.concatenate([part.ravel() for part in ours(view)]) for view in x.astype(np.float32)])
    np.testing.assert_allclose(found, said, atol=1e-4)


def test_every_look_states_its_answer_within_its_bounds():
    pipeline = runpy.run_path(str(RUN))
    x, y = pipeline["looks_at"](3, 3, 99)
    n = palm_network.LOOKED**2
    assert x.shape[1:] == (palm_network.ROWS, palm_network.COLUMNS, 2)
    assert ((y[:, : 2 * n] >= 0) & (y[:, : 2 * n] <= 1.001)).all()
    assert (y[:, :n].sum(axis=1) > 0).any()
    posed = y[~np.isnan(y[:, -1])]
    assert 0 < len(posed) < len(y)
    np.testing.assert_allclose(np.hypot(posed[:, 2 * n + 2], posed[:, 2 * n + 3]), 1, atol=0.2)
