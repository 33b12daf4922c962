from __future__ import annotations

import cv2
import numpy as np
import pytest

from labelkit.curation.likeness import (
    HAND,
    NEAR_S,
    PALM,
    ROOM,
    SLEEVE,
    Looks,
    colors_of,
    find_alike,
    palm_widths,
)

NOW_S = 1.7e9


def looking(*differences):
    """Participants who differ from the first, who is grey, by so much in hand, sleeve, room and palm."""
    colors = np.full((len(differences) + 1, 3, 3), 50.0)
    colors[1:, :, 1] += np.array(differences)[:, :3]
    return Looks(colors, np.log(0.08) + np.array([0.0, *(each[3] for each in differences)]))


def at(*starts_s):
    return [np.array([[start, start + 60.0]]) for start in starts_s]


def test_the_same_hand_sleeve_and_room_are_one_person_whatever_comes_between():
    looks = looking((40, 0, 0, 0), (1, 2, 3, 0.01), (0, 0, 0, 0))
    found = find_alike(looks, at(*[NOW_S] * 4))
    assert found.pairs.tolist() == [[0, 3], [0, 2], [2, 3]]
    np.testing.assert_allclose(found.differences[1], [1, 2, 3, 0.01])


@pytest.mark.parametrize("place", range(4))
def test_people_who_differ_in_one_thing_are_not_one(place):
    limits = np.array([HAND, SLEEVE, ROOM, PALM])
    for factor, pairs in ((0.9, 1), (1.1, 0)):
        differs = np.zeros(4)
        differs[place] = factor * limits[place]
        assert len(find_alike(looking(differs), at(NOW_S, NOW_S)).pairs) == pairs


def test_recordings_that_are_long_apart_are_not_of_one_person_unless_the_stamps_are_no_dates():
    looks = looking((0, 0, 0, 0))
    near, far = (find_alike(looks, at(NOW_S, NOW_S + 60.0 + gap)) for gap in (0.9 * NEAR_S, 1.1 * NEAR_S))
    assert near.apart_s == pytest.approx([0.9 * NEAR_S])
    assert len(far.pairs) == 0
    for other in (at(NOW_S, np.nan), at(0.0, 1.1 * NEAR_S)):
        assert np.isnan(find_alike(looks, other).apart_s).all()
        assert len(find_alike(looks, other).pairs) == 1


def test_the_nearest_recordings_of_two_people_count():
    one, other = np.concatenate(at(NOW_S, NOW_S + 9e5)), np.concatenate(at(NOW_S + 5e5, NOW_S + 9e5 + 100))
    assert find_alike(looking((0, 0, 0, 0)), [one, other]).apart_s.tolist() == [40.0]


@pytest.mark.parametrize("turn_deg", [0.0, 90.0, -90.0, 180.0])
def test_hand_sleeve_and_room_are_looked_for_along_the_arm(turn_deg):
    crop = np.full((64, 64, 3), (40, 60, 200), np.uint8)
    cv2.circle(crop, (32, 32), 20, (220, 170, 150), -1)
    crop[52:, 24:40] = (200, 30, 30)  # the sleeve, below the hand
    turned = np.rot90(crop, -round(turn_deg / 90.0))  # np.rot90 turns the other way
    found = colors_of(np.ascontiguousarray(turned)[None], np.array([turn_deg]))[0]
    truth = np.float32([[[220, 170, 150], [200, 30, 30], [40, 60, 200]]]) / 255.0
    np.testing.assert_allclose(found, cv2.cvtColor(truth, cv2.COLOR_RGB2LAB)[0], atol=0.5)


def test_a_palm_is_as_wide_from_near_and_far_and_when_it_is_tilted():
    near, far, tilted = palm_widths(
        np.array([10_000.0, 2_500.0, 5_000.0]), np.full(3, 500.0), np.array([0.5, 1.0, 0.5]), np.array([-1, -1, -0.5])
    )
    assert near == pytest.approx(0.1)
    assert far == pytest.approx(0.1)
    assert tilted == pytest.approx(0.1)


def test_nobody_is_alone_alike():
    assert find_alike(Looks(np.empty((0, 3, 3)), np.empty(0)), []).pairs.shape == (0, 2)
    assert find_alike(Looks(np.zeros((1, 3, 3)), np.zeros(1)), at(NOW_S)).pairs.shape == (0, 2)
