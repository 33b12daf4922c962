"""Watch a folder while it is written to, and keep its game up to date.

There are three threads. One hears from the system what changed. One looks at the whole folder, when only that can
tell what a change means. One owns the game.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any

import cv2
from watchfiles import Change, watch

from labelkit.errors import RecordingError
from labelkit.live.frames import ListedRecording
from labelkit.live.game import Game
from labelkit.recordings.discover import describe_problems, survey
from labelkit.recordings.listing import PICTURE_SUFFIXES
from labelkit.recordings.sidecar import FILE_NAME
from labelkit.settings import BuildSettings

_GATHER_MS = 20  # events that are so close are taken together; a picture makes three or four
_PAUSE_MS = 5
_TICK_S = 0.25  # how often the state is said when no frame comes: some of it changes with time alone
# The system does not report everything: not files in a folder that it does not know yet, and not the changes that
# another machine makes. So the whole folder is looked at when nothing changed for _QUIET_S after a change, and every
# _IDLE_S while nothing is heard.
_QUIET_S = 1.0
_IDLE_S = 10.0
_ABSENT_S = 0.25  # how often a folder that is not there yet is looked for: nothing can be watched before

_LISTS = frozenset({FILE_NAME, "rgb.txt", "depth.txt"})


def look_at(raw: Path, build: BuildSettings) -> tuple[list[ListedRecording], list[str]]:
    """Find all recordings below a folder, and say what keeps others from being read."""
    try:
        findings = survey(raw, max_gap_s=build.max_gap_s).candidates
    except RecordingError as error:
        return [], [] if raw.is_dir() and not _holds_pictures(raw) else [str(error)]
    found = [ListedRecording(finding.recording) for finding in findings if finding.recording]
    return found, [describe_problems(finding, raw) for finding in findings if finding.problems]


def _holds_pictures(raw: Path) -> bool:
    return any(Path(file).suffix.lower() in PICTURE_SUFFIXES for _, _, files in os.walk(raw) for file in files)


@dataclass
class _Looks:
    """When the whole folder is looked at."""

    wanted: bool = True
    running: Future[tuple[list[ListedRecording], list[str]]] | None = None
    not_before: float = 0.0
    began: float = 0.0
    missed: list[Path] = field(default_factory=list)  # what changed since the running look, or the first one, began


class GameThread(threading.Thread):
    """The thread that owns a game, until it is stopped.

    Attributes:
        publish: called in this thread with each new state.
        on_end: called when the thread ends, by itself or by `stop`.
        failure: the error that ended it, if one did.
    """

    def __init__(self, game: Game, build: BuildSettings) -> None:
        super().__init__(name="labelkit-game", daemon=True)
        self.publish: Callable[[dict[str, Any]], None] = lambda _: None
        self.on_end: Callable[[], None] = lambda: None
        self.failure: BaseException | None = None
        self._game = game
        self._build = build
        self._published: dict[str, Any] = {}
        self._published_at = 0.0
        self._events: SimpleQueue[set[Path] | BaseException] = SimpleQueue()
        self._stop_event = threading.Event()
        self._looks = _Looks()
        self._changed_at = 0.0

    def stop(self) -> None:
        """End the game, after the frame that is being labelled."""
        self._stop_event.set()
        if self.is_alive():
            self.join()

    def run(self) -> None:
        cv2.setNumThreads(1)
        threading.Thread(target=self._listen, name="labelkit-events", daemon=True).start()
        try:
            with ThreadPoolExecutor(1, "labelkit-look") as looker:
                while not self._stop_event.is_set():
                    self._turn(looker)
        except BaseException as error:
            self.failure = error
        finally:
            self._stop_event.set()
            self.on_end()

    def _listen(self) -> None:
        try:
            self._wait_for_folder()
            for changes in watch(
                self._game.raw,
                watch_filter=_matters,
                debounce=_GATHER_MS,
                step=_PAUSE_MS,
                stop_event=self._stop_event,
                rust_timeout=500,
                ignore_permission_denied=True,
                raise_interrupt=False,
            ):
                self._events.put({Path(path) for _, path in changes})
        except Exception as error:
            self._events.put(error)

    def _wait_for_folder(self) -> None:
        if self._game.raw.is_dir():
            return
        while not self._game.raw.is_dir():
            if self._stop_event.wait(_ABSENT_S):
                return
        self._events.put({self._game.raw})

    def _turn(self, looker: ThreadPoolExecutor) -> None:
        """Hear what changed, label one frame, publish the state."""
        newest = self._game.newest
        self._hear(wait=not self._game.waits)
        self._look(looker)
        self._game.step()
        now = time.monotonic()
        if self._game.looked and (self._game.newest != newest or now - self._published_at >= _TICK_S):
            self._published_at = now
            state = self._game.state()
            if state != self._published:
                self._published = state
                self.publish(state)

    def _hear(self, *, wait: bool) -> None:
        paths: set[Path] = set()
        try:
            paths |= self._paths_or_raise(self._events.get(timeout=_TICK_S) if wait else self._events.get_nowait())
            while True:
                paths |= self._paths_or_raise(self._events.get_nowait())
        except Empty:
            pass
        if paths:
            self._changed_at = time.monotonic()
            self._looks.wanted |= self._game.hear(paths)
            if self._looks.running or not self._game.looked:
                self._looks.missed += paths

    def _paths_or_raise(self, item: set[Path] | BaseException) -> set[Path]:
        if isinstance(item, BaseException):
            raise RecordingError(
                f"{self._game.raw}: the system does not say what changes there ({item}); raise "
                "fs.inotify.max_user_watches, or set WATCHFILES_FORCE_POLLING=1"
            ) from item
        return item

    def _look(self, looker: ThreadPoolExecutor) -> None:
        looks, now = self._looks, time.monotonic()
        if looks.running and looks.running.done():
            self._game.take_look(*looks.running.result())
            looks.running = None
            looks.wanted |= self._game.hear(looks.missed)
            looks.missed = []
            looks.not_before = now + 2 * (now - looks.began)  # so that looks take at most a third of a core
        if now - self._changed_at > _QUIET_S and (self._changed_at > looks.began or now - looks.began > _IDLE_S):
            looks.wanted = True
        if looks.wanted and not looks.running and now >= looks.not_before:
            looks.wanted, looks.began = False, now
            looks.running = looker.submit(look_at, self._game.raw, self._build)


def _matters(change: Change, path: str) -> bool:
    """Whether a change can concern a recording: a picture, a list, a new folder, or anything that was deleted."""
    file = Path(path)
    if file.name.startswith("."):
        return False
    return (
        change is Change.deleted
        or file.name in _LISTS
        or file.suffix.lower() in PICTURE_SUFFIXES
        or (change is Change.added and file.is_dir())
    )
