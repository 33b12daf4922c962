from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelkit.evaluation.measures import constant_deg, flip_mask, measure, measure_by, nearest_normals
from labelkit.geometry.orientation import label_from_centred_deg, normal_from_angles_deg

TRUE = np.array([[0.0, 0.0], [10.0, -20.0], [0.0, 30.0], [-5.0, 5.0]])
PREDICTED = np.array([[4.0, 0.0], [10.0, -8.0], [0.0, 14.0], [-5.0, 5.0]])


def test_errors_are_those_of_a_hand_computation():
    errors = measure(TRUE, PREDICTED)
    assert errors.samples == 4
    assert errors.mae_azimuth_deg == pytest.approx((4 + 0 + 0 + 0) / 4)
    assert errors.mae_elevation_deg == pytest.approx((0 + 12 + 16 + 0) / 4)
    assert errors.cmae_deg == pytest.approx((1 + 7) / 2)


def test_the_angle_between_normals_is_that_of_a_hand_computation():
    # along one axis at the front, the centred angle is the angle of the normal itself
    errors = measure(TRUE[[0, 2, 3]], PREDICTED[[0, 2, 3]])
    assert errors.normal_mean_deg == pytest.approx((4 + 16 + 0) / 3)
    assert errors.normal_median_deg == pytest.approx(4)
    assert (errors.under_5, errors.under_10, errors.under_15) == pytest.approx((2 / 3, 2 / 3, 2 / 3))


def test_a_pair_of_maes_understates_the_error_between_normals():
    # 8 and 7 degrees at the front are 10.7 between the normals
    assert measure(np.zeros((1, 2)), np.array([[8.0, 7.0]])).normal_mean_deg == pytest.approx(10.7, abs=0.1)


def test_participants_are_measured_apart():
    by = measure_by(np.array(["b", "a", "b", "a"]), TRUE, PREDICTED)
    assert list(by) == ["a", "b"]
    assert by["a"].mae_elevation_deg == pytest.approx(6)
    assert by["b"].mae_elevation_deg == pytest.approx(8)


def test_the_constant_is_the_median_of_each_training_angle():
    training = np.array([[0.0, -10.0], [1.0, -10.0], [50.0, 40.0]])
    assert constant_deg(training).tolist() == [1.0, -10.0]


@given(arrays(float, (7, 2), elements=st.floats(-45, 45)), st.floats(-45, 45), st.floats(-45, 45))
def test_no_other_constant_has_a_smaller_cmae_on_the_training_samples(training, azimuth, elevation):
    best = measure(training, np.broadcast_to(constant_deg(training), training.shape)).cmae_deg
    other = measure(training, np.broadcast_to([azimuth, elevation], training.shape)).cmae_deg
    assert best <= other + 1e-9


def test_the_constant_errs_by_19_degrees_on_the_disc_of_45():
    rng = np.random.default_rng(0)
    radius, turn = 45 * np.sqrt(rng.random(20_000)), 2 * np.pi * rng.random(20_000)
    disc = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=-1)
    # about 19 degrees; exactly 4 R / (3 pi)
    assert measure(disc, np.zeros_like(disc)).cmae_deg == pytest.approx(4 * 45 / (3 * np.pi), abs=0.2)


@given(arrays(float, (5, 2), elements=st.floats(-60, 60)))
def test_normals_of_orientations_are_exact(centred):
    centred = centred[np.sum(np.sin(np.deg2rad(centred)) ** 2, axis=-1) <= 1]
    assert nearest_normals(centred) == pytest.approx(normal_from_angles_deg(label_from_centred_deg(centred)), abs=1e-9)


@given(arrays(float, (5, 2), elements=st.floats(-1e4, 1e4)))
def test_any_prediction_counts_as_a_unit_normal_that_faces_the_camera(predicted):
    normals = nearest_normals(predicted)
    assert np.linalg.norm(normals, axis=-1) == pytest.approx(np.ones(5), abs=1e-9)
    assert (normals[:, 2] <= 0).all()


@pytest.mark.parametrize(
    ("true", "predicted", "flipped"),
    [
        ((20, -10), (-20, 10), True),
        ((20, -10), (-14, 4), True),  # nearly flipped: 8.5 degrees from it
        ((20, -10), (-20, -10), False),  # one sign wrong
        ((20, 0), (-2, 0), False),  # too near the front, yet on the wrong side
        ((20, 0), (0, 0), False),  # the constant predictor flips nothing
        ((7, 0), (-7, 0), False),  # 14 degrees apart: no failure
        ((8, 0), (-8, 0), True),
        ((20, -10), (20, -10), False),
        ((40, 0), (-20, 0), False),  # the right line, but 20 degrees off however it is turned
    ],
)
def test_a_flip_is_a_failure_that_changing_both_signs_would_mend(true, predicted, flipped):
    assert flip_mask(np.array([true]), np.array([predicted])).tolist() == [flipped]


def test_the_flip_rate_counts_flips_among_all_samples():
    true = np.array([[20.0, 10.0], [-15.0, 5.0], [0.0, 0.0], [30.0, 0.0]])
    assert measure(true, true * [[-1], [1], [1], [-1]]).flip_rate == pytest.approx(0.5)
