"""One process at a time may change a dataset's folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from labelkit.errors import OutputExistsError
from labelkit.files import mendable

LOCK_NAME = ".lock"


@contextmanager
def only_one_at(folder: Path) -> Iterator[None]:
    """Hold a dataset's folder; the system lets go of it when its holder ends, however it ends.

    Raises:
        OutputExistsError: another process holds it.
        OutputError: no space or permission.
    """
    lock = FileLock(folder / LOCK_NAME)
    try:
        with mendable(folder):
            lock.acquire(timeout=0)
    except Timeout:
        raise OutputExistsError(f"{folder}: another build is at work in this folder; wait for it") from None
    try:
        yield
    finally:
        lock.release()
