"""Open files of a dataset as if a stranger had made it: plain files inside the folder, reached through no link."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from pathlib import Path


@contextmanager
def open_plain_file(folder: Path, name: str) -> Iterator[BufferedReader]:
    """Open a plain file for reading.

    The way from the folder to the file is walked part by part, so that a link that is put in its place
    meanwhile is not followed either. The folder itself was given by the user and may be a link.

    Args:
        name: relative to the folder, with forward slashes.
    Raises:
        OSError: not there, not readable, a link, a pipe, a device or a folder.
    """
    *folders, last = name.split("/")
    at = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        for part in folders:
            inside = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=at)
            os.close(at)
            at = inside
        # A pipe would be waited for without O_NONBLOCK, which means nothing to a plain file.
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
        content = file.read(most + 1)
    if len(content) > most:
        raise OSError(errno.EFBIG, f"larger than {most:,} bytes", name)
    return content
