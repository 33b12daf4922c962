from __future__ import annotations

from functools import cache
from itertools import islice

import numpy as np
import pytest

from labelkit.simulator import recorder
from labelkit.sources import simulated
from labelkit.sources.camera import Wanted
from labelkit.sources.simulated import open_simulated, to_and_fro


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


def test_neighbouring_pixels_err_together_only_where_asked_for(clock):
    plain, asked = (shots(1, correlated=correlated)[0] for correlated in (False, True))
    assert np.array_equal(plain.color, asked.color)
    assert not np.array_equal(plain.depth_m, asked.depth_m, equal_nan=True)


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


def test_counting_to_and_fro_has_no_jump_and_no_end():
    assert [to_and_fro(k, 4) for k in range(10)] == [0, 1, 2, 3, 2, 1, 0, 1, 2, 3]
    assert max(abs(to_and_fro(k + 1, 4096) - to_and_fro(k, 4096)) for k in range(20_000)) == 1
