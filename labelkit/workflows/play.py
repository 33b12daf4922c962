"""A folder that is recorded into in, the painting game out."""

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
from labelkit.live.label_cache import LabelCache, cache_path
from labelkit.live.server import LiveServer, map_of
from labelkit.live.watching import GameThread
from labelkit.settings import BuildSettings, CoverageSettings, settings_of

_DRAW_S = 0.2  # between two drawings in a terminal


@dataclass(frozen=True)
class GameResult:
    """What was recorded when a game ended.

    Attributes:
        raw: the folder that was watched.
        frames, samples: of all participants.
        cells: within reach.
        begun, full: participant -> how many of them hold a sample, and how many hold the target.
    """

    raw: str
    frames: int
    samples: int
    cells: int
    begun: dict[str, int]
    full: dict[str, int]


def play(
    raw: Path | str,
    settings: CoverageSettings | None = None,
    build: BuildSettings | None = None,
    *,
    port: int = 0,
    show_pictures: bool = False,
    cache: bool = True,
    on_open: Callable[[str], None] = print,
    **keywords: Any,
) -> GameResult:
    """Watch a folder of recordings and serve the painting game to browsers of this machine, until Ctrl-C.

    Args:
        raw: the folder; if it is not there yet, the game waits for it.
        settings: the cells, the target and which samples count.
        build: the settings with which the dataset will be built, so that the game counts what it will hold.
        port: of 127.0.0.1; 0 takes any that is free.
        show_pictures: show on the page what the camera sees.
        cache: keep labels in the user's cache folder, so that the next start need not make them again.
        on_open: called once with the address to open, which holds the token.
        keywords: single settings, as of `CoverageSettings`; they win over `settings`.
    Raises:
        RecordingError: `raw` is a file, or cannot be watched.
        SettingsError: the cells do not fit the reach, or the port is taken.
    """
    settings = settings_of(CoverageSettings, settings, keywords)
    _refuse_file(Path(raw))
    with _start_game(Path(raw), settings, build, cache=cache) as (game, thread):
        server = LiveServer(port, map_of(game.cells, game.target, pictures=show_pictures), show_pictures=show_pictures)
        thread.publish = lambda state: server.put(state, game.picture())
        thread.on_end = server.stop
        thread.start()
        on_open(server.url)
        server.serve()
    return _result(raw, game)


def play_in_terminal(
    raw: Path | str,
    settings: CoverageSettings | None = None,
    build: BuildSettings | None = None,
    *,
    cache: bool = True,
    draw: Callable[[dict[str, Any], Cells, int], None],
) -> GameResult:
    """Watch a folder of recordings and draw the painting game without a browser, until Ctrl-C.

    Args:
        raw, settings, build, cache: as for `play`.
        draw: called with the state, the cells and the target after each change, at most five times a second.
    Raises:
        RecordingError: `raw` is a file, or cannot be watched.
        SettingsError: the cells do not fit the reach.
    """
    _refuse_file(Path(raw))
    over, newest = threading.Event(), [dict[str, Any]()]
    with (
        _start_game(Path(raw), settings, build, cache=cache) as (game, thread),
        handle_signals(lambda *_: over.set(), signal.SIGINT, signal.SIGTERM),
    ):
        thread.publish = lambda state: newest.__setitem__(0, state)
        thread.on_end = over.set
        thread.start()
        drawn: dict[str, Any] = {}
        while not over.wait(_DRAW_S):
            if newest[0] != drawn:
                drawn = newest[0]
                draw(drawn, game.cells, game.target)
    return _result(raw, game)


def _refuse_file(raw: Path) -> None:
    if raw.exists() and not raw.is_dir():
        raise RecordingError(f"{raw}: is a file; give the folder into which recordings are written")


@contextmanager
def _start_game(
    raw: Path, settings: CoverageSettings | None, build: BuildSettings | None, *, cache: bool
) -> Iterator[tuple[Game, GameThread]]:
    """Make a game and the thread that will own it; at the end, stop the thread and raise the error that ended it."""
    build = build or BuildSettings()
    with LabelCache(cache_path(raw, build) if cache else None) as labels:
        game = Game(raw, settings or CoverageSettings(), build, labels)
        thread = GameThread(game, build)
        try:
            yield game, thread
        finally:
            thread.stop()
        if thread.failure:
            raise thread.failure


def _result(raw: Path | str, game: Game) -> GameResult:
    state = game.state()
    begun, full = ({one["name"]: one[key] for one in state["participants"]} for key in ("begun_cells", "full_cells"))
    cells = int(game.cells.reachable_mask.sum())
    return GameResult(str(raw), state["frames"], state["samples"], cells, begun, full)
