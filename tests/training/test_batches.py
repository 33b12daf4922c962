from __future__ import annotations

import threading

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.training.augment import Augmentation
from labelkit.training.batches import Batches, epoch_order, prefetch

FIELDS = ("rgb128", "rgb64", "rgb32")


class Numbered:
    """A source whose pictures show their own number."""

    def gather(self, field, indices):
        size = int(field.removeprefix("rgb"))
        return np.broadcast_to(np.asarray(indices, np.uint8)[:, None, None, None], (len(indices), size, size, 3))

    def gather_fields(self, fields, indices):
        return {field: self.gather(field, indices) for field in fields}


def batches_of(n=23, *, batch_size=5, seed=0, epoch=1, augment=None, first=0):
    angles = np.deg2rad(np.stack([np.arange(n), -np.arange(n)], axis=-1))
    return Batches(
        Numbered(), FIELDS, first + np.arange(n), angles, batch_size=batch_size, seed=seed, epoch=epoch, augment=augment
    )


def numbers_in(batches):
    return np.concatenate([batches[k][0]["rgb32"][:, 0, 0, 0] for k in range(len(batches))])


@given(st.integers(1, 60), st.integers(1, 20), st.integers(0, 5), st.integers(1, 5))
def test_every_sample_comes_exactly_once_an_epoch(n, batch_size, seed, epoch):
    seen = numbers_in(batches_of(n, batch_size=batch_size, seed=seed, epoch=epoch, first=100))
    assert sorted(seen) == list(range(100, 100 + n))


def test_the_order_is_a_function_of_seed_and_epoch():
    assert epoch_order(50, 3, 2).tolist() == epoch_order(50, 3, 2).tolist()
    others = [epoch_order(50, 3, 3), epoch_order(50, 4, 2), np.arange(50)]
    assert all(epoch_order(50, 3, 2).tolist() != other.tolist() for other in others)


@pytest.mark.parametrize("augment", [None, Augmentation(30.0)])
def test_a_batch_does_not_depend_on_what_was_asked_before(augment):
    late, early = batches_of(augment=augment), batches_of(augment=augment)
    for k in range(4):
        late[k]
    for one, other in zip(late[3][0].values(), early[3][0].values(), strict=True):
        assert np.array_equal(one, other)
    assert np.array_equal(late[3][1], early[3][1])


def test_angles_stay_with_their_pictures():
    batches = batches_of(first=0)
    for k in range(len(batches)):
        pictures, angles = batches[k]
        numbers = pictures["rgb128"][:, 0, 0, 0]
        assert np.rad2deg(angles) == pytest.approx(np.stack([numbers, -numbers.astype(float)], axis=-1), abs=1e-3)


def test_augmentation_changes_from_epoch_to_epoch():
    one, other = (batches_of(1, epoch=epoch, augment=Augmentation(30.0))[0] for epoch in (1, 2))
    assert not np.array_equal(one[0]["rgb128"], other[0]["rgb128"])


def test_prefetching_keeps_the_order_and_works_elsewhere():
    here = threading.get_ident()

    class Items:
        def __len__(self):
            return 10

        def __getitem__(self, number):
            return number, threading.get_ident() != here

    assert list(prefetch(Items())) == [(number, True) for number in range(10)]


def test_an_error_while_prefetching_reaches_the_caller():
    class Broken:
        def __len__(self):
            return 3

        def __getitem__(self, number):
            raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        list(prefetch(Broken()))
