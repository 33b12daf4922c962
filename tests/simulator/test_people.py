import numpy as np
import pytest

from labelkit.simulator.people import draw_moments, draw_participant, hand_turn

PEOPLE = [draw_participant(1, index) for index in range(200)]


def share(of):
    return np.mean([of(p) for p in PEOPLE])


def test_about_a_quarter_are_left_handed_and_two_fifths_wear_sleeves():
    assert share(lambda p: p.shape.left) == pytest.approx(0.25, abs=0.08)
    assert share(lambda p: p.shape.sleeve_mm is not None) == pytest.approx(0.4, abs=0.1)


def test_every_kind_of_backdrop_occurs():
    assert {p.backdrop for p in PEOPLE} == {"wall", "clutter", "none"}


def test_skin_of_any_tone_is_more_red_than_blue():
    for p in PEOPLE:
        assert p.skin[0] > p.skin[2]
        assert p.palm_skin[0] > p.palm_skin[2]


def test_a_participant_is_the_same_on_every_draw_and_unlike_the_next():
    assert draw_participant(1, 3).shape == PEOPLE[3].shape
    assert draw_participant(2, 3).shape != PEOPLE[3].shape
    assert PEOPLE[4].shape != PEOPLE[3].shape


@pytest.mark.parametrize(("frames", "empty"), [(1, 0), (20, 0), (60, 2), (200, 5)])
def test_a_few_first_frames_are_without_a_hand(frames, empty):
    moments = draw_moments(1, 0, frames, 45.0, PEOPLE[0])
    assert len(moments) == frames
    assert [m is None for m in moments] == [True] * empty + [False] * (frames - empty)


def test_distances_and_wrists_stay_within_what_is_said():
    moments = [m for p in range(4) for m in draw_moments(1, p, 100, 45.0, PEOPLE[p]) if m]
    distance = np.array([m.distance_m for m in moments])
    assert distance.min() >= 0.5
    assert distance.max() <= 1.0
    flexion = np.rad2deg([m.pose.wrist[0] for m in moments])
    assert np.abs(flexion).max() <= 60.0 + 1e-9
    assert 15.0 < flexion.std() < 30.0


def test_curled_fingers_bend_so_many_times_as_far_and_nothing_else_changes():
    open_hand, curled = (
        [m for m in draw_moments(1, 0, 60, 45.0, draw_participant(1, 0, curl=curl)) if m] for curl in (1.0, 3.0)
    )
    for one, other in zip(open_hand, curled, strict=True):
        assert other.pose.curl == pytest.approx(3.0 * one.pose.curl)
        assert np.array_equal(other.pose.splay, one.pose.splay)
        assert np.array_equal(other.angles_deg, one.angles_deg)
        assert (other.pose.wrist, other.distance_m) == (one.pose.wrist, one.distance_m)


def test_the_fingers_of_hands_at_ease_bend_by_60_degrees_and_sometimes_by_140():
    people = [draw_participant(1, index, curl=3.0) for index in range(8)]
    moments = [m for index, person in enumerate(people) for m in draw_moments(1, index, 100, 45.0, person) if m]
    bent_deg = np.rad2deg([m.pose.curl[1:] for m in moments]).sum(axis=-1)  # of the three joints
    assert np.percentile(bent_deg, [50, 95]) == pytest.approx([60.0, 140.0], abs=10.0)


@pytest.mark.parametrize("angles", [(0.0, 0.0), (30.0, 0.0), (0.0, -45.0), (-20.0, 35.0)])
def test_the_hand_is_turned_to_the_angles_asked_for(angles):
    turn = hand_turn(np.array(angles), 0.3)
    normal = -turn[:, 2]
    assert 90.0 - np.rad2deg(np.arccos(normal[:2])) == pytest.approx(angles, abs=1e-9)
    assert normal[2] < 0
    assert turn @ turn.T == pytest.approx(np.eye(3), abs=1e-12)


def test_a_positive_in_plane_turn_leads_the_fingers_clockwise():
    fingers = -hand_turn(np.zeros(2), np.deg2rad(90.0))[:, 1]
    assert fingers == pytest.approx([1.0, 0.0, 0.0], abs=1e-12)  # to the picture's right
