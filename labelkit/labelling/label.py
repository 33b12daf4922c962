"""From one frame to one labelled sample, or to the reason why there is none.

depth -> hand -> palm -> plane -> normal -> crop -> pyramid. The plane decides which skin is palm and
the palm decides the plane, so the two take turns: a first plane through the middle of the palm gives a
view of the hand straight on, in which the palm is found at its true proportions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypedDict, Unpack

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.errors import DegeneratePointsError, RawFrameError
from labelkit.geometry.camera import project, rays_through, transform_points
from labelkit.geometry.noise import depth_sigma_m
from labelkit.geometry.open3d_plane import segment_plane
from labelkit.geometry.orientation import mirrored, tangent_basis, unit, view_from_camera
from labelkit.geometry.plane import Plane, PlaneFit, fit_plane_robustly
from labelkit.imaging.crop import SquareView, crop_color, crop_depth, plain_box, splat_depth, virtual_camera
from labelkit.imaging.holes import fill_specks
from labelkit.imaging.palm import find_palm
from labelkit.imaging.pyramid import color_pyramid, depth_pyramid
from labelkit.imaging.segment import Hand, find_hand
from labelkit.labelling.checks import check_color_size, check_planar, check_points, check_size, check_tilt, check_width
from labelkit.records import (
    PYRAMID_SIZES,
    BoolArray,
    Calibration,
    ColorImage,
    FloatArray,
    Frame,
    Handedness,
    Intrinsics,
    Reason,
    Rejection,
    Sample,
)

# The view of the hand straight on: pixels of 2 mm, from below the wrist to beyond the fingertips.
_PIXEL_M = 0.002
_ABOVE_M, _BELOW_M, _BESIDE_M = 0.14, 0.10, 0.12
# Skin of the palm is at most this far off its plane; bent fingers and a bent forearm are farther.
_OFF_PLANE_M = 0.035
# Share of the palm's radius that is palm whatever way the hand is turned.
_MIDDLE = 0.8
_TURNS = 2
# Where the sensor is unknown, the errors are taken as Kinect v1's.
_DEFAULT_SENSOR = "kinect-v1"
# A palm is no plate: which skin of it is seen moves the plane far more than the sensor's noise does. The more so the
# farther it is tilted, and the less it is as uneven as a palm that is seen whole; both in degrees. Fitted by maximum
# likelihood to simulated hands (docs/labels.md, section 5).
_FRONTAL_SD_DEG = 0.25
_TILT_SD_DEG = 0.9
_UNEVEN_SD_DEG_PER_MM = 1.4
_USUAL_UNEVEN_MM = 1.75


@dataclass(frozen=True, eq=False)
class Palm:
    """The palm in the depth camera's frame.

    Attributes:
        mask: (h, w) the region that the plane was fitted to, in the hand's window.
        points: (n, 3) of the region that the plane was fitted to.
        fit: the plane.
        middle: (3,) on the plane.
        fingers: (3,) unit, in the plane, from the wrist to the palm's middle.
    """

    mask: BoolArray
    points: FloatArray
    fit: PlaneFit
    middle: FloatArray
    fingers: FloatArray


@dataclass(frozen=True, eq=False)
class Explanation:
    """How a frame came to its label, or how far it came.

    Attributes:
        outcome: the sample, or why there is none.
        hand: None where no hand was found.
        palm: None where the hand has no plane.
    """

    outcome: Sample | Rejection
    hand: Hand | None = None
    palm: Palm | None = None


class LabelOptions(TypedDict, total=False):
    """The keywords of `explain_frame` that have defaults."""

    region: str
    plane_engine: str
    inlier_mm: float
    refit_mm: float
    crop: str
    crop_margin: float
    with_depth: bool
    min_points: int
    max_rms_mm: float
    min_inliers: float
    max_tilt_deg: float


def label_frame(
    frame: Frame,
    calibration: Calibration,
    *,
    handedness: Handedness,
    range_m: tuple[float, float],
    sensor: str | None,
    rng: np.random.Generator,
    **options: Unpack[LabelOptions],
) -> Sample | Rejection:
    """Label one frame: `explain_frame` without the explanation."""
    return explain_frame(
        frame, calibration, handedness=handedness, range_m=range_m, sensor=sensor, rng=rng, **options
    ).outcome


def explain_frame(
    frame: Frame,
    calibration: Calibration,
    *,
    handedness: Handedness,
    range_m: tuple[float, float],
    sensor: str | None,
    rng: np.random.Generator,
    region: str = "palm",
    plane_engine: str = "labelkit",
    inlier_mm: float = 10.0,
    refit_mm: float = 4.0,
    crop: str = "virtual-camera",
    crop_margin: float = 0.1,
    with_depth: bool = False,
    min_points: int = 300,
    max_rms_mm: float = 3.8,
    min_inliers: float = 0.7,
    max_tilt_deg: float = 60.0,
) -> Explanation:
    """Label one frame, and keep what was found on the way.

    Args:
        frame: its depth picture is used; its colour picture only once a hand has a label.
        calibration: of both cameras.
        handedness: a left hand becomes the mirror image of a right one.
        range_m: nearest and farthest depth at which a hand may be.
        sensor: the profile whose noise model weighs the points; None takes that of a Kinect v1.
        rng: keyed by (seed, recording, frame), so that the label depends on nothing else.
        region, plane_engine, inlier_mm, refit_mm, crop, crop_margin, with_depth, min_points, max_rms_mm,
            min_inliers, max_tilt_deg: see BuildSettings.
    Returns:
        The sample, its vectors in the colour camera's frame; or why there is none. Nothing in a sample
        is ever NaN.
    """
    if rejection := check_size(frame, calibration.depth):
        return Explanation(rejection)
    depth_m = fill_specks(frame.depth_m)
    hand = find_hand(depth_m, focal_px=(calibration.depth.fx + calibration.depth.fy) / 2, range_m=range_m)
    if isinstance(hand, Rejection):
        return Explanation(hand)
    cloud = _cloud(depth_m, hand, calibration.depth)
    found = _find_palm(
        hand,
        cloud,
        calibration.depth,
        thumb_side=1 if handedness == "right" else -1,
        region=region,
        plane_engine=plane_engine,
        inlier_m=inlier_mm / 1000,
        refit_m=refit_mm / 1000,
        sensor=sensor or _DEFAULT_SENSOR,
        min_points=min_points,
        rng=rng,
    )
    if isinstance(found, Rejection):
        return Explanation(found, hand)
    palm, hand = found
    rejection = check_planar(
        palm.fit.rms_m * 1000,
        _noise_m(palm, sensor or _DEFAULT_SENSOR) * 1000,
        float(palm.fit.inlier_mask.mean()),
        max_rms_mm=max_rms_mm,
        min_inliers=min_inliers,
    ) or check_tilt(palm.fit.plane.normal, unit(palm.middle), max_tilt_deg)
    if rejection:
        return Explanation(rejection, hand, palm)
    color = _color(frame, calibration.color)
    if isinstance(color, Rejection):
        return Explanation(color, hand, palm)
    points = transform_points(calibration.color_from_depth, cloud[hand.mask])
    box = _box(points, hand, calibration)
    if box is None:
        cut = Rejection(Reason.HAND_CUT_BY_BORDER, "the hand leaves the colour picture")
        return Explanation(cut, hand, palm)
    view = _view(points, box, calibration.color, crop, crop_margin)
    image, padded = crop_color(color, view)
    depth_mm = None
    if with_depth:
        depth_mm = crop_depth(frame.depth_m, view) if calibration.registered else splat_depth(points, view)
    shape_sd_deg = _shape_sd_deg(palm, sensor or _DEFAULT_SENSOR)
    sample = _sample(palm, shape_sd_deg, calibration, view, box, image, padded, depth_mm, mirror=handedness == "left")
    return Explanation(sample, hand, palm)


def _color(frame: Frame, intrinsics: Intrinsics) -> ColorImage | Rejection:
    try:
        color = frame.read_color()
    except RawFrameError as error:
        return Rejection(Reason.DECODE, str(error))
    except OSError as error:
        return Rejection(Reason.IO, str(error))
    return check_color_size(color, intrinsics) or color


def _cloud(depth_m: FloatArray, hand: Hand, intrinsics: Intrinsics) -> FloatArray:
    """Turn the hand's window into points (h, w, 3)."""
    x, y = hand.corner
    height, width = hand.mask.shape
    z = depth_m[y : y + height, x : x + width].astype(np.float64)
    u, v = np.meshgrid(np.arange(x, x + width), np.arange(y, y + height))
    return rays_through(np.stack([u, v], axis=-1), intrinsics) * z[..., None]


def _find_palm(
    hand: Hand,
    cloud: FloatArray,
    intrinsics: Intrinsics,
    *,
    thumb_side: int,
    region: str,
    plane_engine: str,
    inlier_m: float,
    refit_m: float,
    sensor: str,
    min_points: int,
    rng: np.random.Generator,
) -> tuple[Palm, Hand] | Rejection:
    """Find the palm and its plane, and cut the hand anew at the wrist that the palm shows."""

    def fit(mask: BoolArray, start: Plane | None = None) -> PlaneFit:
        points = cloud[mask]
        sigma_m = depth_sigma_m(sensor, points[:, 2])
        if plane_engine == "open3d":
            return segment_plane(points, inlier_m=inlier_m, sigma_m=sigma_m, rng=rng)
        return fit_plane_robustly(points, inlier_m=inlier_m, refit_m=refit_m, sigma_m=sigma_m, rng=rng, start=start)

    v, u = np.nonzero(hand.mask)
    pixels = np.stack([u, v], axis=-1) + hand.corner
    z = float(np.median(cloud[hand.mask][:, 2])) if len(v) else 1.0
    near = np.hypot(*(pixels - hand.palm_px).T) < _MIDDLE * hand.palm_radius_m * intrinsics.fx / z
    mask = np.zeros_like(hand.mask)
    mask[v[near], u[near]] = True
    # The middle is less than the region: a hand with too few points there has too few at all.
    if rejection := check_points(int(np.count_nonzero(mask)), max(3, min_points // 3)):
        return rejection
    try:
        fitted = fit(mask)
        middle_px, to_arm = hand.palm_px, 10 * hand.to_arm
        for _ in range(_TURNS):
            straight = _Straight.facing(fitted.plane, middle_px, to_arm, intrinsics)
            mask, middle_px, to_arm, radius_m = straight.palm(hand, cloud, fitted.plane, thumb_side)
            if rejection := check_points(int(np.count_nonzero(mask)), min_points):
                return rejection
            fitted = fit(mask, fitted.plane)
        if region == "hand":
            mask = hand.mask
            fitted = fit(mask)
        straight = _Straight.facing(fitted.plane, middle_px, to_arm, intrinsics)
    except DegeneratePointsError as error:
        return Rejection(Reason.NOT_PLANAR, str(error))
    if rejection := check_width(radius_m * 1000):
        return rejection
    cut = replace(hand, mask=straight.without_forearm(hand.limb_mask, hand.corner, middle_px + to_arm))
    return Palm(mask, cloud[mask], fitted, straight.origin, -straight.down), cut


def _noise_m(palm: Palm, sensor: str) -> float:
    """Say how far the sensor's noise alone scatters points from the plane; depth errors lie along the ray."""
    z = float(np.median(palm.points[:, 2]))
    ray = palm.middle / palm.middle[2]
    return float(depth_sigma_m(sensor, np.array(z))) * abs(float(palm.fit.plane.normal @ ray))


def _shape_sd_deg(palm: Palm, sensor: str) -> float:
    """Say by how much the shape of a palm like this one turns its plane about either axis, degrees."""
    cosine = -float(palm.fit.plane.normal @ unit(palm.middle))
    uneven_mm = 1000 * float(np.sqrt(max(0.0, palm.fit.rms_m**2 - _noise_m(palm, sensor) ** 2)))
    return float(
        np.linalg.norm(
            [
                _FRONTAL_SD_DEG,
                _TILT_SD_DEG * np.sqrt(1 / cosine**2 - 1),
                _UNEVEN_SD_DEG_PER_MM * (uneven_mm - _USUAL_UNEVEN_MM),
            ]
        )
    )


@dataclass(frozen=True, eq=False)
class _Straight:
    """A view of the hand straight on: a grid in its plane, fingers up.

    Attributes:
        origin: (3,) on the plane, in the middle of the palm.
        right, down: (3,) unit, in the plane.
        intrinsics: of the depth camera.
    """

    origin: FloatArray
    right: FloatArray
    down: FloatArray
    intrinsics: Intrinsics

    @classmethod
    def facing(cls, plane: Plane, middle_px: FloatArray, to_arm: FloatArray, intrinsics: Intrinsics) -> _Straight:
        """Look at a plane straight on."""
        rays = rays_through(np.stack([middle_px, middle_px + to_arm]), intrinsics)
        along = rays @ plane.normal
        if not (along < -1e-3).all():
            raise DegeneratePointsError("the plane is seen edge-on")
        origin, wrist = rays * (-plane.offset_m / along)[:, None]
        down = unit(wrist - origin)
        return cls(origin, np.cross(plane.normal, down), down, intrinsics)

    def palm(
        self, hand: Hand, cloud: FloatArray, plane: Plane, thumb_side: int
    ) -> tuple[BoolArray, FloatArray, FloatArray, float]:
        """Find the palm.

        Returns:
            Its mask in the hand's window, its middle in the picture, from there to the wrist, and its radius.
        """
        size = (round(2 * _BESIDE_M / _PIXEL_M), round((_ABOVE_M + _BELOW_M) / _PIXEL_M))
        window_from_grid = self._window_from_grid(size, hand.corner)
        on_plane = hand.limb_mask & (np.abs(plane.distances_m(cloud)) < _OFF_PLANE_M)
        seen = cv2.warpPerspective(
            on_plane.astype(np.uint8), window_from_grid, size, flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP
        )
        start = np.array([_BESIDE_M, _ABOVE_M]) / _PIXEL_M
        palm = find_palm(seen > 0, pixel_m=_PIXEL_M, start=(start[0], start[1]), thumb_side=thumb_side)
        height, width = hand.mask.shape
        mask = cv2.warpPerspective(
            palm.mask.astype(np.uint8), np.linalg.inv(window_from_grid), (width, height),
            flags=cv2.INTER_NEAREST | cv2.WARP_INVERSE_MAP,
        )  # fmt: skip
        across = np.stack([self.right, self.down])
        places = self.origin + (np.stack([palm.middle, palm.wrist]) - start) * _PIXEL_M @ across
        middle_px, wrist_px = project(places, self.intrinsics)
        return (mask > 0) & on_plane, middle_px, wrist_px - middle_px, palm.radius_px * _PIXEL_M

    def without_forearm(self, limb_mask: BoolArray, corner: tuple[int, int], wrist_px: FloatArray) -> BoolArray:
        """Cut a limb across the fingers' direction where the wrist is; masks are (h, w) with their first pixel."""
        middle, beside = project(np.stack([self.origin, self.origin + 0.02 * self.right]), self.intrinsics)
        across = beside - middle
        to_hand = np.array([-across[1], across[0]])
        to_hand = to_hand * np.sign(to_hand @ (middle - wrist_px))
        rows, columns = np.ogrid[: limb_mask.shape[0], : limb_mask.shape[1]]
        x, y = wrist_px - corner
        return np.asarray(limb_mask & ((columns - x) * to_hand[0] + (rows - y) * to_hand[1] >= 0))

    def _window_from_grid(self, size: tuple[int, int], corner: tuple[int, int]) -> FloatArray:
        width, height = size
        grid = np.array([[0, 0], [width, 0], [width, height], [0, height]], dtype=np.float32)
        across, along = grid[:, 0] * _PIXEL_M - _BESIDE_M, grid[:, 1] * _PIXEL_M - _ABOVE_M
        corners = self.origin + across[:, None] * self.right + along[:, None] * self.down
        if not (corners[:, 2] > 0.02).all():
            raise DegeneratePointsError("the plane passes the camera within a hand's length")
        window = (project(corners, self.intrinsics) - corner).astype(np.float32)
        return np.asarray(cv2.getPerspectiveTransform(grid, window))


def _box(points: FloatArray, hand: Hand, calibration: Calibration) -> tuple[int, int, int, int] | None:
    """Box the hand in the colour picture; None where it leaves it."""
    if calibration.registered:
        x, y, width, height = cv2.boundingRect(hand.mask.astype(np.uint8))
        return x + hand.corner[0], y + hand.corner[1], width, height
    if not (points[:, 2] > 0).all():
        return None
    pixels = np.round(project(points, calibration.color)).astype(int)
    (x, y), (right, bottom) = pixels.min(axis=0), pixels.max(axis=0)
    if x < 0 or y < 0 or right >= calibration.color.width or bottom >= calibration.color.height:
        return None
    return int(x), int(y), int(right - x + 1), int(bottom - y + 1)


def _view(
    points: FloatArray, box: tuple[int, int, int, int], camera: Intrinsics, crop: str, margin: float
) -> SquareView:
    size = PYRAMID_SIZES[0]
    if crop == "box":
        return plain_box(box, camera, size=size, margin=margin)
    x, y, width, height = box
    centre = np.array([x + (width - 1) / 2, y + (height - 1) / 2])
    ray = rays_through(centre, camera)
    return virtual_camera(points, view_from_camera(ray), camera, size=size, margin=margin)


def _sample(
    palm: Palm,
    shape_sd_deg: float,
    calibration: Calibration,
    view: SquareView,
    box: tuple[int, int, int, int],
    image: ColorImage,
    padded: float,
    depth_mm: NDArray[np.uint16] | None,
    *,
    mirror: bool,
) -> Sample:
    rotation = calibration.color_from_depth[:3, :3]
    x, y, width, height = box
    ray = unit(rays_through(np.array([x + (width - 1) / 2, y + (height - 1) / 2]), calibration.color))
    normal = unit(rotation @ palm.fit.plane.normal)
    middle, ahead = transform_points(
        calibration.color_from_depth, np.stack([palm.middle, palm.middle + 0.02 * palm.fingers])
    )
    along, up = (view.place(ahead) - view.place(middle)) * (1.0, -1.0)
    turned: FloatArray = tangent_basis(palm.fit.plane.normal) @ rotation.T
    if mirror:
        image, depth_mm = image[:, ::-1], None if depth_mm is None else depth_mm[:, ::-1]
        normal, ray, turned, along = mirrored(normal), mirrored(ray), mirrored(turned), -along
    # The same tangent plane, in the basis that goes with the final normal.
    change = tangent_basis(normal) @ turned.T
    covariance = change @ palm.fit.normal_cov_rad2 @ change.T * np.rad2deg(1.0) ** 2
    covariance += np.eye(2) * shape_sd_deg**2
    return Sample(
        normal=normal,
        view_normal=view_from_camera(ray) @ normal,
        normal_cov=(covariance + covariance.T) / 2,
        in_plane_deg=float(np.rad2deg(np.arctan2(along, up))),
        plane_rms_mm=palm.fit.rms_m * 1000,
        inlier_ratio=float(palm.fit.inlier_mask.mean()),
        points=len(palm.points),
        distance_m=float(np.linalg.norm(palm.middle)),
        ray=ray,
        crop=box,
        padded=padded,
        mirrored=mirror,
        rgb=color_pyramid(np.ascontiguousarray(image)),
        depth_mm=None if depth_mm is None else depth_pyramid(np.ascontiguousarray(depth_mm)),
    )
