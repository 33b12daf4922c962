"""Samples to check by eye: labels that jump, and pictures that occur twice."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.geometry.orientation import angle_between
from labelkit.records import BoolArray, FloatArray

# Twins are pictures of 32 x 32 pixels whose rms difference is below this, in grey levels of 255. Two pictures of a
# still hand differ by 2 to 3, from the sensor's noise alone; the hands of two people differ by 10 and more.
TWIN_RMS = 3.0

_COARSE = 4  # pixels of a block: 32 x 32 pictures are first compared by the means of 8 x 8 blocks
_ROWS = 1024  # pictures compared with all others at a time: 80 MB for 20,000


class Turns(NamedTuple):
    """How far each sample has turned since the one before it in its recording; NaN for a recording's first."""

    turn_deg: FloatArray
    pause_s: FloatArray


def turns_between(normals: FloatArray, stamps_s: FloatArray, recordings: NDArray[Any]) -> Turns:
    """Measure how far the hand turned from sample to sample.

    Args:
        normals: (n, 3) unit, in the order of recording.
        stamps_s: (n,) finite.
        recordings: (n,) the recording of each sample.
    """
    turn_deg, pause_s = np.full((2, len(normals)), np.nan)
    if len(normals) > 1:
        follows = recordings[1:] == recordings[:-1]
        turn_deg[1:] = np.where(follows, np.rad2deg(angle_between(normals[1:], normals[:-1])), np.nan)
        pause_s[1:] = np.where(follows, np.abs(np.diff(stamps_s)), np.nan)
    return Turns(turn_deg, pause_s)


def jump_mask(turns: Turns, *, turn_deg: float, within_s: float) -> BoolArray:
    """Find turns that are too fast for a hand: (n,) at least `turn_deg` in at most `within_s`."""
    return (turns.turn_deg >= turn_deg) & (turns.pause_s <= within_s)


class Twins(NamedTuple):
    """Pairs of pictures that are nearly the same.

    Attributes:
        pairs: (m, 2) indices, the lower first; the most similar pairs first.
        rms: (m,) their difference, grey levels.
    """

    pairs: NDArray[np.int64]
    rms: FloatArray


def find_twins(pictures: NDArray[np.uint8], groups: NDArray[Any], *, rms: float = TWIN_RMS) -> Twins:
    """Find the most similar twin of each picture in another group, such as another recording.

    Args:
        pictures: (n, S, S) grey, S a multiple of 4.
        groups: (n,) the group of each picture.
        rms: difference below which two pictures are twins, grey levels.
    Returns:
        For each picture, the most similar one whose difference is below `rms`. The search is exact: means of blocks
        never differ more than the pixels do, so comparing them first loses no pair.
    """
    n, side = len(pictures), pictures.shape[1] // _COARSE
    blocks = pictures.reshape(n, side, _COARSE, side, _COARSE)
    coarse = blocks.mean(axis=(2, 4), dtype=np.float32).reshape(n, side * side) - 128.0  # keeps digits near 0
    squared = np.einsum("ij,ij->i", coarse, coarse)
    best: dict[tuple[int, int], float] = {}
    for start in range(0, n, _ROWS):
        here = slice(start, min(start + _ROWS, n))
        apart = squared[here, None] + squared[None] - 2.0 * (coarse[here] @ coarse.T)
        near = (apart < coarse.shape[1] * (rms + 0.1) ** 2) & (groups[here, None] != groups[None])
        for row in np.flatnonzero(near.any(axis=1)):
            one, others = start + int(row), np.flatnonzero(near[row])
            differences = np.square(pictures[others].astype(np.float32) - pictures[one])
            exact = np.sqrt(differences.mean(axis=(1, 2), dtype=np.float64))
            closest = int(exact.argmin())
            if exact[closest] < rms:
                other = int(others[closest])
                best[min(one, other), max(one, other)] = float(exact[closest])
    pairs = sorted(best, key=lambda pair: (best[pair], pair))
    return Twins(np.array(pairs, dtype=np.int64).reshape(-1, 2), np.array([best[pair] for pair in pairs]))


def spread(candidates: NDArray[np.int64], most: int) -> NDArray[np.int64]:
    """Take at most `most` candidates, spaced evenly from the first to the last."""
    if len(candidates) <= most:
        return candidates
    return candidates[np.linspace(0, len(candidates) - 1, most).round().astype(np.int64)]
