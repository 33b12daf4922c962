from __future__ import annotations

from functools import cache
from itertools import islice

import numpy as np
import pytest

from labelkit.simulator import recorder
from labelkit.sources import simulated
from labelkit.sources.simulated import count_to_and_fro, open_simulated
from labelkit.sources.source import Wanted


class Clock:
    """Time that passes only while someone sleeps, or draws."""

    def __init__(self):
        self.now_s, self.slept = 100.0, []

    def sleep(self, seconds):
        self.slept.append(seconds)
        self.now_s += seconds

    def monotonic(self):
        return self.now_s

    def time(self):
        return self.now_s + 1.7e9


@pytest.fixture(scope="module", autouse=True)
def one_arm_for_all():
    """Let everyone have the arm that was made first for a shape: it takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "build_arm", cache(recorder.build_arm))
        yield


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(simulated, "time", clock)
    return clock


class Notes:
    """What would have been filmed: the moments, and a number from the noise of each frame."""

    def __init__(self):
        self.moments, self.noise = [], []

    def shoot(self, moment):
        self.moments.append(moment)
        return None, None

    def develop(self, moment, rendered, rng, *, correlated):
        self.noise.append(rng.random())
        return None, None

    def turned_deg(self):
        return np.hypot(*np.transpose([moment.angles_deg for moment in self.moments]))


@pytest.fixture
def undrawn(monkeypatch):
    """Film without drawing, which takes most of the time."""
    notes = Notes()
    monkeypatch.setattr(simulated.FilmSet, "shoot", lambda film_set, moment: notes.shoot(moment))
    monkeypatch.setattr(simulated.FilmSet, "develop", lambda film_set, *of, **how: notes.develop(*of, **how))
    return notes


def shots(n, fps=10.0, participant="p01", handedness="right", **how):
    with open_simulated(Wanted(fps, participant, handedness), **how) as camera:
        return list(islice(camera.shots, n))


def test_frames_come_when_they_are_due_as_a_kinect_sees_a_hand(clock):
    with open_simulated(Wanted(10.0, "p01", "right")) as camera:
        found = list(islice(camera.shots, 4))
    assert (camera.sensor, camera.intrinsics.width, camera.depth_unit_m) == ("kinect-v1", 640, 0.0002)
    assert np.allclose([shot.stamp_s for shot in found], 1.7e9 + 100.0 + np.arange(4) / 10)
    for shot in found:
        assert (shot.color.shape, shot.color.dtype) == ((480, 640, 3), np.uint8)
        assert (shot.depth_m.shape, shot.depth_m.dtype) == ((480, 640), np.float32)
        assert 0.4 < np.nanmin(shot.depth_m) < 1.0


def test_frames_that_cannot_be_drawn_in_time_are_left_out_and_the_rest_is_not_late(clock, monkeypatch):
    shoot = simulated.FilmSet.shoot

    def slow(self, moment):
        clock.now_s += 0.25
        return shoot(self, moment)

    monkeypatch.setattr(simulated.FilmSet, "shoot", slow)
    stamps = [shot.stamp_s - 1.7e9 - 100.0 for shot in shots(4)]
    assert np.allclose(stamps, [0.0, 0.3, 0.6, 0.9])  # every third of ten a second, each when it was due


def test_another_name_or_seed_is_another_person_and_the_same_is_the_same(clock):
    one, other, seeded = (shots(1, **how)[0].color for how in ({}, {"participant": "p02"}, {"seed": 2}))
    assert np.array_equal(one, shots(1)[0].color)
    assert not np.array_equal(one, other)
    assert not np.array_equal(one, seeded)


def test_whole_people_are_filmed_where_that_is_asked_for(clock):
    how = {"people": True, "room": "none"}
    one, again = (shots(2, **how) for _ in range(2))
    assert [np.array_equal(a.color, b.color) for a, b in zip(one, again, strict=True)] == [True, True]
    assert not np.array_equal(one[0].color, shots(1)[0].color)
    bent = shots(1, **how, hands="gestures")[0]
    assert not np.array_equal(one[0].color, bent.color)
    for shot in one:
        assert 0.4 < np.nanmin(shot.depth_m) < 1.0


@pytest.mark.parametrize(("handedness", "in_picture"), [("right", 25.0), ("left", -25.0)])
def test_a_left_hand_follows_the_mirrored_goal_in_the_picture(clock, monkeypatch, handedness, in_picture):
    turned = []
    shoot = simulated.FilmSet.shoot

    def seen(self, moment):
        staged, rendered = shoot(self, moment)
        turned.append(moment.angles_deg)
        return staged, rendered

    monkeypatch.setattr(simulated.FilmSet, "shoot", seen)
    shots(16, handedness=handedness, lead=lambda here: (25.0, -10.0))
    azimuth, elevation = np.mean(turned[8:16], axis=0)
    assert azimuth == pytest.approx(in_picture, abs=6.0)
    assert elevation == pytest.approx(-10.0, abs=6.0)


def test_what_leads_the_hand_is_told_where_it_is(clock):
    told = []
    shots(3, lead=lambda here: told.append(here))
    assert len(told) >= 3
    assert told[0] == (0.0, 0.0)
    assert told[1] != told[2]


def test_two_people_stray_each_in_their_own_way(clock, undrawn):
    shots(3, participant="p01")
    first = undrawn.turned_deg()
    undrawn.moments.clear()
    shots(3, participant="p02")
    assert not np.allclose(first[:3], undrawn.turned_deg()[:3])


def test_a_hand_without_a_map_wanders_as_far_as_it_was_asked_to(clock, undrawn):
    shots(200, reach_deg=0.0)
    near = np.median(undrawn.turned_deg())
    undrawn.moments.clear()
    shots(200, reach_deg=60.0)
    assert near < 10 < 20 < np.median(undrawn.turned_deg())


def test_the_sensor_errs_anew_in_every_frame_and_alike_for_the_same_seed(clock, undrawn):
    shots(4)
    shots(4)
    assert undrawn.noise[:4] == undrawn.noise[4:]
    assert len(set(undrawn.noise)) == 4


def test_neighbouring_depths_err_together_where_that_is_asked_for(clock):
    alone, together = (
        np.nanmean(np.abs(np.diff(shots(1, correlated=correlated)[0].depth_m))) for correlated in (False, True)
    )
    assert together < alone


def test_when_all_that_was_drawn_for_the_hand_is_over_it_goes_back_the_way_it_came(clock, undrawn, monkeypatch):
    asked = []
    moment = simulated.Manner.moment
    monkeypatch.setattr(simulated.Manner, "moment", lambda self, k, angles: asked.append(k) or moment(self, k, angles))
    monkeypatch.setattr(simulated, "_MANNER_FRAMES", 3)
    shots(6)
    assert asked[:6] == [0, 1, 2, 1, 0, 1]


def test_counting_to_and_fro_has_no_jump_and_no_end():
    assert [count_to_and_fro(k, 4) for k in range(10)] == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]
    assert max(abs(count_to_and_fro(k + 1, 4096) - count_to_and_fro(k, 4096)) for k in range(20_000)) == 1
