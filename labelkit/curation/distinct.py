"""Which samples show something new: a hand that is held still fills nothing, however long.

A sample repeats one that counted if its normal is less than an angle away from it and that place was
last seen less than a time ago. Every repeat sees the place again, so a still hand, also one whose
label trembles, counts once for each place it trembles to and then no more; a hand that moves on
counts a sample for each angle it has turned; and a hand that was away for the time and comes back
counts again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.records import BoolArray, FloatArray

TURN_DEG, GAP_S = 1.0, 0.3
FRAME_S = 1.0 / 30.0  # a Kinect's


class DistinctSamples:
    """The rule for one recording, sample after sample, as they are recorded."""

    def __init__(self, *, turn_deg: float = TURN_DEG, gap_s: float = GAP_S) -> None:
        """Begin without having seen anything.

        Args:
            turn_deg: a normal at least this far from every place seen of late is new; 0 makes every one new.
            gap_s: a place that was last seen at least this long ago is forgotten; 0 makes every sample new.
        """
        self._near = float(np.cos(np.deg2rad(turn_deg))) if turn_deg > 0 else np.inf
        self._gap_s = gap_s
        self._seen: list[tuple[float, float, float, float]] = []  # x, y, z and when it was last seen

    def add(self, normal: Sequence[float], stamp_s: float) -> bool:
        """Take the next sample: whether it counts.

        Args:
            normal: (3,) unit.
            stamp_s: its time; one that runs back is as far away as one that runs on.
        """
        x, y, z = normal
        is_new, seen = True, []
        for place in self._seen:
            if not abs(stamp_s - place[3]) < self._gap_s:
                continue
            if x * place[0] + y * place[1] + z * place[2] > self._near:
                is_new, place = False, (*place[:3], stamp_s)
            seen.append(place)
        if is_new:
            seen.append((x, y, z, stamp_s))
        self._seen = seen
        return is_new


def distinct_mask(
    normals: FloatArray,
    stamps_s: FloatArray,
    recordings: NDArray[Any],
    *,
    turn_deg: float = TURN_DEG,
    gap_s: float = GAP_S,
) -> BoolArray:
    """Find the samples that count, each recording by itself.

    Args:
        normals: (n, 3) unit, in the frame in which they are counted, in the order of recording.
        stamps_s: (n,) times without gaps, as `fill_stamps` makes them.
        recordings: (n,) the recording of each sample.
        turn_deg, gap_s: as for `DistinctSamples`.
    Returns:
        (n,) whether each sample counts.
    """
    rules: dict[Any, DistinctSamples] = {}
    mask = np.empty(len(normals), dtype=np.bool_)
    for start, stop in _runs(recordings):
        rule = rules.setdefault(recordings[start], DistinctSamples(turn_deg=turn_deg, gap_s=gap_s))
        samples = zip(normals[start:stop].tolist(), stamps_s[start:stop].tolist(), strict=True)
        mask[start:stop] = [rule.add(normal, stamp) for normal, stamp in samples]
    return mask


def fill_stamps(stamps_s: FloatArray, recordings: NDArray[Any]) -> FloatArray:
    """Give frames without a time one: a thirtieth of a second after the frame before them in their recording.

    Args:
        stamps_s: (n,) of all source frames, rejected ones too, in the order of recording; NaN where there is none.
        recordings: (n,) the recording of each frame.
    Returns:
        (n,) finite. A recording that begins without a time begins at 0.
    """
    filled = np.array(stamps_s, dtype=np.float64)
    for start, stop in _runs(recordings):
        here = filled[start:stop]
        if np.isfinite(here).all():
            continue
        number = np.arange(len(here))
        last = np.maximum.accumulate(np.where(np.isfinite(here), number, -1))
        since = np.where(last < 0, 0.0, here[last]) + (number - np.maximum(last, 0)) * FRAME_S
        filled[start:stop] = np.where(np.isfinite(here), here, since)
    return filled


def _runs(names: NDArray[Any]) -> Iterable[tuple[int, int]]:
    """Cut (n,) names into runs of one name: (start, stop) each."""
    if not len(names):
        return ()
    edges = np.flatnonzero(names[1:] != names[:-1]) + 1
    return zip([0, *edges.tolist()], [*edges.tolist(), len(names)], strict=True)
