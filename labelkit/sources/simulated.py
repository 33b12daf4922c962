"""The simulated sensor: a participant of the simulator, alive, in front of a Kinect v1."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import numpy as np

from labelkit.recordings.tum_writer import DEPTH_UNIT_M
from labelkit.simulator.people import Manner, Moment
from labelkit.simulator.player import Angles, Player, Whim
from labelkit.simulator.recorder import INTRINSICS, FilmSet, frame_rng
from labelkit.simulator.render import Rendered
from labelkit.sources.source import Camera, Shot, Wanted

# What the hand does besides turning is drawn for so many frames and then goes back the way it came.
_MANNER_FRAMES = 4096

# What a generator is for, in its key: (seed, participant, purpose). Those below are the recorder's.
_MANNER, _PLAYER, _WHIM = 6, 7, 8

# Takes where the hand is, as the dataset will store it; gives where it should turn, or None for nothing new.
Lead = Callable[[Angles], Angles | None]


@contextmanager
def open_simulated(
    wanted: Wanted,
    *,
    seed: int = 1,
    reach_deg: float = 45.0,
    curl: float = 1.0,
    correlated: bool = False,
    lead: Lead | None = None,
) -> Iterator[Camera]:
    """Put a participant in front of the sensor; another name or another seed is another person.

    Args:
        reach_deg: radius of the disc of centred angles over which the hand wanders.
        curl: how far the fingers bend, times those of a hand held open.
        correlated: whether neighbouring depth pixels err together.
        lead: what the participant follows; whims where None.
    """
    index = zlib.crc32(wanted.participant.encode("utf-8", "surrogateescape"))
    film_set = FilmSet(seed, index, wanted.handedness, curl=curl)
    lead = lead or Whim(np.random.default_rng([seed, index, _WHIM]), reach_deg).goal
    shots = _shots(film_set, wanted.fps, lead, seed, index, correlated)
    yield Camera(f"simulated sensor, seed {seed}", "kinect-v1", INTRINSICS, DEPTH_UNIT_M, shots)


def _shots(film_set: FilmSet, fps: float, lead: Lead, seed: int, index: int, correlated: bool) -> Iterator[Shot]:
    """Film in real time: the hand as it is whenever a frame is due; those that cannot be drawn in time are left out."""
    manner = Manner(np.random.default_rng([seed, index, _MANNER]), _MANNER_FRAMES, film_set.participant)
    player = Player(np.random.default_rng([seed, index, _PLAYER]))
    left = film_set.participant.handedness == "left"
    began_s, clock_s = time.monotonic(), time.time()

    def draw_next(frame: int) -> tuple[int, float, Moment, Rendered]:
        """Wait until it is time for a frame, this one or a later one, and draw it."""
        frame = max(frame, math.ceil((time.monotonic() - began_s) * fps))
        time.sleep(max(0.0, began_s + frame / fps - time.monotonic()))
        now_s = time.monotonic() - began_s
        stored = player.turn(now_s, lead(player.here_deg))
        moment = manner.moment(count_to_and_fro(frame, _MANNER_FRAMES), stored * (-1.0, 1.0) if left else stored)
        return frame, clock_s + now_s, moment, film_set.shoot(moment)[1]

    with ThreadPoolExecutor(1) as beside:  # a frame is drawn while the one before it is developed and written
        ahead = beside.submit(draw_next, 0)
        while True:
            frame, stamp_s, moment, rendered = ahead.result()
            ahead = beside.submit(draw_next, frame + 1)
            rng = frame_rng(seed, index, frame)
            depth_m, color = film_set.develop(moment, rendered, rng, correlated=correlated)
            yield Shot(stamp_s, color, depth_m)


def count_to_and_fro(k: int, n: int) -> int:
    """Count 0 .. n - 1 and back again, without end."""
    return n - 1 - abs(n - 1 - k % (2 * n - 2))
