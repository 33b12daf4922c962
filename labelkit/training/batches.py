"""Batches gathered from the memory-mapped shards, in an order that is a function of (seed, epoch)."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from labelkit.records import PYRAMID_SIZES, ColorImage, FloatArray
from labelkit.training.augment import augmented

FIELDS = tuple(f"rgb{size}" for size in PYRAMID_SIZES)

Pictures = dict[str, ColorImage]  # field -> (n, S, S, 3), as stored
Indices = NDArray[np.integer[Any]]
Item = TypeVar("Item")
ItemOut = TypeVar("ItemOut", covariant=True)

# Keys that keep the streams of random numbers apart.
_ORDER, _AUGMENT = 0, 1


class Source(Protocol):
    """What pictures are gathered from, such as a Dataset."""

    def gather(self, field: str, indices: Indices) -> NDArray[Any]: ...


class Items(Protocol[ItemOut]):
    """Things that can be counted and asked for by number."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int) -> ItemOut: ...


class Batches:
    """The batches of one epoch of training: pictures as stored, and the angles they show.

    Batch k of epoch e is the same whenever, and after whatever else, it is asked for.
    """

    def __init__(
        self,
        source: Source,
        indices: Indices,
        centred_rad: FloatArray,
        *,
        batch_size: int,
        seed: int,
        epoch: int,
        augment: bool,
    ) -> None:
        """Shuffle the samples for this epoch.

        Args:
            indices: (n,) samples of the source.
            centred_rad: (n, 2) their centred azimuth and elevation, radians, view frame.
            epoch: counted from 1.
            augment: change the pictures at random, and their angles with them.
        """
        order = epoch_order(len(indices), seed, epoch)
        self._source = source
        self._indices = np.asarray(indices)[order]
        self._centred_rad = np.asarray(centred_rad, dtype=np.float64)[order]
        self._batch_size = batch_size
        self._key = (seed, epoch, _AUGMENT)
        self._augment = augment

    def __len__(self) -> int:
        return -(-len(self._indices) // self._batch_size)

    def __getitem__(self, number: int) -> tuple[Pictures, FloatArray]:
        """Gather one batch: its pictures and (n, 2) float32 angles, centred, radians, view frame."""
        here = slice(number * self._batch_size, (number + 1) * self._batch_size)
        indices, centred_rad = self._indices[here], self._centred_rad[here]
        if not self._augment:
            return gather_pictures(self._source, indices), centred_rad.astype(np.float32)
        rng = np.random.default_rng([*self._key, number])
        pyramid, in_picture = augmented(self._source.gather(FIELDS[0], indices), np.sin(centred_rad), rng)
        return dict(zip(FIELDS, pyramid, strict=True)), np.arcsin(np.clip(in_picture, -1.0, 1.0)).astype(np.float32)


def epoch_order(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Shuffle n samples: a function of (n, seed, epoch) alone."""
    return np.random.default_rng([seed, epoch, _ORDER]).permutation(n)


def gather_pictures(source: Source, indices: Indices) -> Pictures:
    """Copy the pyramids of some samples into memory."""
    return {field: source.gather(field, indices) for field in FIELDS}


def prefetched(items: Items[Item], ahead: int = 2) -> Iterator[Item]:
    """Yield items in order, made in another thread while the caller works on those before."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch") as pool:
        waiting: deque[Future[Item]] = deque()
        for number in range(len(items)):
            waiting.append(pool.submit(items.__getitem__, number))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
