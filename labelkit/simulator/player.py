"""A model of a person who plays the painting game, or turns the hand without one: orientations only, no pictures.

The person sees an arrow and starts after a reaction time. The hand turns with limited speed and never stays
exactly at the goal: both angles have random deviations of some degrees, which change within about a reaction
time.
"""

from __future__ import annotations

from collections import deque

import numpy as np

from labelkit.records import FloatArray

Angles = tuple[float, float]  # centred azimuth and elevation, degrees

SPEED_DEG_S = 60.0  # a comfortable speed
REACTION_S = 0.3
NOISE_DEG = 5.0  # of either angle

_MOST_DEG = 60.0  # farthest from the front: in the corners beyond, the hand is seen edge-on
_ARRIVED_DEG = 5.0


class Player:
    """A person who turns the hand to the goal that was shown one reaction time ago."""

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
            rng: draws the deviations from the goal.
            speed_deg_s: highest speed, degrees of (azimuth, elevation) per second.
            reaction_s: time from when a goal is shown to when the hand starts.
            noise_deg: standard deviation from the goal, of each angle.
        """
        self._rng, self._speed_deg_s, self._reaction_s, self._noise_deg = rng, speed_deg_s, reaction_s, noise_deg
        self._here: FloatArray = np.zeros(2)
        self._goal: FloatArray = np.zeros(2)
        self._stray: FloatArray = noise_deg * rng.standard_normal(2)
        self._shown: deque[tuple[float, Angles]] = (
            deque()
        )  # goals to which the person has not reacted yet, and their times
        self._then_s: float | None = None

    @property
    def here_deg(self) -> Angles:
        """The orientation of the hand."""
        azimuth, elevation = self._here.tolist()
        return azimuth, elevation

    def turn(self, now_s: float, shown: Angles | None) -> FloatArray:
        """Advance to the time `now_s`, at which a goal is shown (None: no new one); times must increase.

        Returns:
            (2,) centred azimuth and elevation of the hand.
        """
        elapsed_s = 0.0 if self._then_s is None else now_s - self._then_s
        self._then_s = now_s
        if shown is not None and (not self._shown or self._shown[-1][1] != shown):
            self._shown.append((now_s, shown))
        # 1e-6 s more, so that rounding does not delay a goal by one frame
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
    """Random goals for a person without a map: an orientation in the disc, and once the hand is there, another."""

    def __init__(self, rng: np.random.Generator, reach_deg: float) -> None:
        """Begin with a random goal in the disc of centred angles of this radius."""
        self._rng, self._reach_deg = rng, reach_deg
        self._goal = self._anywhere()

    def goal(self, here_deg: Angles) -> Angles:
        """Give the goal for a hand that is here."""
        if np.hypot(here_deg[0] - self._goal[0], here_deg[1] - self._goal[1]) < _ARRIVED_DEG:
            self._goal = self._anywhere()
        return self._goal

    def _anywhere(self) -> Angles:
        radius_deg = self._reach_deg * float(np.sqrt(self._rng.random()))
        angle = 2.0 * np.pi * self._rng.random()
        return radius_deg * float(np.cos(angle)), radius_deg * float(np.sin(angle))
