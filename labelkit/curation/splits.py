"""Who is trained on, who is validated on, who is tested on: whole participants, never frames.

Neighbouring frames of one recording are near-copies, and one hand looks like itself: a split by
frames measures memory (docs/study.md). It can be asked for, to compare with those who did
so, and says that it leaks.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import SplitError, nearest
from labelkit.records import BoolArray


class Masks(NamedTuple):
    """Which samples, (n,), stand on each side."""

    train: BoolArray
    validation: BoolArray
    test: BoolArray


@dataclass(frozen=True)
class Split:
    """The participants on each side.

    Raises:
        SplitError: a participant stands on two sides, or a side is empty.
    """

    leaks: ClassVar[bool] = False

    train: tuple[str, ...]
    validation: tuple[str, ...]
    test: tuple[str, ...]

    def __post_init__(self) -> None:
        sides = {"train": self.train, "validation": self.validation, "test": self.test}
        for name, side in sides.items():
            if not side:
                raise SplitError(f"no participant is left for {name}; record more, or change the shares")
        for (one, here), (other, there) in itertools.combinations(sides.items(), 2):
            if both := sorted(set(here) & set(there)):
                raise SplitError(
                    f"participant {both[0]!r} is on two sides, {one} and {other}; a split keeps people apart"
                )

    def dealt(self, participants: NDArray[np.str_]) -> Masks:
        """Deal samples out, by the participant (n,) of each."""
        return Masks(*(np.isin(participants, list(side)) for side in (self.train, self.validation, self.test)))


@dataclass(frozen=True)
class FrameSplit:
    """Single frames at random, near-copies and the same people on every side: its figures measure memory too."""

    leaks: ClassVar[bool] = True

    seed: int
    validation_share: float
    test_share: float

    def dealt(self, participants: NDArray[np.str_]) -> Masks:
        """Deal samples out, whosever they are.

        Raises:
            SplitError: too few samples for three sides.
        """
        n = len(participants)
        n_validation, n_test = (max(1, int(share * n + 0.5)) for share in (self.validation_share, self.test_share))
        if n_validation + n_test >= n:
            raise SplitError(
                f"validation {self.validation_share:g} and test {self.test_share:g} take {n_validation} and {n_test} "
                f"of {n} frames and leave none to train on; lower --validation or --test"
            )
        place = np.random.default_rng([self.seed, n]).permutation(n)
        test_mask, validation_mask = place < n_test, place >= n - n_validation
        return Masks(~(test_mask | validation_mask), validation_mask, test_mask)


def split_participants(
    participants: Iterable[str], *, seed: int, validation: float, test: float, hold_out: str = ""
) -> Split:
    """Split participants by rank of a hash of (seed, name).

    The test takes the lowest ranks and validation the highest, each its share rounded, at least one.
    The rank of a name depends on no other name, so a participant who joins moves at most one other
    across each border, and nobody from validation to test or back as long as there is a trainee.

    Args:
        participants: names, in any order, repeats allowed.
        validation, test: shares of the participants, 0..1.
        hold_out: the one participant to test on, in place of a share; the others are ranked as ever.
    Returns:
        The split, names sorted.
    Raises:
        SplitError: fewer than three participants, shares that leave nobody to train on, or nobody of that name.
    """
    ranked = sorted(set(participants), key=lambda name: _place(seed, name))
    if len(ranked) < 3:
        names = f" ({', '.join(sorted(ranked))})" if ranked else ""
        raise SplitError(
            f"training needs samples of at least 3 participants (train, validation, test), there are {len(ranked)}"
            f"{names}; record more people"
        )
    n_test, n_validation = (max(1, int(share * len(ranked) + 0.5)) for share in (test, validation))
    if hold_out:
        if hold_out not in ranked:
            raise SplitError(f"no participant {hold_out!r} to hold out; {nearest(hold_out, ranked)}")
        ranked.sort(key=lambda name: name != hold_out)  # stable: all others keep their ranks
        n_test = 1
    if n_test + n_validation >= len(ranked):
        raise SplitError(
            f"validation {validation:g} and test {test:g} take {n_validation} and {n_test} of {len(ranked)} "
            "participants and leave nobody to train on; lower --validation or --test"
        )
    last = len(ranked) - n_validation
    return Split(
        train=tuple(sorted(ranked[n_test:last])),
        validation=tuple(sorted(ranked[last:])),
        test=tuple(sorted(ranked[:n_test])),
    )


def _place(seed: int, participant: str) -> bytes:
    return hashlib.sha256(f"{seed}\0{participant}".encode("utf-8", "surrogateescape")).digest()
