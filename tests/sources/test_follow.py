from __future__ import annotations

import socket
import threading
import time

import pytest

from labelkit.errors import SensorError, SettingsError
from labelkit.sources import follow
from labelkit.sources.follow import GameArrow
from tests.sources.game import running_game

HERE = (0.0, 0.0)


def eventually(holds) -> bool:
    until = time.monotonic() + 10
    while time.monotonic() < until:
        if holds():
            return True
        time.sleep(0.01)
    return False


def test_the_goal_follows_the_games_arrow():
    with running_game() as game:
        game.point(12.5, -7.5)
        with GameArrow(game.url) as arrow:
            assert arrow.goal(HERE) == (12.5, -7.5)
            assert not arrow.done
            game.point(-30, 2.5)
            assert eventually(lambda: arrow.goal(HERE) == (-30.0, 2.5))
            game.state = {"goal": None, "done": True}
            assert eventually(lambda: arrow.done)
            assert arrow.goal(HERE) is None
        assert set(game.asked) == {"/state"}


@pytest.mark.parametrize(
    "goal", [("12", 1), (float("nan"), 0), (None, 3), (1e9, 0), (80, 80), ([1], 2), (True, float("inf"))]
)
def test_what_is_no_orientation_is_no_goal(goal):
    with running_game() as game:
        game.point(*goal)
        assert GameArrow(game.url).goal(HERE) is None


@pytest.mark.parametrize(
    "url",
    [
        "127.0.0.1:8000",
        "http://127.0.0.1/?token=a",
        "http://127.0.0.1:8000/",
        "http://127.0.0.1:99999/?token=a",
        "https://127.0.0.1:8000/?token=a",
        "http://example.org:80/?token=a",  # no other machine is asked
        "http://127.0.0.1.example.org:80/?token=a",
        "http://[::1/?token=a",
        "http://127.0.0.1:8000/?token=a&token=b",
        "http://127.0.0.1:8000/?token=%C3%A9",
    ],
)
def test_an_address_that_no_game_printed_is_refused(url):
    with pytest.raises(SettingsError, match=r"must be the address that labelkit play printed"):
        GameArrow(url)


def test_a_wrong_token_is_told_apart_from_a_game_that_is_not_there():
    with running_game() as game:
        with pytest.raises(SettingsError, match="refuses the token"):
            GameArrow(game.url + "x")
        gone = game.url
    with pytest.raises(SensorError, match="does not answer"):
        GameArrow(gone)


@pytest.mark.parametrize(("status", "state"), [(404, {}), (200, b"<html>"), (200, [1]), (500, {"goal": None})])
def test_another_program_at_the_address_is_no_game(status, state):
    with running_game() as game:
        game.status, game.state = status, state
        with pytest.raises(SensorError, match="expected a game's state"):
            GameArrow(game.url)


def test_a_program_that_speaks_no_http_is_no_game():
    def greet():
        connection, _ = other.accept()
        with connection:
            connection.recv(1000)
            connection.sendall(b"220 mail.example.org\r\n")

    with socket.create_server(("127.0.0.1", 0)) as other:
        thread = threading.Thread(target=greet)
        thread.start()
        with pytest.raises(SensorError, match="does not answer"):
            GameArrow(f"http://127.0.0.1:{other.getsockname()[1]}/?token=a")
        thread.join()


def test_a_game_that_is_away_for_a_moment_is_waited_for(monkeypatch):
    with running_game() as game, GameArrow(game.url) as arrow:
        game.away = True
        assert eventually(lambda: game.missed > 2)
        game.point(5.0, 6.0)
        game.away = False
        assert eventually(lambda: arrow.goal(HERE) == (5.0, 6.0))


def test_a_game_that_is_too_slow_for_a_moment_is_waited_for(monkeypatch):
    monkeypatch.setattr(follow, "_ANSWER_S", 0.5)
    monkeypatch.setattr(follow, "_SILENT_S", 60.0)
    with running_game() as game, GameArrow(game.url) as arrow:
        game.answers.clear()
        asked = len(game.asked)
        assert eventually(lambda: len(game.asked) > asked + 1)
        game.point(5.0, 6.0)
        game.answers.set()
        assert eventually(lambda: arrow.goal(HERE) == (5.0, 6.0))


class Clock:
    """A clock that goes when it is told to."""

    now_s = 100.0

    def monotonic(self):
        return self.now_s


def test_a_game_is_given_up_for_how_long_it_is_away_not_for_how_long_it_ran(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(follow, "time", clock)

    def misses_two_more():
        missed = game.missed
        return eventually(lambda: game.missed > missed + 1)

    def given_up():
        try:
            return arrow.goal(HERE) == "never"
        except SensorError:
            return True

    with running_game() as game, GameArrow(game.url) as arrow:
        clock.now_s += 3600.0
        asked = len(game.asked)
        assert eventually(lambda: len(game.asked) > asked + 1)
        game.away = True
        assert misses_two_more()
        clock.now_s += 0.9 * follow._SILENT_S
        assert misses_two_more()
        assert not given_up()
        clock.now_s += 0.2 * follow._SILENT_S
        assert eventually(given_up)


def test_a_game_that_ends_is_told_to_who_follows_it(monkeypatch):
    monkeypatch.setattr(follow, "_SILENT_S", 0.2)

    def given_up():
        try:
            return arrow.goal(HERE) == "never"
        except SensorError as error:
            return "does not answer" in str(error)

    with running_game() as game, GameArrow(game.url) as arrow:
        game.away = True
        assert eventually(given_up)


def test_a_game_that_says_nothing_is_given_up(monkeypatch):
    monkeypatch.setattr(follow, "_ANSWER_S", 0.1)
    with socket.create_server(("127.0.0.1", 0)) as silent, pytest.raises(SensorError, match="timed out"):
        GameArrow(f"http://127.0.0.1:{silent.getsockname()[1]}/?token=a")
