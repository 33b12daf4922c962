"""The frames of a folder that is recorded into: which there are, which have a label, and which wait for one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import NamedTuple

import numpy as np

from labelkit.cells import Cells
from labelkit.curation.coverage import Coverage, sum_coverages
from labelkit.live.label_cache import Entry, LabelCache, Signature, entry_of, facts_digest
from labelkit.live.tally import Label, Tally
from labelkit.recordings.growth import add_pictures, lists_of, picture_folders_of
from labelkit.recordings.listing import portable_from_name, source_path
from labelkit.records import FrameName, Recording
from labelkit.settings import CoverageSettings

EARLIER = 0  # the arrival of every frame that was there before the game began

_RECOUNT_S = 1.0  # between two counts of a recording whose frames were labelled out of order


@dataclass(eq=False)
class ListedRecording:
    """A recording and its frames, as they were when it was opened; `extend` adds those that come later."""

    recording: Recording
    names: list[FrameName] = field(init=False)
    stamps_s: list[float] = field(init=False)
    place_of: dict[str, int] = field(init=False)  # file -> number of its frame
    folders: set[Path] = field(init=False)
    late: set[Path] = field(init=False, default_factory=set)  # new pictures that belong to no frame yet
    facts: str = field(init=False)

    def __post_init__(self) -> None:
        self.names = [self.recording.files(index) for index in range(len(self.recording))]
        self.stamps_s = [name.stamp for name in self.names]
        self.place_of = {file: place for place, name in enumerate(self.names) for file in _files(name)}
        self.folders = picture_folders_of(self.recording)
        self.facts = facts_digest(self.recording)

    def extend(self, recording: Recording, changed: Sequence[int]) -> None:
        """Replace the recording by a longer one; `changed` are the numbers of its new and completed frames."""
        self.recording = recording
        for place in changed:
            name = recording.files(place)
            self.names[place : place + 1] = [name]
            self.stamps_s[place : place + 1] = [name.stamp]
            self.place_of |= dict.fromkeys(_files(name), place)


class PlayedRecording:
    """A recording in the game: its frames, their labels, and its counts."""

    def __init__(self, listed: ListedRecording, settings: CoverageSettings) -> None:
        self.listed = listed
        self.tally = Tally(settings)
        self._labels: dict[FrameName, tuple[Signature, Label]] = {}
        self._counted_to = -1  # the last frame that is counted
        self._stale = True
        self._recounted_at = -np.inf

    @property
    def participant(self) -> str:
        """Whose hand it shows."""
        return self.listed.recording.participant

    @property
    def seconds(self) -> float:
        """How long it is; frames without a time are a thirtieth of a second apart."""
        stamps = self.listed.stamps_s
        if not stamps:
            return 0.0
        length = stamps[-1] - stamps[0]
        return length if length >= 0.0 else len(stamps) / 30.0

    def take_labels(self, older: PlayedRecording) -> None:
        """Take over the labels that an older listing of the same recording had."""
        self._labels = older._labels

    def signature_of(self, place: int) -> Signature | None:
        """Say how a frame's files were when it was labelled; None if it has no label."""
        known = self._labels.get(_without_stamp(self.listed.names[place]))
        return known[0] if known else None

    def entries(self) -> Iterator[Entry]:
        """Say what each label depends on."""
        for name, (signature, _) in self._labels.items():
            yield entry_of(self.listed.facts, name, signature)

    def add_label(self, place: int, signature: Signature, label: Label) -> None:
        """Add a frame's label, and count it at once if it is later than all frames that are counted."""
        self._labels[_without_stamp(self.listed.names[place])] = signature, label
        if place > self._counted_to and not self._stale:
            self.tally.add(self.listed.stamps_s[: place + 1], label)
            self._counted_to = place
        else:
            self._stale = True

    def recount(self, now: float) -> None:
        """Count all frames again if some were labelled out of order; not more than once a second, as it takes time."""
        if self._stale and now - self._recounted_at >= _RECOUNT_S:
            known = [self._labels.get(_without_stamp(name)) for name in self.listed.names]
            labels = [found and found[1] for found in known]
            self.tally.recount(self.listed.stamps_s, labels)
            self._counted_to = max((k for k, label in enumerate(labels) if label), default=-1)
            self._stale, self._recounted_at = False, now


class WaitingFrame(NamedTuple):
    """A frame that waits for its label."""

    arrival: int
    recording: str
    file: str


class Frames:
    """All frames below a folder, and a stack of those that wait for a label, with the newest on top."""

    def __init__(self, raw: Path, settings: CoverageSettings, cache: LabelCache, clock: Callable[[], float]) -> None:
        self.raw = raw.resolve()
        self.cells = Cells(settings.cell_deg, settings.reach_deg, settings.cells)
        self.target = settings.target
        self.recordings: dict[str, PlayedRecording] = {}
        self.looked = False  # whether it is known what was there before the game began
        self._settings = settings
        self._cache = cache
        self._clock = clock
        self._by_folder: dict[Path, str] = {}
        self._by_list: dict[Path, str] = {}
        self._arrivals = count(1)
        self._stack: list[WaitingFrame] = []
        self._stacked: dict[tuple[str, str], WaitingFrame] = {}  # the same, by recording and file

    def take_look(self, found: Sequence[ListedRecording]) -> None:
        """Take what a look at the whole folder found; frames that have a label keep it."""
        arrival = next(self._arrivals) if self.looked else EARLIER
        before, self.recordings, self._by_folder, self._by_list = self.recordings, {}, {}, {}
        for listed in found:
            name = listed.recording.name
            recording = PlayedRecording(listed, self._settings)
            if (old := before.get(name)) and old.listed.facts == listed.facts:
                recording.take_labels(old)
            self.recordings[name] = recording
            self._by_folder |= dict.fromkeys(listed.folders, name)
            self._by_list |= dict.fromkeys(lists_of(listed.recording), name)
            for place, file in enumerate(listed.names):
                if recording.signature_of(place) is None and not self._has_label(recording, place):
                    self.push(WaitingFrame(arrival, name, file.key))
        if not self.looked:
            self._cache.keep_only(entry for recording in self.recordings.values() for entry in recording.entries())
        self.looked = True

    def hear(self, paths: Iterable[Path]) -> bool:
        """Hear that files changed; return whether only a look at the whole folder can tell what that means."""
        longer: set[str] = set()
        unclear = False
        for path in paths:
            name = self._by_list.get(path) or self._by_folder.get(path.parent)
            if name is None or not path.exists():
                unclear = True
                continue
            listed = self.recordings[name].listed
            file = self._portable(path)
            if file in listed.place_of:
                self._push_changed(name, listed.place_of[file])
                continue
            longer.add(name)
            if path not in self._by_list:
                listed.late.add(path)
        for name in sorted(longer):
            unclear |= not self._extend(name)
        return unclear

    def _extend(self, name: str) -> bool:
        """Add the pictures that came since a recording was opened; return whether that could be done."""
        listed = self.recordings[name].listed
        more = add_pictures(listed.recording, sorted(listed.late))
        if more is None:
            return False
        listed.extend(*more)
        listed.late = {path for path in listed.late if self._portable(path) not in listed.place_of}
        for place in more[1]:
            self._push_changed(name, place)
        return True

    def _portable(self, path: Path) -> str:
        return portable_from_name(path.relative_to(self.raw).as_posix())

    def _push_changed(self, name: str, place: int) -> None:
        recording = self.recordings[name]
        if self._has_label(recording, place):
            return
        waiting = WaitingFrame(next(self._arrivals), name, recording.listed.names[place].key)
        found = self._stacked.get(waiting[1:])
        if found and found.arrival == EARLIER:  # the first look found it before the system said that it was written
            self._stack.remove(self._stacked.pop(waiting[1:]))
        self.push(waiting)

    def push(self, waiting: WaitingFrame) -> None:
        """Put a frame on top of the stack, unless it is in the stack already."""
        if waiting[1:] not in self._stacked:
            self._stacked[waiting[1:]] = waiting
            self._stack.append(waiting)

    def pop(self) -> WaitingFrame | None:
        """Take the newest frame that waits; None if none does."""
        if not self._stack:
            return None
        waiting = self._stack.pop()
        del self._stacked[waiting[1:]]
        return waiting

    def find_unlabelled(self, waiting: WaitingFrame) -> tuple[PlayedRecording, int] | None:
        """Find a frame's recording and its number there; None if it is gone, or has its label by now."""
        recording = self.recordings.get(waiting.recording)
        place = recording.listed.place_of.get(waiting.file) if recording else None
        if recording is None or place is None or self._has_label(recording, place):
            return None
        return recording, place

    def _has_label(self, recording: PlayedRecording, place: int) -> bool:
        """Whether a frame has a label, if only in the cache, and its files are as they were when it was made."""
        name = recording.listed.names[place]
        signature = self.signature(name)
        if recording.signature_of(place) == signature:
            return True
        label = self._cache.get(entry_of(recording.listed.facts, name, signature))
        if label:
            recording.add_label(place, signature, label)
        return label is not None

    def signature(self, name: FrameName) -> Signature:
        """Say how a frame's files are now."""
        parts: list[int] = []
        for file in _files(name):
            try:
                state = source_path(self.raw, file).stat()
                parts += [state.st_size, state.st_mtime_ns, state.st_ctime_ns]  # no program sets the last one
            except OSError:
                parts += [-1, -1, -1]
        return tuple(parts)

    def add_label(self, recording: PlayedRecording, place: int, signature: Signature, label: Label) -> None:
        """Add a frame's label, and keep it for the next start."""
        recording.add_label(place, signature, label)
        self._cache.add(entry_of(recording.listed.facts, recording.listed.names[place], signature), label)

    @property
    def waits(self) -> bool:
        """Whether a frame waits for its label."""
        return bool(self._stack)

    def count_waiting(self) -> tuple[int, int]:
        """Count the frames that wait: those that came during the game, and those that were there before it."""
        earlier = sum(waiting.arrival == EARLIER for waiting in self._stack)
        return len(self._stack) - earlier, earlier

    def newest_recording(self) -> str | None:
        """Name the recording whose last frame was written last; None if there is no frame."""
        times = {
            name: max(self.signature(recording.listed.names[-1])[1::2])
            for name, recording in self.recordings.items()
            if recording.listed.names
        }
        return max(times, key=lambda name: times[name], default=None)

    def coverage(self) -> dict[str, Coverage]:
        """Count each participant's samples."""
        now = self._clock()
        people: dict[str, list[Coverage]] = {}
        for recording in self.recordings.values():
            recording.recount(now)
            people.setdefault(recording.participant, []).append(recording.tally.coverage)
        return {name: sum_coverages(parts, self.cells, self.target) for name, parts in sorted(people.items())}


def _files(name: FrameName) -> tuple[str, ...]:
    return tuple(file for file in (name.depth, name.color) if file)


def _without_stamp(name: FrameName) -> FrameName:
    return FrameName(name.depth, name.color, 0.0)  # a stamp may be NaN, which equals nothing
