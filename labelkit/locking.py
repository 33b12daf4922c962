"""Keep other processes out of a folder while it changes."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from labelkit.errors import OutputError, OutputExistsError
from labelkit.files import translate_os_errors

_NO_LOCKS = {errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}


class NoLocksError(OutputError):
    """The disk has no file locks, as some network disks."""

    def __init__(self, folder: Path, why: str) -> None:
        super().__init__(
            f"{folder}: its disk has no file locks ({why}), and without one two processes could write there at once; "
            "name a folder on another disk, such as a local one, and copy the result"
        )
        self.why = why


@contextmanager
def only_one_at(folder: Path, lock_name: str, work: str, *, patience_s: float = 0.0) -> Iterator[None]:
    """Keep a second process out of a folder; the system frees it when its holder ends, in any way.

    Args:
        lock_name: the file in it that is locked.
        work: what is done there, for the message: build, training.
        patience_s: how long to wait for another process.
    Raises:
        OutputExistsError: another process holds it.
        OutputError: no space or permission.
        NoLocksError: a disk without locks.
    """
    lock = make_lock(folder / lock_name)
    try:
        acquire(lock, timeout_s=patience_s)
    except Timeout:
        raise OutputExistsError(f"{folder}: another {work} is at work in this folder; wait for it") from None
    try:
        yield
    finally:
        lock.release()


def make_lock(path: Path) -> FileLock:
    """Make a lock that the system frees; a mere file would stay when its holder is killed."""
    return FileLock(path, fallback_to_soft=False)


def acquire(lock: FileLock, *, timeout_s: float = -1) -> None:
    """Acquire a lock, waiting for as long as it takes by default.

    Raises:
        Timeout: another process holds it.
        OutputError: no space or permission.
        NoLocksError: a disk without locks.
    """
    folder = Path(lock.lock_file).parent
    try:
        with translate_os_errors(folder):
            lock.acquire(timeout=timeout_s)
    except (OSError, NotImplementedError) as error:
        if isinstance(error, OSError) and error.errno not in _NO_LOCKS:
            raise
        raise NoLocksError(folder, getattr(error, "strerror", None) or "not implemented") from None
