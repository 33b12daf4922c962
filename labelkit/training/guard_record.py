"""What the guard of a training saw and did, and the file that keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from labelkit.runs.folder import GUARD, GUARD_SCHEMA, parse_json, write_json
from labelkit.training.collapse import Event, Layer, Signs, count_earlier_epochs


@dataclass(frozen=True)
class Start:
    """The network before its first step.

    Attributes:
        layers: its activations, as they were drawn.
        unfit: what was wrong with them; empty if they were alive and centred.
        levelled: whether the weights were scaled and centred on a batch.
    """

    layers: tuple[Layer, ...]
    unfit: tuple[str, ...]
    levelled: bool


@dataclass(frozen=True)
class GuardRecord:
    """All that the guard of one training saw and did."""

    start: Start
    signs: tuple[Signs, ...] = ()
    events: tuple[Event, ...] = ()

    def of(self, epochs: int, events: int) -> GuardRecord:
        """Cut it back to so many epochs and events."""
        return replace(self, signs=self.signs[:epochs], events=self.events[:events])

    @property
    def rate(self) -> float:
        """What learning rates are multiplied by."""
        return self.events[-1].rate if self.events else 1.0

    @property
    def since(self) -> int:
        """The latest epoch in which something was done; 0 if nothing was."""
        return max((event.epoch for event in self.events if event.did != "nothing"), default=0)

    @property
    def earlier_epochs(self) -> int:
        """The epochs that were done before the present attempt began."""
        return count_earlier_epochs(self.events)


def write_journal(run: Path, journal: GuardRecord) -> None:
    """Write what the guard of a run saw and did."""
    write_json(run / GUARD, {"schema": GUARD_SCHEMA, **asdict(journal)})


def read_journal(run: Path) -> GuardRecord | None:
    """Read what the guard of a run saw and did; None if it had no guard.

    Raises:
        RunError: damaged, or of another version.
    """
    return parse_json(run / GUARD, GUARD_SCHEMA, _parse, "no journal of a guard")


def _parse(stored: Mapping[str, Any]) -> GuardRecord:
    start = stored["start"]
    return GuardRecord(
        Start(_all(Layer, start["layers"]), tuple(start["unfit"]), bool(start["levelled"])),
        _all(Signs, stored["signs"]),
        tuple(Event(**event | {"why": tuple(event["why"])}) for event in stored["events"]),
    )


def _all(kind: Any, stored: Sequence[dict[str, Any]]) -> tuple[Any, ...]:
    return tuple(kind(**each) for each in stored)
