"""What makes a hand unfit for a label. Each check is one function; None means fit."""

from __future__ import annotations

import numpy as np

from labelkit.imaging.segment import Shows
from labelkit.records import ColorImage, FloatArray, Frame, Intrinsics, Reason, Rejection

# A sixteenth of the range: 12 bits stored in 16 without scaling never reach it, and the eye sees black.
DARKEST = 16
# Half of what shows of a seven-year-old's palm.
_LEAST_PALM_M2 = 14e-4
# Of the cells of an open palm, no more are in doubt than are palm: simulated hands have 0.3 to 0.55 times as many, open
# recorded ones 0.55 to 0.75; furniture that shows a palm at all, 1.06 and more.
_MOST_DOUBT = 1.0
# The 99th percentile of men's hands is 1.12 times the average, and simulated and recorded ones are seen as at most 1.16
# times; what is taken for a palm on furniture is larger in two cases of three.
_LARGEST = 1.2
# Five recorded fists show 1.6 cm^2 and more of what the network takes for palm, furniture with an arm's form 0.2.
_LEAST_GLIMPSE_M2 = 0.5e-4


def check_size(frame: Frame, intrinsics: Intrinsics) -> Rejection | None:
    """Reject a depth picture that is not the calibration's."""
    expected = (intrinsics.height, intrinsics.width)
    if frame.depth_m.shape == expected:
        return None
    return Rejection(Reason.SIZE, f"depth is {_size(frame.depth_m.shape)}, its calibration is for {_size(expected)}")


def check_color_size(color: ColorImage, intrinsics: Intrinsics) -> Rejection | None:
    """Reject a colour picture that is not the calibration's, or no RGB."""
    expected = (intrinsics.height, intrinsics.width, 3)
    if color.shape == expected:
        return None
    return Rejection(Reason.SIZE, f"colour is {_size(color.shape)}, its calibration is for {_size(expected)}")


def check_brightness(color: ColorImage) -> Rejection | None:
    """Reject a picture in which nothing can be seen: a lens cap, a camera that starts, 10 or 12 bits stored in 16."""
    brightest = int(color.max())
    if brightest >= DARKEST:
        return None
    return Rejection(Reason.TOO_DARK, f"the brightest value of the hand's crop is {brightest} of 255")


def _size(shape: tuple[int, ...]) -> str:
    return "x".join(str(n) for n in (*shape[1::-1], *shape[2:]))


def judge_hand(seen_m2: float, on_limb_m2: float, doubt: float, size: float, *, on_arm: bool) -> Shows:
    """Say what something with the form of a hand shows: an open palm for sure, perhaps a fist on an arm, or nothing.

    Args:
        seen_m2: how much of a palm shows.
        on_limb_m2: how much of it lies on the limb, not on what is next to it.
        doubt, size: see PalmView.
        on_arm: see Hand.on_arm.
    """
    is_open = on_limb_m2 >= _LEAST_PALM_M2 and doubt <= _MOST_DOUBT and size <= _LARGEST
    if is_open:
        return Shows.PALM
    return Shows.FIST if on_arm and seen_m2 >= _LEAST_GLIMPSE_M2 else Shows.NOTHING


def check_points(n: int, min_points: int) -> Rejection | None:
    """Reject a palm with too few points for a plane."""
    if n >= min_points:
        return None
    return Rejection(Reason.TOO_FEW_POINTS, f"{n} points on the palm, {min_points} needed")


def check_planar(
    rms_mm: float, noise_mm: float, inlier_ratio: float, *, max_rms_mm: float, min_inliers: float
) -> Rejection | None:
    """Reject a palm that no plane describes: a fist, or something that is no hand.

    Args:
        rms_mm: rms distance of the inliers from the plane.
        noise_mm: the part of it that the sensor makes.
        inlier_ratio: share of the palm's points that are inliers.
    """
    if not inlier_ratio >= min_inliers:
        found = f"{inlier_ratio:.0%} of the palm lies on a plane"
        return Rejection(Reason.NOT_PLANAR, f"{found}, {min_inliers:.0%} needed")
    uneven_mm = float(np.sqrt(np.clip(rms_mm**2 - noise_mm**2, 0.0, None)))
    if not uneven_mm <= max_rms_mm:
        return Rejection(Reason.NOT_PLANAR, f"the palm is uneven by {uneven_mm:.1f} mm rms, {max_rms_mm:g} allowed")
    return None


def check_tilt(normal: FloatArray, ray: FloatArray, max_tilt_deg: float) -> Rejection | None:
    """Reject a palm seen too obliquely.

    Args:
        normal: (3,) unit, facing the camera.
        ray: (3,) unit, from the camera to the palm.
    """
    tilt_deg = float(np.rad2deg(np.arccos(np.clip(-np.dot(normal, ray), -1.0, 1.0))))
    if tilt_deg <= max_tilt_deg:
        return None
    return Rejection(Reason.TOO_OBLIQUE, f"the palm is tilted by {tilt_deg:.0f} degrees, {max_tilt_deg:g} allowed")


def check_palm_seen(area_m2: float) -> Rejection | None:
    """Reject a hand that shows too little of an open palm, as seen straight on."""
    if area_m2 >= _LEAST_PALM_M2:
        return None
    what = "a fist, or a hand from its side?"
    return Rejection(Reason.NOT_PLANAR, f"only {area_m2 * 1e4:.0f} cm^2 of an open palm show: {what}")
