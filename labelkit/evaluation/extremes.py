"""The best and the worst samples of a gallery: each from another moment."""

from __future__ import annotations

import numpy as np

from labelkit.cells import IntArray

# A quarter of a second at 30 frames/s: nearer source frames show nearly the same hand.
NEAR_ROWS = 8


def keep_apart_in_time(order: IntArray, rows: IntArray, n: int) -> list[int]:
    """Take the first samples of an order, leaving out each that is a neighbour of one already taken.

    Args:
        order: samples, the most wanted first.
        rows: (n,) each sample's row in the label table, where a recording's frames follow one another.
        n: how many to take, at most.
    """
    taken: list[int] = []
    for sample in np.asarray(order).tolist():
        if len(taken) == n:
            break
        if all(abs(int(rows[sample]) - int(rows[other])) >= NEAR_ROWS for other in taken):
            taken.append(sample)
    return taken
