"""Pixels, rays and points of a pinhole camera."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np

from labelkit.records import FloatArray, Intrinsics


def rays_through(pixels: FloatArray, intrinsics: Intrinsics) -> FloatArray:
    """Find the rays through pixels.

    Args:
        pixels: (..., 2), u right and v down; integers are pixel centres.
    Returns:
        (..., 3), camera frame, scaled to z = 1; lens distortion is taken out.
    """
    pixels = np.asarray(pixels, dtype=np.float64)
    rays = np.ones((*pixels.shape[:-1], 3))
    if intrinsics.distortion and pixels.size:  # OpenCV gives None for no pixels
        flat = cv2.undistortPoints(
            pixels.reshape(-1, 1, 2), intrinsics.matrix, np.asarray(intrinsics.distortion, dtype=np.float64)
        )
        rays[..., :2] = flat.reshape(pixels.shape)
    else:
        np.subtract(pixels, (intrinsics.cx, intrinsics.cy), out=rays[..., :2])
        rays[..., :2] /= (intrinsics.fx, intrinsics.fy)
    return rays


def project(points: FloatArray, intrinsics: Intrinsics) -> FloatArray:
    """Find the pixels at which points appear.

    Args:
        points: (..., 3), metres (or any unit), camera frame, z > 0.
    Returns:
        (..., 2) pixels, with lens distortion.
    """
    points = np.asarray(points, dtype=np.float64)
    if intrinsics.distortion and points.size:
        flat, _ = cv2.projectPoints(
            points.reshape(-1, 1, 3),
            np.zeros(3),
            np.zeros(3),
            intrinsics.matrix,
            np.asarray(intrinsics.distortion, dtype=np.float64),
        )
        return np.asarray(flat.reshape(*points.shape[:-1], 2), dtype=np.float64)
    scaled = points[..., :2] / points[..., 2:]
    return scaled * (intrinsics.fx, intrinsics.fy) + (intrinsics.cx, intrinsics.cy)


def fit_distortion(pixels: FloatArray, rays: FloatArray, intrinsics: Intrinsics) -> Intrinsics:
    """Find the lens distortion with which rays fall on pixels, by least squares: OpenCV's first five coefficients.

    Args:
        pixels: (n, 2), spread over the picture.
        rays: (n, 3), camera frame, z > 0.
        intrinsics: the camera without distortion.
    """
    x, y = (rays[:, :2] / rays[:, 2:]).T
    r2 = x**2 + y**2
    radial = np.stack([r2, r2**2, r2**3], axis=-1)
    # columns k1, k2, k3, p1, p2; rows of x, then of y
    along_x = np.column_stack([x[:, None] * radial, 2 * x * y, r2 + 2 * x**2])
    along_y = np.column_stack([y[:, None] * radial, r2 + 2 * y**2, 2 * x * y])
    u, v = ((pixels - (intrinsics.cx, intrinsics.cy)) / (intrinsics.fx, intrinsics.fy)).T
    shift = np.concatenate([u - x, v - y])
    k1, k2, k3, p1, p2 = np.linalg.lstsq(np.concatenate([along_x, along_y]), shift, rcond=None)[0].tolist()
    return replace(intrinsics, distortion=(k1, k2, p1, p2, k3))


def deproject(depth_m: FloatArray, mask: FloatArray, intrinsics: Intrinsics) -> FloatArray:
    """Turn the marked pixels of a depth picture into points.

    Args:
        depth_m: (H, W), metres along z, NaN where nothing was seen.
        mask: (H, W) bool; pixels without depth in it are left out.
    Returns:
        (n, 3), metres, camera frame, in row-major order of the pixels.
    """
    v, u = np.nonzero(mask & np.isfinite(depth_m))
    z = depth_m[v, u].astype(np.float64)
    return rays_through(np.stack([u, v], axis=-1), intrinsics) * z[:, None]


def transform_points(target_from_source: FloatArray, points: FloatArray) -> FloatArray:
    """Take points (n, 3) to another frame with a (4, 4) rigid transform."""
    return points @ target_from_source[:3, :3].T + target_from_source[:3, 3]
