"""From a frame to a label, on worlds whose answer is known."""

from __future__ import annotations

import dataclasses
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from labelkit.errors import RawFrameError
from labelkit.geometry.camera import project, transform_points
from labelkit.geometry.orientation import angle_between, view_from_camera
from labelkit.labelling.label import explain_frame
from labelkit.labelling.options import LabelOptions
from labelkit.records import Calibration, Frame, Intrinsics, Reason, Rejection, Sample
from labelkit.settings import BuildSettings
from tests.scenes import KINECT, REGISTERED, HandScene, turned


def label(frame, calibration=REGISTERED, seed=0, handedness="right", range_m=(0.4, 1.5), **settings):
    return explain_frame(
        frame,
        calibration,
        handedness=handedness,
        range_m=range_m,
        sensor="kinect-v1",
        rng=np.random.default_rng(seed),
        options=LabelOptions.from_settings(BuildSettings(**settings)),
    ).outcome


def sampled(scene, noise_m=0.001, **changed):
    sample = label(scene.frame(noise_m=noise_m), **changed)
    assert isinstance(sample, Sample), sample
    return sample


def degrees_off(sample, scene):
    return np.rad2deg(angle_between(sample.normal, scene.normal))


def assert_sound(sample):
    """Check what holds for every sample."""
    for vector in (sample.normal, sample.view_normal, sample.ray):
        assert np.linalg.norm(vector) == pytest.approx(1.0)
    numbers = [sample.in_plane_deg, sample.plane_rms_mm, sample.inlier_ratio, sample.distance_m, sample.normal_sd_deg]
    assert np.isfinite(numbers).all()
    np.testing.assert_allclose(sample.view_normal, view_from_camera(sample.ray) @ sample.normal, atol=1e-12)
    np.testing.assert_array_equal(sample.normal_cov, sample.normal_cov.T)
    assert (np.linalg.eigvalsh(sample.normal_cov) > 0).all()
    assert sample.view_normal[2] < 0
    assert [level.shape for level in sample.rgb] == [(128, 128, 3), (64, 64, 3), (32, 32, 3)]


@pytest.mark.parametrize("lost", [0.001, 0.01, 0.1])
def test_pixels_lost_at_random_cost_no_label(lost):
    scene = HandScene(camera_from_hand=turned((15.0, -10.0, 5.0)), middle=np.array([0.05, -0.02, 0.7]), wall_m=1.5)
    frame = scene.frame(noise_m=0.001)
    gone = np.random.default_rng(3).random(frame.depth_m.shape) < lost
    sample = label(dataclasses.replace(frame, depth_m=np.where(gone, np.float32(np.nan), frame.depth_m)))
    assert isinstance(sample, Sample), sample
    assert degrees_off(sample, scene) < 1.0


@settings(max_examples=15)
@given(
    tilt=st.tuples(st.floats(-30, 30), st.floats(-30, 30), st.floats(-60, 60)),
    x=st.floats(-0.18, 0.18),
    z=st.floats(0.55, 1.0),
)
def test_a_turned_hand_is_labelled_as_it_is_turned(tilt, x, z):
    scene = HandScene(camera_from_hand=turned(tilt), middle=np.array([x, -0.02, z]), wall_m=2.5)
    sample = sampled(scene)
    assert_sound(sample)
    assert degrees_off(sample, scene) < 1.0
    up = scene.camera_from_hand @ [0.0, -1.0, 0.0]
    in_view = view_from_camera(sample.ray) @ up
    along = np.rad2deg(np.arctan2(in_view[0], -in_view[1]))
    assert abs((sample.in_plane_deg - along + 180) % 360 - 180) < 15
    assert sample.distance_m == pytest.approx(np.linalg.norm(scene.middle), abs=0.03)


def test_turning_the_picture_about_its_middle_turns_the_label_with_it():
    scene = HandScene(camera_from_hand=turned((20, -15, 10)), middle=np.array([0.08, 0.02, 0.7]), wall_m=2.5)
    before = scene.frame()
    upside_down = Frame(before.depth_m[::-1, ::-1], lambda: before.read_color()[::-1, ::-1], 0.0)
    there, here = label(before), label(upside_down)
    half_turn = np.diag([-1.0, -1.0, 1.0])
    assert np.rad2deg(angle_between(here.normal, half_turn @ there.normal)) < 0.3
    np.testing.assert_allclose(here.ray, half_turn @ there.ray, atol=0.01)
    assert abs(abs(here.in_plane_deg - there.in_plane_deg) - 180) < 3


@settings(max_examples=10)
@given(tilt=st.tuples(st.floats(-25, 25), st.floats(-25, 25), st.floats(-30, 30)), x=st.floats(-0.1, 0.1))
def test_a_left_hand_is_the_mirror_image_of_a_right_one(tilt, x):
    scene = HandScene(camera_from_hand=turned(tilt), middle=np.array([x, 0.0, 0.75]), wall_m=2.5)
    right = scene.frame()
    left = Frame(right.depth_m[:, ::-1], lambda: right.read_color()[:, ::-1], 0.0)
    a, b = label(right), label(left, handedness="left")
    assert b.mirrored
    assert not a.mirrored
    assert_sound(b)
    assert np.rad2deg(angle_between(a.normal, b.normal)) < 0.3
    # the search's grid and the cut at the wrist are not mirrored to the pixel
    np.testing.assert_allclose(a.ray, b.ray, atol=0.012)
    assert abs(a.in_plane_deg - b.in_plane_deg) < 4
    x, _, width, _ = b.crop  # before mirroring
    assert abs((640 - x - width) - a.crop[0]) <= 6
    assert np.mean(np.abs(a.rgb[0].astype(int) - b.rgb[0]) > 60) < 0.12


def test_off_axis_the_view_frame_differs_from_the_camera_frame_by_the_ray():
    scene = HandScene(camera_from_hand=turned((0, 22, 0)), middle=np.array([0.3, 0.0, 0.8]), wall_m=2.5)
    sample = sampled(scene)
    assert np.rad2deg(angle_between(sample.normal, sample.view_normal)) == pytest.approx(
        np.rad2deg(np.arccos(sample.ray[2])), abs=1.0
    )
    assert degrees_off(sample, scene) < 1.0


def test_the_same_frame_and_seed_give_the_same_bits():
    frame = HandScene(wall_m=1.2).frame(noise_m=0.002)
    a, b = label(frame, seed=7, with_depth=True), label(frame, seed=7, with_depth=True)
    np.testing.assert_array_equal(a.normal, b.normal)
    np.testing.assert_array_equal(a.normal_cov, b.normal_cov)
    for x, y in zip((*a.rgb, *a.depth_mm), (*b.rgb, *b.depth_mm), strict=True):
        np.testing.assert_array_equal(x, y)


def test_the_crop_is_the_hands_box_in_the_colour_picture_and_the_pyramid_shows_it():
    scene = HandScene(wall_m=1.2)
    sample = sampled(scene, with_depth=True)
    x, y, width, height = sample.crop
    knuckles = project(np.array([[-0.04, -0.04, 0.7], [0.04, -0.04, 0.7], [0.0, -0.12, 0.7]]), KINECT)
    assert (knuckles >= [x, y]).all()
    assert (knuckles <= [x + width, y + height]).all()
    assert sample.rgb[0][64, 64, 0] > 150  # skin in the middle
    assert sample.rgb[0][2, 2, 0] < 100  # and wall in the corner
    assert abs(int(sample.depth_mm[0][64, 64]) - 700) < 30
    assert sample.padded == 0.0


def test_a_margin_makes_the_hand_smaller_and_the_plain_box_is_another_crop():
    frame = HandScene(middle=np.array([0.2, 0.0, 0.7]), wall_m=1.2).frame()
    tight, loose = label(frame, crop_margin=0.0), label(frame, crop_margin=0.5)
    np.testing.assert_allclose(loose.rgb[1][16:48, 16:48], tight.rgb[2], atol=40)
    plain = label(frame, crop="box")
    np.testing.assert_array_equal(plain.normal, label(frame).normal)
    assert (plain.rgb[0] != label(frame).rgb[0]).any()


def test_the_whole_hand_can_be_the_region():
    scene = HandScene(camera_from_hand=turned((15, 10, 0)), wall_m=2.5)
    palm, hand = sampled(scene), sampled(scene, region="hand")
    assert hand.points > 1.3 * palm.points
    assert np.rad2deg(angle_between(palm.normal, hand.normal)) > 0.05


def test_labels_are_in_the_colour_cameras_frame_where_the_two_are_not_registered():
    color = Intrinsics(1050.0, 1050.0, 639.5, 479.5, 1280, 960)
    move = np.eye(4)
    move[:3, :3], move[:3, 3] = turned((2.0, -6.0, 1.5)), (0.025, 0.003, -0.01)
    scene = HandScene(camera_from_hand=turned((10, 15, 0)), wall_m=2.5)
    frame = Frame(scene.depth_m(noise_m=0.001), lambda: np.full((960, 1280, 3), 120, np.uint8), 0.0)
    sample = label(frame, Calibration(KINECT, color, move), with_depth=True)
    assert isinstance(sample, Sample)
    assert_sound(sample)
    assert np.rad2deg(angle_between(sample.normal, move[:3, :3] @ scene.normal)) < 1.0
    seen = project(transform_points(move, scene.middle[None]), color)[0]
    x, y, width, height = sample.crop
    assert x < seen[0] < x + width
    assert y < seen[1] < y + height
    assert np.median(sample.depth_mm[0][sample.depth_mm[0] > 0]) == pytest.approx(700, abs=40)


def test_a_ball_on_an_arm_is_no_hand():
    v, u = np.mgrid[:480, :640]
    depth = HandScene(digits=False, wall_m=2.5).depth_m()
    x, y = (u - 319.5) / 525 * 0.7, (v - 239.5) / 525 * 0.7
    inside = np.maximum(0.05**2 - x**2 - (y + 0.01) ** 2, 0)
    depth = np.where(inside > 0, 0.71 - np.sqrt(inside), depth).astype(np.float32)
    rejection = label(Frame(depth, lambda: np.zeros((480, 640, 3), np.uint8), 0.0))
    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.NO_HAND


def test_a_hand_tilted_beyond_the_limit_is_too_oblique():
    frame = HandScene(camera_from_hand=turned((0, 40, 0)), wall_m=2.5).frame()
    rejection = label(frame, max_tilt_deg=30.0)
    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.TOO_OBLIQUE
    assert "40 degrees, 30 allowed" in rejection.detail


def test_a_recording_of_depth_only_has_the_same_label_and_crops_of_depth_alone():
    frame = HandScene().frame(noise_m=0.001)
    with_color, without = (label(f, with_depth=True) for f in (frame, dataclasses.replace(frame, read_color=None)))
    assert without.rgb == ()
    np.testing.assert_array_equal(without.normal, with_color.normal)
    np.testing.assert_array_equal(without.depth_mm[0], with_color.depth_mm[0])
    refused = label(dataclasses.replace(frame, read_color=None))
    assert refused.reason is Reason.MISSING_PAIR
    assert "--with-depth" in refused.detail


def test_too_few_points_are_said_with_their_number():
    rejection = label(HandScene(wall_m=1.2).frame(), min_points=100_000)
    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.TOO_FEW_POINTS
    assert "needed" in rejection.detail


@pytest.mark.parametrize(
    ("error", "reason"), [(RawFrameError("cut short"), Reason.DECODE), (OSError("unplugged"), Reason.IO)]
)
def test_a_colour_picture_that_fails_is_a_rejection_and_is_read_only_for_a_hand(error, reason):
    def broken():
        raise error

    rejection = label(dataclasses.replace(HandScene().frame(), read_color=broken))
    assert isinstance(rejection, Rejection)
    assert rejection.reason is reason
    assert str(error) in rejection.detail
    empty = label(Frame(np.full((480, 640), 1.2, np.float32), broken, 0.0))
    assert isinstance(empty, Rejection)
    assert empty.reason is Reason.NO_HAND


def test_a_hand_in_a_black_picture_is_too_dark():
    frame = HandScene().frame()
    rejection = label(dataclasses.replace(frame, read_color=lambda: frame.read_color() // 17))
    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.TOO_DARK


def test_a_colour_picture_of_another_size_is_refused():
    rejection = label(dataclasses.replace(HandScene().frame(), read_color=lambda: np.zeros((240, 320, 3), np.uint8)))
    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.SIZE


SMALL = Intrinsics(40.0, 40.0, 23.5, 17.5, 48, 36)
odd = st.one_of(st.floats(0.25, 2.0, width=32), st.sampled_from([0.0, np.nan, np.inf, -1.0, 1e6, 1e-6, 0.5]))


@settings(max_examples=60)
@given(depth=arrays(np.float32, (36, 48), elements=odd, fill=odd))
def test_no_depth_picture_gives_a_label_that_is_not_a_number(depth):
    frame = Frame(depth, lambda: np.zeros((36, 48, 3), np.uint8), 0.0)
    got = label(frame, Calibration(SMALL, SMALL), range_m=(0.2, 5.0), min_points=3, max_rms_mm=1e3, min_inliers=0.0)
    assert isinstance(got, Sample | Rejection)
    if isinstance(got, Sample):
        assert_sound(got)


def test_the_contour_starts_at_the_wrist_and_a_left_hand_has_that_of_its_mirror_image():
    scene = HandScene(camera_from_hand=turned((0, 0, 15)), wall_m=1.2)
    right = label(scene.frame(), with_contour=True).contour
    assert right.shape == (1000,)
    assert right[0] < 0.05
    # From the wrist round there are the four fingers' tips and the thumb's.
    assert np.count_nonzero(np.diff((right > 0.8).astype(int)) == 1) == 4
    frame = scene.frame()
    mirrored = Frame(frame.depth_m[:, ::-1].copy(), lambda: frame.read_color()[:, ::-1].copy(), 0.0)
    left = label(mirrored, with_contour=True, handedness="left").contour
    assert np.abs(left - right).max() < 0.05
    assert label(scene.frame()).contour is None


@pytest.mark.parametrize("tilt", [80, 88, 90, 95])
def test_a_hand_edge_on_is_rejected(tilt):
    got = label(HandScene(camera_from_hand=turned((0, tilt, 0)), wall_m=2.5).frame())
    assert isinstance(got, Rejection)


CHANGED = {
    "region": "hand",
    "plane_engine": "open3d",
    "inlier_mm": 1.0,
    "refit_mm": 1.0,
    "crop": "box",
    "crop_margin": 0.3,
    "with_depth": True,
    "with_contour": True,
    "min_points": 100_000,
    "max_rms_mm": 0.1,
    "min_inliers": 1.0,
    "max_tilt_deg": 10.0,
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(LabelOptions)])
def test_each_option_decides_something(name):
    # The wall is near, and the fingers are bent: few points lie on the palm's plane.
    frame = HandScene(camera_from_hand=turned((20, 10, 0)), wall_m=1.2).frame(noise_m=0.003)
    settings = {"max_rms_mm": 10.0, "min_inliers": 0.5}
    usual, changed = label(frame, **settings), label(frame, **settings | {name: CHANGED[name]})
    assert isinstance(usual, Sample)
    assert pickle.dumps(usual) == pickle.dumps(label(frame, **settings))
    assert pickle.dumps(usual) != pickle.dumps(changed)


def test_open3ds_plane_labels_a_hand_too():
    scene = HandScene(camera_from_hand=turned((20.0, -15.0, 10.0)), wall_m=1.6)
    sample = sampled(scene, plane_engine="open3d")
    assert_sound(sample)
    assert degrees_off(sample, scene) < 3.0
    assert not np.array_equal(sample.normal, sampled(scene).normal)
