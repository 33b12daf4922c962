"""Open files of a dataset that a stranger may have made: only plain files inside the folder, and no links."""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import BufferedReader
from pathlib import Path

if sys.platform != "win32":  # which has no such limit
    import resource

_SPARE = 256  # files for all else, such as libraries that are loaded later


def allow_open_files(more: int) -> None:
    """Raise this process's limit of open files so that `more` can be opened, as far as the system allows."""
    if sys.platform == "win32":
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = len(list(Path("/dev/fd").iterdir())) + more + _SPARE
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            limit = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
            resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, limit), hard))


@contextmanager
def open_plain_file(folder: Path, name: str) -> Iterator[BufferedReader]:
    """Open a plain file for reading.

    The path from the folder to the file is opened part by part, so that a link is not followed even if somebody
    puts it there at that moment. The folder itself was given by the user and may be a link.

    Args:
        name: relative to the folder, with forward slashes.
    Raises:
        OSError: the file is missing, unreadable, a link, a pipe, a device or a folder.
    """
    *folders, last = name.split("/")
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in folders:
            inside = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inside
        # Without O_NONBLOCK, opening a pipe would wait; for plain files the flag has no effect.
        handle = os.open(last, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, dir_fd=at)
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise OSError(errno.ELOOP, "a link, which is not followed", name) from None
        raise
    finally:
        os.close(at)
    with os.fdopen(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError(errno.EINVAL, "not a plain file", name)
        yield file


def read_at_most(folder: Path, name: str, most: int) -> bytes:
    """Read a small file whole.

    Raises:
        OSError: as `open_plain_file`, or larger than `most` bytes.
    """
    with open_plain_file(folder, name) as file:
        # A read of `most` bytes would ask for as much memory, however small the file is.
        content = file.read(min(os.fstat(file.fileno()).st_size, most) + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes", name)
    return content
