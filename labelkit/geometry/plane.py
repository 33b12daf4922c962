"""Planes through points: least squares, robust, and how sure of the normal they are.

A plane is linear in inverse depth: a point at depth Z on the ray (x, y, 1) obeys 1/Z = m . ray, with
m = -normal / offset. Least squares there, weighted by Z^4 / sigma^2, minimises the errors that a depth
camera makes (along the ray), so all fits work there. What lies on a plane is judged by the distance
from it in metres, which is what a user can set.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.errors import DegeneratePointsError
from labelkit.geometry.orientation import tangent_basis
from labelkit.records import BoolArray, FloatArray

# Hypotheses are judged on this many points; the refits see every point.
_SAMPLE = 512
# With half of the points on the plane, 96 triples all miss it with probability (1 - 1/8)^96 = 3e-6.
_HYPOTHESES = 96
# The best triple is seldom near the best plane (Chum et al. 2003), so the best few are optimised.
_OPTIMISED = 4
_REFITS = 10
# A normal that moves less than this is at rest; far under the noise of any sensor.
_AT_REST_RAD = 2e-5
# The rays of points on one line make the normal matrix singular; rays that stray by 1e-5 from it are on it.
_LEAST_INDEPENDENCE = 1e-10


@dataclass(frozen=True, eq=False)
class Plane:
    """A plane whose unit normal (3,) faces the camera: normal . p + offset_m = 0, offset_m > 0."""

    normal: FloatArray
    offset_m: float

    def distances_m(self, points: FloatArray) -> FloatArray:
        """Measure signed distances (n,) of points (n, 3); positive on the camera's side."""
        return np.asarray(points @ self.normal + self.offset_m)


@dataclass(frozen=True, eq=False)
class PlaneFit:
    """A robustly fitted plane.

    Attributes:
        plane: the plane.
        inlier_mask: (n,) the points within `inlier_m` of it.
        rms_m: rms distance of the inliers.
        normal_cov_rad2: (2, 2) covariance of the normal in `tangent_basis(normal)`, from the larger of
            the sensor's noise and the inliers' residuals, both taken as independent between points.
    """

    plane: Plane
    inlier_mask: BoolArray
    rms_m: float
    normal_cov_rad2: FloatArray


def fit_plane(points: FloatArray, sigma_m: FloatArray | float = 1.0) -> Plane:
    """Fit a plane by least squares in inverse depth and turn its normal toward the camera.

    Args:
        points: (n, 3), metres, camera frame, z > 0; n >= 3.
        sigma_m: (n,) or one number: standard deviation of the depths.
    Raises:
        DegeneratePointsError: fewer than three points, points on one line, a point that is not finite
            or not in front of the camera, or a plane through the camera.
    """
    rays, inverse_z = _rays_and_inverse_depths(points)
    return _plane(_solve(*_normal_equations(rays, inverse_z, _information(inverse_z, sigma_m))))


def fit_plane_robustly(
    points: FloatArray,
    *,
    inlier_m: float,
    refit_m: float,
    sigma_m: FloatArray | float,
    rng: np.random.Generator,
    start: Plane | None = None,
) -> PlaneFit:
    """Find the plane that most points lie on.

    Triples of points are judged on a subsample by the truncated squared distance (MSAC) and the best
    few optimised there; then all points are fitted again and again, each weighted by its depth noise
    and by a biweight of its distance that fades to nothing at 2 `refit_m`, until the normal rests.

    Args:
        points: (n, 3), metres, camera frame, z > 0.
        inlier_m: distance within which a point supports a hypothesis.
        refit_m: half the distance at which a point loses its last weight in the refits.
        sigma_m: (n,) or one number: standard deviation of the depths.
        rng: draws the subsample and the triples.
        start: a plane near enough to do without them.
    Raises:
        DegeneratePointsError: no triple spans a plane before the camera; or as `fit_plane`.
    Source: Torr & Zisserman 2000 (MSAC); Chum, Matas & Kittler 2003 (local optimisation);
        Beaton & Tukey 1974 (biweight).
    """
    points = np.asarray(points, dtype=np.float64)
    rays, inverse_z = _rays_and_inverse_depths(points)
    information = _information(inverse_z, sigma_m)
    if start is None:
        drawn = rng.choice(len(points), min(_SAMPLE, len(points)), replace=False)
        start = _consensus(points[drawn], rays[drawn], inverse_z[drawn], information[drawn], inlier_m, rng)
    plane = start
    for fade_m in (2 * inlier_m, *[2 * refit_m] * _REFITS):
        weight = information * _biweight(plane.distances_m(points) / fade_m)
        before, plane = plane, _plane(_solve(*_normal_equations(rays, inverse_z, weight)))
        if fade_m == 2 * refit_m and np.abs(plane.normal - before.normal).max() < _AT_REST_RAD:
            break
    return _judged(plane, points, rays, inverse_z, information, inlier_m)


def judge_plane(plane: Plane, points: FloatArray, *, inlier_m: float, sigma_m: FloatArray | float) -> PlaneFit:
    """Say what lies on a plane that was found elsewhere, and how sure its normal is.

    Args:
        plane: the plane.
        points: (n, 3), metres, camera frame, z > 0.
        inlier_m: distance within which a point is an inlier.
        sigma_m: (n,) or one number: standard deviation of the depths.
    Raises:
        DegeneratePointsError: fewer than three inliers; or as `fit_plane`.
    """
    points = np.asarray(points, dtype=np.float64)
    rays, inverse_z = _rays_and_inverse_depths(points)
    return _judged(plane, points, rays, inverse_z, _information(inverse_z, sigma_m), inlier_m)


def _rays_and_inverse_depths(points: FloatArray) -> tuple[FloatArray, FloatArray]:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"points must be (n, 3), not {points.shape}")
    if len(points) < 3:
        raise DegeneratePointsError(f"a plane needs at least 3 points, not {len(points)}")
    if not (np.isfinite(points).all() and (points[:, 2] > 0).all()):
        raise DegeneratePointsError("every point must be finite and in front of the camera (z > 0)")
    return points / points[:, 2:], 1.0 / points[:, 2]


def _information(inverse_z: FloatArray, sigma_m: FloatArray | float) -> FloatArray:
    """Weigh each inverse depth by 1 / variance: d(1/Z) = dZ / Z^2."""
    return 1.0 / (np.asarray(sigma_m, dtype=np.float64) * inverse_z**2) ** 2


def _normal_equations(rays: FloatArray, inverse_z: FloatArray, weight: FloatArray) -> tuple[FloatArray, FloatArray]:
    weighted = rays * weight[:, None]
    return weighted.T @ rays, weighted.T @ inverse_z


def _solve(matrix: FloatArray, moment: FloatArray) -> FloatArray:
    # Cramer's rule in plain floats: ten times as fast as two calls of LAPACK, and there are some thirty a frame.
    (a, b, c), (_, d, e), (_, _, f) = matrix.tolist()
    first, second, third = d * f - e * e, c * e - b * f, b * e - c * d
    determinant = a * first + b * second + c * third
    # Hadamard: the determinant falls short of the diagonal's product by as much as the rays are dependent.
    if not determinant > _LEAST_INDEPENDENCE * a * d * f:
        raise DegeneratePointsError("the points do not span a plane: they lie on one line as the camera sees them")
    u, v, w = moment.tolist()
    fourth, fifth, sixth = a * f - c * c, b * c - a * e, a * d - b * b
    slopes = (
        first * u + second * v + third * w,
        second * u + fourth * v + fifth * w,
        third * u + fifth * v + sixth * w,
    )
    return np.asarray(np.array(slopes) / determinant)


def _plane(slopes: FloatArray) -> Plane:
    """Read a plane off m in 1/Z = m . ray."""
    length = float(np.linalg.norm(slopes))
    if not length > 0:
        raise DegeneratePointsError("the points are too far away to span a plane")
    return Plane(-slopes / length, 1.0 / length)


def _biweight(ratio: FloatArray) -> FloatArray:
    return np.asarray(np.clip(1.0 - ratio**2, 0.0, None) ** 2)


def _consensus(
    points: FloatArray,
    rays: FloatArray,
    inverse_z: FloatArray,
    information: FloatArray,
    inlier_m: float,
    rng: np.random.Generator,
) -> Plane:
    normals, offsets = _hypotheses(points, rng)
    cost = _costs(points, normals, offsets, inlier_m)
    best, lowest = None, np.inf
    for index in np.argsort(cost, kind="stable")[:_OPTIMISED]:
        plane = Plane(normals[index], float(offsets[index]))
        for _ in range(2):
            weight = information * (np.abs(plane.distances_m(points)) < inlier_m)
            try:
                plane = _plane(_solve(*_normal_equations(rays, inverse_z, weight)))
            except DegeneratePointsError:
                break
        optimised = float(_costs(points, plane.normal[None], np.array([plane.offset_m]), inlier_m)[0])
        if optimised < lowest:
            best, lowest = plane, optimised
    if best is None:
        raise DegeneratePointsError("the points do not span a plane: no three of them do")
    return best


def _hypotheses(points: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Draw planes (h, 3), (h,) through triples of points, their normals toward the camera."""
    a, b, c = points[rng.integers(len(points), size=(3, _HYPOTHESES))]
    normals = np.cross(b - a, c - a)
    length = np.linalg.norm(normals, axis=1)
    offsets = -np.einsum("ij,ij->i", normals, a)
    # A triple on one line, or in a plane through the camera, is no hypothesis.
    sound = np.abs(offsets) > 1e-9 * np.maximum(length, np.finfo(float).tiny)
    scale = np.sign(offsets[sound]) / length[sound]
    return normals[sound] * scale[:, None], offsets[sound] * scale


def _costs(points: FloatArray, normals: FloatArray, offsets: FloatArray, inlier_m: float) -> FloatArray:
    squared = (points @ normals.T + offsets) ** 2
    return np.asarray(np.minimum(squared, inlier_m**2).sum(axis=0))


def _judged(
    plane: Plane, points: FloatArray, rays: FloatArray, inverse_z: FloatArray, information: FloatArray, inlier_m: float
) -> PlaneFit:
    distances = plane.distances_m(points)
    inlier_mask = np.abs(distances) < inlier_m
    if np.count_nonzero(inlier_mask) < 3:
        raise DegeneratePointsError("fewer than 3 points lie on the best plane")
    rays, inverse_z, weight = rays[inlier_mask], inverse_z[inlier_mask], information[inlier_mask]
    matrix, _ = _normal_equations(rays, inverse_z, weight)
    slopes = -plane.normal / plane.offset_m
    # Residuals in units of the stated noise: over 1 where the surface is rougher than the sensor.
    excess = max(1.0, float(np.mean(weight * (inverse_z - rays @ slopes) ** 2)))
    tangents = tangent_basis(plane.normal)
    # dn = -(I - n n') dm / |m|, and the tangent vectors are perpendicular to n already.
    jacobian = tangents * plane.offset_m
    covariance = excess * jacobian @ np.linalg.inv(matrix) @ jacobian.T
    rms_m = float(np.sqrt(np.mean(distances[inlier_mask] ** 2)))
    return PlaneFit(plane, inlier_mask, rms_m, (covariance + covariance.T) / 2)
