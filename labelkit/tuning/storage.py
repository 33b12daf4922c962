"""Optuna's journal on a disk that several machines may share, and that stays readable when a process is killed."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

from labelkit.errors import SearchError
from labelkit.files import translate_os_errors
from labelkit.locking import acquire, make_lock

_TAIL = 1 << 20  # bytes: longer than any line of a journal


def open_storage(journal: Path) -> JournalStorage:
    """Open a journal, or begin one.

    Raises:
        SearchError: it is damaged.
        OutputError: no space or permission.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)  # labelkit shows the progress
    warnings.filterwarnings("ignore", category=optuna.exceptions.ExperimentalWarning)
    try:
        with translate_os_errors(journal):
            return JournalStorage(_Journal(str(journal), _Lock(journal)))
    except (ValueError, KeyError, AssertionError) as error:
        raise SearchError(
            f"{journal}: damaged ({error}); put a copy back, or begin a new search with another --out"
        ) from None


class _Journal(JournalFileBackend):
    """Optuna's file; a full disk is an error that a user can fix."""

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        with translate_os_errors(Path(self._file_path)):
            super().append_logs(logs)


class _Lock(JournalFileOpenLock):
    """A lock that the system opens when its process dies; Optuna's own would keep the others waiting for 30 s."""

    def __init__(self, journal: Path) -> None:
        super().__init__(str(journal))
        self._journal = journal
        self._lock = make_lock(journal.with_name(f"{journal.name}.flock"))  # not Optuna's .lock, which it removes

    def acquire(self) -> bool:
        acquire(self._lock)
        _drop_torn_line(self._journal)
        return True

    def release(self) -> None:
        self._lock.release()


def _drop_torn_line(journal: Path) -> None:
    """Cut off a half-written line at the end: the next line would be written onto it, and be lost too."""
    with journal.open("r+b") as file:
        size = file.seek(0, os.SEEK_END)
        start = max(0, size - _TAIL)
        file.seek(start)
        tail = file.read()
        if tail and not tail.endswith(b"\n"):
            file.truncate(start + tail.rfind(b"\n") + 1)
