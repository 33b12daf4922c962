"""Find the palm with a small network, in a view straight onto the hand.

The view is a grid in the palm's plane, fingers up: for each cell, the share that shows something near the
plane, and its mean height. From this the network tells which cells are palm (the skin between the wrist's crease and
the fingers' roots), where its middle is, where the fingers point and how large the hand is. It only chooses
the region; the plane is fitted to the depth that the sensor measured there. It was trained on simulated hands
by pipelines/palm/run.py (docs/decisions/palm.md).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import as_file, files

import cv2
import numpy as np
from numpy.lib.stride_tricks import as_strided

from labelkit.records import FloatArray

# Cells of 5 mm, from the fingers' middle joints to below the wrist.
CELL_M = 0.005
ROWS, COLUMNS = 44, 40
ABOVE_M = 0.13  # from the grid's upper edge to its origin, the palm's middle
BESIDE_M = COLUMNS * CELL_M / 2
SUBCELLS = 2  # readings on a side of a cell
# The palm is nearer to the plane than this; bent fingers and a bent forearm are farther away.
NEAR_M = 0.04
# The palm is searched in a square of so many cells around the origin.
LOOKED = 26
TOP, LEFT = round(ABOVE_M / CELL_M) - LOOKED // 2, (COLUMNS - LOOKED) // 2
# The network's numbers are near 1: units of the relief, of the middle's place, and of the logarithm of the size.
RELIEF_M, PLACE_M, SIZE = 0.02, 0.05, 0.2

# A share between this and its complement is a doubt.
_UNSURE = 0.1

MIRROR = np.array([-1.0, 1.0, -1.0, 1.0, 1.0])  # of the middle (right, down), the fingers (right, up) and the size


@dataclass(frozen=True, eq=False)
class PalmView:
    """The palm in a view straight onto the hand.

    Attributes:
        share: (LOOKED, LOOKED) 0..1, how likely each of the middle cells is palm.
        cover: (LOOKED, LOOKED) 0..1, how much of each shows something near the plane.
        relief_m: (LOOKED, LOOKED) its mean height over the plane, toward the camera.
        middle_m: (2,) right and down, from the grid's origin.
        fingers: (2,) unit, right and down.
        size: of the hand, relative to an average one (190 mm from wrist to fingertip).
    """

    share: FloatArray
    cover: FloatArray
    relief_m: FloatArray
    middle_m: FloatArray
    fingers: FloatArray
    size: float

    @property
    def area_m2(self) -> float:
        """The visible area of the palm."""
        return float((self.share * self.cover).sum()) * CELL_M**2

    @property
    def doubt(self) -> float:
        """How many cells may or may not be palm, relative to those that are; infinite if none is."""
        palm = np.count_nonzero(self.share > 0.5)
        unsure = np.count_nonzero((self.share > _UNSURE) & (self.share < 1 - _UNSURE))
        return float(unsure / palm) if palm else float("inf")


def find_palm(relief_m: FloatArray) -> PalmView:
    """Find the palm of a hand, left or right, seen from either side.

    A mirrored view gives exactly the mirrored palm.

    Args:
        relief_m: (ROWS * SUBCELLS, COLUMNS * SUBCELLS) height of the measured surface over the plane, toward the
            camera; NaN, or a large number, if there is nothing.
    """
    seen = average_cells(relief_m)
    # One at a time: in one product of matrices, a view's place among the rows can change how its sums are rounded.
    network = _network()
    logits, pose = network(seen)
    mirrored_logits, mirrored_pose = network(seen[:, ::-1])
    logit = (logits + mirrored_logits[:, ::-1]) / 2
    right, down, x, y, size = (pose + MIRROR * mirrored_pose) / 2
    share = 1.0 / (1.0 + np.exp(-logit))
    cover, relief = np.moveaxis(seen[TOP : TOP + LOOKED, LEFT : LEFT + LOOKED], -1, 0)
    fingers = np.array([x, -y]) / max(float(np.hypot(x, y)), 1e-6)
    middle = np.array([right, down]) * PLACE_M
    return PalmView(share, cover, relief * RELIEF_M, middle, fingers, float(np.exp(size * SIZE)))


def average_cells(relief_m: FloatArray) -> FloatArray:
    """Average a view's readings over its cells: (ROWS, COLUMNS, 2) float32, cover and mean relief.

    Args:
        relief_m: as `find_palm` takes it.
    """
    with np.errstate(invalid="ignore"):
        seen_mask = np.abs(relief_m) < NEAR_M
    size = (COLUMNS, ROWS)
    cover = cv2.resize(seen_mask.astype(np.float32), size, interpolation=cv2.INTER_AREA)
    total = cv2.resize(np.where(seen_mask, relief_m, 0).astype(np.float32), size, interpolation=cv2.INTER_AREA)
    return np.stack([cover, total / (np.maximum(cover, 1e-3) * np.float32(RELIEF_M))], axis=-1)


class _Network:
    """Two convolutions, a dense layer, and two heads: the cells' logits and the pose."""

    def __init__(self, weights: list[FloatArray]) -> None:
        self._weights = [np.asarray(weight, dtype=np.float32) for weight in weights]

    def __call__(self, view: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Answer for a view (ROWS, COLUMNS, 2): logits (LOOKED, LOOKED) and pose (5,)."""
        first, first_bias, second, second_bias, dense, dense_bias, *heads = self._weights
        found = _convolve(_convolve(view, first, first_bias), second, second_bias)
        found = np.maximum(found.ravel() @ dense + dense_bias, 0)
        logits, pose = (found @ weight + bias for weight, bias in zip(heads[::2], heads[1::2], strict=True))
        return logits.reshape(LOOKED, LOOKED), pose


def _convolve(picture: FloatArray, kernel: FloatArray, bias: FloatArray) -> FloatArray:
    """Convolve (h, w, c) with every second pixel as centre, as Keras pads "same", and rectify."""
    height, width, channels = picture.shape
    side = kernel.shape[0]
    before = (side - 2) // 2
    padded = np.zeros((height + side - 2, width + side - 2, channels), np.float32)
    padded[before : before + height, before : before + width] = picture
    # A row of the kernel covers a stretch of a row of the picture. The stretches overlap: they are views, not copies.
    steps = padded.strides
    stretches = as_strided(
        padded,
        (height // 2, width // 2, side, side * channels),
        (2 * steps[0], 2 * steps[1], steps[0], steps[2]),
    )
    found = stretches.reshape(-1, side * side * channels) @ kernel.reshape(side * side * channels, -1)
    found += bias
    np.maximum(found, 0, out=found)
    return np.asarray(found.reshape(height // 2, width // 2, -1))


@cache
def _network() -> _Network:
    with as_file(files("labelkit.imaging") / "palm.npz") as path, np.load(path, allow_pickle=False) as stored:
        return _Network([stored[f"w{k}"] for k in range(len(stored.files))])
