"""One process at a time may change a dataset's folder."""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path

from labelkit.locking import only_one_at

LOCK_NAME = ".lock"


def hold_dataset(folder: Path, *, patience_s: float = 0.0) -> AbstractContextManager[None]:
    """Keep other builds and withdrawals out of a dataset's folder; waits and raises as `only_one_at`."""
    return only_one_at(folder, LOCK_NAME, "build", patience_s=patience_s)
