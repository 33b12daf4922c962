"""The errors that a user can fix.

Every message says where, what was expected, what was found and what to do next. The command line
prints the message as one line and exits with `exit_code`. Some messages go on, after an empty line, with
lines to copy into a file. Each class is also the nearest built-in exception, so that callers of the
Python API can catch what they expect.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

INTERRUPTED = 130  # the exit code after Ctrl-C: 128 + SIGINT, as shells count


class LabelkitError(Exception):
    """Something that a user can fix."""

    exit_code: ClassVar[int] = 2


class SettingsError(LabelkitError, ValueError):
    """A setting is unknown, out of range, or contradicts another."""


class RecordingError(LabelkitError, ValueError):
    """A folder or file of raw recordings cannot be used as one."""


class RawFrameError(LabelkitError, ValueError):
    """A raw frame exists but cannot be used as one."""


class DatasetError(LabelkitError, ValueError):
    """A dataset is missing, incomplete, damaged or of another version."""


class RunError(LabelkitError, ValueError):
    """A run folder is missing, unfinished, damaged or of another version."""


class SearchError(LabelkitError, ValueError):
    """A search's folder is of another search, of another dataset, damaged, or of another version."""


class SplitError(LabelkitError, ValueError):
    """The dataset cannot be split as asked."""


class OrientationError(LabelkitError, ValueError):
    """A pair of angles, or a vector, that is no orientation."""


class DegeneratePointsError(LabelkitError, ValueError):
    """Points that do not span a plane, or a plane through the camera."""


class OutputExistsError(LabelkitError, FileExistsError):
    """The output exists and was made with other settings, or is in use."""


class OutputError(LabelkitError, OSError):
    """The output cannot be written: no space, or no permission. The command can be resumed."""

    exit_code = 5


class SensorError(LabelkitError, ConnectionError):
    """A sensor is missing or has stopped; or the game that a source follows has."""

    exit_code = 1


class MissingExtraError(LabelkitError, ImportError):
    """An optional library that this command needs is not installed."""


class TrainingError(LabelkitError, RuntimeError):
    """Training cannot continue."""

    exit_code = 1


class TooLargeError(TrainingError):
    """A network does not fit into memory, even with one sample at a time."""


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that there is too little memory: for a buffer, a thread, a library, or a step of training.

    TensorFlow raises ResourceExhaustedError, torch OutOfMemoryError on a GPU and a RuntimeError of its allocator
    on a CPU, JAX an error of XLA whose text begins with RESOURCE_EXHAUSTED, HDF5 an OSError.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    said = str(error)
    return bool(names & _OUT_OF_MEMORY_NAMES or any(words in said for words in _OUT_OF_MEMORY_WORDS))


_OUT_OF_MEMORY_NAMES = frozenset({"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"})
_OUT_OF_MEMORY_WORDS = (
    "RESOURCE_EXHAUSTED",
    "can't allocate memory",
    "unable to allocate memory",
    "can't start new thread",
    "Failed to launch worker thread",
    "failed to map segment",
    "error return without exception set",  # of C code that checks no allocation
)


def nearest(name: str, names: Iterable[str]) -> str:
    """Suggest the known name nearest to an unknown one.

    Args:
        name: what was typed.
        names: the known names.
    Returns:
        A clause for the end of a message: "did you mean 'x'?" or "known are: a, b, c".
    """
    known = sorted(names)
    close = find_nearest(name, known)
    return f"did you mean {close!r}?" if close else f"known are: {', '.join(known)}"


def find_nearest(name: str, names: Iterable[str]) -> str | None:
    """Find the known name that an unknown one stands for: some of its words, their first letters, or a slip in it."""
    known = sorted(names)
    typed = name.replace("_", "-").strip("-")

    def stands_for(each: str) -> bool:
        words = each.replace("_", "-").strip("-").split("-")
        whole, initials = "-".join(words), "".join(word[:1] for word in words)
        return len(typed) > 1 and (whole.startswith(typed) or typed in words or typed == initials)

    close = sorted(filter(stands_for, known), key=lambda each: not each.startswith(typed))
    close = close or difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return close[0] if close else None
