"""Contour features: what they say, and what they do not depend on."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from labelkit.imaging.contour import CONTOUR_POINTS, contour_distances

DOWN = np.array([0.0, 1.0])


def hand(scale=1.0, shift=(0, 0), turn_deg=0.0):
    """Paint a palm with five fingers, its arm below, and say where the arm is."""
    turn = cv2.getRotationMatrix2D((200, 200), turn_deg, scale)
    turn[:, 2] += shift
    picture = np.zeros((400, 400), np.uint8)

    def paint(points):
        moved = np.array(points) @ turn[:, :2].T + turn[:, 2]
        cv2.fillPoly(picture, [np.round(moved * 16).astype(np.int32)], 1, shift=4)

    paint([(160, 180), (240, 180), (230, 260), (172, 260)])
    for root, tip, length in ((160, 148, 55), (182, 178, 75), (204, 206, 80), (226, 236, 65)):
        paint([(root, 185), (root + 14, 185), (tip + 13, 180 - length), (tip + 1, 180 - length)])
    paint([(238, 225), (282, 185), (272, 172), (236, 195)])
    return picture > 0, turn[:, :2] @ DOWN


def test_they_are_the_distances_from_the_wrist_point_of_a_rectangle():
    mask = np.zeros((80, 60), bool)
    mask[10:70, 20:40] = True  # 20 wide, 60 high: the axis meets the lower side in its middle
    distances = contour_distances(mask, DOWN)
    assert distances.shape == (CONTOUR_POINTS,)
    assert distances.dtype == np.float32
    assert distances[0] < 0.02
    assert distances.max() == 1
    # To the far corner, (10, 60) away, and to the middle of the far side, 60 away.
    far = np.hypot(10, 60)
    assert distances[CONTOUR_POINTS // 2] == pytest.approx(60 / far, abs=0.015)
    # Corners of the near side: a 16th of the way round, since the outline is 160 long.
    assert distances[round(CONTOUR_POINTS / 16)] == pytest.approx(10 / far, abs=0.02)
    assert distances[-round(CONTOUR_POINTS / 16)] == pytest.approx(10 / far, abs=0.02)


def test_the_outline_is_followed_clockwise():
    mask = np.zeros((60, 60), bool)
    mask[10:50, 20:40] = True
    mask[10:20, 5:20] = True  # a thumb on the left: clockwise from below, the left side comes first
    distances = contour_distances(mask, DOWN)
    assert np.argmax(distances) < CONTOUR_POINTS / 2


def test_the_wrist_is_at_the_side_of_the_arm():
    mask, to_arm = hand()
    from_arm, from_fingers = contour_distances(mask, to_arm), contour_distances(mask, -to_arm)

    # Seen from the wrist there are five fingers far away; seen from the fingers only the wrist.
    assert np.count_nonzero(np.diff((from_arm > 0.7).astype(int)) == 1) == 4
    assert np.count_nonzero(np.diff((from_fingers > 0.7).astype(int)) == 1) < 4


@pytest.mark.parametrize("changed", [{"shift": (13, -9)}, {"scale": 0.6}, {"scale": 1.3}, {"turn_deg": 35}])
def test_they_change_little_when_the_hand_is_moved_scaled_or_turned(changed):
    same, other = contour_distances(*hand()), contour_distances(*hand(**changed))
    limit = 1e-6 if "shift" in changed else 0.06
    assert np.abs(other - same).max() <= limit
    assert np.abs(other - same).mean() <= limit / 2


def test_a_mirrored_hand_has_them_in_the_opposite_order():
    mask, to_arm = hand()
    mirrored = contour_distances(mask[:, ::-1], to_arm * (-1, 1))
    expected = np.roll(contour_distances(mask, to_arm)[::-1], 1)
    assert np.abs(mirrored - expected).max() < 0.03


def test_holes_and_crumbs_do_not_count():
    mask, to_arm = hand()
    spotted = mask.copy()
    spotted[210:216, 195:203] = False
    spotted[20:24, 20:24] = True
    np.testing.assert_array_equal(contour_distances(spotted, to_arm), contour_distances(mask, to_arm))


@pytest.mark.parametrize("size", [1, 2, 3])
def test_a_hand_of_few_pixels_has_them_too(size):
    mask = np.zeros((5, 5), bool)
    mask[1 : 1 + size, 1] = True
    distances = contour_distances(mask, DOWN)
    assert np.isfinite(distances).all()


def test_nothing_has_none():
    with pytest.raises(ValueError, match="empty"):
        contour_distances(np.zeros((5, 5), bool), DOWN)
