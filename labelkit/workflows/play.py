"""Recordings that are being made in, the painting game out."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelkit.cells import Cells
from labelkit.errors import RecordingError
from labelkit.interrupts import handle_signals
from labelkit.live.game import Game
from labelkit.live.label_cache import LabelCache, journal_path
from labelkit.live.server import LiveServer, map_of
from labelkit.live.watching import Play
from labelkit.settings import BuildSettings, CoverageSettings

_DRAWN_S = 0.2  # between drawings in a terminal


@dataclass(frozen=True)
class LiveResult:
    """What a game came to when it was ended.

    Attributes:
        raw: the folder that was watched.
        frames, samples: of everybody.
        filled: participant -> share of the reachable cells that is full.
    """

    raw: str
    frames: int
    samples: int
    filled: dict[str, float]


def coverage_live(
    raw: Path | str,
    settings: CoverageSettings | None = None,
    build: BuildSettings | None = None,
    *,
    port: int = 0,
    show_pictures: bool = False,
    cache: bool = True,
    opened: Callable[[str], None] = print,
) -> LiveResult:
    """Watch a folder of recordings and serve the painting game to browsers of this machine, until interrupted.

    Args:
        settings: the cells, the target and which samples count.
        build: the settings with which the dataset will be built, so that the game counts what it will hold.
        port: of 127.0.0.1; 0 takes any that is free.
        show_pictures: let the page show what the camera sees.
        cache: keep labels in the user's cache folder, so that a restart need not make them again.
        opened: is given the address to open, with its token.
    Raises:
        RecordingError: `raw` is no folder, or cannot be watched.
        SettingsError: the cells do not fit the reach, or the port is taken.
    """
    _check(Path(raw))
    with _game(Path(raw), settings, build, cache=cache) as (game, play):
        server = LiveServer(port, map_of(game.cells, game.target, pictures=show_pictures), show_pictures=show_pictures)
        play.publish = lambda state: server.put(state, game.picture())
        play.ended = server.stop
        play.start()
        opened(server.url)
        server.serve()
    return _result(raw, game)


def coverage_live_in_terminal(
    raw: Path | str,
    settings: CoverageSettings | None = None,
    build: BuildSettings | None = None,
    *,
    cache: bool = True,
    draw: Callable[[dict[str, Any], Cells, int], None],
) -> LiveResult:
    """Watch a folder of recordings and show the painting game without a browser, until interrupted.

    Args:
        settings, build, cache: as for `coverage_live`.
        draw: is given the state, the cells and the target whenever there is something new, a few times a second.
    Raises:
        RecordingError: `raw` is no folder, or cannot be watched.
        SettingsError: the cells do not fit the reach.
    """
    _check(Path(raw))
    over, states = threading.Event(), [dict[str, Any]()]
    with (
        _game(Path(raw), settings, build, cache=cache) as (game, play),
        handle_signals(lambda *_: over.set(), signal.SIGINT, signal.SIGTERM),
    ):
        play.publish = lambda state: states.__setitem__(0, state)
        play.ended = over.set
        play.start()
        shown: dict[str, Any] = {}
        while not over.wait(_DRAWN_S):
            if states[0] != shown:
                shown = states[0]
                draw(shown, game.cells, game.target)
    return _result(raw, game)


def _check(raw: Path) -> None:
    if not raw.is_dir():
        what = "is a file" if raw.exists() else "there is no such folder"
        raise RecordingError(f"--live {raw}: {what}; give the folder into which recordings are written")


@contextmanager
def _game(
    raw: Path, settings: CoverageSettings | None, build: BuildSettings | None, *, cache: bool
) -> Iterator[tuple[Game, Play]]:
    """Make a game over a folder; at the end, stop it, and say what failed in it."""
    build = build or BuildSettings()
    with LabelCache(journal_path(raw, build) if cache else None) as journal:
        game = Game(raw, settings or CoverageSettings(), build, journal)
        play = Play(game, build)
        try:
            yield game, play
        finally:
            play.stop()
        if play.failure:
            raise play.failure


def _result(raw: Path | str, game: Game) -> LiveResult:
    state = game.state()
    filled = {one["name"]: one["filled"] for one in state["participants"]}
    return LiveResult(str(raw), state["frames"], state["samples"], filled)
