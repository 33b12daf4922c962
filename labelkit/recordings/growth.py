"""Recordings that are still being written: add new pictures without listing the old ones again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from labelkit.errors import RecordingError
from labelkit.recordings.reader import PicturePair, PictureSource
from labelkit.recordings.recording import StoredRecording
from labelkit.records import Recording


def picture_folders_of(recording: Recording) -> set[Path]:
    """List the folders in which `add_pictures` can take new pictures of a recording; none if it can take none."""
    source = recording.source if isinstance(recording, StoredRecording) else None
    if not isinstance(source, PictureSource) or source.pair is None:
        return set()
    return {source.folder / folder for folder in source.places()}


def lists_of(recording: Recording) -> set[Path]:
    """List the files that `add_pictures` reads to pair the pictures; new lines in them may place more pictures."""
    source = recording.source if isinstance(recording, StoredRecording) else None
    return {source.folder / name for name in source.lists} if isinstance(source, PictureSource) else set()


def add_pictures(recording: Recording, files: Sequence[Path]) -> tuple[Recording, list[int]] | None:
    """Add the pictures that were written since a recording was opened.

    A picture that completes a pair joins it at its place; a new pair comes last. Opening the recording again may
    give the pair another place.

    Args:
        files: pictures in its folders that it does not hold yet.
    Returns:
        The recording with these pictures, except those that cannot be placed yet, and the indices of the frames that
        are new or have changed; None if the recording must be opened again.
    """
    source = recording.source if isinstance(recording, StoredRecording) else None
    if not isinstance(source, PictureSource) or source.pair is None or any(file.is_symlink() for file in files):
        return None
    pairs = list(source.pairs)
    halves = {
        file: place
        for place, pair in enumerate(pairs)
        if pair.depth is None or pair.color is None
        for file in _files(pair)
    }
    late = [file.relative_to(source.folder).as_posix() for file in files]
    try:
        paired = source.pair([*halves, *late])
    except (RecordingError, OSError):
        return None
    changed = []
    for pair in paired:
        places = {halves[file] for file in _files(pair) if file in halves} or {len(pairs)}
        if len(places) > 1:
            return None  # joins two frames that were separate until now
        (place,) = places
        if pairs[place : place + 1] != [pair]:
            pairs[place : place + 1] = [pair]
            changed.append(place)
    assert isinstance(recording, StoredRecording)
    return replace(recording, source=replace(source, pairs=tuple(pairs))), changed


def _files(pair: PicturePair) -> Iterator[str]:
    return (file for file in (pair.depth, pair.color) if file)
