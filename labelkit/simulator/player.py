"""How a person plays the painting game, or turns the hand about without one: orientations alone, no pictures.

The person sees an arrow, starts a reaction time later, turns the hand no faster than is comfortable, and never
keeps it quite where it should be: it strays about the goal by so many degrees in either angle, forgetting within
a reaction time where it had strayed to.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from labelkit.records import FloatArray

Angles = tuple[float, float]  # centred azimuth and elevation, degrees

SPEED_DEG_S = 60.0  # a hand turned to and fro at leisure
REACTION_S = 0.3
NOISE_DEG = 5.0  # of either angle

_MOST_DEG = 60.0  # no hand goes further from the front here: the corners beyond are edge-on
_ARRIVED_DEG = 5.0


class Player:
    """A person who turns the hand to the goal that was shown a reaction time ago."""

    def __init__(
        self,
        rng: np.random.Generator,
        *,
        speed_deg_s: float = SPEED_DEG_S,
        reaction_s: float = REACTION_S,
        noise_deg: float = NOISE_DEG,
    ) -> None:
        """Begin with the palm to the camera.

        Args:
            rng: decides how the hand strays.
            speed_deg_s: the fastest turn, degrees of (azimuth, elevation) a second.
            reaction_s: time from a goal's being shown to the hand's going there.
            noise_deg: standard deviation of how the hand strays, of either angle.
        """
        self._rng, self._speed_deg_s, self._reaction_s, self._noise_deg = rng, speed_deg_s, reaction_s, noise_deg
        self._here: FloatArray = np.zeros(2)
        self._goal: FloatArray = np.zeros(2)
        self._stray: FloatArray = noise_deg * rng.standard_normal(2)
        self._shown: deque[tuple[float, Angles]] = deque()  # goals not reacted to yet, and when each came
        self._then_s: float | None = None

    @property
    def here_deg(self) -> Angles:
        """Where the hand is turned to."""
        azimuth, elevation = self._here.tolist()
        return azimuth, elevation

    def turn(self, now_s: float, shown: Angles | None) -> FloatArray:
        """Let the time pass until `now_s`, when a goal is seen (None: nothing new); times run forward.

        Returns:
            (2,) centred azimuth and elevation to which the hand has come.
        """
        elapsed_s = 0.0 if self._then_s is None else now_s - self._then_s
        self._then_s = now_s
        if shown is not None and (not self._shown or self._shown[-1][1] != shown):
            self._shown.append((now_s, shown))
        # a millionth more: times that are multiples of a frame's must not miss the frame by rounding
        while self._shown and self._shown[0][0] + self._reaction_s <= now_s + 1e-6:
            self._goal = np.array(self._shown.popleft()[1])
        self._stray = self._move_stray(elapsed_s)
        way = self._goal + self._stray - self._here
        far_deg = float(np.linalg.norm(way))
        self._here = self._here + way * min(1.0, self._speed_deg_s * elapsed_s / max(far_deg, 1e-12))
        self._here *= min(1.0, _MOST_DEG / max(float(np.linalg.norm(self._here)), 1e-12))
        return self._here.copy()

    def _move_stray(self, elapsed_s: float) -> FloatArray:
        kept = float(np.exp(-elapsed_s / max(self._reaction_s, 1e-3)))
        fresh = self._noise_deg * np.sqrt(1.0 - kept**2) * self._rng.standard_normal(2)
        return np.asarray(kept * self._stray + fresh)


class Whim:
    """What to turn to without a map: an orientation anywhere in the disc, and when the hand is there, another."""

    def __init__(self, rng: np.random.Generator, reach_deg: float) -> None:
        """Begin anywhere in the disc of centred angles of this radius."""
        self._rng, self._reach_deg = rng, reach_deg
        self._goal = self._anywhere()

    def goal(self, here_deg: Angles) -> Angles:
        """Say where to turn from here."""
        if np.hypot(here_deg[0] - self._goal[0], here_deg[1] - self._goal[1]) < _ARRIVED_DEG:
            self._goal = self._anywhere()
        return self._goal

    def _anywhere(self) -> Angles:
        radius_deg = self._reach_deg * float(np.sqrt(self._rng.random()))
        angle = 2.0 * np.pi * self._rng.random()
        return radius_deg * float(np.cos(angle)), radius_deg * float(np.sin(angle))
