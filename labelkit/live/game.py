"""The painting game: what lies in RAW, what became of it, where the hand is and where it should go.

One thread owns a game. It is told what changed, labels one frame at a time, the newest first, and says its state
in plain values. What is counted is what a build would count: the same readers, labels, cells and rules.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np

from labelkit.building.plan import is_excluded
from labelkit.building.shard import outcome_of
from labelkit.cells import Cells
from labelkit.curation.coverage import Coverage, sum_coverages
from labelkit.curation.guidance import Goal, next_gap, turn_words
from labelkit.errors import RawFrameError
from labelkit.live.advice import ADVICE
from labelkit.live.label_cache import Entry, LabelCache, Signature, entry_of, facts_digest
from labelkit.live.tally import Angles, Label, Tally, label_of
from labelkit.recordings.growth import add_pictures, lists_of, picture_folders_of
from labelkit.recordings.listing import portable_from_name, source_path
from labelkit.records import FrameName, Reason, Recording, Unreadable
from labelkit.settings import BuildSettings, CoverageSettings

SCHEMA = "labelkit-live/1"

# What a half-written picture looks like; so long must its files stand still before that is a verdict.
_UNSETTLED = frozenset({Reason.DECODE, Reason.IO, Reason.MISSING_PAIR})
_SETTLE_S = 1.0
_TRAIL = 24  # samples: about two seconds
_HAND_S = 1.5  # for so long the hand is where it was last seen
_RECOUNT_S = 1.0  # between countings of a recording whose frames were labelled out of turn
_REJECTED_S = 0.3  # a single rejected frame is no reason to say something else
_TROUBLE_S = 2.0  # a recorder that has only begun is no trouble yet

_PICTURE_WIDTH = 480

_EARLIER = 0  # the arrival of frames that were there before the game began


@dataclass(eq=False)
class Listed:
    """A recording with its frames listed, as of when it was opened; `follow` keeps it up with what came since."""

    recording: Recording
    names: list[FrameName] = field(init=False)
    stamps_s: list[float] = field(init=False)
    place_of: dict[str, int] = field(init=False)  # file -> number of its frame
    folders: set[Path] = field(init=False)
    late: set[Path] = field(init=False, default_factory=set)  # pictures that could not be placed yet
    facts: str = field(init=False)

    def __post_init__(self) -> None:
        self.names = [self.recording.files(index) for index in range(len(self.recording))]
        self.stamps_s = [name.stamp for name in self.names]
        self.place_of = {file: place for place, name in enumerate(self.names) for file in _files(name)}
        self.folders = picture_folders_of(self.recording)
        self.facts = facts_digest(self.recording)

    def follow(self, recording: Recording, changed: Sequence[int]) -> None:
        """Take the recording as it has grown, with the numbers of the frames that are new or complete now."""
        self.recording = recording
        for place in changed:
            name = recording.files(place)
            self.names[place : place + 1] = [name]
            self.stamps_s[place : place + 1] = [name.stamp]
            self.place_of |= dict.fromkeys(_files(name), place)


def _files(name: FrameName) -> tuple[str, ...]:
    return tuple(file for file in (name.depth, name.color) if file)


class _Recorded:
    """A recording in the game: its frames, their labels, and its counts."""

    def __init__(self, listed: Listed, settings: CoverageSettings) -> None:
        self.listed = listed
        self.labels: dict[FrameName, tuple[Signature, Label]] = {}
        self.tally = Tally(settings)
        self.counted_to = -1  # the last frame that is counted
        self.stale = True
        self.recounted_at = -np.inf

    def label(self, place: int, signature: Signature, label: Label) -> None:
        """Take a frame's label, and count it at once if it is later than all that were counted."""
        self.labels[_named(self.listed.names[place])] = signature, label
        if place > self.counted_to and not self.stale:
            self.tally.add(self.listed.stamps_s[: place + 1], label)
            self.counted_to = place
        else:
            self.stale = True

    def recount(self, now: float) -> None:
        """Count anew what was labelled out of turn; now and then, as it takes time."""
        if self.stale and now - self.recounted_at >= _RECOUNT_S:
            known = [self.labels.get(_named(name)) for name in self.listed.names]
            labels = [found and found[1] for found in known]
            self.tally.recount(self.listed.stamps_s, labels)
            self.counted_to = max((k for k, label in enumerate(labels) if label), default=-1)
            self.stale, self.recounted_at = False, now


def _named(name: FrameName) -> FrameName:
    return FrameName(name.depth, name.color, 0.0)  # a stamp may be NaN, which equals nothing


class _Waiting(NamedTuple):
    """A frame that is to be labelled."""

    arrival: int
    recording: str
    file: str


@dataclass
class _Shown:
    """What is shown of the newest frame that was labelled."""

    arrival: int = _EARLIER
    recording: str | None = None
    file: str | None = None
    rejected: Label | None = None
    hand_deg: Angles | None = None  # centred
    seen_at: float = -np.inf
    trail_deg: deque[Angles] = field(default_factory=lambda: deque(maxlen=_TRAIL))


class Game:
    """The state of a game over a folder of recordings."""

    def __init__(
        self,
        raw: Path,
        settings: CoverageSettings,
        build: BuildSettings,
        journal: LabelCache | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.raw = raw.resolve()
        self.cells = Cells(settings.cell_deg, settings.reach_deg, settings.cells)
        self.target = settings.target
        self._settings = settings
        self._build = build
        self._journal = journal or LabelCache()
        self._clock = clock
        self._recorded: dict[str, _Recorded] = {}
        self._by_folder: dict[Path, str] = {}
        self._by_list: dict[Path, str] = {}
        self._arrivals = count(1)
        self._todo: list[_Waiting] = []  # the newest last
        self._queued: dict[tuple[str, str], _Waiting] = {}  # those by recording and file
        self._unsettled: dict[_Waiting, tuple[Signature, float]] = {}  # how its files were, and since when
        self._shown = _Shown()
        self._chosen: Goal | None = None
        self._troubles: dict[str, float] = {}  # what keeps a recording from being read, and since when
        self.looked = False  # whether it is known what was there before the game began

    # What happened

    def look(self, found: Sequence[Listed], troubles: Sequence[str]) -> None:
        """Take what a look at the whole folder found; frames that are labelled already keep their labels."""
        arrival = next(self._arrivals) if self.looked else _EARLIER
        before, self._recorded, self._by_folder, self._by_list = self._recorded, {}, {}, {}
        for listed in found:
            name = listed.recording.name
            recorded = _Recorded(listed, self._settings)
            if (old := before.get(name)) and old.listed.facts == listed.facts:
                recorded.labels = old.labels
            self._recorded[name] = recorded
            self._by_folder |= dict.fromkeys(listed.folders, name)
            self._by_list |= dict.fromkeys(lists_of(listed.recording), name)
            for place, file in enumerate(listed.names):
                if _named(file) not in recorded.labels and not self._is_known(recorded, place):
                    self._queue(_Waiting(arrival, name, file.key))
        if not self.looked:
            self._journal.keep_only(self._entries())
            self._shown.recording = self._newest_recording()
        self.looked = True
        now = self._clock()
        self._troubles = {says: self._troubles.get(says, now) for says in troubles}

    def changed(self, paths: Iterable[Path]) -> bool:
        """Take what was written: whether only a look at the whole folder can tell what it means."""
        grew: set[str] = set()
        puzzled = False
        for path in paths:
            name = self._by_list.get(path) or self._by_folder.get(path.parent)
            if name is None or not path.exists():
                puzzled = True
                continue
            listed = self._recorded[name].listed
            file = self._file(path)
            if file in listed.place_of:
                self._wait_for(name, listed.place_of[file])
                continue
            grew.add(name)
            if path not in self._by_list:
                listed.late.add(path)
        for name in sorted(grew):
            puzzled |= not self._grow(name)
        return puzzled

    def _grow(self, name: str) -> bool:
        """Take the pictures that came to a recording since it was opened; whether that could be done."""
        listed = self._recorded[name].listed
        more = add_pictures(listed.recording, sorted(listed.late))
        if more is None:
            return False
        listed.follow(*more)
        listed.late = {path for path in listed.late if self._file(path) not in listed.place_of}
        for place in more[1]:
            self._wait_for(name, place)
        return True

    def _file(self, path: Path) -> str:
        return portable_from_name(path.relative_to(self.raw).as_posix())

    def _wait_for(self, name: str, place: int) -> None:
        recorded = self._recorded[name]
        if self._is_known(recorded, place):
            return
        waiting = _Waiting(next(self._arrivals), name, recorded.listed.names[place].key)
        found = self._queued.get(waiting[1:])
        if found and found.arrival == _EARLIER:  # a look was faster to find it than word of its being written
            self._todo.remove(self._queued.pop(waiting[1:]))
        self._queue(waiting)

    def _queue(self, waiting: _Waiting) -> None:
        if waiting[1:] not in self._queued:
            self._queued[waiting[1:]] = waiting
            self._todo.append(waiting)

    def _is_known(self, recorded: _Recorded, place: int) -> bool:
        """Whether a frame has its label, from now or an earlier sitting, and its files are as they were then."""
        name = recorded.listed.names[place]
        signature = self._signature(name)
        known = recorded.labels.get(_named(name))
        if known and known[0] == signature:
            return True
        label = self._journal.get(entry_of(recorded.listed.facts, name, signature))
        if label:
            recorded.label(place, signature, label)
        return label is not None

    def _signature(self, name: FrameName) -> Signature:
        parts: list[int] = []
        for file in _files(name):
            try:
                state = source_path(self.raw, file).stat()
                parts += [state.st_size, state.st_mtime_ns]
            except OSError:
                parts += [-1, -1]
        return tuple(parts)

    def _entries(self) -> Iterator[Entry]:
        for recorded in self._recorded.values():
            for name, (signature, _) in recorded.labels.items():
                yield entry_of(recorded.listed.facts, name, signature)

    def _newest_recording(self) -> str | None:
        times = {
            name: max(self._signature(recorded.listed.names[-1])[1::2])
            for name, recorded in self._recorded.items()
            if recorded.listed.names
        }
        return max(times, key=lambda name: times[name], default=None)

    # Labelling

    def step(self) -> bool:
        """Label the newest frame that waits; False where none does."""
        self._wake()
        while self._todo:
            waiting = self._todo.pop()
            del self._queued[waiting[1:]]
            recorded = self._recorded.get(waiting.recording)
            place = recorded.listed.place_of.get(waiting.file) if recorded else None
            if recorded is None or place is None or self._is_known(recorded, place):
                self._unsettled.pop(waiting, None)
                continue
            self._label(waiting, recorded, place)
            return True
        return False

    def _label(self, waiting: _Waiting, recorded: _Recorded, place: int) -> None:
        listed, name = recorded.listed, recorded.listed.names[place]
        signature = self._signature(name)
        if is_excluded(name, self._build.exclude):
            label = Label(reason=Reason.EXCLUDED, detail="left out by --exclude")
        else:
            label = label_of(listed.recording, name, outcome_of(listed.recording, place, self._build))
        if label.reason in _UNSETTLED and waiting.arrival != _EARLIER and not self._stood_still(waiting, signature):
            return
        recorded.label(place, signature, label)
        self._journal.add(entry_of(listed.facts, name, signature), label)
        if waiting.arrival > self._shown.arrival:
            self._show(waiting, recorded, label)

    def _stood_still(self, waiting: _Waiting, signature: Signature) -> bool:
        """Whether a frame that cannot be read has been as it is for long enough; where not, it is tried again."""
        before, since = self._unsettled.pop(waiting, (None, 0.0))
        now = self._clock()
        if before == signature and now - since >= _SETTLE_S:
            return True
        self._unsettled[waiting] = signature, since if before == signature else now
        return False

    def _wake(self) -> None:
        now = self._clock()
        for waiting, (_, since) in self._unsettled.items():
            if now - since >= _SETTLE_S:
                self._queue(waiting)

    def _show(self, waiting: _Waiting, recorded: _Recorded, label: Label) -> None:
        shown = self._shown
        if shown.recording is None or self._person(shown.recording) != self._person(waiting.recording):
            self._shown = shown = _Shown()
            self._chosen = None
        shown.arrival, shown.recording, shown.file = waiting.arrival, waiting.recording, waiting.file
        angles = recorded.tally.angles_deg(label)
        shown.rejected = label if angles is None else None
        if angles:
            shown.hand_deg = (90.0 - angles[0], 90.0 - angles[1])
            shown.trail_deg.append(shown.hand_deg)
            shown.seen_at = self._clock()

    def _person(self, recording: str) -> str | None:
        recorded = self._recorded.get(recording)
        return recorded.listed.recording.participant if recorded else None

    # What is said of it

    @property
    def waits(self) -> bool:
        """Whether frames wait to be labelled."""
        return bool(self._todo)

    @property
    def newest(self) -> int:
        """The arrival of the newest frame that was labelled: where it is another, all of the state is."""
        return self._shown.arrival

    def coverage(self) -> dict[str, Coverage]:
        """Count each participant's samples."""
        now = self._clock()
        people: dict[str, list[Coverage]] = {}
        for recorded in self._recorded.values():
            recorded.recount(now)
            people.setdefault(recorded.listed.recording.participant, []).append(recorded.tally.coverage)
        return {name: sum_coverages(parts, self.cells, self.target) for name, parts in sorted(people.items())}

    def state(self) -> dict[str, Any]:
        """Say all of it in plain values, as JSON holds them."""
        people = self.coverage()
        shown = self._shown
        recorded = self._recorded.get(shown.recording) if shown.recording else None
        person = recorded.listed.recording.participant if recorded else None
        mirrored = recorded is not None and recorded.listed.recording.handedness == "left"
        own = people[person] if person else sum_coverages([], self.cells, self.target)
        is_seen = shown.hand_deg is not None and self._clock() - shown.seen_at <= _HAND_S
        hand = shown.hand_deg if is_seen else None
        gap = self._chosen = next_gap(own.counts, self.cells, own.target, shown.hand_deg, self._chosen)
        earlier = sum(one.arrival == _EARLIER for one in self._todo)
        return {
            "schema": SCHEMA,
            "participant": person,
            "frames": sum(len(one.listed.names) for one in self._recorded.values()),
            "samples": sum(one.samples for one in people.values()),
            "skipped": len(self._todo) - earlier,
            "earlier": earlier,
            "hand": _angles(hand),
            "trail": [[round(angle, 2) for angle in place] for place in shown.trail_deg],
            "goal": gap and {"cell": int(gap.cell), **_plain(gap.centre_deg), "needed": int(gap.needed)},
            "words": self._words(person, hand, gap, mirrored),
            "rejected": shown.rejected
            and shown.rejected.reason
            and {
                "code": shown.rejected.reason.value,
                "detail": shown.rejected.detail,
                "advice": ADVICE[shown.rejected.reason],
            },
            "filled": own.filled_share,
            "full_cells": own.filled_cells,
            "counts": own.counts[self.cells.reachable_mask].tolist(),
            "done": person is not None and gap is None,
            "mirrored": mirrored,
            "seconds": round(self._seconds(person), 1),
            "participants": [
                {"name": name, "samples": one.samples, "distinct": one.distinct, "filled": one.filled_share}
                for name, one in people.items()
            ],
            "troubles": self._lasting_troubles(),
            "frame": shown.file,
            "picture": shown.arrival if shown.file else None,
        }

    def _words(self, person: str | None, hand: Angles | None, gap: Goal | None, mirrored: bool) -> str:
        if person is None:
            return "Waiting for the first picture."
        rejected = self._shown.rejected
        if rejected and rejected.reason and self._clock() - self._shown.seen_at > _REJECTED_S:
            return ADVICE[rejected.reason]
        if gap is None:
            return "Every cell is full. Well done!"
        if hand is None:
            return "Hold your open palm toward the camera."
        return turn_words(hand, gap.centre_deg, mirrored=mirrored)

    def _seconds(self, person: str | None) -> float:
        """How long a participant has been recorded."""
        total = 0.0
        for recorded in self._recorded.values():
            stamps = recorded.listed.stamps_s
            if recorded.listed.recording.participant == person and stamps:
                total += stamps[-1] - stamps[0] if np.isfinite(stamps[-1] - stamps[0]) else len(stamps) / 30.0
        return total

    def _lasting_troubles(self) -> list[str]:
        now = self._clock()
        return [says for says, since in self._troubles.items() if now - since >= _TROUBLE_S]

    def picture(self) -> Callable[[], bytes | None]:
        """Give a function that reads the colour picture of the newest frame, in any thread, as a JPEG."""
        shown = self._shown
        recorded = self._recorded.get(shown.recording) if shown.recording else None
        place = recorded.listed.place_of.get(shown.file) if recorded and shown.file else None
        if recorded is None or place is None:
            return lambda: None
        return partial(_jpeg, recorded.listed.recording, place)


def _jpeg(recording: Recording, place: int) -> bytes | None:
    frame = recording[place]
    if isinstance(frame, Unreadable):
        return None
    try:
        color = frame.read_color()
    except (RawFrameError, OSError):
        return None
    height = round(color.shape[0] * _PICTURE_WIDTH / color.shape[1])
    small = cv2.resize(color[..., ::-1], (_PICTURE_WIDTH, height), interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", small)[1])


def _plain(place_deg: Angles) -> dict[str, float]:
    return {"azimuth": round(float(place_deg[0]), 2), "elevation": round(float(place_deg[1]), 2)}


def _angles(place_deg: Angles | None) -> dict[str, float] | None:
    return None if place_deg is None else _plain(place_deg)
