from __future__ import annotations

import numpy as np
import pytest

from labelkit.figures.scene import Scene, directions_within, view_angles
from labelkit.geometry.orientation import angle_between
from labelkit.records import Calibration
from labelkit.workflows.show import explain
from tests.golden.make import RAW


@pytest.fixture(scope="module")
def scenes():
    return {name: explain(RAW, f"{name}.png").scene for name in ("depth_020", "depth_030")}


def test_the_deviations_on_the_disc_are_those_of_the_label(scenes):
    sample = scenes["depth_030"].sample
    rim = directions_within(sample, 2.0)
    off_deg = np.rad2deg(angle_between(rim, sample.normal))
    spread = np.sqrt(np.linalg.eigvalsh(sample.normal_cov))
    assert off_deg.min() == pytest.approx(2 * spread[0], rel=0.01)
    assert off_deg.max() == pytest.approx(2 * spread[1], rel=0.01)
    middle = view_angles(sample, rim).mean(axis=0)
    assert middle == pytest.approx(90 - np.rad2deg(np.arccos(sample.view_normal[:2])), abs=0.2)


def test_the_drawn_outline_lies_on_the_hand_also_in_an_unregistered_colour_picture(scenes):
    whole = scenes["depth_020"]
    x, y, width, height = whole.sample.crop
    (line, *_) = sorted(whole.outlines(whole.hand.mask, whole.color_canvas), key=len, reverse=True)
    assert line.min(axis=0) == pytest.approx([x, y])
    assert line.max(axis=0) == pytest.approx([x + width - 1, y + height - 1])
    aside = np.eye(4)
    aside[0, 3] = 0.05
    moved = Scene(whole.depth_m, whole.color, Calibration(whole.calibration.depth, whole.calibration.color, aside),
                  whole.hand, whole.palm)  # fmt: skip
    (off, *_) = sorted(moved.outlines(moved.hand.mask, moved.color_canvas), key=len, reverse=True)
    expected = 0.05 * whole.calibration.color.fx / whole.palm.middle[2]
    assert np.median(off - line, axis=0) == pytest.approx([expected, 0], rel=0.05, abs=1e-9)


def test_the_drawn_normal_points_where_the_mirrored_label_does_not(scenes):
    """The close-up shows a left hand as recorded: its normal is the label's, mirrored back."""
    scene = scenes["depth_030"]
    base, end = scene._normal(scene.color_canvas)
    assert np.sign(end - base).tolist() == [-np.sign(scene.sample.normal[0]), np.sign(scene.sample.normal[1])]


def test_the_close_up_holds_the_hand_and_its_normal(scenes):
    for scene in scenes.values():
        left, top, right, bottom = scene.window(scene.color_canvas)
        x, y, width, height = scene.sample.crop
        assert left < x < x + width < right
        assert top < y < y + height < bottom
        assert right - left == pytest.approx(bottom - top)
        for u, v in scene._normal(scene.color_canvas):
            assert left < u < right
            assert top < v < bottom
