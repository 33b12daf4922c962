"""The noise of depth sensors: axial and lateral noise, and the steps of the disparity.

Sources: kinect-v1: Nguyen, Izadi & Lovell 2012, 3DIMPVT, eq. 1-3. kinect-v2: Fankhauser et al. 2015,
ICAR. realsense: Keselman et al. 2017, CVPR-W (a constant error in disparity).
"""

from __future__ import annotations

import numpy as np

from labelkit.errors import nearest
from labelkit.records import FloatArray

# The formulas have a pole at 90 degrees and are not valid near it (Nguyen et al. measured up to 80 degrees).
_STEEPEST_RAD = np.deg2rad(85.0)

KINECT_V1_FOCAL_PX = 580.0  # of the infrared camera, whose pixels the disparity is counted in
KINECT_V1_BASELINE_M = 0.075
KINECT_V1_DISPARITY_PX = 1.0 / 8.0

# Intel's tuning guide for the D400 family: 0.08 px of disparity error on a textured target.
_REALSENSE_DISPARITY_PX = 0.08
_REALSENSE_FOCAL_BASELINE = 640.0 * 0.05  # pixels x metres


def depth_sigma_m(sensor: str, depth_m: FloatArray, tilt_rad: FloatArray | float = 0.0) -> FloatArray:
    """Give the standard deviation of a depth reading along z.

    Args:
        sensor: a sensor profile's name.
        depth_m: (...), metres; NaN gives NaN.
        tilt_rad: (...), angle between the surface's normal and the viewing ray.
    Returns:
        (...), metres, one standard deviation; float32 for float32.
    Raises:
        ValueError: no noise model for that sensor.
    """
    if sensor not in _SIGMAS:
        raise ValueError(f"no noise model for sensor {sensor!r}; {nearest(sensor, _SIGMAS)}")
    return _SIGMAS[sensor](np.asarray(depth_m), _steepness(tilt_rad))


def lateral_sigma_px(tilt_rad: FloatArray | float = 0.0) -> FloatArray:
    """Give how far a Kinect v1 displaces an edge in the picture.

    Args:
        tilt_rad: (...), angle between the surface's normal and the viewing ray.
    Returns:
        (...), pixels, one standard deviation.
    Source: Nguyen 2012, eq. 1.
    """
    tilt = np.clip(tilt_rad, 0.0, _STEEPEST_RAD)
    return np.asarray(0.8 + 0.035 * tilt / (np.pi / 2 - tilt))


def disparity_step_m(depth_m: FloatArray) -> FloatArray:
    """Give the distance between two neighbouring depth values of a Kinect v1.

    Args:
        depth_m: (...), metres.
    Returns:
        (...), metres.
    """
    return np.asarray(depth_m) ** 2 * KINECT_V1_DISPARITY_PX / (KINECT_V1_FOCAL_PX * KINECT_V1_BASELINE_M)


def disparity_steps(depth_m: FloatArray) -> FloatArray:
    """Round depths to the values that a Kinect v1 can report.

    Args:
        depth_m: (...), metres; NaN stays NaN.
    Returns:
        (...), metres.
    """
    per_step = KINECT_V1_FOCAL_PX * KINECT_V1_BASELINE_M / KINECT_V1_DISPARITY_PX
    return per_step / np.round(per_step / depth_m)


def _steepness(tilt_rad: FloatArray | float) -> FloatArray:
    tilt = np.minimum(tilt_rad, _STEEPEST_RAD)
    return np.asarray((tilt / (np.pi / 2 - tilt)) ** 2)


def _kinect_v1(z: FloatArray, steepness: FloatArray) -> FloatArray:
    return np.asarray(0.0012 + 0.0019 * (z - 0.4) ** 2 + 0.0001 / np.sqrt(z) * steepness)


def _kinect_v2(z: FloatArray, steepness: FloatArray) -> FloatArray:
    return np.asarray(1e-3 * (1.5 - 0.5 * z + 0.3 * z**2 + 0.1 * z**1.5 * steepness))


def _realsense(z: FloatArray, steepness: FloatArray) -> FloatArray:
    return np.asarray(z**2 * _REALSENSE_DISPARITY_PX / _REALSENSE_FOCAL_BASELINE * np.ones_like(steepness))


# Sensors without a published model take that of a similar sensor.
_SIGMAS = {
    "kinect-v1": _kinect_v1,
    "structured-light": _kinect_v1,
    "kinect-v2": _kinect_v2,
    "azure-kinect": _kinect_v2,
    "tof": _kinect_v2,
    "realsense": _realsense,
}
