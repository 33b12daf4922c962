"""Find one frame by the name that a user typed."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path

from labelkit.errors import RecordingError
from labelkit.recordings.listing import portable_from_name
from labelkit.records import Recording

_NAMED = 5  # frames listed if a name fits several


def find_frame(recordings: Sequence[Recording], wanted: str, raw: Path) -> tuple[Recording, int]:
    """Find the one frame that a name stands for.

    Args:
        wanted: the depth or colour picture as labels.parquet names it; or the end of that name, if no other frame
            ends so; or the path of the picture; or RECORDING:INDEX.
        raw: the folder of the recordings.
    Returns:
        The recording, and the frame's index in it.
    Raises:
        RecordingError: no frame has this name, or several have.
    """
    if numbered := _frame_from_number(recordings, wanted, raw):
        return numbered
    wanted = _name_from_path(raw, wanted)
    exact: list[tuple[Recording, int]] = []
    ending: list[tuple[Recording, int]] = []
    for recording in recordings:
        for index in range(len(recording)):
            name = recording.frame_name(index)
            if wanted in (name.depth, name.color):
                exact.append((recording, index))
            elif any(part and part.endswith(f"/{wanted}") for part in (name.depth, name.color)):
                ending.append((recording, index))
    found = exact or ending
    if len(found) == 1:
        return found[0]
    if not found:
        raise RecordingError(f"{raw}: no frame {wanted!r}; {_suggest(recordings, wanted)}")
    names = [recording.frame_name(index).key for recording, index in found]
    more = ", ..." if len(names) > _NAMED else ""
    raise RecordingError(
        f"{raw}: {len(names)} frames are called {wanted!r}: {', '.join(names[:_NAMED])}{more}; give more of the path"
    )


def _frame_from_number(recordings: Sequence[Recording], wanted: str, raw: Path) -> tuple[Recording, int] | None:
    """Understand RECORDING:INDEX."""
    name, colon, number = wanted.rpartition(":")
    recording = next((recording for recording in recordings if recording.name == name), None)
    if not (colon and recording and re.fullmatch(r"-?[0-9]{1,9}", number)):
        return None
    if not 0 <= int(number) < len(recording):
        raise RecordingError(f"{raw}: {name} has no frame {number}; its frames are 0 to {len(recording) - 1}")
    return recording, int(number)


def _name_from_path(raw: Path, wanted: str) -> str:
    """Turn a path that the shell completed, raw/p01/depth/1.png, into the frame's name."""
    path = Path(wanted)
    if path.exists() and path.resolve().is_relative_to(raw.resolve()):
        return portable_from_name(path.resolve().relative_to(raw.resolve()).as_posix())
    return wanted


def _suggest(recordings: Sequence[Recording], wanted: str) -> str:
    ends: dict[str, str] = {}
    for recording in recordings:
        for index in range(len(recording)):
            key = recording.frame_name(index).key
            ends.setdefault(key.rpartition("/")[2], key)
    end = wanted.rpartition("/")[2]
    close = [ends[near] for near in difflib.get_close_matches(end, ends, n=3, cutoff=0.6)]
    if close:
        return f"did you mean {' or '.join(map(repr, close))}?"
    recording = recordings[0]
    return (
        f"frames are named as labels.parquet names them, such as {recording.frame_name(0).key!r}, "
        f"or by number, such as '{recording.name}:0'"
    )
