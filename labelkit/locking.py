"""Keep other processes out of a folder while it changes."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from labelkit.errors import OutputExistsError
from labelkit.files import translate_os_errors


@contextmanager
def only_one_at(folder: Path, lock_name: str, work: str) -> Iterator[None]:
    """Keep a second process out of a folder; the system frees it when its holder ends, in any way.

    Args:
        lock_name: the file in it that is locked.
        work: what is done there, for the message: build, training.
    Raises:
        OutputExistsError: another process holds it.
        OutputError: no space or permission.
    """
    lock = FileLock(folder / lock_name)
    try:
        with translate_os_errors(folder):
            lock.acquire(timeout=0)
    except Timeout:
        raise OutputExistsError(f"{folder}: another {work} is at work in this folder; wait for it") from None
    try:
        yield
    finally:
        lock.release()
