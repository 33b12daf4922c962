"""From a hand in a depth picture to its palm and the palm's plane.

The plane decides how the hand looks straight on, and that decides which skin is palm, so the two take turns: a
first plane through the middle of the hand gives a view in which the palm is found, the plane of that palm a
better one. The last plane is fitted to the readings of the palm at full resolution.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from labelkit.errors import DegeneratePointsError
from labelkit.geometry.camera import project, rays_through
from labelkit.geometry.noise import depth_sigma_m
from labelkit.geometry.open3d_plane import segment_plane
from labelkit.geometry.orientation import cross, unit
from labelkit.geometry.plane import Plane, PlaneFit, find_plane, fit_plane, fit_plane_robustly
from labelkit.imaging.palm_network import (
    ABOVE_M,
    BESIDE_M,
    CELL_M,
    COLUMNS,
    LEFT,
    LOOKED,
    ROWS,
    SUBCELLS,
    TOP,
    PalmView,
    find_palm,
)
from labelkit.imaging.segment import Hand, Shows
from labelkit.labelling.checks import check_palm_seen, check_points, judge_hand
from labelkit.labelling.options import LabelOptions
from labelkit.records import BoolArray, FloatArray, Intrinsics, Reason, Rejection

# Skin of the palm is at most this far off its plane.
_OFF_PLANE_M = 0.035
# Share of the palm's radius that is palm however the hand is turned.
_MIDDLE = 0.8
# The first plane only has to show the hand straight enough for the network.
_FIRST_POINTS = 256
# Two looks, and more if the last one still moved the view by more than the network errs.
_MOST_LOOKS = 5
_SETTLED_M, _SETTLED_COS = 0.006, np.cos(np.deg2rad(4.0))
# If less palm than this shows, there is no label.
_LOST_M2 = 3e-4
# A cell is palm if that is more likely than not.
_PALM = 0.5
# Within a view, the plane of the palm's cells is fitted with biweights that fade to nothing at these heights.
_FADES_M = (0.02, 0.01)
# The hand ends at the wrist's crease, this far below the palm's middle in an average hand.
_TO_WRIST_M = 0.052

# Where the middles of the cells that may be palm lie: metres right and down of the grid's origin, and 1.
_RIGHT_M = (LEFT + np.arange(LOOKED) + 0.5) * CELL_M - BESIDE_M
_DOWN_M = (TOP + np.arange(LOOKED) + 0.5) * CELL_M - ABOVE_M
_PLACES = np.stack([*np.meshgrid(_RIGHT_M, _DOWN_M), np.ones((LOOKED, LOOKED))], axis=-1).reshape(-1, 3)
_STEP_M = CELL_M / SUBCELLS
_READINGS = (COLUMNS * SUBCELLS, ROWS * SUBCELLS)
_COLUMN = np.arange(_READINGS[0], dtype=np.float32)
_ROW = np.arange(_READINGS[1], dtype=np.float32)[:, None]
# Cell c, counted from the first that may be palm, has its middle between its readings.
_READING_FROM_CELL = np.array(
    [
        [SUBCELLS, 0, SUBCELLS * LEFT + (SUBCELLS - 1) / 2],
        [0, SUBCELLS, SUBCELLS * TOP + (SUBCELLS - 1) / 2],
        [0, 0, 1],
    ]
)


@dataclass(frozen=True, eq=False)
class Palm:
    """The palm in the depth camera's frame.

    Attributes:
        mask: (h, w) the region that the plane was fitted to, in the hand's window.
        points: (n, 3) of the region that the plane was fitted to.
        fit: the plane.
        middle: (3,) on the plane.
        fingers: (3,) unit, in the plane, from the wrist toward the fingers.
        size: of the hand, against an average one.
        seen_m2: how much of the palm shows, as seen straight on; None if the region is the whole hand.
    """

    mask: BoolArray
    points: FloatArray
    fit: PlaneFit
    middle: FloatArray
    fingers: FloatArray
    size: float
    seen_m2: float | None

    @property
    def wrist(self) -> FloatArray:
        """Say where the hand ends: (3,) on the plane, in the middle of the wrist's crease."""
        return np.asarray(self.middle - _TO_WRIST_M * self.size * self.fingers)


@dataclass(frozen=True, eq=False)
class PalmLook:
    """What shows of a palm in views straight onto a hand.

    Attributes:
        first: the view that the middle of the hand gives.
        straight: the view that the last look leads to.
        seen: what the network saw in the last one.
        mask: (h, w) the palm's pixels on the limb, in the hand's window.
        points: (n, 3) of them, camera frame, near the palm's plane.
    """

    first: Straight
    straight: Straight
    seen: PalmView
    mask: BoolArray
    points: FloatArray

    @property
    def on_limb_m2(self) -> float:
        """How much of the palm lies on the limb, as seen straight on."""
        plane, intrinsics = self.straight.plane, self.straight.intrinsics
        # A pixel covers (z / f)^2 across its ray, and more of a plane that is turned away from it.
        return float((self.points[:, 2] ** 3).sum() / (intrinsics.fx * intrinsics.fy * plane.offset_m))


def look_at_palm(
    depth_m: FloatArray, hand: Hand, intrinsics: Intrinsics, options: LabelOptions, rng: np.random.Generator
) -> PalmLook | Rejection:
    """Look at a hand straight on until its palm is found, or not.

    Args:
        depth_m: (H, W), metres, NaN where nothing was seen.
        hand: found in it.
        intrinsics: of the depth camera.
        rng: draws the samples of the robust fit.
    Returns:
        What shows of it; or too-few-points or not-planar.
    """
    middle_mask = _middle(hand, intrinsics)
    # The middle is less than the region: a hand with too few points there has too few at all.
    if rejection := check_points(int(np.count_nonzero(middle_mask)), max(3, options.min_points // 3)):
        return rejection
    try:
        plane = _first_plane(points_of(depth_m, hand, _thin(middle_mask), intrinsics), options, rng)
        first = Straight.facing(plane, hand.palm_px, hand.palm_px + 10 * hand.to_arm, intrinsics)
        before, straight, seen = _look_until_settled(depth_m, first)
        mask = before.mark(seen.share, hand)
    except DegeneratePointsError as error:
        return Rejection(Reason.NOT_PLANAR, str(error))
    points = points_of(depth_m, hand, mask, intrinsics)
    near = np.abs(straight.plane.distances_m(points)) < _OFF_PLANE_M
    return PalmLook(first, straight, seen, _keep(mask, near), points[near])


def judge_look(hand: Hand, look: PalmLook | Rejection) -> Shows:
    """Say what a look at something with the form of a hand shows."""
    if isinstance(look, Rejection):
        return Shows.FIST if hand.on_arm else Shows.NOTHING
    return judge_hand(look.seen.area_m2, look.on_limb_m2, look.seen.doubt, look.seen.size, on_arm=hand.on_arm)


def locate_palm(
    depth_m: FloatArray,
    hand: Hand,
    look: PalmLook | Rejection,
    sensor: str,
    options: LabelOptions,
    rng: np.random.Generator,
) -> Palm | Rejection:
    """Find the palm of a hand, and its plane.

    Args:
        depth_m: (H, W), metres, NaN where nothing was seen.
        hand: found in it.
        look: at it.
        sensor: the profile whose noise weighs the points.
        rng: draws the samples of the robust fit.
    Returns:
        The palm; or too-few-points or not-planar.
    """
    if isinstance(look, Rejection):
        return look
    try:
        if options.region == "hand":
            return _whole_hand(depth_m, hand, look.first, sensor, options, rng)
        if rejection := check_palm_seen(look.seen.area_m2) or check_points(len(look.points), options.min_points):
            return rejection
        fit = _fit_plane(look.points, sensor, options, rng, look.straight.plane)
        straight = look.straight.onto(fit.plane)
    except DegeneratePointsError as error:
        return Rejection(Reason.NOT_PLANAR, str(error))
    return Palm(look.mask, look.points, fit, straight.origin, -straight.down, look.seen.size, look.seen.area_m2)


def _whole_hand(
    depth_m: FloatArray, hand: Hand, straight: Straight, sensor: str, options: LabelOptions, rng: np.random.Generator
) -> Palm | Rejection:
    """Take all skin of the hand that is seen for its palm, as the search cut it from its arm."""
    points = points_of(depth_m, hand, hand.mask, straight.intrinsics)
    if rejection := check_points(len(points), options.min_points):
        return rejection
    fit = _fit_plane(points, sensor, options, rng)
    straight = straight.onto(fit.plane)
    return Palm(hand.mask, points, fit, straight.origin, -straight.down, 1.0, None)


def _first_plane(points: FloatArray, options: LabelOptions, rng: np.random.Generator) -> Plane:
    """Find a plane to start from, whichever engine fits the last one."""
    inlier_m = options.inlier_mm / 1000
    return find_plane(points, inlier_m=inlier_m, refit_m=inlier_m, sigma_m=1.0, rng=rng, start=fit_plane(points))


def _fit_plane(
    points: FloatArray, sensor: str, options: LabelOptions, rng: np.random.Generator, start: Plane | None = None
) -> PlaneFit:
    """Fit a plane to points (n, 3), camera frame."""
    sigma_m = depth_sigma_m(sensor, points[:, 2])
    inlier_m, refit_m = options.inlier_mm / 1000, options.refit_mm / 1000
    if options.plane_engine == "open3d":
        return segment_plane(points, inlier_m=inlier_m, sigma_m=sigma_m, rng=rng)
    return fit_plane_robustly(points, inlier_m=inlier_m, refit_m=refit_m, sigma_m=sigma_m, rng=rng, start=start)


def _look_until_settled(depth_m: FloatArray, straight: Straight) -> tuple[Straight, Straight, PalmView]:
    """Look until the view rests: the last view, the one that it leads to, and what it shows."""
    for look in range(_MOST_LOOKS):
        before, seen = straight, find_palm(straight.relief_m(depth_m))
        if seen.area_m2 < _LOST_M2:
            break
        straight = before.correct(seen)
        if look and straight.is_near(before):
            break
    return before, straight, seen


def points_of(depth_m: FloatArray, hand: Hand, mask: BoolArray, intrinsics: Intrinsics) -> FloatArray:
    """Turn marked (h, w) pixels of the hand's window into points (n, 3), in row-major order."""
    v, u = np.nonzero(mask)
    pixels = np.empty((len(v), 2))
    np.add(u, hand.corner[0], out=pixels[:, 0])
    np.add(v, hand.corner[1], out=pixels[:, 1])
    x, y = hand.corner
    height, width = mask.shape
    points = rays_through(pixels, intrinsics)
    points *= depth_m[y : y + height, x : x + width][mask][:, None]
    return points


def _keep(mask: BoolArray, kept: BoolArray) -> BoolArray:
    """Keep some of a mask's pixels, counted in row-major order."""
    rest = mask.copy()
    rest[mask] = kept
    return rest


def _middle(hand: Hand, intrinsics: Intrinsics) -> BoolArray:
    """Mark the middle of the palm as the search saw it, (h, w) in the hand's window."""
    column, row = hand.palm_px - hand.corner
    height, width = hand.mask.shape
    radius_px = _MIDDLE * hand.palm_radius_m * intrinsics.fx / hand.distance_m
    rows, columns = np.ogrid[:height, :width]
    return np.asarray(hand.mask & ((columns - column) ** 2 + (rows - row) ** 2 < radius_px**2))


def _thin(mask: BoolArray) -> BoolArray:
    """Keep evenly spread pixels of a mask, as many as the first plane needs."""
    step = max(1, int(np.sqrt(np.count_nonzero(mask) / _FIRST_POINTS)))
    thinned = np.zeros_like(mask)
    thinned[::step, ::step] = mask[::step, ::step]
    return thinned


@dataclass(frozen=True, eq=False)
class Straight:
    """A view of the hand straight on: a grid in its plane, fingers up (or where they are taken to be).

    Attributes:
        plane: the grid's.
        origin: (3,) on it, in the middle of the palm.
        right, down: (3,) unit, in it.
        intrinsics: of the depth camera.
    """

    plane: Plane
    origin: FloatArray
    right: FloatArray
    down: FloatArray
    intrinsics: Intrinsics

    @classmethod
    def facing(cls, plane: Plane, middle_px: FloatArray, wrist_px: FloatArray, intrinsics: Intrinsics) -> Straight:
        """Look at a plane straight on, at what two pixels show."""
        middle, wrist = rays_through(np.stack([middle_px, wrist_px]), intrinsics)
        origin = _meet(plane, middle)
        down = unit(_meet(plane, wrist) - origin)
        return cls(plane, origin, cross(plane.normal, down), down, intrinsics)

    def onto(self, plane: Plane) -> Straight:
        """Look at another plane, at the same place."""
        down = unit(self.down - (self.down @ plane.normal) * plane.normal)
        return Straight(plane, _meet(plane, self.origin), cross(plane.normal, down), down, self.intrinsics)

    def is_near(self, other: Straight) -> bool:
        """Say whether two views hardly differ."""
        moved = self.origin - other.origin
        return bool(
            moved @ moved < _SETTLED_M**2
            and self.plane.normal @ other.plane.normal > _SETTLED_COS
            and self.down @ other.down > 2 * _SETTLED_COS**2 - 1
        )

    def relief_m(self, depth_m: FloatArray) -> FloatArray:
        """Say how far what the sensor saw lies before the plane, at each reading of the grid."""
        z = self.sample(depth_m)
        first, right, down = self._reading_steps()
        plane_z = np.float32(right[2]) * _COLUMN + (np.float32(first[2]) + np.float32(down[2]) * _ROW)
        # Along a ray, the distance from the plane grows in proportion to depth.
        return np.asarray((1 - z / plane_z) * np.float32(self.plane.offset_m))

    def sample(self, picture: FloatArray) -> FloatArray:
        """Read a picture of the depth camera (H, W) float32 at each reading of the grid; NaN beyond its border."""
        readings = cv2.warpPerspective(
            picture, self._image_from_reading(), _READINGS, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT, borderValue=float("nan"),
        )  # fmt: skip
        return np.asarray(readings)

    def correct(self, seen: PalmView) -> Straight:
        """Look again, with what a view has shown of the palm's plane, middle and fingers."""
        slope_right, slope_down, height_m = _tilt(seen)
        normal = unit(self.plane.normal - slope_right * self.right - slope_down * self.down)
        offset_m = -float(normal @ (self.origin + height_m * self.plane.normal))
        if not offset_m > 0:
            raise DegeneratePointsError("the plane of the palm does not lie in front of the camera")
        across = np.stack([self.right, self.down])
        moved = Straight(
            self.plane, self.origin + seen.middle_m @ across, self.right, -seen.fingers @ across, self.intrinsics
        )
        return moved.onto(Plane(normal, offset_m))

    def mark(self, share: FloatArray, hand: Hand) -> BoolArray:
        """Mark what cells show as palm, (h, w) in the hand's window."""
        window_from_image = np.array([[1, 0, -hand.corner[0]], [0, 1, -hand.corner[1]], [0, 0, 1]], dtype=np.float64)
        window_from_cell = window_from_image @ self._image_from_reading() @ _READING_FROM_CELL
        size = hand.limb_mask.shape[::-1]
        return np.asarray(cv2.warpPerspective(share, window_from_cell, size) > _PALM) & hand.limb_mask

    def _reading_steps(self) -> tuple[FloatArray, FloatArray, FloatArray]:
        """Give the first reading's place and the steps to the next, right and down: each (3,)."""
        first = self.origin - (BESIDE_M - _STEP_M / 2) * self.right - (ABOVE_M - _STEP_M / 2) * self.down
        return first, _STEP_M * self.right, _STEP_M * self.down

    def _image_from_reading(self) -> FloatArray:
        first, right, down = self._reading_steps()
        width, height = _READINGS
        corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
        places = first + corners[:, :1] * right + corners[:, 1:] * down
        if not places[:, 2].min() > 0.02:
            raise DegeneratePointsError("the plane passes the camera within a hand's length")
        if not self.intrinsics.distortion:
            return np.asarray(self.intrinsics.matrix @ np.stack([right, down, first], axis=1))
        return np.asarray(cv2.getPerspectiveTransform(corners, project(places, self.intrinsics).astype(np.float32)))


def _meet(plane: Plane, ray: FloatArray) -> FloatArray:
    """Find where a ray (3,) from the camera meets a plane."""
    along = float(ray @ plane.normal)
    if not along < -1e-3 * float(np.linalg.norm(ray)):
        raise DegeneratePointsError("the plane is seen edge-on")
    return np.asarray(ray * (-plane.offset_m / along))


def _tilt(seen: PalmView) -> tuple[float, float, float]:
    """Fit a plane to the palm's cells: its slopes to the right and down, and its height at the origin."""
    slopes = np.zeros(3)
    relief_m, weight = seen.relief_m.ravel(), (seen.share * seen.cover).ravel()
    for fade_m in _FADES_M:
        off = (relief_m - _PLACES @ slopes) / fade_m
        weighted = _PLACES * (weight * np.maximum(1.0 - off**2, 0.0) ** 2)[:, None]
        try:
            slopes = np.linalg.solve(weighted.T @ _PLACES, weighted.T @ relief_m)
        except np.linalg.LinAlgError:
            raise DegeneratePointsError("the palm's cells do not span a plane") from None
    right, down, height = slopes.tolist()
    return right, down, height
