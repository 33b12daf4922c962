"""Where the hand should turn next, and the words for it.

A person does not hit an orientation exactly. So a goal is worth what is missing in its cell and in the cells around,
each weighed by how often a hand that aims at the goal ends up in it. It costs the turn from where the hand is.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.cells import Cells, IntArray
from labelkit.records import FloatArray

Angles = tuple[float, float]  # centred azimuth and elevation, degrees

# Tried on the player of benchmarks/live.py (docs/record.md): with half or twice of any of the three, it needs at
# most a tenth more frames. With these values an arrow stays for two seconds on average.
_SPREAD_DEG = 5.0  # standard deviation of where a hand ends up around its aim, in each angle
_SETTLING_DEG = 20.0  # what each goal costs in addition to its turn: to see it, and to come to rest there
_MUCH_BETTER = 1.5  # another goal is chosen if its worth over its cost is so many times that of the chosen goal

_FRONT = (0.0, 0.0)

_THERE_DEG, _LITTLE_DEG, _FAR_DEG = 2.5, 10.0, 30.0
# Eight directions, from the picture's right by way of its bottom. The picture's right is the participant's left.
_WAYS = (
    "to your left",
    "down and to your left",
    "down",
    "down and to your right",
    "to your right",
    "up and to your right",
    "up",
    "up and to your left",
)


@dataclass(frozen=True)
class Goal:
    """A reachable cell that is not full.

    Attributes:
        cell: its index, as `cells.index_of` gives it.
        centre_deg: centred azimuth and elevation of its centre.
        needed: distinct samples that it lacks.
    """

    cell: int
    centre_deg: Angles
    needed: int


def next_gap(
    counts: IntArray, cells: Cells, target: int, here_deg: Angles | None, chosen: Goal | None = None
) -> Goal | None:
    """Choose the gap that is worth most for the turn to it.

    Args:
        counts: (side, side), row elevation, column azimuth: distinct samples, as in `Coverage.counts`.
        cells: the cells.
        target: distinct samples that make a cell full.
        here_deg: centred azimuth and elevation of the hand; None counts as a hand that faces the camera.
        chosen: the gap that was chosen before. It stays until its cell is full or another gap is much better.
    Returns:
        The gap, with what it lacks now; None if every reachable cell is full.
    """
    missing = np.where(cells.reachable_mask, np.clip(target - counts, 0, None), 0)
    if not missing.any():
        return None
    merit = _merit(missing / target, cells, _FRONT if here_deg is None else here_deg)
    cell = int(merit.argmax())
    if chosen is not None and merit.flat[chosen.cell] * _MUCH_BETTER >= merit.flat[cell]:
        cell = chosen.cell
    azimuth, elevation = cells.centre_angles_deg.reshape(-1, 2)[cell].tolist()
    return Goal(cell, (azimuth, elevation), int(missing.flat[cell]))


def _merit(missing_share: FloatArray, cells: Cells, here_deg: Angles) -> FloatArray:
    """Rate (side, side) cells as goals: what it is worth to aim there, over the cost; 0 for a full cell."""
    apart_deg = cells.centres_deg[:, None] - cells.centres_deg
    spread = np.exp(-0.5 * (apart_deg / _SPREAD_DEG) ** 2)
    worth = spread @ missing_share @ spread
    turn_deg = np.linalg.norm(cells.centre_angles_deg - here_deg, axis=-1)
    return np.where(missing_share > 0, worth / (turn_deg + _SETTLING_DEG), 0.0)


def turn_words(here_deg: Angles, goal_deg: Angles, *, mirrored: bool = False) -> str:
    """Say to a person who faces the camera how to turn the palm.

    Args:
        here_deg, goal_deg: centred azimuth and elevation, as the dataset stores them.
        mirrored: whether they are of a left hand, which the dataset stores mirrored to a right hand.
    """
    right, down = goal_deg[0] - here_deg[0], goal_deg[1] - here_deg[1]
    turn_deg = float(np.hypot(right, down))
    if turn_deg <= _THERE_DEG:
        return "there: keep the palm moving, but only just"
    eighth = round(float(np.arctan2(down, -right if mirrored else right)) / (np.pi / 4)) % 8
    amount = "a little " if turn_deg <= _LITTLE_DEG else "far " if turn_deg > _FAR_DEG else ""
    return f"turn the palm {amount}{_WAYS[eighth]}"
