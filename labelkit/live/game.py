"""The painting game over a folder of recordings: hear what changed, label one frame, say the state.

One thread owns a game. It labels the newest frame first. It counts what a build would count: with the same readers,
labels, cells and rules.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any

from labelkit.building.plan import is_excluded
from labelkit.building.shard import outcome_of
from labelkit.curation.coverage import Coverage
from labelkit.live.frames import EARLIER, Frames, ListedRecording, PlayedRecording, WaitingFrame
from labelkit.live.label_cache import LabelCache, Signature
from labelkit.live.screen import Screen
from labelkit.live.tally import Label, label_of
from labelkit.records import Reason
from labelkit.settings import BuildSettings, CoverageSettings

# A half-written picture looks like this. It is only rejected when its files did not change for so long.
_UNSETTLED = frozenset({Reason.DECODE, Reason.IO, Reason.MISSING_PAIR})
_SETTLE_S = 1.0


class Game:
    """A game over a folder of recordings."""

    def __init__(
        self,
        raw: Path,
        settings: CoverageSettings,
        build: BuildSettings,
        cache: LabelCache | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._build = build
        self._clock = clock
        self._frames = Frames(raw, settings, cache or LabelCache(), clock)
        self._screen = Screen(self._frames, clock)
        self._was_there = False  # the folder: to wait for it is no trouble, to lose it is
        self._unsettled: dict[WaitingFrame, tuple[Signature, float]] = {}  # how its files were, and since when
        self.raw = self._frames.raw
        self.cells = self._frames.cells
        self.target = self._frames.target

    def take_look(self, found: Sequence[ListedRecording], troubles: Sequence[str]) -> None:
        """Take what a look at the whole folder found: recordings, and what keeps others from being read."""
        is_first = not self.looked
        self._frames.take_look(found)
        if is_first:
            self._screen.turn_to(self._frames.newest_recording())
        self._was_there |= self.raw.is_dir()
        self._screen.take_troubles(troubles if self._was_there else [])

    def hear(self, paths: Iterable[Path]) -> bool:
        """Hear that files changed; return whether only a look at the whole folder can tell what that means."""
        return self._frames.hear(paths)

    def step(self) -> bool:
        """Label the newest frame that waits; return whether there was one."""
        self._push_settled()
        while waiting := self._frames.pop():
            if found := self._frames.find_unlabelled(waiting):
                self._label(waiting, *found)
                return True
            self._unsettled.pop(waiting, None)
        return False

    def _push_settled(self) -> None:
        """Let frames wait again whose files were left alone for long enough."""
        now = self._clock()
        for waiting, (_, since) in self._unsettled.items():
            if now - since >= _SETTLE_S:
                self._frames.push(waiting)

    def _label(self, waiting: WaitingFrame, recording: PlayedRecording, place: int) -> None:
        signature = self._frames.signature(recording.listed.names[place])
        label = self._make_label(recording.listed, place)
        if label.reason in _UNSETTLED and waiting.arrival != EARLIER and not self._has_settled(waiting, signature):
            return
        self._frames.add_label(recording, place, signature, label)
        self._screen.show(waiting, label)

    def _make_label(self, listed: ListedRecording, place: int) -> Label:
        name = listed.names[place]
        if is_excluded(name, self._build.exclude):
            return Label(reason=Reason.EXCLUDED, detail="left out by --exclude")
        return label_of(listed.recording, name, outcome_of(listed.recording, place, self._build))

    def _has_settled(self, waiting: WaitingFrame, signature: Signature) -> bool:
        """Whether the files of a frame that cannot be read did not change for long enough; if not, try it later."""
        before, since = self._unsettled.pop(waiting, (None, 0.0))
        now = self._clock()
        if before == signature and now - since >= _SETTLE_S:
            return True
        self._unsettled[waiting] = signature, since if before == signature else now
        return False

    @property
    def looked(self) -> bool:
        """Whether it is known what was there before the game began."""
        return self._frames.looked

    @property
    def waits(self) -> bool:
        """Whether frames wait for a label."""
        return self._frames.waits

    @property
    def newest(self) -> int:
        """The arrival of the newest frame that was labelled; when it changes, the state is a new one."""
        return self._screen.newest

    def coverage(self) -> dict[str, Coverage]:
        """Count each participant's samples."""
        return self._frames.coverage()

    def state(self) -> dict[str, Any]:
        """Say all that a page shows, in plain values, as JSON holds them."""
        return self._screen.state()

    def picture(self) -> Callable[[], bytes | None]:
        """Give a function that reads the newest frame's colour picture as a JPEG; any thread may call it."""
        return self._screen.picture()
