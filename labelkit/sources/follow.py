"""Read where the arrow of a running painting game points, from the address that `labelkit play` printed."""

from __future__ import annotations

import http.client
import json
import math
import threading
import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

from labelkit.errors import SensorError, SettingsError
from labelkit.simulator.player import Angles

_POLL_S = 0.05  # one frame at 20 frames/s: the arrow is never older than that
_ANSWER_S = 2.0  # how long an answer may take
_SILENT_S = 5.0  # how long a game may give no answer before this is an error
_MOST_BYTES = 1_000_000
_THIS_MACHINE = ("127.0.0.1", "localhost", "::1")


class GameArrow:
    """The arrow of a running game; a context manager that reads it again and again in its own thread."""

    def __init__(self, url: str) -> None:
        """Read the arrow once.

        Args:
            url: the game's address with its token, as it was printed.
        Raises:
            SettingsError: `url` is no such address, or the game refuses its token.
            SensorError: no game answers.
        """
        self._host, self._port, self._token = _address(url)
        self._goal: Angles | None = None
        self._done = False
        self._trouble: Exception | None = None
        self._closed = threading.Event()
        self._connection = http.client.HTTPConnection(self._host, self._port, timeout=_ANSWER_S)
        self._read()
        self._thread = threading.Thread(target=self._follow, name="arrow", daemon=True)

    def __enter__(self) -> GameArrow:
        self._thread.start()
        return self

    def __exit__(self, *failure: object) -> None:
        self._closed.set()
        self._thread.join()
        self._connection.close()

    @property
    def done(self) -> bool:
        """Whether the map is full."""
        return self._done

    def goal(self, here_deg: Angles) -> Angles | None:
        """Say where the arrow points; None if there is no arrow. The hand's place does not matter here.

        Raises:
            SensorError, SettingsError: the game does not answer any more.
        """
        del here_deg
        if self._trouble is not None:
            raise self._trouble
        return self._goal

    def _follow(self) -> None:
        answered_s = time.monotonic()
        while not self._closed.wait(_POLL_S):
            try:
                self._read()
                answered_s = time.monotonic()
            except (SensorError, SettingsError) as error:
                if time.monotonic() - answered_s > _SILENT_S:
                    self._trouble = error
                    return

    def _read(self) -> None:
        state = self._state()
        self._goal, self._done = _goal_in(state), state.get("done") is True

    def _state(self) -> dict[str, Any]:
        where = f"http://{self._host}:{self._port}"
        try:
            self._connection.request("GET", "/state", headers={"Authorization": f"Bearer {self._token}"})
            answer = self._connection.getresponse()
            content = answer.read(_MOST_BYTES)
        except (OSError, http.client.HTTPException) as error:
            self._connection.close()
            raise SensorError(
                f"{where}: the game does not answer ({error}); is labelkit play still running?"
            ) from error
        if answer.status in (401, 403):
            raise SettingsError(f"{where}: the game refuses the token; give the whole address that it printed")
        try:
            state = json.loads(content)
        except ValueError:
            state = None
        if answer.status != 200 or not isinstance(state, dict):
            raise SensorError(
                f"{where}/state: expected a game's state, found answer {answer.status}; is this a game's address?"
            )
        return state


def _address(url: str) -> tuple[str, int, str]:
    """Split a game's address into host, port and token."""
    try:
        parts = urlsplit(url)
        host, port, (token,) = parts.hostname, parts.port, parse_qs(parts.query)["token"]
        if parts.scheme != "http" or host is None or host not in _THIS_MACHINE or port is None or not token.isascii():
            raise ValueError
    except (ValueError, KeyError):
        raise SettingsError(
            f"--follow must be the address that labelkit play printed (http://127.0.0.1:PORT/?token=TOKEN), not {url!r}"
        ) from None
    return host, port, token


def _goal_in(state: dict[str, Any]) -> Angles | None:
    """Read the goal's angles; None if they are no orientation."""
    goal = state.get("goal")
    if not isinstance(goal, dict):
        return None
    angles = goal.get("azimuth"), goal.get("elevation")
    if not all(isinstance(angle, int | float) for angle in angles):
        return None
    azimuth, elevation = (float(angle) for angle in angles)  # type: ignore[arg-type]
    return (azimuth, elevation) if math.hypot(azimuth, elevation) <= 90.0 else None  # False for NaN too
