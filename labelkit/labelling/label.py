"""From one frame to one labelled sample, or to the reason why there is none.

depth -> hand -> palm -> plane -> normal -> crop -> pyramid. The plane decides which skin is palm and
the palm decides the plane, so the two take turns: a first plane through the middle of the palm gives a
view of the hand straight on, in which the palm is found at its true proportions.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cache

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.errors import RawFrameError
from labelkit.geometry.camera import project, rays_through, transform_points
from labelkit.geometry.noise import depth_sigma_m
from labelkit.geometry.orientation import cross, mirror_vectors, tangent_basis, unit, view_from_camera
from labelkit.imaging.contour import contour_distances
from labelkit.imaging.crop import SquareView, crop_color, crop_depth, plain_box, splat_depth, virtual_camera
from labelkit.imaging.pyramid import color_pyramid, depth_pyramid
from labelkit.imaging.segment import Hand, find_hand
from labelkit.labelling.checks import check_brightness, check_color_size, check_planar, check_size, check_tilt
from labelkit.labelling.options import LabelOptions
from labelkit.labelling.palm import Palm, PalmLook, judge_look, locate_palm, look_at_palm, points_of
from labelkit.processes import one_thread
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

# If the sensor is not known, its errors are taken to be a Kinect v1's.
_DEFAULT_SENSOR = "kinect-v1"
# A palm is not flat: the part of it that is seen moves the plane more than the sensor's noise does, and more at a
# larger tilt. Fitted by maximum likelihood to half of 36 simulated people (docs/labels.md, section 5).
_FRONTAL_SD_DEG = 0.13
_TILT_SD_DEG = 0.31
# Simulated palms are uneven by at most this; recorded ones are by 3.1 to 3.5 mm, and off by 2 degrees (median of five).
_KNOWN_UNEVEN_MM = 1.9
_UNEVEN_SD_DEG_PER_MM = 1.4


@dataclass(frozen=True, eq=False)
class Explanation:
    """How a frame came to its label, or how far it came.

    Attributes:
        outcome: the sample, or why there is none.
        hand: None if no hand was found.
        palm: None if the hand has no plane.
    """

    outcome: Sample | Rejection
    hand: Hand | None = None
    palm: Palm | None = None


def explain_frame(
    frame: Frame,
    calibration: Calibration,
    *,
    handedness: Handedness,
    range_m: tuple[float, float],
    sensor: str | None,
    rng: np.random.Generator,
    options: LabelOptions,
) -> Explanation:
    """Label one frame, and keep what was found on the way.

    Args:
        frame: its depth picture is used; its colour picture only once a hand has a label.
        calibration: of both cameras.
        handedness: a left hand becomes the mirror image of a right one.
        range_m: nearest and farthest depth at which a hand may be.
        sensor: the profile whose noise model weighs the points; None takes that of a Kinect v1.
        rng: keyed by (seed, recording, frame), so that the label depends on nothing else.
    Returns:
        The sample, its vectors in the colour camera's frame; or why there is none. Nothing in a sample
        is ever NaN.
    """
    if rejection := check_size(frame, calibration.depth):
        return Explanation(rejection)
    sensor = sensor or _DEFAULT_SENSOR
    focal_px = (calibration.depth.fx + calibration.depth.fy) / 2

    @cache
    def look(hand: Hand) -> PalmLook | Rejection:
        return look_at_palm(frame.depth_m, hand, calibration.depth, options, rng)

    with one_thread():
        hand = find_hand(
            frame.depth_m, focal_px=focal_px, range_m=range_m, judge=lambda hand: judge_look(hand, look(hand))
        )
        if isinstance(hand, Rejection):
            return Explanation(hand)
        palm = locate_palm(frame.depth_m, hand, look(hand), sensor, options, rng)
    if isinstance(palm, Rejection):
        return Explanation(palm, hand)
    hand = replace(hand, mask=_without_forearm(hand, palm, calibration.depth))
    rejection = check_planar(
        palm.fit.rms_m * 1000,
        _noise_m(palm, sensor) * 1000,
        float(palm.fit.inlier_mask.mean()),
        max_rms_mm=options.max_rms_mm,
        min_inliers=options.min_inliers,
    ) or check_tilt(palm.fit.plane.normal, unit(palm.middle), options.max_tilt_deg)
    if rejection:
        return Explanation(rejection, hand, palm)
    color = _color(frame, calibration.color, with_depth=options.with_depth)
    if isinstance(color, Rejection):
        return Explanation(color, hand, palm)
    outline = _outline(frame.depth_m, hand, calibration)
    box = _box(outline, hand, calibration)
    if box is None:
        cut = Rejection(Reason.HAND_CUT_BY_BORDER, "the hand leaves the colour picture")
        return Explanation(cut, hand, palm)
    view = _view(outline, box, calibration.color, options.crop, options.crop_margin)
    image, padded = crop_color(color, view)
    if frame.read_color and (rejection := check_brightness(image)):
        return Explanation(rejection, hand, palm)
    depth_mm = None
    if options.with_depth:
        depth_mm = crop_depth(frame.depth_m, view) if calibration.registered else splat_depth(outline, view)
    shape_sd_deg = _shape_sd_deg(palm, sensor)
    mirror = handedness == "left"
    sample = _sample(palm, shape_sd_deg, calibration, view, box, image, padded, depth_mm, mirror=mirror)
    sample = sample if frame.read_color else replace(sample, rgb=())
    if options.with_contour:
        sample = replace(sample, contour=_contour(hand, palm, calibration.depth, mirror=mirror))
    return Explanation(sample, hand, palm)


def _contour(hand: Hand, palm: Palm, intrinsics: Intrinsics, *, mirror: bool) -> FloatArray:
    """Give the contour features of a hand, or of its mirror image, as the depth camera sees it."""
    middle, wrist = project(np.stack([palm.middle, palm.wrist]), intrinsics)
    mask, to_arm = (hand.mask[:, ::-1], (wrist - middle) * (-1, 1)) if mirror else (hand.mask, wrist - middle)
    return contour_distances(mask, to_arm)


def _color(frame: Frame, intrinsics: Intrinsics, *, with_depth: bool) -> ColorImage | Rejection:
    """Read the colour picture; black for a recording of depth only, whose crops are cut like those of others."""
    if frame.read_color is None:
        if with_depth:
            return np.zeros((intrinsics.height, intrinsics.width, 3), np.uint8)
        return Rejection(
            Reason.MISSING_PAIR, "the recording has depth only: build with --with-depth for crops of depth"
        )
    try:
        color = frame.read_color()
    except RawFrameError as error:
        return Rejection(Reason.DECODE, str(error))
    except OSError as error:
        return Rejection(Reason.IO, str(error))
    return check_color_size(color, intrinsics) or color


def _without_forearm(hand: Hand, palm: Palm, intrinsics: Intrinsics) -> BoolArray:
    """Cut a limb at the wrist, across the fingers' direction as the picture shows it: (h, w) in the hand's window."""
    wrist = palm.wrist
    across = cross(palm.fit.plane.normal, palm.fingers)
    here, along, hand_side = project(np.stack([wrist, wrist + 0.02 * across, palm.middle]), intrinsics) - hand.corner
    normal = np.array([here[1] - along[1], along[0] - here[0]])
    normal *= np.sign(normal @ (hand_side - here))
    height, width = hand.limb_mask.shape
    off = (np.arange(width) - here[0]) * normal[0] + ((np.arange(height) - here[1]) * normal[1])[:, None]
    return np.asarray(hand.limb_mask & (off >= 0))


def _outline(depth_m: FloatArray, hand: Hand, calibration: Calibration) -> FloatArray:
    """Give the points that bound the hand, (n, 3) in the colour camera's frame.

    Where colour and depth share one camera, what bounds the hand in each row of the picture bounds it in every
    view; another camera may see anything at the edge, so all points are given.
    """
    mask = hand.mask
    if calibration.registered:
        rows = np.flatnonzero(mask.any(axis=1))
        within = mask[rows]
        first, last = within.argmax(axis=1), mask.shape[1] - 1 - within[:, ::-1].argmax(axis=1)
        mask = np.zeros_like(mask)
        mask[rows, first] = mask[rows, last] = True
    return transform_points(calibration.color_from_depth, points_of(depth_m, hand, mask, calibration.depth))


def _noise_m(palm: Palm, sensor: str) -> float:
    """Say how far the sensor's noise alone scatters points from the plane; depth errors lie along the ray."""
    z = float(palm.middle[2])
    return float(depth_sigma_m(sensor, np.array(z))) * abs(float(palm.fit.plane.normal @ palm.middle)) / z


def _shape_sd_deg(palm: Palm, sensor: str) -> float:
    """Say by how much the shape of a palm like this one turns its plane about either axis, degrees."""
    cosine = -float(palm.fit.plane.normal @ unit(palm.middle))
    uneven_mm = 1000 * float(np.sqrt(max(0.0, palm.fit.rms_m**2 - _noise_m(palm, sensor) ** 2)))
    return float(
        np.linalg.norm(
            [
                _FRONTAL_SD_DEG,
                _TILT_SD_DEG * np.sqrt(1 / cosine**2 - 1),
                _UNEVEN_SD_DEG_PER_MM * max(0.0, uneven_mm - _KNOWN_UNEVEN_MM),
            ]
        )
    )


def _box(points: FloatArray, hand: Hand, calibration: Calibration) -> tuple[int, int, int, int] | None:
    """Box the hand in the colour picture; None if a part of the hand lies outside the picture."""
    if calibration.registered:
        x, y, width, height = cv2.boundingRect(hand.mask.view(np.uint8))
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
        normal, ray, turned, along = mirror_vectors(normal), mirror_vectors(ray), mirror_vectors(turned), -along
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
