"""Labels kept from one sitting to the next, so that a restart need not make them again.

A line a frame, in a file of the user's own outside RAW. A line counts only while the frame's files are as large
and as old as they were, and all else that decides the label is the same; a line that is cut short is passed over.
Losing the file costs time, nothing else.
"""

from __future__ import annotations

import hashlib
import json
import logging
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO, Any, NamedTuple

from labelkit.building.plan import stated_facts, versions
from labelkit.files import make_folder, write_bytes
from labelkit.live.tally import Label
from labelkit.records import FrameName, Reason, Recording
from labelkit.settings import BuildSettings

log = logging.getLogger(__name__)

Signature = tuple[int, ...]  # size and time of change of a frame's files


class Entry(NamedTuple):
    """What a label depends on: the recording's facts, the frame's files, and how they were."""

    facts: str
    depth: str | None
    color: str | None
    signature: Signature


def facts_digest(recording: Recording) -> str:
    """Hash what decides a recording's labels but its pictures."""
    words = json.dumps([recording.name, stated_facts(recording)], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()[:16]


def entry_of(facts: str, name: FrameName, signature: Signature) -> Entry:
    """Say what a frame's label depends on."""
    return Entry(facts, name.depth, name.color, signature)


def journal_path(raw: Path, build: BuildSettings) -> Path:
    """Say where the labels of a folder made with these settings are kept (XDG's folder for what can be made again)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    words = json.dumps([os.fsencode(raw.resolve()).hex(), build.select_deciding(), versions()], sort_keys=True)
    return cache / "labelkit" / "live" / f"{hashlib.sha256(words.encode()).hexdigest()[:32]}.jsonl"


class LabelCache:
    """The labels of earlier sittings, and a file to add to; without a file, or where it fails, it keeps nothing."""

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
        """Forget the labels of all other frames, such as those that were withdrawn, and begin to add."""
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
        """Keep a label; one write a line, so that a kill cuts at most the last."""
        if self._file:
            try:
                self._file.write(_line(entry, label))
            except OSError as error:
                log.warning("labels are no longer kept for the next start: %s", error)
                self.close()

    def close(self) -> None:
        """Add no more."""
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
            yield _parsed(json.loads(line))
        except (ValueError, TypeError):
            continue


def _parsed(values: Any) -> tuple[Entry, Label]:
    facts, depth, color, signature, camera, view, reason, detail = values
    entry = Entry(str(facts), depth, color, tuple(int(number) for number in signature))
    if reason is not None:
        return entry, Label(reason=Reason(reason), detail=str(detail))
    return entry, Label(_pair(camera), _pair(view))


def _pair(values: Any) -> tuple[float, float]:
    azimuth, elevation = values
    return float(azimuth), float(elevation)
