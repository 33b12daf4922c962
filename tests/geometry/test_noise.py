import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.geometry.noise import (
    depth_sigma_m,
    disparity_step_m,
    disparity_steps,
    lateral_sigma_px,
)

SENSORS = ["kinect-v1", "structured-light", "kinect-v2", "azure-kinect", "tof", "realsense"]


@pytest.mark.parametrize(
    ("depth_m", "tilt_deg", "sigma_mm"),
    [
        (0.4, 0.0, 1.2),  # Nguyen 2012: the constant alone
        (1.0, 0.0, 1.2 + 1.9 * 0.36),
        (1.0, 45.0, 1.2 + 1.9 * 0.36 + 0.1),  # t / (pi/2 - t) is 1 at 45 degrees
        (4.0, 60.0, 1.2 + 1.9 * 12.96 + 0.05 * 4.0),
    ],
)
def test_kinect_v1_scatters_as_nguyen_measured(depth_m, tilt_deg, sigma_mm):
    assert depth_sigma_m("kinect-v1", depth_m, np.deg2rad(tilt_deg)) == pytest.approx(sigma_mm * 1e-3)


def test_kinect_v2_scatters_as_fankhauser_measured():
    assert depth_sigma_m("kinect-v2", 1.0) == pytest.approx(1.3e-3)
    assert depth_sigma_m("kinect-v2", 1.0, np.pi / 4) == pytest.approx(1.4e-3)


@pytest.mark.parametrize("sensor", SENSORS)
def test_sigma_is_finite_and_positive_up_to_edge_on(sensor):
    sigma = depth_sigma_m(sensor, np.linspace(0.4, 4.0, 20)[:, None], np.linspace(0.0, np.pi / 2, 20))
    assert sigma.shape == (20, 20)
    assert np.all(np.isfinite(sigma))
    assert np.all(sigma > 0)


def test_no_reading_has_no_sigma():
    assert np.isnan(depth_sigma_m("kinect-v1", np.float32(np.nan)))


def test_an_unknown_sensor_is_named_with_its_nearest():
    with pytest.raises(ValueError, match=r"'kinect-v3'.*kinect-v"):
        depth_sigma_m("kinect-v3", 1.0)


def test_edges_are_displaced_by_most_of_a_pixel():
    assert lateral_sigma_px() == pytest.approx(0.8)
    assert lateral_sigma_px(np.pi / 4) == pytest.approx(0.835)


def test_steps_are_about_three_millimetres_at_one_metre():
    assert disparity_step_m(1.0) == pytest.approx(2.87e-3, rel=0.01)


@given(st.floats(0.4, 4.0))
def test_rounding_to_steps_moves_a_depth_by_half_a_step_at_most(depth_m):
    assert abs(disparity_steps(depth_m) - depth_m) <= 0.51 * disparity_step_m(depth_m)


@given(st.floats(0.4, 4.0))
def test_rounding_to_steps_twice_is_rounding_once(depth_m):
    once = disparity_steps(depth_m)
    assert disparity_steps(once) == pytest.approx(once, rel=1e-12)
