"""A dataset as input of `keras.Model.fit`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.dataset.dataset import Batch, Dataset
from labelkit.keras import keras


class Feed(keras.utils.PyDataset):  # type: ignore[misc]
    """Batches of a dataset; every epoch is shuffled by (seed, epoch).

    For your own networks; `labelkit train` has other batches, with augmentation.
    """

    def __init__(
        self,
        dataset: Dataset,
        inputs: Sequence[str],
        target: str,
        *,
        batch_size: int = 32,
        indices: Sequence[int] | NDArray[np.integer[Any]] | None = None,
        seed: int | None = 0,
        **kwargs: Any,
    ) -> None:
        """Choose the content of a batch.

        Args:
            inputs: the fields that the network takes, such as "rgb128"; its inputs must have these names.
            target: the field that it learns, such as "view_normal".
            indices: (n,) samples; None: all.
            seed: None keeps the order.
            kwargs: for keras.utils.PyDataset, such as workers.
        """
        super().__init__(**kwargs)
        self._dataset, self._inputs, self._target = dataset, tuple(inputs), target
        self._indices = np.arange(len(dataset)) if indices is None else np.asarray(indices)
        self._batch_size, self._seed, self._epoch = batch_size, seed, 1
        dataset.check_fields((*inputs, target))
        self._order = self._shuffle()

    def _shuffle(self) -> NDArray[np.integer[Any]]:
        if self._seed is None:
            return self._indices
        return np.random.default_rng([self._seed, self._epoch]).permutation(self._indices)

    def __len__(self) -> int:
        return -(-len(self._indices) // self._batch_size)

    def __getitem__(self, number: int) -> tuple[Batch, NDArray[Any]]:
        """Gather one batch: the inputs by name, and the targets."""
        here = self._order[number * self._batch_size : (number + 1) * self._batch_size]
        return self._dataset.gather_fields(self._inputs, here), self._dataset.gather(self._target, here)

    def on_epoch_end(self) -> None:
        """Shuffle for the next epoch."""
        self._epoch += 1
        self._order = self._shuffle()
