import numpy as np
import pytest

from labelkit.simulator.motion import draw_drift, walk_over_disc


@pytest.mark.parametrize("frames", [1, 2, 60, 500])
def test_the_walk_stays_in_the_disc(frames):
    angles = walk_over_disc(np.random.default_rng(0), frames, 45.0)
    assert angles.shape == (frames, 2)
    assert np.linalg.norm(angles, axis=1).max() <= 45.0


def test_the_walk_covers_the_disc_evenly():
    walks = [walk_over_disc(np.random.default_rng(k), 200, 45.0) for k in range(10)]
    angles = np.concatenate(walks)
    ring = np.floor(4 * (np.linalg.norm(angles, axis=1) / 45.0) ** 2)  # four rings of one area
    assert np.bincount(ring.astype(int), minlength=4)[:4] / len(angles) == pytest.approx(0.25, abs=0.08)
    quadrant = 2 * (angles[:, 0] > 0) + (angles[:, 1] > 0)
    assert np.bincount(quadrant) / len(angles) == pytest.approx(0.25, abs=0.05)


def test_the_walk_makes_no_jumps():
    angles = walk_over_disc(np.random.default_rng(3), 300, 45.0)
    steps = np.linalg.norm(np.diff(angles, axis=0), axis=1)
    assert steps.max() < 4.0 * 45.0 / np.sqrt(300.0)


def test_drift_is_standard_normal_and_smooth():
    values = draw_drift(np.random.default_rng(0), 20_000, (2,))
    assert values.std(axis=0) == pytest.approx(1.0, abs=0.1)
    assert values.mean(axis=0) == pytest.approx(0.0, abs=0.15)
    assert np.abs(np.diff(values, axis=0)).std() < 0.1
