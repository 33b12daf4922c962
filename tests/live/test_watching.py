from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest

from labelkit.errors import RecordingError
from labelkit.live import watching as module
from labelkit.live.game import Game
from labelkit.live.watching import GameThread
from labelkit.records import Reason
from labelkit.settings import BuildSettings
from tests.live.conftest import COARSE, begin, put

PATIENCE_S = 60.0


@contextmanager
def playing(raw):
    """Run a game; gives a function that waits until its state is as it should be."""
    build = BuildSettings()
    thread = GameThread(Game(raw, COARSE, build), build)
    states = []
    thread.publish = states.append
    thread.start()

    def until(holds):
        deadline = time.monotonic() + PATIENCE_S
        while not (states and holds(states[-1])):
            assert thread.failure is None
            assert time.monotonic() < deadline, states[-1:]
            time.sleep(0.02)
        return states[-1]

    try:
        yield until
    finally:
        thread.stop()
        assert not thread.is_alive()


def test_frames_sessions_and_participants_that_appear_are_seen_as_they_come(raw):
    with playing(raw) as until:
        until(lambda state: state["participant"] is None)
        put(begin(raw / "p01" / "morning"), 0)
        until(lambda state: state["samples"] == 1)
        put(raw / "p01" / "morning", 1)
        until(lambda state: state["samples"] == 2)
        put(begin(raw / "p01" / "evening"), 0)
        until(lambda state: (state["samples"], len(state["participants"])) == (3, 1))
        put(begin(raw / "p02"), 0)
        state = until(lambda state: state["samples"] == 4)
        assert state["participant"] == "p02"
        assert [one["samples"] for one in state["participants"]] == [3, 1]


def test_a_folder_that_comes_later_is_watched_from_then_on(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "_IDLE_S", 1e9)  # only what the system reports can tell of it
    monkeypatch.setattr(f"{__name__}.PATIENCE_S", 15.0)
    with playing(tmp_path / "late") as until:
        until(lambda state: state["words"] == "Waiting for the folder late.")
        put(begin(tmp_path / "late" / "p01"), 0)
        until(lambda state: state["samples"] == 1)
        put(tmp_path / "late" / "p01", 1)
        until(lambda state: state["samples"] == 2)


def test_a_picture_that_is_written_before_the_first_look_began_is_a_new_one(raw):
    build = BuildSettings()
    game = Game(raw, COARSE, build)
    thread = GameThread(game, build)
    thread._events.put(set(put(begin(raw / "p01"), 0, "e")))
    with ThreadPoolExecutor(1) as looker:
        while not game.looked:
            thread._turn(looker)
    assert game.state()["rejected"]["code"] == Reason.NO_HAND.value


def test_a_recording_that_lacks_its_sidecar_says_so_and_goes_on_when_it_has_one(raw):
    begin(raw / "p01")
    sidecar = raw / "p01" / "recording.toml"
    stated = sidecar.read_text()
    sidecar.unlink()
    put(raw / "p01", 0)
    with playing(raw) as until:
        until(lambda state: any("depth_unit_m" in trouble for trouble in state["troubles"]))
        sidecar.write_text(stated)
        until(lambda state: state["samples"] == 1 and not state["troubles"])


def test_what_the_system_did_not_report_is_found_when_it_is_quiet(raw, monkeypatch):
    put(begin(raw / "p01"), 0)
    matters = module._matters
    monkeypatch.setattr(module, "_matters", lambda change, path: "_001" not in path and matters(change, path))
    with playing(raw) as until:
        until(lambda state: state["samples"] == 1)
        put(raw / "p01", 1)
        put(raw / "p01", 2)
        until(lambda state: state["samples"] == 3)


def test_files_of_which_nothing_was_reported_but_their_new_folder_are_found(raw, monkeypatch):
    matters = module._matters
    monkeypatch.setattr(module, "_matters", lambda change, path: "." not in path and matters(change, path))
    with playing(raw) as until:
        until(lambda state: state["participant"] is None)
        put(begin(raw / "p01"), 0)
        until(lambda state: state["samples"] == 1)


def test_a_folder_of_which_nothing_at_all_is_reported_is_looked_at_now_and_then(raw, monkeypatch):
    monkeypatch.setattr(module, "_matters", lambda change, path: False)
    monkeypatch.setattr(module, "_IDLE_S", 0.5)
    with playing(raw) as until:
        until(lambda state: state["participant"] is None)
        put(begin(raw / "p01"), 0)
        until(lambda state: state["samples"] == 1)


def test_files_that_are_no_pictures_make_no_work(raw):
    assert not module._matters(module.Change.added, "/raw/p01/notes.txt")
    assert not module._matters(module.Change.modified, "/raw/p01/.d_001.png.part")
    assert module._matters(module.Change.added, "/raw/p01/depth/d_001.PNG")
    assert module._matters(module.Change.modified, "/raw/p01/recording.toml")
    assert module._matters(module.Change.deleted, "/raw/p01")


def test_a_system_that_cannot_watch_ends_the_game_and_says_what_to_do(raw, monkeypatch):
    def refuse(*_, **__):
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(module, "watch", refuse)
    build, ended = BuildSettings(), []
    thread = GameThread(Game(raw, COARSE, build), build)
    thread.on_end = lambda: ended.append(True)
    thread.start()
    thread.join(PATIENCE_S)
    assert ended
    with pytest.raises(RecordingError, match=r"watch limit reached.*max_user_watches"):
        raise thread.failure
