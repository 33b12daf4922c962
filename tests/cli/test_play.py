"""labelkit play, as it is typed."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager

import pytest

from labelkit.cli.program import run
from labelkit.live.label_cache import LabelCache
from tests.live.conftest import begin, put

PATIENCE_S = 60.0


def labelkit(*arguments, **environment):
    return subprocess.Popen(
        [sys.executable, "-m", "labelkit", "play", *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=os.environ | environment,
    )


@pytest.fixture
def ended(capfd):
    """Run a command that ends by itself, in this process: its exit code and what it complains of."""

    def run_it(*arguments):
        with pytest.raises(SystemExit) as left:
            run(["play", *map(str, arguments)])
        return left.value.code, capfd.readouterr().err

    return run_it


@contextmanager
def served(raw, *flags, **environment):
    """Run the game; gives its process, and a function that asks for its state until it is as it should be."""
    process = labelkit(raw, *flags, **environment)
    said = process.stdout.readline().strip()
    address, _, token = (json.loads(said)["url"] if "--json" in flags else said).partition("/?token=")

    def until(holds):
        deadline = time.monotonic() + PATIENCE_S
        while True:
            request = urllib.request.Request(f"{address}/state", headers={"Authorization": f"Bearer {token}"})
            with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
                state = json.load(answer)
            if holds(state):
                return state
            assert time.monotonic() < deadline, state
            time.sleep(0.05)

    try:
        yield process, until
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ((), "RAW"),
        (("{raw}/file",), "{raw}/file: is a file"),
        (("{raw}", "--out", "map.png"), "--out"),
        (("{raw}", "--terminal", "--port", "0"), "--port"),
        (("{raw}", "--terminal", "--show-pictures"), "--show-pictures"),
        (("{raw}", "--terminal", "--json"), "--json"),
        (("{raw}", "--build-config", "{raw}/file"), "not a TOML file"),
        (("{raw}", "--config", "{raw}/misspelt.toml"), "unknown setting 'taget' for play; did you mean 'target'"),
        (("{raw}", "--cell-deg", "45", "--reach-deg", "30"), "cell-deg"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(raw, ended, arguments, says):
    (raw / "file").write_text("= =")
    (raw / "misspelt.toml").write_text("taget = 3")
    code, complaint = ended(*(argument.format(raw=raw) for argument in arguments))
    assert code == 2
    assert len(complaint.splitlines()) == 1
    assert says.format(raw=raw) in complaint


def test_a_port_that_is_taken_is_refused_in_one_line(raw, ended):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        code, complaint = ended(raw, "--port", port)
    assert code == 2
    assert f"--port {port}: cannot be used" in complaint


@pytest.mark.parametrize(("number", "flags"), [(signal.SIGINT, ()), (signal.SIGTERM, ("--terminal",))])
def test_ended_by_a_signal_it_is_done_and_says_what_comes_next(raw, number, flags):
    put(begin(raw / "p01"), 0)
    process = labelkit(raw, "--no-cache", "--target", 1, *flags)
    if flags:
        while "p01" not in process.stdout.readline():
            pass
    else:
        assert process.stdout.readline().startswith("http://127.0.0.1:")
    time.sleep(0.5)  # so that it serves, and its handlers are in place
    process.send_signal(number)
    _, told = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 0
    assert "  p01: " in told
    assert "cells begun and 0 full, of 256\n" in told or "1 cell begun and 1 full, of 256\n" in told
    assert f"next: labelkit build-dataset {raw}" in told
    assert "Traceback" not in told


def test_killed_at_any_moment_nothing_on_disk_is_lost_and_a_restart_picks_the_state_up(raw, tmp_path):
    begin(raw / "p01")
    cache = str(tmp_path / "cache")
    before = None
    for k in range(3):
        with served(raw, "--json", XDG_CACHE_HOME=cache) as (process, until):
            if k:  # there again, before a single frame is labelled again
                state = until(lambda state: state["frames"] > 0)
                assert (state["samples"], state["counts"]) == before
            put(raw / "p01", k)
            state = until(lambda state, k=k: state["samples"] == k + 1)
            before = state["samples"], state["counts"]
            content = {file: file.read_bytes() for file in raw.rglob("*") if file.is_file()}
            process.kill()
            process.wait()
            assert {file: file.read_bytes() for file in raw.rglob("*") if file.is_file()} == content
    (journal,) = (tmp_path / "cache" / "labelkit" / "live").iterdir()
    assert len(LabelCache(journal)._known) == 3


def test_without_a_cache_nothing_is_kept_and_all_of_it_is_counted_again(raw, tmp_path):
    put(begin(raw / "p01"), 0)
    for _ in range(2):
        with served(raw, "--no-cache", "--quiet", XDG_CACHE_HOME=str(tmp_path / "cache")) as (_, until):
            until(lambda state: state["samples"] == 1)
    assert not (tmp_path / "cache").exists()


def test_the_settings_of_the_build_are_those_it_will_be_given(raw, tmp_path):
    settings = tmp_path / "build.toml"
    settings.write_text("max_tilt_deg = 1.0\n")
    with served(raw, "--no-cache", "--build-config", settings) as (_, until):
        until(lambda state: state["participant"] is None)
        put(begin(raw / "p01"), 0)
        state = until(lambda state: state["rejected"])
        assert state["rejected"]["code"] == "too-oblique"


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
@pytest.mark.parametrize("lines", [24, 10])
def test_in_a_terminal_the_words_never_scroll_away(raw, lines):
    import pty
    import termios

    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (lines, 80))
    process = subprocess.Popen(
        [sys.executable, "-m", "labelkit", "play", str(raw), "--terminal", "--no-cache"],
        stdout=theirs,
        stderr=subprocess.PIPE,
        env={key: value for key, value in os.environ.items() if key not in ("LINES", "COLUMNS")} | {"TERM": "xterm"},
    )
    os.close(theirs)
    written = b""
    try:
        while b"\x1b[J" not in written:
            written += os.read(ours, 65536)
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)
        os.close(ours)
    drawing = written.rpartition(b"\x1b[H")[2]
    assert drawing.startswith(b"Waiting for the first picture.")
    assert drawing.count(b"\n") < lines


def test_if_stdout_is_no_terminal_each_change_is_a_line(raw):
    process = labelkit(raw, "--terminal", "--no-cache")
    try:
        assert process.stdout.readline() == "nobody yet 0 %: Waiting for the first picture.\n"
        put(begin(raw / "p01"), 0)
        assert process.stdout.readline().startswith("p01 <1 %: ")
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE_S)


def test_a_folder_that_is_not_there_yet_is_waited_for_and_then_watched(raw):
    late = raw / "late"
    process = labelkit(late, "--terminal", "--no-cache", "--target", 1)
    try:
        assert process.stdout.readline() == "nobody yet 0 %: Waiting for the folder late.\n"
        late.mkdir()
        assert process.stdout.readline() == "nobody yet 0 %: Waiting for the first picture.\n"
        put(begin(late / "p01"), 0)
        assert process.stdout.readline().startswith("p01 <1 %: ")
    finally:
        process.terminate()
        _, told = process.communicate(timeout=PATIENCE_S)
    waits, *_ = told.splitlines()
    assert waits == f"{late}: there is no such folder yet; the game waits for it"
    assert "1 cell begun and 1 full, of 256" in told
    assert process.returncode == 0


def test_a_game_that_saw_nothing_ends_without_a_next_step(raw):
    process = labelkit(raw / "never", "--terminal", "--no-cache")
    process.stdout.readline()
    process.terminate()
    _, told = process.communicate(timeout=PATIENCE_S)
    assert told.splitlines()[-1] == f"{raw / 'never'}: 0 samples in 0 frames"
    assert process.returncode == 0
