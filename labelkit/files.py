"""Files that appear whole or not at all, and their hashes."""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from labelkit.errors import OutputError, SettingsError

# What a user can repair by making room or changing a permission; anything else is a fault of ours.
NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EROFS, errno.EACCES, errno.EPERM, errno.EIO}

PART_SUFFIX = ".part"  # what a killed process may leave; never read


# How a message on a failed write ends, unless a command knows better.
THEN_AGAIN = ", then run the same command again: it goes on where it stopped"


@contextmanager
def translate_os_errors(path: Path) -> Iterator[None]:
    """Turn a full disk or a missing permission into an OutputError that names `path`."""
    try:
        yield
    except OSError as error:
        if error.errno not in NO_ROOM or isinstance(error, OutputError):
            raise
        raise OutputError(
            f"{path}: cannot write ({error.strerror}); make room or change the permission{THEN_AGAIN}"
        ) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it.

    Raises:
        OutputError: no space, no permission, or a file of that name is in the way.
    """
    with translate_os_errors(path):
        try:
            path.mkdir(parents=True, exist_ok=True)
        except (FileExistsError, NotADirectoryError):
            raise OutputError(f"{path}: a file of this name is in the way of a folder") from None


@contextmanager
def replacing(path: Path, *, flush: bool = True) -> Iterator[Path]:
    """Yield a scratch path in the folder of `path`; it becomes `path` only if the block succeeds.

    Args:
        flush: wait until it is on the disk.
    Raises:
        OutputError: the disk is full or may not be written.
    """
    scratch = path.with_name(f".{_shorten(path.name)}.{os.getpid()}{PART_SUFFIX}")
    with translate_os_errors(path):
        try:
            yield scratch
            if flush:
                _flush(scratch)
            scratch.replace(path)
        except BaseException:
            scratch.unlink(missing_ok=True)
            raise
        if flush:
            _flush(path.parent)


def _shorten(name: str) -> str:
    """Cut a name so that a few letters can be added: most disks allow 255 bytes."""
    return name.encode(errors="surrogateescape")[:200].decode(errors="ignore")


def check_output(out: Path, suffixes: tuple[str, ...]) -> Path:
    """Refuse a file that a command could not write, before it starts to work; give it back otherwise.

    Raises:
        SettingsError: another suffix than one of `suffixes`.
        OutputError: a folder is in the way.
    """
    if out.suffix.lower() not in suffixes:
        found = f"not {out.suffix}" if out.suffix else "and this name has no suffix"
        raise SettingsError(f"--out {out}: is written as {', '.join(suffixes)}, {found}")
    if out.is_dir():
        raise OutputError(f"--out {out}: is a folder; name a file in it, such as {out / f'out{suffixes[0]}'}")
    return out


def write_bytes(path: Path, content: bytes, *, private: bool = False, flush: bool = True) -> None:
    """Write a file whole, or leave what was there.

    Args:
        private: only its owner may read it.
        flush: wait until it is on the disk.
    Raises:
        OutputError: the disk is full or may not be written.
    """
    with replacing(path, flush=flush) as scratch:
        if private:
            scratch.touch(mode=0o600)
        _write(scratch, content)


def _write(path: Path, content: bytes) -> None:
    path.write_bytes(content)


def move(path: Path, to: Path) -> None:
    """Move a file within a disk, over what is there; the folders are flushed by the caller, once for many.

    Raises:
        OutputError: the disk may not be written.
    """
    with translate_os_errors(to):
        path.replace(to)


def remove(path: Path) -> None:
    """Remove a file or a folder with all it holds, if there is one; a link goes, not what it leads to.

    Raises:
        OutputError: the disk may not be written.
    """
    with translate_os_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def write_text(path: Path, content: str) -> None:
    """Write a UTF-8 file with \\n line ends whole, or leave what was there."""
    write_bytes(path, content.encode())


def flush_to_disk(path: Path) -> None:
    """Wait until a file or folder is on the disk (folders: where the system can do that).

    Raises:
        OutputError: the disk failed, or is full.
    """
    with translate_os_errors(path):
        _flush(path)


def _flush(path: Path) -> None:
    if path.is_dir() and os.name == "nt":
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_of(path: Path) -> str:
    """Hash a file's content."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
