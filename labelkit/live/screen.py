"""What the painting game shows: the map, where the hand is, where it should go, the words, and the picture."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import cv2
import numpy as np

from labelkit.curation.coverage import sum_coverages
from labelkit.curation.guidance import Goal, next_gap, turn_words
from labelkit.errors import RawFrameError
from labelkit.live.advice import ADVICE
from labelkit.live.frames import EARLIER, Frames, PlayedRecording, WaitingFrame
from labelkit.live.tally import Angles, Label
from labelkit.records import Recording, Unreadable
from labelkit.wording import printable

SCHEMA = "labelkit-live/1"

_TRAIL = 24  # samples: about two seconds
_HAND_S = 1.5  # for so long after a sample, the hand is shown at its place
_REJECTED_S = 0.3  # after a sample: a single rejected frame does not change the words
_TROUBLE_S = 2.0  # a recording that has just begun may lack its files for so long

_PICTURE_WIDTH = 480


@dataclass
class _Shown:
    """What is shown of the newest frame that was labelled, and of those before it."""

    arrival: int = EARLIER
    recording: str | None = None
    file: str | None = None
    rejected: Label | None = None
    hand_deg: Angles | None = None  # centred
    seen_at: float = -np.inf
    trail_deg: deque[Angles] = field(default_factory=lambda: deque(maxlen=_TRAIL))


class Screen:
    """The state of a game, as a page or a terminal shows it."""

    def __init__(self, frames: Frames, clock: Callable[[], float]) -> None:
        self._frames = frames
        self._clock = clock
        self._shown = _Shown()
        self._goal: Goal | None = None
        self._troubles: dict[str, float] = {}  # what keeps a recording from being read, and since when

    @property
    def newest(self) -> int:
        """The arrival of the newest frame that was labelled."""
        return self._shown.arrival

    def turn_to(self, recording: str | None) -> None:
        """Show the map of a recording's participant."""
        self._shown.recording = recording

    def take_troubles(self, troubles: Sequence[str]) -> None:
        """Take what keeps recordings from being read; what was known before keeps its time."""
        now = self._clock()
        self._troubles = {trouble: self._troubles.get(trouble, now) for trouble in troubles}

    def show(self, waiting: WaitingFrame, label: Label) -> None:
        """Show what came of a frame, unless a newer one is shown."""
        shown = self._shown
        if waiting.arrival <= shown.arrival:
            return
        recording = self._frames.recordings[waiting.recording]
        before = self._recording()
        if before is None or before.participant != recording.participant:
            self._shown = shown = _Shown()
            self._goal = None
        shown.arrival, shown.recording, shown.file = waiting
        angles = recording.tally.angles_deg(label)
        shown.rejected = label if angles is None else None
        if angles:
            shown.hand_deg = (90.0 - angles[0], 90.0 - angles[1])
            shown.trail_deg.append(shown.hand_deg)
            shown.seen_at = self._clock()

    def _recording(self) -> PlayedRecording | None:
        return self._frames.recordings.get(self._shown.recording) if self._shown.recording else None

    def state(self) -> dict[str, Any]:
        """Say all that is shown in plain values, as JSON holds them."""
        people = self._frames.coverage()
        cells, target = self._frames.cells, self._frames.target
        shown, recording = self._shown, self._recording()
        person = recording.participant if recording else None
        mirrored = recording is not None and recording.listed.recording.handedness == "left"
        own = people[person] if person else sum_coverages([], cells, target)
        is_seen = shown.hand_deg is not None and self._clock() - shown.seen_at <= _HAND_S
        hand = shown.hand_deg if is_seen else None
        goal = self._goal = next_gap(own.counts, cells, own.target, shown.hand_deg, self._goal)
        skipped, earlier = self._frames.count_waiting()
        return {
            "schema": SCHEMA,
            "participant": person,
            "frames": sum(len(one.listed.names) for one in self._frames.recordings.values()),
            "samples": sum(one.samples for one in people.values()),
            "skipped": skipped,
            "earlier": earlier,
            "hand": hand and _plain_angles(hand),
            "trail": [[round(angle, 2) for angle in place] for place in shown.trail_deg],
            "goal": goal and {"cell": int(goal.cell), **_plain_angles(goal.centre_deg), "needed": int(goal.needed)},
            "words": self._words(person, hand, goal, mirrored),
            "rejected": shown.rejected and _plain_rejection(shown.rejected),
            "collected": own.collected_share,
            "begun_cells": own.started_cells,
            "full_cells": own.filled_cells,
            "counts": own.counts[cells.reachable_mask].tolist(),
            "done": person is not None and goal is None,
            "mirrored": mirrored,
            "seconds": round(self._seconds(person), 1),
            "participants": [
                {
                    "name": name,
                    "samples": one.samples,
                    "distinct": one.distinct,
                    "collected": one.collected_share,
                    "begun_cells": one.started_cells,
                    "full_cells": one.filled_cells,
                }
                for name, one in people.items()
            ],
            "troubles": self._lasting_troubles(),
            "frame": shown.file,
            "picture": shown.arrival if shown.file else None,
        }

    def _words(self, person: str | None, hand: Angles | None, goal: Goal | None, mirrored: bool) -> str:
        if person is None:
            raw = self._frames.raw
            name = printable(raw.name, 40)
            return "Waiting for the first picture." if raw.is_dir() else f"Waiting for the folder {name}."
        rejected = self._shown.rejected
        if rejected and rejected.reason and self._clock() - self._shown.seen_at > _REJECTED_S:
            return ADVICE[rejected.reason]
        if goal is None:
            return "Every cell is full. Well done!"
        if hand is None:
            return "Hold your open palm toward the camera."
        return turn_words(hand, goal.centre_deg, mirrored=mirrored)

    def _seconds(self, person: str | None) -> float:
        """Say how long a participant was recorded."""
        return sum(one.seconds for one in self._frames.recordings.values() if one.participant == person)

    def _lasting_troubles(self) -> list[str]:
        now = self._clock()
        return [trouble for trouble, since in self._troubles.items() if now - since >= _TROUBLE_S]

    def picture(self) -> Callable[[], bytes | None]:
        """Give a function that reads the newest frame's colour picture as a JPEG; any thread may call it."""
        shown, recording = self._shown, self._recording()
        place = recording.listed.place_of.get(shown.file) if recording and shown.file else None
        if recording is None or place is None:
            return lambda: None
        return partial(_read_jpeg, recording.listed.recording, place)


def _read_jpeg(recording: Recording, place: int) -> bytes | None:
    frame = recording[place]
    if isinstance(frame, Unreadable) or frame.read_color is None:
        return None
    try:
        color = frame.read_color()
    except (RawFrameError, OSError):
        return None
    height = round(color.shape[0] * _PICTURE_WIDTH / color.shape[1])
    small = cv2.resize(color[..., ::-1], (_PICTURE_WIDTH, height), interpolation=cv2.INTER_AREA)
    return bytes(cv2.imencode(".jpg", small)[1])


def _plain_angles(place_deg: Angles) -> dict[str, float]:
    return {"azimuth": round(float(place_deg[0]), 2), "elevation": round(float(place_deg[1]), 2)}


def _plain_rejection(label: Label) -> dict[str, str] | None:
    if label.reason is None:
        return None
    return {"code": label.reason.value, "detail": label.detail, "advice": ADVICE[label.reason]}
