"""Show a game in a browser of this machine: a page, the game's state as server-sent events, and nothing else.

A request must bring the token. The first one has it in the address that was printed; later ones in a cookie that no
script and no other site can use; a program sends it as `Authorization: Bearer`. The Host header must name this
machine, so that a foreign name that leads here (DNS rebinding) gets nothing. A page of another origin gets nothing.
"""

from __future__ import annotations

import asyncio
import json
import secrets
import signal
import socket
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress
from hmac import compare_digest
from pathlib import Path
from typing import Any

import numpy as np
import uvicorn
from starlette.applications import Starlette
from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import HTTPConnection, Request
from starlette.responses import FileResponse, PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from labelkit.cells import Cells
from labelkit.errors import SettingsError

HOST = "127.0.0.1"
_NAMES = frozenset({HOST, "localhost"})

_PAGE = Path(__file__).parent / "page"

_PING_S = 2.0  # a page that hears nothing for three times as long connects again
_AT_ONCE = 100  # connections

_HEADERS = {
    "content-security-policy": "; ".join(
        [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self'",
            "connect-src 'self'",
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        ]
    ),
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cross-origin-opener-policy": "same-origin",
    "cache-control": "no-store",
}

State = dict[str, Any]
Picture = Callable[[], bytes | None]  # gives a JPEG


def map_of(cells: Cells, target: int, *, pictures: bool) -> dict[str, Any]:
    """Say what a page must know to draw the map: its reachable cells, in the order of `counts` in the state."""
    corners = cells.corner_angles_deg
    around = np.stack([corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]], axis=2)
    reachable = cells.reachable_mask
    return {
        "target": target,
        "reach": cells.reach_deg,
        "limit": float(np.abs(around[reachable]).max()),
        "pictures": pictures,
        "cells": [
            {"centre": centre, "corners": shape}
            for centre, shape in zip(
                cells.centre_angles_deg[reachable].round(3).tolist(), around[reachable].round(3).tolist(), strict=True
            )
        ],
    }


class Board:
    """The newest state, for the requests that wait for it. Only the server's event loop may use it."""

    def __init__(self) -> None:
        self.number = 0
        self.text = ""
        self.picture: Picture = lambda: None
        self.closed = False
        self._changed = asyncio.Event()

    def put(self, text: str, picture: Picture) -> None:
        """Replace the state."""
        self.text, self.picture = text, picture
        self.number += 1
        self._wake()

    def close(self) -> None:
        """End all requests that wait."""
        self.closed = True
        self._wake()

    async def wait_for_newer(self, number: int) -> None:
        """Wait for a state with a higher number."""
        while self.number <= number and not self.closed:
            await self._changed.wait()

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()


class _Guard:
    """Refuse requests without the token, under a foreign name or from another site; add the security headers."""

    def __init__(self, app: ASGIApp, token: str, cookie: str) -> None:
        self._app = app
        self._token = token.encode()
        self._cookie = cookie

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        refusal = self._refusal(HTTPConnection(scope))
        await (refusal or self._app)(scope, receive, send_guarded)

    def _refusal(self, request: HTTPConnection) -> Response | None:
        if not _is_ours(request.headers):
            return PlainTextResponse("labelkit: this address is not served to others\n", 403)
        if not any(compare_digest(given.encode(), self._token) for given in self._find_tokens(request)):
            return PlainTextResponse(
                "labelkit: the token is missing, or from an earlier start; open the address that "
                "labelkit play printed\n",
                403,
            )
        return None

    def _find_tokens(self, request: HTTPConnection) -> Iterator[str]:
        kind, _, bearer = request.headers.get("authorization", "").partition(" ")
        if kind.lower() == "bearer":
            yield bearer
        if request.url.path == "/":
            yield request.query_params.get("token", "")
        yield request.cookies.get(self._cookie, "")


def _is_ours(headers: Headers) -> bool:
    host = headers.get("host", "")
    origin = headers.get("origin")
    return host.partition(":")[0].lower() in _NAMES and origin in (None, f"http://{host}")


def make_app(board: Board, token: str, cookie: str, cells: dict[str, Any], *, show_pictures: bool) -> ASGIApp:
    """Make the application.

    Args:
        token: what every request must bring.
        cookie: the name of the cookie that holds it.
        cells: the map, as `map_of` gives it.
        show_pictures: whether the page may show the camera's pictures.
    """

    async def page(_: Request) -> Response:
        response = FileResponse(_PAGE / "live.html", media_type="text/html")
        response.set_cookie(cookie, token, httponly=True, samesite="strict")
        return response

    async def own_file(request: Request) -> Response:
        return FileResponse(_PAGE / request.url.path[1:])

    async def the_map(_: Request) -> Response:
        return _json(json.dumps(cells))

    async def state(_: Request) -> Response:
        await board.wait_for_newer(0)
        return _json(board.text)

    async def events(_: Request) -> Response:
        return StreamingResponse(_stream(board), media_type="text/event-stream")

    async def picture(_: Request) -> Response:
        content = await asyncio.to_thread(board.picture)
        return Response(content, media_type="image/jpeg") if content else Response(status_code=204)

    routes = [
        Route("/", page),
        *(Route(f"/{name}", own_file) for name in ("live.js", "live.css", "icon.svg")),
        Route("/map", the_map),
        Route("/state", state),
        Route("/events", events),
    ]
    if show_pictures:
        routes.append(Route("/picture", picture))
    return _Guard(Starlette(routes=routes), token, cookie)


def _json(text: str) -> Response:
    return Response(text, media_type="application/json")


async def _stream(board: Board) -> AsyncIterator[str]:
    """Send whole states, always the newest. A slow page misses some of those between, and needs none of them."""
    yield "retry: 1000\n\n"
    seen = 0
    while not board.closed:
        try:
            await asyncio.wait_for(board.wait_for_newer(seen), _PING_S)
        except TimeoutError:
            yield "event: ping\ndata: 1\n\n"
            continue
        seen = board.number
        yield f"id: {seen}\ndata: {board.text}\n\n"


class _Server(uvicorn.Server):
    """uvicorn without its own signal handlers: they would end the process before it has said its result."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


class LiveServer:
    """A server of the page, on this machine alone."""

    def __init__(self, port: int, cells: dict[str, Any], *, show_pictures: bool) -> None:
        """Take a port; 0 takes any that is free.

        Raises:
            SettingsError: the port is taken, or may not be used.
        """
        self._token = secrets.token_urlsafe(24)
        self._socket = _bind(port)
        self.port: int = self._socket.getsockname()[1]
        self._cells = cells
        self._show_pictures = show_pictures
        self._board = Board()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._server: uvicorn.Server | None = None
        self._ended = False
        self._newest: tuple[str, Picture] | None = None  # kept until there is an event loop

    @property
    def url(self) -> str:
        """The address to open, with its token."""
        return f"http://{HOST}:{self.port}/?token={self._token}"

    def put(self, state: State, picture: Picture) -> None:
        """Show a state; any thread may call this."""
        self._newest = newest = json.dumps(state, ensure_ascii=False, allow_nan=False), picture
        self._call(lambda: self._board.put(*newest))

    def stop(self) -> None:
        """End `serve`, even if it has not begun; any thread may call this."""
        self._ended = True
        self._call(self._end)

    def serve(self) -> None:
        """Serve until a signal or `stop`."""
        asyncio.run(self._serve())

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        if self._newest:
            self._board.put(*self._newest)
        app = make_app(
            self._board, self._token, f"labelkit-{self.port}", self._cells, show_pictures=self._show_pictures
        )
        config = uvicorn.Config(
            app,
            log_config=None,
            access_log=False,
            ws="none",
            lifespan="off",
            server_header=False,
            limit_concurrency=_AT_ONCE,
            timeout_graceful_shutdown=2,
        )
        self._server = _Server(config)
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._loop.add_signal_handler(number, self._end)
        if not self._ended:
            await self._server.serve(sockets=[self._socket])

    def _end(self) -> None:
        self._board.close()
        if self._server:
            self._server.should_exit = True

    def _call(self, what: Callable[[], None]) -> None:
        if self._loop:
            with suppress(RuntimeError):  # the loop has ended
                self._loop.call_soon_threadsafe(what)


def _bind(port: int) -> socket.socket:
    here = socket.socket()
    here.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        here.bind((HOST, port))
        here.listen()  # so that a browser that comes at once waits, and is not refused
    except OSError as error:
        here.close()
        raise SettingsError(
            f"--port {port}: cannot be used ({error.strerror}); choose another, or 0 for any free one"
        ) from None
    return here
