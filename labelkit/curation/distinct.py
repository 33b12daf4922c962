"""Which samples are distinct: a hand that is held still does not fill the map.

A sample is a repeat if a place that counted lies within a given angle of its normal and was last seen
within a given time. A repeat renews the time of that place. So a still hand counts once, and one whose
label trembles counts once for each place that it reaches. A hand that turns counts once per angle. A hand
that was away for the given time and comes back counts again.
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
    """The rule for one recording; samples are added one by one, in the order of recording."""

    def __init__(self, *, turn_deg: float = TURN_DEG, gap_s: float = GAP_S) -> None:
        """Begin with no sample.

        Args:
            turn_deg: a normal at least this far from every place seen recently is new; 0: every sample is new.
            gap_s: a place that was last seen at least this long ago is forgotten; 0: every sample is new.
        """
        self._near = float(np.cos(np.deg2rad(turn_deg))) if turn_deg > 0 else np.inf
        self._gap_s = gap_s
        self._seen: list[tuple[float, float, float, float]] = []  # x, y, z and when it was last seen

    def add(self, normal: Sequence[float], stamp_s: float) -> bool:
        """Add the next sample and say whether it counts.

        Args:
            normal: (3,) unit.
            stamp_s: its time, s; only the size of the difference counts, so times may run backward.
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
    """Find the samples that count, for each recording separately.

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
    """Fill in missing times: 1/30 s after the frame before in the same recording.

    Args:
        stamps_s: (n,) of all source frames, rejected ones too, in the order of recording; NaN: no time.
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
    """Divide (n,) names into runs of one name: (start, stop) each."""
    if not len(names):
        return ()
    edges = np.flatnonzero(names[1:] != names[:-1]) + 1
    return zip([0, *edges.tolist()], [*edges.tolist(), len(names)], strict=True)
