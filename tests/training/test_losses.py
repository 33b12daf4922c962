from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.geometry.orientation import angle_between, normal_from_angles_deg
from labelkit.settings import TrainSettings
from labelkit.training import losses
from labelkit.training.losses import loss_of
from tests.datasets import angles_on_disc


def drawn(n=50, seed=0):
    """True centred angles (radians), and the unit normals of others."""
    rng = np.random.default_rng(seed)
    true_deg, other_deg = angles_on_disc(n, rng), angles_on_disc(n, rng)
    return true_deg, np.deg2rad(90 - true_deg).astype(np.float32), normal_from_angles_deg(other_deg).astype(np.float32)


def test_the_angular_loss_is_the_angle_between_the_normals():
    true_deg, true_rad, normals = drawn()
    expected = angle_between(normal_from_angles_deg(true_deg), normals)
    assert np.asarray(losses.angle_rad(true_rad, normals)) == pytest.approx(expected, abs=1e-5)


def test_the_angular_loss_has_a_finite_slope_where_truth_and_answer_agree():
    import keras
    import tensorflow as tf

    _, true_rad, _ = drawn(5)
    with tf.GradientTape() as tape:
        normals = tf.Variable(normal_from_angles_deg(90 - np.rad2deg(true_rad)).astype(np.float32))
        loss = keras.ops.sum(losses.angle_rad(true_rad, normals))
    assert np.isfinite(tape.gradient(loss, normals)).all()


def test_mae_and_smooth_l1_are_what_they_are_called():
    error = np.array([[0.0, 0.2], [-0.3, 0.01]], np.float32)
    zero = np.zeros_like(error)
    assert np.asarray(losses.mean_absolute_rad(zero, error)).tolist() == pytest.approx([0.1, 0.155])
    beta = np.deg2rad(5)
    expected = [(0.2 - beta / 2) / 2, (0.3 - beta / 2 + 0.01**2 / (2 * beta)) / 2]
    assert np.asarray(losses.smooth_l1_rad(zero, error)).tolist() == pytest.approx(expected, abs=1e-5)


@given(st.floats(0.02, 0.5), st.sampled_from(["gaussian", "laplace"]))
def test_a_likelihood_is_greatest_at_the_scale_of_the_errors(scale, density):
    rng = np.random.default_rng(1)
    offsets = rng.normal(0, scale, (4000, 2))
    if density == "laplace":  # a radius with density r exp(-r / scale)
        turn = rng.uniform(0, 2 * np.pi, 4000)
        offsets = rng.gamma(2.0, scale, 4000)[:, None] * np.stack([np.cos(turn), np.sin(turn)], axis=-1)
    loss = loss_of(TrainSettings(uncertainty=density))

    def at(factor):
        answer = np.column_stack([offsets, np.full(4000, np.log(scale * factor))]).astype(np.float32)
        return float(np.mean(np.asarray(loss(np.zeros((4000, 2), np.float32), answer))))

    assert at(1.0) < min(at(0.8), at(1.25))
