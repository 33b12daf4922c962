"""Planes through points: least squares, robust fits, and the uncertainty of the normal.

A plane is linear in inverse depth: a point at depth Z on the ray (x, y, 1) obeys 1/Z = m . ray, with
m = -normal / offset. Least squares there, weighted by Z^4 / sigma^2, minimises the errors of a depth
camera, which lie along the ray, so all fits work there. Inliers are chosen by their distance from the
plane in metres, which is what a user can set.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from labelkit.errors import DegeneratePointsError
from labelkit.geometry.orientation import cross, tangent_basis
from labelkit.records import BoolArray, FloatArray

# Hypotheses are judged on this many points.
_SAMPLE = 256
# With half of the points on the plane, 64 triples all miss it with probability (1 - 1/8)^64 = 2e-4.
_HYPOTHESES = 64
# The best triple is seldom near the best plane (Chum et al. 2003), so the best few are refined.
_OPTIMISED = 2
_OPTIMISATIONS = 2
_REFITS = 10
# The first refits see this many points, the last ones all.
_ENOUGH = 2048
_LAST_REFITS = 2
# The refits end when the normal moves by less than 0.003 degrees, far less than noise moves it.
_AT_REST_COS = 1 - 5e-5**2 / 2
# Rays through points on one line make the normal matrix singular; 1e-5 off the line still counts as on it.
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
    return _solve(_equations(_check_points(points), sigma_m).sum(axis=1).tolist())


def fit_plane_robustly(
    points: FloatArray,
    *,
    inlier_m: float,
    refit_m: float,
    sigma_m: FloatArray | float,
    rng: np.random.Generator,
    start: Plane | None = None,
) -> PlaneFit:
    """Find the plane that most points lie on, its inliers and its uncertainty: `find_plane`, then `judge_plane`."""
    plane = find_plane(points, inlier_m=inlier_m, refit_m=refit_m, sigma_m=sigma_m, rng=rng, start=start)
    return judge_plane(plane, points, inlier_m=inlier_m, sigma_m=sigma_m)


def find_plane(
    points: FloatArray,
    *,
    inlier_m: float,
    refit_m: float,
    sigma_m: FloatArray | float,
    rng: np.random.Generator,
    start: Plane | None = None,
) -> Plane:
    """Find the plane that most points lie on.

    Planes through triples of points are scored on a subsample by the truncated squared distance (MSAC), and
    the best few are refined there. Then all points are fitted repeatedly, each weighted by its depth noise
    and by a biweight of its distance that is zero from 2 `refit_m` on, until the normal no longer moves.

    Args:
        points: (n, 3), metres, camera frame, z > 0.
        inlier_m: distance within which a point supports a hypothesis.
        refit_m: half the distance from which a point has no weight in the refits.
        sigma_m: (n,) or one number: standard deviation of the depths.
        rng: draws the subsample and the triples.
        start: a plane near the result, which replaces the triples.
    Raises:
        DegeneratePointsError: no triple spans a plane in front of the camera; or as `fit_plane`.
    Source: Torr & Zisserman 2000 (MSAC); Chum, Matas & Kittler 2003 (local optimisation);
        Beaton & Tukey 1974 (biweight).
    """
    points = _check_points(points)
    equations = _equations(points, sigma_m)
    plane = start
    if plane is None:
        drawn = rng.integers(len(points), size=_SAMPLE) if len(points) > _SAMPLE else np.arange(len(points))
        plane = _find_consensus(points[drawn], equations[:, drawn], inlier_m, rng)
    step = -(-len(points) // _ENOUGH)
    some, some_equations = np.ascontiguousarray(points[::step]), np.ascontiguousarray(equations[:, ::step])
    if start is None:
        plane = _refit(plane, some, some_equations, 2 * inlier_m)
    plane = _refit_to_rest(plane, some, some_equations, refit_m, _REFITS)
    return plane if step == 1 else _refit_to_rest(plane, points, equations, refit_m, _LAST_REFITS)


def _refit_to_rest(plane: Plane, points: FloatArray, equations: FloatArray, refit_m: float, most: int) -> Plane:
    """Fit repeatedly until the normal no longer moves."""
    for _ in range(most):
        before, plane = plane, _refit(plane, points, equations, 2 * refit_m)
        if abs(before.normal @ plane.normal) > _AT_REST_COS:
            break
    return plane


def judge_plane(plane: Plane, points: FloatArray, *, inlier_m: float, sigma_m: FloatArray | float) -> PlaneFit:
    """Find the inliers of a given plane, and the uncertainty of its normal.

    Args:
        plane: the plane.
        points: (n, 3), metres, camera frame, z > 0.
        inlier_m: distance within which a point is an inlier.
        sigma_m: (n,) or one number: standard deviation of the depths.
    Raises:
        DegeneratePointsError: fewer than three inliers; or as `fit_plane`.
    """
    points = _check_points(points)
    equations = _equations(points, sigma_m)
    distances = plane.distances_m(points)
    inlier_mask = np.abs(distances) < inlier_m
    n = int(np.count_nonzero(inlier_mask))
    if n < 3:
        raise DegeneratePointsError("fewer than 3 points lie on the best plane")
    a, b, c, d, e, f, u, v, w, square = (equations @ inlier_mask).tolist()
    matrix = np.array([[a, b, c], [b, d, e], [c, e, f]])
    slopes = -plane.normal / plane.offset_m
    # Residuals in units of the stated noise: above 1 if the surface is rougher than the noise.
    excess = max(1.0, (square - 2.0 * float(slopes @ (u, v, w)) + float(slopes @ matrix @ slopes)) / n)
    # dn = -(I - n n') dm / |m|, and the tangent vectors are perpendicular to n already.
    jacobian = tangent_basis(plane.normal) * plane.offset_m
    covariance = excess * jacobian @ np.linalg.inv(matrix) @ jacobian.T
    rms_m = math.sqrt(float(distances[inlier_mask] @ distances[inlier_mask]) / n)
    return PlaneFit(plane, inlier_mask, rms_m, (covariance + covariance.T) / 2)


def _check_points(points: FloatArray) -> FloatArray:
    points = np.asarray(points, dtype=np.float64)
    if points.ndim != 2 or points.shape[1] != 3:
        raise ValueError(f"points must be (n, 3), not {points.shape}")
    if len(points) < 3:
        raise DegeneratePointsError(f"a plane needs at least 3 points, not {len(points)}")
    if not (np.isfinite(points).all() and (points[:, 2] > 0).all()):
        raise DegeneratePointsError("every point must be finite and in front of the camera (z > 0)")
    return points


def _equations(points: FloatArray, sigma_m: FloatArray | float) -> FloatArray:
    """Compute what each point adds to the normal equations of m in 1/Z = m . ray: (10, n).

    The rows are xx, xy, x, yy, y, 1 of the matrix, x/Z, y/Z, 1/Z of the right-hand side, and 1/Z^2; all are weighted
    by 1 / variance of the inverse depth (d(1/Z) = dZ / Z^2). A fit with weights w is solved from equations @ w.
    """
    inverse_z = 1.0 / points[:, 2]
    x, y = points[:, 0] * inverse_z, points[:, 1] * inverse_z
    information = 1.0 / (np.asarray(sigma_m, dtype=np.float64) * inverse_z**2) ** 2
    equations = np.empty((10, len(points)))
    xx, xy, wx, yy, wy, w, zx, zy, wz, zz = equations
    w[:] = information
    for weighted, by in ((wx, x), (wy, y), (wz, inverse_z)):
        np.multiply(information, by, out=weighted)
    for product, weighted, by in ((xx, wx, x), (xy, wx, y), (yy, wy, y), (zx, wz, x), (zy, wz, y), (zz, wz, inverse_z)):
        np.multiply(weighted, by, out=product)
    return equations


def _solve(equation: list[float]) -> Plane:
    """Solve normal equations, summed over points, for m, and convert it to a plane."""
    # Cramer's rule in plain floats is ten times as fast as two calls of LAPACK, and a frame needs about 20 solutions.
    a, b, c, d, e, f, u, v, w, _ = equation
    first, second, third = d * f - e * e, c * e - b * f, b * e - c * d
    determinant = a * first + b * second + c * third
    # Hadamard: the more dependent the rays, the smaller is the determinant compared with the diagonal's product.
    if not determinant > _LEAST_INDEPENDENCE * a * d * f:
        raise DegeneratePointsError("the points do not span a plane: they lie on one line as the camera sees them")
    fourth, fifth, sixth = a * f - c * c, b * c - a * e, a * d - b * b
    slopes = (
        (first * u + second * v + third * w) / determinant,
        (second * u + fourth * v + fifth * w) / determinant,
        (third * u + fifth * v + sixth * w) / determinant,
    )
    length = math.sqrt(sum(slope * slope for slope in slopes))
    if not length > 0:
        raise DegeneratePointsError("the points are too far away to span a plane")
    return Plane(np.array([-slope / length for slope in slopes]), 1.0 / length)


def _refit(plane: Plane, points: FloatArray, equations: FloatArray, fade_m: float) -> Plane:
    """Fit again, with a biweight of the distance from the plane that is zero from `fade_m` on."""
    squared = (plane.distances_m(points) / fade_m) ** 2
    weight = np.maximum(1.0 - squared, 0.0) ** 2
    return _solve((equations @ weight).tolist())


def _find_consensus(points: FloatArray, equations: FloatArray, inlier_m: float, rng: np.random.Generator) -> Plane:
    normals, offsets = _draw_hypotheses(points, rng)
    chosen = np.argsort(_square_distances(points, normals, offsets, inlier_m).sum(axis=0), kind="stable")[:_OPTIMISED]
    planes = [Plane(normals[index], float(offsets[index])) for index in chosen]
    if not planes:
        raise DegeneratePointsError("the points do not span a plane: no three of them do")
    for _ in range(_OPTIMISATIONS):
        supports = np.stack([np.abs(plane.distances_m(points)) < inlier_m for plane in planes])
        planes = [_solve_if(equation, plane) for equation, plane in zip(supports @ equations.T, planes, strict=True)]
    normals, offsets = np.stack([plane.normal for plane in planes]), np.array([plane.offset_m for plane in planes])
    return planes[int(np.argmin(_square_distances(points, normals, offsets, inlier_m).sum(axis=0)))]


def _solve_if(equation: FloatArray, otherwise: Plane) -> Plane:
    try:
        return _solve(equation.tolist())
    except DegeneratePointsError:
        return otherwise


def _draw_hypotheses(points: FloatArray, rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """Draw planes (h, 3), (h,) through triples of points, their normals toward the camera."""
    a, b, c = points[rng.integers(len(points), size=(3, _HYPOTHESES))]
    normals = cross((b - a).T, (c - a).T).T
    length = np.sqrt((normals * normals).sum(axis=1))
    offsets = -(normals * a).sum(axis=1)
    # A triple on one line, or in a plane through the camera, is no hypothesis.
    sound = np.abs(offsets) > 1e-9 * np.maximum(length, np.finfo(float).tiny)
    scale = np.sign(offsets[sound]) / length[sound]
    return normals[sound] * scale[:, None], offsets[sound] * scale


def _square_distances(points: FloatArray, normals: FloatArray, offsets: FloatArray, most_m: float) -> FloatArray:
    """Square the distances (n, h) of points from planes, none counted as more than `most_m`."""
    return np.asarray(np.minimum((points @ normals.T + offsets) ** 2, most_m**2))
