"""Where the hand should turn next, and the words for it.

A person hits an orientation only roughly. So what a goal is worth is what is missing there and round about,
weighed by how often a hand that aims there ends up where; and what it costs is the turn there.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.cells import Cells, IntArray
from labelkit.records import FloatArray

Angles = tuple[float, float]  # centred azimuth and elevation, degrees

# These three were tried on the players of benchmarks/live.py (docs/record.md): half or twice of each costs them
# at most a tenth more frames, and with these an arrow stands for two seconds on average.
_SPREAD_DEG = 5.0  # how far from its aim a hand ends up, each way
_SETTLING_DEG = 20.0  # what any goal costs besides the turn: seeing it and coming to rest
_MUCH_BETTER = 1.5  # what another goal must be worth for its cost, against the chosen one's, to take its place

_FRONT = (0.0, 0.0)

_THERE_DEG, _LITTLE_DEG, _FAR_DEG = 2.5, 10.0, 30.0
# Eight directions, from the picture's right over its bottom. Who faces the camera has their left at its right.
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
    """Choose the nearest worthwhile gap.

    Args:
        counts: (side, side), row elevation, column azimuth: distinct samples, as in `Coverage.counts`.
        cells: the cells.
        target: distinct samples that make a cell full.
        here_deg: centred azimuth and elevation of the hand; as if it faced the camera where None.
        chosen: the gap chosen before. It stays while it is one and no other is much better.
    Returns:
        The gap, with what it lacks now; None where every reachable cell is full.
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
    """Weigh (side, side) cells as goals: what aiming there brings over what it costs; 0 where nothing is missing."""
    apart_deg = cells.centres_deg[:, None] - cells.centres_deg
    spread = np.exp(-0.5 * (apart_deg / _SPREAD_DEG) ** 2)
    worth = spread @ missing_share @ spread
    turn_deg = np.linalg.norm(cells.centre_angles_deg - here_deg, axis=-1)
    return np.where(missing_share > 0, worth / (turn_deg + _SETTLING_DEG), 0.0)


def turn_words(here_deg: Angles, goal_deg: Angles, *, mirrored: bool = False) -> str:
    """Tell a person who stands facing the camera how to turn the palm.

    Args:
        here_deg, goal_deg: centred azimuth and elevation, as the dataset stores them.
        mirrored: whether those are a left hand's, which the dataset stores mirrored to a right hand's.
    """
    right, down = goal_deg[0] - here_deg[0], goal_deg[1] - here_deg[1]
    turn_deg = float(np.hypot(right, down))
    if turn_deg <= _THERE_DEG:
        return "there: keep the palm moving, but only just"
    eighth = round(float(np.arctan2(down, -right if mirrored else right)) / (np.pi / 4)) % 8
    amount = "a little " if turn_deg <= _LITTLE_DEG else "far " if turn_deg > _FAR_DEG else ""
    return f"turn the palm {amount}{_WAYS[eighth]}"
