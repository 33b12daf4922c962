"""Labels that are kept from one start of the game to the next, so that they need not be made again.

They are in a file in the user's own cache folder, outside RAW, one line for each frame. A line counts only if the
frame's files have the size and times that they had, and if all else that decides a label is the same. A line that is
incomplete is left out. If the file is lost, the labels are made again; nothing else is lost.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from labelkit.building.plan import list_facts, versions
from labelkit.files import make_folder, write_bytes
from labelkit.live.tally import Label
from labelkit.records import FrameName, Reason, Recording
from labelkit.settings import BuildSettings

log = logging.getLogger(__name__)

Signature = tuple[int, ...]  # size and times of change of a frame's files


class Entry(NamedTuple):
    """What a label depends on: the recording's facts, the frame's files, and how they were."""

    facts: str
    depth: str | None
    color: str | None
    signature: Signature


def facts_digest(recording: Recording) -> str:
    """Hash all that decides a recording's labels, except its pictures."""
    words = json.dumps([recording.name, list_facts(recording)], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def entry_of(facts: str, name: FrameName, signature: Signature) -> Entry:
    """Say what a frame's label depends on."""
    return Entry(facts, name.depth, name.color, signature)


def cache_path(raw: Path, build: BuildSettings) -> Path | None:
    """Name the file that keeps the labels of a folder with these settings, in XDG's folder for caches.

    None if the user has no home folder, as some in containers.
    """
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    except RuntimeError:
        log.warning("labels are not kept for the next start: this user has no home folder; set XDG_CACHE_HOME")
        return None
    words = json.dumps([os.fsencode(raw.resolve()).hex(), build.select_deciding(), versions()], sort_keys=True)
    return folder / "labelkit" / "live" / f"{hashlib.sha256(words.encode()).hexdigest()[:32]}.jsonl"


class LabelCache:
    """The labels that were made before, and a file to add more to; without a file, or if it fails, nothing is kept."""

    def __init__(self, path: Path | None = None) -> None:
        self._path = path
        self._file: IO[bytes] | None = None
        self._known: dict[Entry, Label] = dict(_read(path)) if path else {}

    def __enter__(self) -> LabelCache:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def get(self, entry: Entry) -> Label | None:
        """Find a label that was made before."""
        return self._known.get(entry)

    def keep_only(self, entries: Iterable[Entry]) -> None:
        """Forget the labels of all other frames, such as those that were deleted, and open the file to add more."""
        self._known = {entry: self._known[entry] for entry in entries if entry in self._known}
        if self._path is None:
            return
        try:
            make_folder(self._path.parent)
            write_bytes(self._path, b"".join(_line(*item) for item in self._known.items()), private=True)
            self._file = self._path.open("ab", buffering=0)
        except OSError as error:
            log.warning("labels are not kept for the next start: %s", error)

    def add(self, entry: Entry, label: Label) -> None:
        """Keep a label. Each line is one write, so that a kill loses at most the last one."""
        if self._file:
            try:
                self._file.write(_line(entry, label))
            except OSError as error:
                log.warning("labels are no longer kept for the next start: %s", error)
                self.close()

    def close(self) -> None:
        """Close the file."""
        if self._file:
            self._file.close()
            self._file = None


def _line(entry: Entry, label: Label) -> bytes:
    return (json.dumps([*entry, label.camera_deg, label.view_deg, label.reason, label.detail]) + "\n").encode()


def _read(path: Path) -> Iterator[tuple[Entry, Label]]:
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError:
        return
    for line in lines:
        try:
            yield _parse(json.loads(line))
        except (ValueError, TypeError):
            continue


def _parse(values: Any) -> tuple[Entry, Label]:
    facts, depth, color, signature, camera, view, reason, detail = values
    entry = Entry(str(facts), depth, color, tuple(int(number) for number in signature))
    if reason is not None:
        return entry, Label(reason=Reason(reason), detail=str(detail))
    return entry, Label(_pair(camera), _pair(view))


def _pair(values: Any) -> tuple[float, float]:
    azimuth, elevation = values
    return float(azimuth), float(elevation)
