"""The square crop: what it shows, and what it does to pixels."""

from __future__ import annotations

import dataclasses

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.geometry.camera import project, rays_through
from labelkit.geometry.orientation import unit, view_from_camera
from labelkit.imaging.crop import crop_color, crop_depth, plain_box, splat_depth, virtual_camera
from tests.scenes import KINECT

LENS = dataclasses.replace(KINECT, distortion=(0.08, -0.1, 0.001, -0.001, 0.0))


def corners(x, y, width, height):
    return np.array([[x, y], [x + width, y], [x, y + height], [x + width, y + height]], dtype=float)


def looking_at(box_px, camera=KINECT, margin=0.1, size=128):
    rays = rays_through(box_px, camera)
    ray = rays_through(box_px.mean(axis=0), camera)
    return virtual_camera(rays, view_from_camera(ray), camera, size=size, margin=margin)


@pytest.mark.parametrize("camera", [KINECT, LENS])
@given(x=st.floats(0, 500), y=st.floats(0, 340), side=st.floats(60, 140), margin=st.floats(0, 0.5))
def test_the_virtual_camera_holds_the_box_with_its_margin_and_looks_at_its_middle(camera, x, y, side, margin):
    box_px = corners(x, y, side, side)
    view = looking_at(box_px, camera, margin)
    placed = view.place(rays_through(box_px, camera))
    free = 128 * margin / (1 + 2 * margin) - 0.5
    assert placed.min() >= free - 1e-6
    assert placed.max() <= 127 - free + 1e-6
    assert np.minimum(placed, 127 - placed).min() == pytest.approx(free, abs=1e-6)
    middle = view.place(rays_through(box_px.mean(axis=0), camera))
    np.testing.assert_allclose(middle, [63.5, 63.5], atol=1e-3)


@pytest.mark.parametrize("camera", [KINECT, LENS])
def test_the_crop_shows_each_point_where_the_view_places_it(camera):
    box_px = corners(450, 60, 110, 130)
    view = looking_at(box_px, camera)
    for target in ((480, 100), (520, 150), (545, 175)):
        image = np.zeros((480, 640, 3), np.uint8)
        image[target[1] - 2 : target[1] + 3, target[0] - 2 : target[0] + 3] = 255
        crop, _ = crop_color(image, view)
        weight = crop[..., 0].astype(float)
        seen = np.array([(weight.sum(axis=0) @ np.arange(128)), (weight.sum(axis=1) @ np.arange(128))]) / weight.sum()
        np.testing.assert_allclose(seen, view.place(rays_through(np.array(target, float), camera)), atol=0.25)


def test_a_disc_square_to_its_ray_is_round_in_the_virtual_camera_and_not_in_the_cut_out():
    ray = unit(np.array([0.5, 0.3, 1.0]))
    turn = view_from_camera(ray)
    angle = np.linspace(0, 2 * np.pi, 200, endpoint=False)
    rim = ray * 0.8 + 0.06 * np.stack([np.cos(angle), np.sin(angle), np.zeros(200)], axis=1) @ turn
    placed = virtual_camera(rim, turn, KINECT, size=128, margin=0.1).place(rim)
    radii = np.hypot(*(placed - 63.5).T)
    assert radii.max() / radii.min() < 1.001
    pixels = project(rim, KINECT)
    width, height = np.ptp(pixels, axis=0)
    assert width / height > 1.05


def test_shrinking_averages_and_does_not_skip_pixels():
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, ::2] = 255  # the finest of stripes: an aliasing crop would show them as bands
    crop, _ = crop_color(image, looking_at(corners(150, 60, 320, 320)))
    assert crop[20:-20, 20:-20].std() < 26
    assert abs(crop[20:-20, 20:-20].mean() - 127.5) < 4


def test_beyond_the_picture_the_border_repeats_and_the_share_is_counted():
    image = np.zeros((480, 640, 3), np.uint8)
    image[:, -1] = (10, 200, 30)
    crop, padded = crop_color(image, looking_at(corners(540, 200, 90, 90), margin=0.4))
    assert 0.05 < padded < 0.35
    np.testing.assert_array_equal(crop[64, -1], [10, 200, 30])
    assert crop_color(image, looking_at(corners(300, 200, 90, 90)))[1] == 0.0


def test_the_plain_box_is_the_picture_itself():
    image = np.random.default_rng(0).integers(0, 256, (480, 640, 3), dtype=np.uint8)
    crop, padded = crop_color(image, plain_box((200, 100, 128, 128), KINECT, size=128, margin=0.0))
    np.testing.assert_array_equal(crop, image[100:228, 200:328])
    assert padded == 0.0
    halved, _ = crop_color(image, plain_box((200, 100, 256, 200), KINECT, size=128, margin=0.0))
    expected = cv2.resize(image[72:328, 200:456], (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(halved.astype(int) - expected).max() <= 1


def test_depth_is_taken_from_the_nearest_reading_and_never_mixed():
    depth = np.full((480, 640), 1.2, np.float32)
    depth[:, :320] = 0.6
    depth[200:230, 300:340] = np.nan
    crop = crop_depth(depth, looking_at(corners(250, 150, 140, 140)))
    assert crop.dtype == np.uint16
    assert set(np.unique(crop)) == {0, 600, 1200}


def test_depth_of_another_camera_is_splatted_and_the_nearest_point_stays():
    view = looking_at(corners(300, 200, 40, 40))
    at = rays_through(np.array([[320.0, 220.0], [320.0, 220.0], [1000.0, 220.0]]), KINECT)
    crop = splat_depth(at * np.array([[0.9], [0.7], [0.5]]), view)
    assert set(np.unique(crop)) == {0, 700}
    column, row = np.round(view.place(at[0])).astype(int)
    assert crop[row, column] == 700
