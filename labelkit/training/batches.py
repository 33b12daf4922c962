"""Batches gathered from the memory-mapped shards, in an order that is a function of (seed, epoch)."""

from __future__ import annotations

from collections import deque
from collections.abc import Generator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from labelkit.cells import Cells
from labelkit.imaging.pyramid import color_pyramid, depth_pyramid
from labelkit.records import FloatArray
from labelkit.training.augment import Augmentation, augment_pictures

Pictures = dict[str, NDArray[Any]]  # field of the dataset -> (n, S, S, 3) or (n, S, S), as stored
Indices = NDArray[np.integer[Any]]
Item = TypeVar("Item")
ItemOut = TypeVar("ItemOut", covariant=True)

# Keys that keep the streams of random numbers apart.
_ORDER, _AUGMENT = 0, 1


class BatchSource(Protocol):
    """What pictures are gathered from, such as a Dataset."""

    def gather(self, field: str, indices: Indices) -> NDArray[Any]: ...
    def gather_fields(self, fields: Sequence[str], indices: Indices) -> Pictures: ...
    def gather_shown(self, size: int, indices: Indices) -> NDArray[Any]: ...


class Items(Protocol[ItemOut]):
    """Things that can be counted and asked for by number."""

    def __len__(self) -> int: ...
    def __getitem__(self, number: int) -> ItemOut: ...


class Batches:
    """The batches of one epoch of training: pictures as stored, and the angles they show.

    Batch k of epoch e does not depend on when, or after which other batches, it is read.
    """

    def __init__(
        self,
        source: BatchSource,
        fields: Sequence[str],
        indices: Indices,
        centred_rad: FloatArray,
        *,
        batch_size: int,
        seed: int,
        epoch: int,
        balanced: bool = False,
        augment: Augmentation | None = None,
    ) -> None:
        """Shuffle the samples for this epoch.

        Args:
            fields: of the source, such as "rgb128": what a batch holds.
            indices: (n,) samples of the source.
            centred_rad: (n, 2) their centred azimuth and elevation, radians, view frame.
            epoch: counted from 1.
            balanced: show every cell of orientations equally often, instead of every sample once.
            augment: change the pictures at random, at most so much, and their angles with them.
        """
        if balanced:
            order = draw_balanced_order(Cells().index_of(*np.rad2deg(centred_rad).T), seed, epoch)
        else:
            order = epoch_order(len(indices), seed, epoch)
        self._source = source
        self._fields = tuple(fields)
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
            return self._source.gather_fields(self._fields, indices), centred_rad.astype(np.float32)
        rng = np.random.default_rng([*self._key, number])
        kinds = {kind: max(sizes) for kind, sizes in _sizes_by_kind(self._fields).items()}
        largest = {kind: self._source.gather(f"{kind}{size}", indices) for kind, size in kinds.items()}
        changed, in_picture = augment_pictures(largest, np.sin(centred_rad), rng, self._augment)
        pictures = shrink_pictures(changed, self._fields)
        return pictures, np.arcsin(np.clip(in_picture, -1.0, 1.0)).astype(np.float32)


def _sizes_by_kind(fields: Sequence[str]) -> dict[str, list[int]]:
    sizes: dict[str, list[int]] = {}
    for field in fields:
        kind = field.rstrip("0123456789")
        sizes.setdefault(kind, []).append(int(field.removeprefix(kind)))
    return sizes


def shrink_pictures(largest: Mapping[str, NDArray[Any]], fields: Sequence[str]) -> Pictures:
    """Make the fields of the pictures of their largest size.

    Args:
        largest: "rgb" (n, S, S, 3), "depth" (n, S, S), or both.
        fields: such as "rgb64": sizes are S halved any number of times.
    """
    pictures: Pictures = {}
    for kind, sizes in _sizes_by_kind(fields).items():
        stack = largest[kind]
        levels = (stack.shape[1] // min(sizes)).bit_length()
        halved = color_pyramid if kind == "rgb" else depth_pyramid
        pyramids = zip(*(halved(picture, levels) for picture in stack), strict=True)
        by_size = {level[0].shape[0]: np.stack(level) for level in pyramids}
        pictures |= {f"{kind}{size}": by_size[size] for size in sizes}
    return pictures


def epoch_order(n: int, seed: int, epoch: int) -> NDArray[np.int64]:
    """Shuffle n samples: a function of (n, seed, epoch) alone."""
    return np.random.default_rng([seed, epoch, _ORDER]).permutation(n)


def draw_balanced_order(cells: Indices, seed: int, epoch: int) -> NDArray[np.int64]:
    """Draw as many samples as there are, each cell as often as any other to within one.

    A cell's samples come one after another in a random order, and again from the start if they are
    fewer than its share. Samples outside all cells count as one more cell.

    Args:
        cells: (n,) the cell of each sample.
    Returns:
        (n,) numbers of samples, shuffled: a function of (cells, seed, epoch) alone.
    """
    rng = np.random.default_rng([seed, epoch, _ORDER])
    names, cell_of = np.unique(cells, return_inverse=True)
    n = len(cells)
    shares = np.full(len(names), n // len(names))
    shares[rng.permutation(len(names))[: n % len(names)]] += 1
    drawn = [np.resize(rng.permutation(np.flatnonzero(cell_of == cell)), share) for cell, share in enumerate(shares)]
    return rng.permutation(np.concatenate(drawn))


def prefetch(items: Items[Item], start: int = 0, ahead: int = 2) -> Generator[Item, None, None]:
    """Yield items in order from number `start` on, made in another thread while the caller works on earlier ones."""
    with ThreadPoolExecutor(max_workers=1, thread_name_prefix="prefetch") as pool:
        waiting: deque[Future[Item]] = deque()
        for number in range(start, len(items)):
            waiting.append(pool.submit(items.__getitem__, number))
            if len(waiting) > ahead:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
