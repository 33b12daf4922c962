"""Turn an exact depth picture into that of a Kinect v1."""

from __future__ import annotations

import cv2
import numpy as np

from labelkit.geometry.noise import (
    KINECT_V1_BASELINE_M,
    KINECT_V1_FOCAL_PX,
    depth_sigma_m,
    disparity_step_m,
    disparity_steps,
    lateral_sigma_px,
)
from labelkit.records import BoolArray, FloatArray

NEAREST_M, FARTHEST_M = 0.4, 4.0

# Errors of neighbouring pixels are correlated, since the sensor matches windows of its speckle pattern. This
# mixture has the autocorrelation measured on checkerboards at 0.6-1.7 m (docs/simulator.md).
_CORRELATED_SHARE, _CORRELATED_PX = 0.75, 3.0
_EDGE_M = 0.03  # a jump in depth that is an edge, not a slope
_FLYING_SHARE = 0.06  # of the rim's pixels
_LOST_SHARE = 0.08  # of the rim's pixels
_GRAZING_RAD = np.deg2rad(72.0)  # from this tilt on readings are lost, at 88 degrees all of them
_BLIND_RAD = np.deg2rad(88.0)
_SPECKLES = 5.0  # small holes per picture, on average
_FAR_M = 20.0  # stands for "no depth" in minima and maxima


def sense(
    depth_m: FloatArray, cos_tilt: FloatArray, rng: np.random.Generator, *, correlated: bool = False
) -> FloatArray:
    """Simulate the depth picture of the sensor.

    Args:
        depth_m: (H, W) float32, exact, metres along z, NaN for no surface.
        cos_tilt: (H, W), cosine between surface normal and viewing ray.
        rng: the frame's generator.
        correlated: whether the noise of neighbouring pixels is correlated, as in real sensors.
    Returns:
        (H, W) float32, metres, NaN for no depth.
    Source: Nguyen 2012 (axial and lateral noise); Khoshelham & Elberink 2012 (disparity steps, shadow).
    """
    tilt = np.arccos(np.clip(cos_tilt, 0.0, 1.0), dtype=np.float32)
    near, far = _range_around(depth_m)
    rim = far - near > _EDGE_M
    seen = _fray_edges(depth_m, rim, tilt, rng)
    seen += _draw_axial_noise(seen, tilt, rng, correlated)
    _fly(seen, rim, near, far, rng)
    seen[shadow_mask(depth_m) | _draw_holes(rim, tilt, rng)] = np.nan
    seen = disparity_steps(seen).astype(np.float32)
    seen[(seen < NEAREST_M) | (seen > FARTHEST_M)] = np.nan
    return seen


def shadow_mask(depth_m: FloatArray) -> BoolArray:
    """Find pixels that the camera sees but the projector, to its right, does not.

    A point is lit only if no surface further right in its row falls into the same or an earlier column
    of the projector.

    Args:
        depth_m: (H, W), NaN for no surface.
    """
    columns = np.arange(depth_m.shape[1], dtype=np.float32)
    projected = columns - KINECT_V1_FOCAL_PX * KINECT_V1_BASELINE_M / _fill(depth_m)
    blocking = np.minimum.accumulate(projected[:, ::-1], axis=1)[:, ::-1]
    return np.asarray(projected - blocking > 1.0)


def _fill(depth_m: FloatArray) -> FloatArray:
    return np.where(np.isnan(depth_m), np.float32(_FAR_M), depth_m)


def _range_around(depth_m: FloatArray) -> tuple[FloatArray, FloatArray]:
    filled = _fill(depth_m)
    window = np.ones((3, 3), dtype=np.uint8)
    return cv2.erode(filled, window), cv2.dilate(filled, window)


def _fray_edges(depth_m: FloatArray, rim: BoolArray, tilt: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Fray edges: take each rim pixel from a place one lateral sigma away (on average)."""
    seen = depth_m.copy()
    v, u = np.nonzero(cv2.dilate(rim.astype(np.uint8), np.ones((3, 3), dtype=np.uint8)))
    sigma = lateral_sigma_px(np.nan_to_num(tilt[v, u]))
    shift = np.rint(rng.standard_normal((2, len(v))) * sigma).astype(int)
    height, width = depth_m.shape
    seen[v, u] = depth_m[np.clip(v + shift[0], 0, height - 1), np.clip(u + shift[1], 0, width - 1)]
    return seen


def _draw_axial_noise(depth_m: FloatArray, tilt: FloatArray, rng: np.random.Generator, correlated: bool) -> FloatArray:
    """Draw depth errors; together with the rounding to steps they have the formula's deviation."""
    sigma = depth_sigma_m("kinect-v1", depth_m, tilt)
    rounding = disparity_step_m(depth_m) ** 2 / 12.0
    sigma = np.sqrt(np.clip(sigma * sigma - rounding, 0.0, None))
    noise = rng.standard_normal(depth_m.shape, dtype=np.float32)
    if correlated:
        white = rng.standard_normal(depth_m.shape, dtype=np.float32)
        # a Gaussian kernel's sum of squares is 1 / (4 pi s^2)
        smooth = cv2.GaussianBlur(white, (0, 0), _CORRELATED_PX) * (2.0 * np.sqrt(np.pi) * _CORRELATED_PX)
        noise = np.sqrt(_CORRELATED_SHARE) * smooth + np.sqrt(1.0 - _CORRELATED_SHARE) * noise
    return np.asarray(noise * sigma, dtype=np.float32)


def _fly(seen: FloatArray, rim: BoolArray, near: FloatArray, far: FloatArray, rng: np.random.Generator) -> None:
    """Move some rim pixels to a depth between foreground and background."""
    v, u = np.nonzero(rim & (far < _FAR_M))
    flying = rng.random(len(v)) < _FLYING_SHARE
    v, u = v[flying], u[flying]
    seen[v, u] = near[v, u] + rng.random(len(v)) * (far - near)[v, u]


def _draw_holes(rim: BoolArray, tilt: FloatArray, rng: np.random.Generator) -> BoolArray:
    """Draw holes: at grazing surfaces and rims, and specks anywhere."""
    lost = np.zeros(rim.shape, dtype=np.uint8)
    v, u = np.nonzero(rim | (tilt > _GRAZING_RAD))
    chance = np.clip((tilt[v, u] - _GRAZING_RAD) / (_BLIND_RAD - _GRAZING_RAD), 0.0, 1.0)
    lost[v, u] = rng.random(len(v)) < np.maximum(np.nan_to_num(chance), rim[v, u] * np.float32(_LOST_SHARE))
    height, width = rim.shape
    for _ in range(rng.poisson(_SPECKLES)):
        centre = (int(rng.integers(width)), int(rng.integers(height)))
        cv2.circle(lost, centre, int(rng.integers(0, 3)), 1, thickness=-1)
    return lost.astype(np.bool_)
