"""Locating the palm of people whom the network has never met."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from labelkit.geometry.orientation import angle_between
from labelkit.imaging.segment import Hand, find_hand
from labelkit.labelling.options import LabelOptions
from labelkit.labelling.palm import Palm, Straight, locate_palm, look_at_palm
from labelkit.records import Reason, Rejection
from labelkit.settings import BuildSettings
from labelkit.simulator.people import draw_moments
from labelkit.simulator.recorder import INTRINSICS, FilmSet
from labelkit.simulator.rig import BodyPart
from tests.scenes import KINECT, HandScene

OPTIONS = LabelOptions.from_settings(BuildSettings())
SEED = 811


@functools.cache
def filmed(index):
    """Film one frame of a simulated person: depth, parts, and how the hand is staged."""
    film_set = FilmSet(SEED, index)
    moment = draw_moments(SEED, index, 12, 40.0, film_set.participant)[9]
    staged, rendered = film_set.shoot(moment)
    depth_m, _ = film_set.develop(moment, rendered, np.random.default_rng(index))
    return depth_m, rendered.parts, staged, film_set.participant.shape


def located(depth_m, seed=0, options=OPTIONS, intrinsics=INTRINSICS):
    hand = find_hand(depth_m, focal_px=525.0, range_m=(0.4, 1.5))
    assert isinstance(hand, Hand)
    rng = np.random.default_rng(seed)
    look = look_at_palm(depth_m, hand, intrinsics, options, rng)
    return hand, locate_palm(depth_m, hand, look, "kinect-v1", options, rng)


@pytest.mark.parametrize("index", range(4))
def test_region_plane_fingers_and_size_are_those_of_the_palm(index):
    depth_m, parts, staged, shape = filmed(index)
    hand, palm = located(depth_m)
    assert isinstance(palm, Palm)
    found = np.zeros(parts.shape, bool)
    x, y = hand.corner
    found[y : y + palm.mask.shape[0], x : x + palm.mask.shape[1]] = palm.mask
    true = (parts == BodyPart.PALM) & np.isfinite(depth_m)
    assert (found & true).sum() / (found | true).sum() > 0.75
    assert np.rad2deg(angle_between(palm.fit.plane.normal, staged.normal)) < 1.5
    assert np.linalg.norm(palm.middle - staged.centre) < 0.008
    assert np.rad2deg(angle_between(palm.fingers, -staged.turn[:, 1])) < 10
    assert palm.size == pytest.approx(shape.size, rel=0.15)
    assert len(palm.points) == np.count_nonzero(palm.mask)


def test_a_tenth_of_the_pixels_lost_at_random_moves_the_plane_by_less_than_a_tenth_of_a_degree_rms():
    depth_m = filmed(1)[0]
    _, whole = located(depth_m)
    normals = []
    for seed in range(10):
        lost = np.random.default_rng(seed).random(depth_m.shape) < 0.1
        _, palm = located(np.where(lost, np.float32(np.nan), depth_m), seed)
        normals.append(palm.fit.plane.normal)
    mean = np.mean(normals, axis=0)
    spread = np.rad2deg([angle_between(normal, mean) for normal in normals])
    assert np.sqrt(np.mean(spread**2)) < 0.15
    assert np.rad2deg(angle_between(mean, whole.fit.plane.normal)) < 0.15


def test_all_skin_of_the_hand_can_be_the_region():
    depth_m = filmed(0)[0]
    options = LabelOptions.from_settings(BuildSettings(region="hand"))
    hand, palm = located(depth_m, options=options)
    np.testing.assert_array_equal(palm.mask, hand.mask)
    assert palm.seen_m2 is None


def test_a_hand_from_its_side_shows_too_little_of_its_palm():
    scene = HandScene(wall_m=2.5, digits=False)
    v, u = np.mgrid[:480, :640]
    ball = 0.055**2 - ((u - 319.5) / 525 * 0.7) ** 2 - ((v - 239.5) / 525 * 0.7 + 0.01) ** 2
    depth_m = np.where(ball > 0, 0.72 - np.sqrt(np.maximum(ball, 0)), scene.depth_m()).astype(np.float32)
    _, rejection = located(depth_m, intrinsics=KINECT)
    assert isinstance(rejection, Rejection)
    assert rejection.reason is Reason.NOT_PLANAR
    assert "of an open palm show" in rejection.detail


def test_a_view_reads_the_relief_of_what_lies_before_its_plane():
    scene = HandScene(wall_m=None)
    hand = find_hand(scene.depth_m(), focal_px=525.0, range_m=(0.4, 1.5))
    _, palm = located(scene.depth_m(), intrinsics=KINECT)
    view = Straight.facing(palm.fit.plane, hand.palm_px, hand.palm_px + 10 * hand.to_arm, KINECT)
    moved = Straight(palm.fit.plane, view.origin, view.right, view.down, KINECT)
    before = moved.relief_m(scene.depth_m() - np.float32(0.01))
    flat = moved.relief_m(scene.depth_m())
    seen = np.abs(flat) < 0.001
    assert np.count_nonzero(seen) > 500
    assert np.median((before - flat)[seen]) == pytest.approx(0.01, abs=0.001)
