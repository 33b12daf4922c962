"""A painting game that shows what a test wants it to, served as labelkit play serves its own."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

TOKEN = "a-token"


class Game:
    """What is served; a test changes it as it goes."""

    def __init__(self, port: int) -> None:
        self.state: Any = {"schema": "labelkit-live/1", "goal": None, "done": False}
        self.status = 200
        self.asked: list[str] = []
        self.away = False  # answer nothing
        self.missed = 0
        self.answers = threading.Event()  # while it is not set, who asks waits
        self.answers.set()
        self.url = f"http://127.0.0.1:{port}/?token={TOKEN}"

    def point(self, azimuth: Any, elevation: Any) -> None:
        self.state = {**self.state, "goal": {"cell": 1, "azimuth": azimuth, "elevation": elevation, "needed": 3}}


@contextmanager
def running_game() -> Iterator[Game]:
    """Serve a game on a free port of this machine."""

    class Answers(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            game.asked.append(self.path)
            if game.away:
                game.missed += 1
                self.close_connection = True
                return
            game.answers.wait()
            right = self.headers["Authorization"] == f"Bearer {TOKEN}" and self.headers["Host"] == f"127.0.0.1:{port}"
            content = game.state if isinstance(game.state, bytes) else json.dumps(game.state).encode()
            self.send_response(game.status if right else 403)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)
    server.daemon_threads = True
    port = server.server_address[1]
    game = Game(port)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield game
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
