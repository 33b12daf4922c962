"""One trial of a search: what was drawn and what was measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from labelkit.settings import TrainSettings

# learned: its training ended, and it is better than the constant predictor. collapsed: it was never better.
# diverged: its loss became NaN or infinite. impossible: its network could not be built or did not fit into memory.
# lost: its process was killed again and again.
Outcome = Literal["learned", "collapsed", "diverged", "impossible", "lost"]


@dataclass(frozen=True)
class Drawn:
    """A trial to be run.

    Attributes:
        number: in its structure, counted from 0.
        seed: of its weights and order.
        values: of the settings that are searched.
        settings: all that its training needs.
        folder: for its run.
    """

    structure: str
    number: int
    seed: int
    values: Mapping[str, Any]
    settings: TrainSettings
    folder: Path


@dataclass(frozen=True)
class Measured:
    """The result of a trial.

    Attributes:
        cmae_deg: validation CMAE after the best epoch; None if no epoch was finished.
        epochs, best_epoch: 0 if no epoch was finished.
        seconds: of the training steps.
        parameters, multiply_adds: of the network; None if it could not be built.
        latency_ms: for one picture, compiled, on one core; None if it was not measured.
        why: in words, if it did not learn.
    """

    outcome: Outcome
    cmae_deg: float | None = None
    epochs: int = 0
    best_epoch: int = 0
    seconds: float = 0.0
    parameters: int | None = None
    multiply_adds: int | None = None
    latency_ms: float | None = None
    why: str = ""


@dataclass(frozen=True)
class Trial:
    """A finished trial; attributes as in `Drawn` and `Measured`."""

    structure: str
    number: int
    seed: int
    values: Mapping[str, Any]
    measured: Measured

    @property
    def learned(self) -> bool:
        """Whether its error counts."""
        return self.measured.outcome == "learned"


class Objective(Protocol):
    """Runs a trial; picklable."""

    def __call__(self, drawn: Drawn, on_epoch: Callable[[int, float], None], /) -> Measured:
        """Run it; call `on_epoch` after each epoch with its number, from 1, and the validation CMAE in degrees."""
        ...
