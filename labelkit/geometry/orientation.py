"""Normals and angles: the label, its two frames, and the signs.

The label is a pair of direction cosines, as in the study (docs/study.md): azimuth = arccos(n_x),
elevation = arccos(n_y), degrees, 0..180, with n the unit normal that faces the camera. A hand
facing the camera is (90, 90). People see it centred, 90 - label.
"""

from __future__ import annotations

import math

import numpy as np

from labelkit.errors import OrientationError
from labelkit.records import FloatArray

# Two float32 angles round n_x^2 + n_y^2 up by less than this; an edge-on hand is still an orientation.
_UNIT_TOLERANCE = 1e-5


def angles_deg_from_normal(normals: FloatArray) -> FloatArray:
    """Read azimuth and elevation off unit normals.

    Args:
        normals: (..., 3), unit.
    Returns:
        (..., 2) azimuth and elevation, degrees, 0..180.
    """
    angles: FloatArray = np.rad2deg(np.arccos(np.clip(np.asarray(normals)[..., :2], -1.0, 1.0)))
    return angles


def normal_from_angles_deg(angles_deg: FloatArray) -> FloatArray:
    """Find the unit normal with n_z <= 0 that has these angles.

    In the view frame that is the normal that faces the camera. In the camera frame a surface seen
    far off-axis and nearly edge-on can have n_z > 0, which two angles cannot tell.

    Args:
        angles_deg: (..., 2) azimuth and elevation, degrees.
    Returns:
        (..., 3), unit.
    Raises:
        OrientationError: n_x^2 + n_y^2 > 1, or an angle that is not finite.
    """
    angles_deg = np.asarray(angles_deg, dtype=np.float64)
    in_picture = np.cos(np.deg2rad(angles_deg))
    squared = np.sum(in_picture**2, axis=-1)
    wrong = ~(squared <= 1.0 + _UNIT_TOLERANCE)  # NaN is wrong too
    if np.any(wrong):
        azimuth, elevation = angles_deg[wrong][0]
        raise OrientationError(
            f"azimuth {azimuth:g} and elevation {elevation:g} degrees are no orientation: "
            "cos^2 azimuth + cos^2 elevation must be at most 1"
        )
    n_z = -np.sqrt(np.clip(1.0 - squared, 0.0, None))
    return np.concatenate([in_picture, n_z[..., None]], axis=-1)


def centred_from_label_deg(angles_deg: FloatArray) -> FloatArray:
    """Turn label angles, degrees, into centred ones: 0 faces the camera, positive is right and down."""
    return 90.0 - np.asarray(angles_deg)


def label_from_centred_deg(centred_deg: FloatArray) -> FloatArray:
    """Turn centred angles, degrees, into label angles."""
    return 90.0 - np.asarray(centred_deg)


def unit(vectors: FloatArray) -> FloatArray:
    """Scale vectors (..., 3) to length 1."""
    vectors = np.asarray(vectors, dtype=np.float64)
    if vectors.ndim == 1:  # takes a third of the time
        return np.asarray(vectors / math.sqrt(vectors @ vectors))
    scaled: FloatArray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return scaled


def angle_between(a: FloatArray, b: FloatArray) -> FloatArray:
    """Measure the angle between vectors, exact also for small ones.

    Args:
        a, b: (..., 3), any length but zero.
    Returns:
        (...), radians, 0..pi.
    Source: Kahan 2006, "How futile are mindless assessments of roundoff" (half-angle formula).
    """
    a, b = unit(a), unit(b)
    angle: FloatArray = 2.0 * np.arctan2(np.linalg.norm(a - b, axis=-1), np.linalg.norm(a + b, axis=-1))
    return angle


def view_from_camera(ray: FloatArray) -> FloatArray:
    """Find the minimal rotation that takes a viewing ray to the z axis.

    Args:
        ray: (3,), camera frame, in front of the camera (z > 0), any length.
    Returns:
        (3, 3) R with R @ ray = |ray| z, turning about the axis ray x z.
    Raises:
        OrientationError: the ray does not point forward.
    Source: Rodrigues' formula with axis and angle from the cross and dot product.
    """
    x, y, z = unit(ray)
    if not z > 0:
        raise OrientationError(f"the ray ({x:g}, {y:g}, {z:g}) does not point forward (z must be > 0)")
    k = 1.0 / (1.0 + z)
    return np.array([[1.0 - k * x * x, -k * x * y, -x], [-k * x * y, 1.0 - k * y * y, -y], [x, y, z]])


def tangent_basis(normal: FloatArray) -> FloatArray:
    """Span the plane of directions in which a unit normal can move.

    The first axis is the direction in which azimuth falls fastest (toward +x), the second completes
    a right-handed frame (first, second, normal). If the normal is within 8 degrees of the x axis,
    y is taken instead of x.

    Args:
        normal: (3,), unit.
    Returns:
        (2, 3): two orthonormal vectors perpendicular to the normal.
    """
    axis = np.array([1.0, 0.0, 0.0]) if abs(normal[0]) < 0.99 else np.array([0.0, 1.0, 0.0])
    first = unit(axis - np.dot(axis, normal) * normal)
    return np.stack([first, cross(normal, first)])


def cross(a: FloatArray, b: FloatArray) -> FloatArray:
    """Multiply vectors (3, ...): `np.cross` takes ten times as long for two vectors."""
    (ax, ay, az), (bx, by, bz) = a, b
    return np.array([ay * bz - az * by, az * bx - ax * bz, ax * by - ay * bx])


def mirror_vectors(vectors: FloatArray) -> FloatArray:
    """Mirror vectors (..., 3) left to right, as a mirrored picture shows them."""
    return np.asarray(np.asarray(vectors) * (-1.0, 1.0, 1.0))
