"""Objectives that train nothing, for tests of the search itself. They run in processes of their own."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from labelkit.errors import SearchError
from labelkit.tuning.trial import Drawn, Measured


@dataclass(frozen=True)
class Bowl:
    """An error that is smallest at 15 filters and dropout 0.2, after some epochs of some time."""

    epochs: int = 1
    epoch_s: float = 0.0

    def __call__(self, drawn: Drawn, on_epoch: Callable[[int, float], None], /) -> Measured:
        error = 5.0 + abs(drawn.values["filters"] - 15) + 20 * abs(drawn.values.get("dropout", 0.2) - 0.2)
        for epoch in range(1, self.epochs + 1):
            time.sleep(self.epoch_s)
            on_epoch(epoch, error)
        return Measured("learned", error, self.epochs, self.epochs, 1.0, 1000 * drawn.values["filters"], 10**6, 0.5)


@dataclass(frozen=True)
class Failing:
    """Raises what a user can mend."""

    message: str

    def __call__(self, drawn: Drawn, on_epoch: Callable[[int, float], None], /) -> Measured:
        raise SearchError(self.message)


@dataclass(frozen=True)
class Fatal:
    """One trial has its process killed, as if for memory; the others are a Bowl."""

    structure: str
    number: int

    def __call__(self, drawn: Drawn, on_epoch: Callable[[int, float], None], /) -> Measured:
        if (drawn.structure, drawn.number) == (self.structure, self.number):
            os.kill(os.getpid(), signal.SIGKILL)
        return Bowl()(drawn, on_epoch)
