"""What makes a hand unfit: small tables."""

from __future__ import annotations

import numpy as np
import pytest

from labelkit.geometry.orientation import unit
from labelkit.imaging.segment import Shows
from labelkit.labelling.checks import (
    check_brightness,
    check_color_size,
    check_palm_seen,
    check_planar,
    check_points,
    check_size,
    check_tilt,
    judge_hand,
)
from labelkit.records import Frame, Reason
from tests.scenes import KINECT


def test_a_picture_of_another_size_than_its_calibration_is_named_with_both_sizes():
    frame = Frame(np.zeros((424, 512), np.float32), lambda: np.zeros((1, 1, 3), np.uint8), 0.0)
    rejection = check_size(frame, KINECT)
    assert rejection
    assert rejection.reason is Reason.SIZE
    assert rejection.detail == "depth is 512x424, its calibration is for 640x480"
    assert check_size(Frame(np.zeros((480, 640), np.float32), frame.read_color, 0.0), KINECT) is None


@pytest.mark.parametrize("shape", [(480, 640), (480, 640, 4), (960, 1280, 3)])
def test_a_colour_picture_must_be_rgb_of_the_calibrations_size(shape):
    rejection = check_color_size(np.zeros(shape, np.uint8), KINECT)
    assert rejection
    assert rejection.reason is Reason.SIZE
    assert check_color_size(np.zeros((480, 640, 3), np.uint8), KINECT) is None


@pytest.mark.parametrize(("brightest", "fit"), [(0, False), (15, False), (16, True)])
def test_a_crop_in_which_nothing_can_be_seen_is_too_dark(brightest, fit):
    crop = np.zeros((128, 128, 3), np.uint8)
    crop[5, 5, 2] = brightest
    rejection = check_brightness(crop)
    assert (rejection is None) == fit
    if rejection:
        assert rejection.reason is Reason.TOO_DARK
        assert f"{brightest} of 255" in rejection.detail


@pytest.mark.parametrize(
    ("seen_cm2", "on_limb_cm2", "doubt", "size", "on_arm", "expected"),
    [
        (50, 50, 0.4, 1.0, False, Shows.PALM),  # an open hand whose arm is not seen
        (50, 5, 0.4, 1.0, False, Shows.NOTHING),  # what looks like a palm is next to the limb
        (50, 50, 1.1, 1.0, False, Shows.NOTHING),  # half of it may be none
        (50, 50, 0.4, 1.3, False, Shows.NOTHING),  # no hand is so large
        (50, 50, 1.1, 1.0, True, Shows.FIST),
        (2, 0, np.inf, 1.0, True, Shows.FIST),  # a fist on an arm
        (2, 0, np.inf, 1.0, False, Shows.NOTHING),
        (0.2, 0, np.inf, 1.0, True, Shows.NOTHING),  # a table's edge
    ],
)
def test_a_hand_shows_its_palm_or_is_a_fist_on_an_arm(seen_cm2, on_limb_cm2, doubt, size, on_arm, expected):
    assert judge_hand(seen_cm2 * 1e-4, on_limb_cm2 * 1e-4, doubt, size, on_arm=on_arm) is expected


@pytest.mark.parametrize(("n", "fit"), [(299, False), (300, True)])
def test_a_plane_needs_its_points(n, fit):
    rejection = check_points(n, 300)
    assert (rejection is None) == fit
    assert fit or rejection.reason is Reason.TOO_FEW_POINTS


@pytest.mark.parametrize(
    ("rms", "noise", "inliers", "fit"),
    [
        (3.0, 0.0, 0.9, True),
        (4.1, 0.0, 0.9, False),
        (4.1, 2.0, 0.9, True),  # the sensor's share is not the hand's fault
        (3.0, 0.0, 0.59, False),
        (1.0, 3.0, 1.0, True),
        (np.nan, 1.0, 1.0, False),
        (1.0, 1.0, np.nan, False),
    ],
)
def test_a_palm_is_planar_within_its_limits_and_never_where_a_number_is_missing(rms, noise, inliers, fit):
    rejection = check_planar(rms, noise, inliers, max_rms_mm=4.0, min_inliers=0.6)
    assert (rejection is None) == fit
    assert fit or rejection.reason is Reason.NOT_PLANAR


@pytest.mark.parametrize(("tilt", "fit"), [(0, True), (59.9, True), (60.1, False), (90, False), (120, False)])
def test_tilt_is_measured_against_the_viewing_ray(tilt, fit):
    ray = unit(np.array([0.5, 0.0, 1.0]))
    away = np.array([ray[2], 0.0, -ray[0]])
    normal = -np.cos(np.deg2rad(tilt)) * ray + np.sin(np.deg2rad(tilt)) * away
    rejection = check_tilt(normal, ray, 60.0)
    assert (rejection is None) == fit
    assert fit or rejection.reason is Reason.TOO_OBLIQUE


@pytest.mark.parametrize(("area_cm2", "fit"), [(50, True), (15, True), (13, False), (0, False), (np.nan, False)])
def test_a_hand_that_shows_too_little_of_its_palm_is_no_plane_to_label(area_cm2, fit):
    rejection = check_palm_seen(area_cm2 * 1e-4)
    assert (rejection is None) == fit
    assert fit or rejection.reason is Reason.NOT_PLANAR


def test_a_normal_that_is_no_number_is_too_oblique():
    assert check_tilt(np.full(3, np.nan), np.array([0, 0, 1.0]), 60.0)
