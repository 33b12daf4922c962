"""Colour and depth that belong together, and that do not."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from labelkit.curation.alignment import EdgeMaps, Fit
from labelkit.records import Calibration
from labelkit.simulator.people import draw_moments
from labelkit.simulator.recorder import INTRINSICS, FilmSet

RANGE_M = (0.4, 1.5)


@pytest.fixture(scope="module")
def frames():
    film_set, rng = FilmSet(5, 0), np.random.default_rng(5)
    moments = [m for m in draw_moments(5, 0, 40, 45.0, film_set.participant) if m is not None][::4]
    return [film_set.develop(moment, film_set.shoot(moment)[1], rng) for moment in moments[:9]]


def measure(frames, calibration=None):
    edges = EdgeMaps(calibration or Calibration(INTRINSICS, INTRINSICS), RANGE_M)
    for depth_m, color in frames:
        edges.add(depth_m, color)
    return edges.measure()


def test_pictures_of_one_grid_are_aligned(frames):
    found = measure(frames)
    assert found.fit is Fit.ALIGNED
    assert np.hypot(*found.shift_px) < 5


@pytest.mark.parametrize("shift", [(30, 0), (-12, 10), (0, -20), (60, 5)])
def test_a_shift_is_found_to_the_pixel(frames, shift):
    moved = [(np.roll(depth_m, shift, (1, 0)), color) for depth_m, color in frames]
    found, sound = measure(moved), measure(frames)
    assert found.fit is Fit.SHIFTED
    np.testing.assert_allclose(np.array(sound.shift_px) - found.shift_px, shift, atol=1.5)


@pytest.mark.parametrize("few", [3, 9])
def test_a_mirrored_depth_picture_is_found(frames, few):
    found = measure([(depth_m[:, ::-1], color) for depth_m, color in frames[:few]])
    assert found.fit is Fit.MIRRORED


def test_colour_of_another_moment_belongs_to_no_depth(frames):
    n = len(frames)
    found = measure([(frames[i][0], frames[(i + n // 2) % n][1]) for i in range(n)])
    assert found.fit is not Fit.ALIGNED


def test_the_same_colour_picture_again_and_again_belongs_to_no_depth(frames):
    assert measure([(depth_m, frames[0][1]) for depth_m, _ in frames]).fit is Fit.UNRELATED


def test_without_edges_nothing_is_said(frames):
    blank = [(np.full_like(depth_m, 1.0), color) for depth_m, color in frames]
    found = measure(blank)
    assert (found.fit, found.frames, found.shift_px) == (Fit.UNKNOWN, 0, None)


def test_two_cameras_are_measured_as_they_are_calibrated(frames):
    """A colour camera whose picture lies 24 pixels farther right, which is stated rightly, and not at all."""
    moved = [(depth_m, np.roll(color, 24, axis=1)) for depth_m, color in frames]
    farther_right = dataclasses.replace(INTRINSICS, cx=INTRINSICS.cx + 24)
    assert not Calibration(INTRINSICS, farther_right).registered
    assert measure(moved, Calibration(INTRINSICS, farther_right)).fit is Fit.ALIGNED
    assert measure(moved).fit is Fit.SHIFTED


def test_a_calibration_that_says_the_wrong_side_is_found(frames):
    """Depth carried 40 mm to the left lies beside the hand by more the nearer that is."""
    aside = np.eye(4)
    aside[0, 3] = -0.04
    found = measure(frames, Calibration(INTRINSICS, INTRINSICS, aside))
    assert found.fit is Fit.SHIFTED
    assert found.shift_px[0] > 12
