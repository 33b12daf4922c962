"""What each pass over the training samples did, and the file that keeps it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from labelkit.errors import RunError
from labelkit.runs.folder import HISTORY, read_rows, write_rows


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training samples did.

    Attributes:
        epoch: counted from 1.
        loss: mean over the epoch's training samples, in the loss's own unit (radians for MAE).
        mae_azimuth_deg, mae_elevation_deg, cmae_deg: on validation, after the epoch.
        learning_rate: of the epoch's last step.
        seconds: of the steps, without the validation.
        waited_s: of these, how long the steps waited for their batches.
    """

    epoch: int
    loss: float
    mae_azimuth_deg: float
    mae_elevation_deg: float
    cmae_deg: float
    learning_rate: float
    seconds: float
    samples_per_s: float
    waited_s: float = 0.0


def best_of(history: Sequence[Epoch]) -> Epoch:
    """Find the epoch with the smallest validation CMAE, the first of equals."""
    return min(history, key=lambda epoch: epoch.cmae_deg)


def write_history(run: Path, history: Sequence[Epoch]) -> None:
    """Write the epochs of a run, a row each."""
    write_rows(run / HISTORY, [asdict(epoch) for epoch in history])


def read_history(run: Path, epochs: int) -> list[Epoch]:
    """Read the first epochs of a run.

    Raises:
        RunError: the file is damaged, or holds fewer.
    """
    try:
        rows = read_rows(run / HISTORY)[:epochs]
        history = [
            Epoch(epoch=int(row["epoch"]), **{key: float(row[key]) for key in row if key != "epoch"}) for row in rows
        ]
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(f"{run / HISTORY}: not a history of epochs ({error}); train again") from None
    if [epoch.epoch for epoch in history] != list(range(1, epochs + 1)):
        raise RunError(f"{run / HISTORY}: lacks some of the {epochs} epochs that the checkpoint has seen; train again")
    return history
