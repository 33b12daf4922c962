"""The simulated sensor: a participant of the simulator in front of a Kinect v1, in real time."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from labelkit.recordings.tum_writer import DEPTH_UNIT_M
from labelkit.simulator.people import BackdropKind, Manner, Moment
from labelkit.simulator.person_set import Hands, PersonSet
from labelkit.simulator.player import Angles, Player, Whim
from labelkit.simulator.recorder import INTRINSICS, FilmSet, frame_rng
from labelkit.simulator.render import Rendered
from labelkit.sources.source import Camera, Shot, Wanted

# All motion of the hand but its orientation is drawn for so many frames, and then runs backward and forward.
_MANNER_FRAMES = 4096

# Purposes of random generators, for their keys (seed, participant, purpose); recorder.py has those below 6.
_MANNER, _PLAYER, _WHIM = 6, 7, 8

# Takes the hand's angles as the dataset will store them; gives the goal, or None if it has not changed.
Lead = Callable[[Angles], Angles | None]


@contextmanager
def open_simulated(
    wanted: Wanted,
    *,
    seed: int = 1,
    reach_deg: float = 45.0,
    curl: float = 1.0,
    correlated: bool = False,
    people: bool = False,
    hands: Hands = "open",
    room: BackdropKind | None = None,
    lead: Lead | None = None,
) -> Iterator[Camera]:
    """Put a participant in front of the sensor; another name or seed gives another person.

    Args:
        reach_deg: radius of the disc of centred angles over which the hand wanders.
        curl: how much the fingers bend; 1: an open hand.
        correlated: whether the noise of neighbouring depth pixels is correlated.
        people: whether a whole person is filmed; else an arm, which knows no other hands and rooms.
        hands, room: of a person; a room of None is drawn at random.
        lead: gives the goals of the participant; None: random goals.
    """
    index = zlib.crc32(wanted.participant.encode("utf-8", "surrogateescape"))
    film_set: FilmSet | PersonSet = (
        PersonSet(seed, index, INTRINSICS, wanted.handedness, hands=hands, room=room)
        if people
        else FilmSet(seed, index, wanted.handedness, curl=curl)
    )
    lead = lead or Whim(np.random.default_rng([seed, index, _WHIM]), reach_deg).goal
    shots = _shots(film_set, wanted.fps, lead, seed, index, correlated)
    yield Camera(f"simulated sensor, seed {seed}", "kinect-v1", INTRINSICS, DEPTH_UNIT_M, shots, simulated=True)


def _shots(
    film_set: FilmSet | PersonSet, fps: float, lead: Lead, seed: int, index: int, correlated: bool
) -> Iterator[Shot]:
    """Film in real time: each frame when it is due; frames that cannot be drawn in time are left out."""
    manner = Manner(np.random.default_rng([seed, index, _MANNER]), _MANNER_FRAMES, film_set.participant)
    body = film_set.draw_manner(_MANNER_FRAMES) if isinstance(film_set, PersonSet) else None
    player = Player(np.random.default_rng([seed, index, _PLAYER]))
    left = film_set.participant.handedness == "left"
    began_s, clock_s = time.monotonic(), time.time()

    def draw_next(frame: int) -> tuple[int, float, Moment, Rendered]:
        """Wait until this frame, or a later one, is due, and draw it."""
        frame = max(frame, math.ceil((time.monotonic() - began_s) * fps))
        time.sleep(max(0.0, began_s + frame / fps - time.monotonic()))
        now_s = time.monotonic() - began_s
        stored = player.turn(now_s, lead(player.here_deg))
        k = count_to_and_fro(frame, _MANNER_FRAMES)
        moment = manner.moment(k, stored * (-1.0, 1.0) if left else stored)
        moment = moment if body is None else body.complete(k, moment)
        return frame, clock_s + now_s, moment, film_set.shoot(moment)[1]

    with ThreadPoolExecutor(1) as pool:  # a frame is drawn while the one before is developed and written
        ahead = pool.submit(draw_next, 0)
        while True:
            frame, stamp_s, moment, rendered = ahead.result()
            ahead = pool.submit(draw_next, frame + 1)
            rng = frame_rng(seed, index, frame)
            depth_m, color = film_set.develop(moment, rendered, rng, correlated=correlated)
            yield Shot(stamp_s, color, depth_m)


def count_to_and_fro(k: int, n: int) -> int:
    """Count 0 .. n - 1 and back again, without end."""
    return n - 1 - abs(n - 1 - k % (2 * n - 2))
