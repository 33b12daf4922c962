"""One trial of a search: what was drawn, what was measured, and what is told to the sampler."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Protocol

from labelkit.settings import TrainSettings

# learned: stopped by itself, better than the constant predictor. collapsed: it never was, and was stopped.
# diverged: its loss was no number any more. impossible: its network could not be built or did not fit into memory.
# lost: whatever ran it was killed, time and again.
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
    """What came of a trial.

    Attributes:
        cmae_deg: validation CMAE after the best epoch; None where no epoch was finished.
        epochs, best_epoch: 0 where none was finished.
        seconds: of the training steps.
        parameters, multiply_adds: of the network; None where it could not be built.
        latency_ms: for one picture, compiled, on one core; None where it was not measured.
        why: in words, where it did not learn.
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
        """Run it, and say after each epoch, counted from 1, the validation CMAE, degrees."""
        ...
