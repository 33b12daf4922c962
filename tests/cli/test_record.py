from __future__ import annotations

import json
import signal
import threading
from functools import cache

import numpy as np
import pytest

from labelkit.dataset.dataset import open_dataset
from labelkit.recordings import find_recordings
from labelkit.settings import BuildSettings
from labelkit.simulator import recorder
from labelkit.workflows.build_dataset import build_dataset
from tests.commands import called
from tests.sources.game import running_game


@pytest.fixture(scope="module", autouse=True)
def one_arm_for_all():
    """Let everyone have the arm that was made first for a shape: it takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "build_arm", cache(recorder.build_arm))
        yield


def test_a_simulated_recording_is_built_without_a_word_more(tmp_path, capsys):
    raw = tmp_path / "raw"
    simulated = ["record", raw, "--source", "simulated", "--participant", "p01", "--fps", "100", "--seconds", "1"]
    code, out, err = called(capsys, *simulated)
    assert (code, err) == (0, "")
    assert out.splitlines()[1] == f"next: labelkit build-dataset {raw}"
    code, out, err = called(capsys, *simulated)
    assert (code, out) == (2, "")
    assert err.startswith(f"labelkit: error: {raw / 'p01'}: exists, and no recording is overwritten")
    assert len(err.splitlines()) == 1
    (recording,) = find_recordings(raw)
    result = build_dataset(raw, tmp_path / "dataset", BuildSettings(workers=1))
    assert (result.frames, result.participants) == (len(recording), 1)
    assert result.rejected_share < 0.5


def test_json_is_one_object_and_quiet_is_silent(tmp_path, capsys):
    few = ["--source", "simulated", "--seconds", "0.01", "--participant", "p01", "--session"]
    before = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    code, out, err = called(capsys, "record", tmp_path, *few, "a", "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["folder"] == str(tmp_path / "p01" / "a")
    assert called(capsys, "record", tmp_path, *few, "b", "--quiet") == (0, "", "")
    assert [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)] == before


def test_what_is_missing_is_asked_for(tmp_path, capsys):
    code, out, err = called(capsys, "record", tmp_path, "--source", "simulated")
    assert (code, out) == (2, "")
    assert "--participant p01" in err
    code, _, err = called(capsys, "record", tmp_path, "--source", "simulatd", "--participant", "p01")
    assert code == 2
    assert "did you mean 'simulated'?" in err
    assert not list(tmp_path.iterdir())


@pytest.mark.sweep
@pytest.mark.parametrize("handedness", ["left", "right"])
def test_a_participant_who_follows_the_arrow_comes_to_be_where_it_points(tmp_path, capsys, handedness):
    raw = tmp_path / "raw"
    with running_game() as game:
        game.point(25.0, -10.0)

        def full_at_last():
            while len(list(raw.glob("p01/depth/*.png"))) < 30 and not over.wait(0.02):
                pass
            game.state = {"goal": None, "done": True}

        over = threading.Event()
        watcher = threading.Thread(target=full_at_last)
        watcher.start()
        try:
            live = ["--participant", "p01", "--handedness", handedness, "--seconds", "120", "--follow", game.url]
            code, out, err = called(capsys, "simulate", "--live", raw, *live)
        finally:
            over.set()
            watcher.join()
    assert (code, err) == (0, "")
    assert out.splitlines()[1] == f"next: labelkit build-dataset {raw}"
    (recording,) = find_recordings(raw)
    assert recording.handedness == handedness
    build_dataset(raw, tmp_path / "dataset", BuildSettings(workers=1))
    dataset = open_dataset(tmp_path / "dataset")
    turned = 90.0 - np.stack([dataset.column(f"view_{angle}") for angle in ("azimuth", "elevation")], axis=-1)
    # the dataset holds a left hand's as a right hand's, and so does the game
    assert np.median(turned[-8:], axis=0) == pytest.approx([25.0, -10.0], abs=9.0)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["OUT", "--live", "RAW"], "give OUT, or --live RAW, not both"),
        ([], "say where to write: OUT, or --live RAW"),
        (["OUT", "--fps", "10"], "--fps goes with --live RAW"),
        (["OUT", "--follow", "http://127.0.0.1:1/?token=a"], "--follow goes with --live RAW"),
        (["--live", "RAW", "--frames", "10"], "--frames goes with OUT, not with --live"),
        (["--live", "RAW", "--overwrite"], "--overwrite goes with OUT, not with --live"),
        (["--live", "RAW", "--follow", "http://example.org/"], "--follow must be the address"),
        (["--live", "RAW", "--participant", "../x"], "participant '../x' cannot name a folder"),
    ],
)
def test_simulate_tells_files_from_life(tmp_path, capsys, monkeypatch, arguments, says):
    monkeypatch.chdir(tmp_path)
    code, out, err = called(capsys, "simulate", *arguments)
    assert (code, out) == (2, "")
    assert says in err
    assert len(err.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_no_game_at_the_address_is_told_in_one_line_and_nothing_is_recorded(tmp_path, capsys):
    with running_game() as game:
        url = game.url
    code, out, err = called(capsys, "simulate", "--live", tmp_path / "raw", "--follow", url)
    assert (code, out, len(err.splitlines())) == (1, "", 1)
    assert "is labelkit play still running?" in err
    assert not (tmp_path / "raw").exists()
