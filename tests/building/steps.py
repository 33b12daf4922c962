"""Stand between a build and the disk: name every step that it takes there, and fail or die at one of them."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from labelkit import files

Step = tuple[str, str]  # what is done, and to which kind of file

BEFORE, AMID = "before", "amid"  # after a step is before the next


@contextmanager
def watched(out: Path, at: Callable[[int, str], None]) -> Iterator[list[Step]]:
    """Call `at` with number and BEFORE or AMID (of writing), for every step below `out`.

    Yields:
        The steps taken so far.
    """
    steps: list[Step] = []

    def stepping(name: str, function: Callable[..., Any], where: Callable[..., Path]) -> Callable[..., Any]:
        def step(*args: Any, **kwargs: Any) -> Any:
            path = where(*args, **kwargs)
            if not path.is_relative_to(out) or (name == "mkdir" and path.is_dir()):
                return function(*args, **kwargs)
            number = len(steps)
            steps.append((name, kind_of(path.relative_to(out))))
            at(number, BEFORE)
            if function is written:
                path.write_bytes(args[1][: len(args[1]) // 2])
                at(number, AMID)
            return function(*args, **kwargs)

        return step

    written = files._write
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(files, "_write", stepping("write", written, lambda path, _: path))
        patch.setattr(os, "fsync", stepping("fsync", os.fsync, lambda fd: Path(f"/proc/self/fd/{fd}").readlink()))
        patch.setattr(os, "replace", stepping("rename", os.replace, lambda _, to, **__: Path(to)))
        for name in ("mkdir", "unlink", "rmdir"):
            patch.setattr(
                os, name, stepping(name, getattr(os, name), lambda path, *_, **kwargs: _placed(path, **kwargs))
            )
        yield steps


def _placed(path: Any, dir_fd: int | None = None, **_: Any) -> Path:
    return Path(path) if dir_fd is None else Path(f"/proc/self/fd/{dir_fd}").readlink() / path


def kind_of(path: Path) -> str:
    """Name a file without what differs from one to the next of its kind."""
    return re.sub(r"\d+", "N", re.sub(r"[0-9a-f]{32}", "KEY", path.as_posix()))


def kill() -> None:
    """Die as by the kernel's hand: no handler runs, nothing is flushed."""
    os.kill(os.getpid(), signal.SIGKILL)


def killed(run: Callable[[], Any]) -> bool:
    """Run in a process of its own; say whether it was killed. Anything else than that or success is an error."""
    child = os.fork()
    if child == 0:
        try:
            run()
        except BaseException as error:
            os.write(2, f"{error!r}\n".encode())
            os._exit(1)
        os._exit(0)
    status = os.waitpid(child, 0)[1]
    assert status in (0, signal.SIGKILL), f"the build ended with {status}"
    return status != 0
