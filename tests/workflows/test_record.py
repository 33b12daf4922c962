from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from io import StringIO
from pathlib import Path

import numpy as np
import pytest

from labelkit import files
from labelkit.errors import OutputError, OutputExistsError, SensorError, SettingsError
from labelkit.recordings import find_recordings, tum_writer
from labelkit.records import Frame, Intrinsics
from labelkit.settings import RecordSettings
from labelkit.sources.source import Camera, Shot
from labelkit.workflows.record import record, record_from

LENS = Intrinsics(500.0, 500.0, 7.5, 5.5, 16, 12)
SETTINGS = RecordSettings(participant="p01")


def shot(k: int) -> Shot:
    return Shot(100.0 + k / 15, np.full((12, 16, 3), k, np.uint8), np.full((12, 16), 0.7 + k / 1000, np.float32))


def source_of(shots):
    """A source of these shots, which says when it was closed."""

    @contextmanager
    def source(wanted):
        source.wanted = wanted
        try:
            yield Camera("a test's camera\n", "realsense", LENS, 0.0005, iter(shots))
        finally:
            source.closed = True

    source.closed = False
    return source


def recorded(raw, shots, settings=SETTINGS, **how):
    return record_from(source_of(shots), raw, settings, quiet=True, **how)


def depths(raw: Path, name="p01") -> list[float]:
    """The depth of each frame of a recording, all of which must be whole."""
    (found,) = [recording for recording in find_recordings(raw) if recording.name == name]
    frames = [found[k] for k in range(len(found))]
    assert all(isinstance(frame, Frame) for frame in frames)
    return [round(float(frame.depth_m[0, 0]), 6) for frame in frames]


def everything_below(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_what_a_source_gives_is_what_a_build_reads(tmp_path):
    source = source_of(map(shot, range(4)))
    settings = RecordSettings(participant="Zoë", session="2", handedness="left", fps=20.0)
    result = record_from(source, tmp_path / "raw", settings, quiet=True)
    assert (result.frames, result.folder) == (4, tmp_path / "raw" / "Zoë" / "2")
    assert result.fps == pytest.approx(15.0)
    assert source.closed
    assert (source.wanted.fps, source.wanted.participant, source.wanted.handedness) == (20.0, "Zoë", "left")
    (found,) = find_recordings(tmp_path / "raw")
    assert (found.participant, found.handedness, found.sensor) == ("Zoë", "left", "realsense")
    assert found.calibration.depth == found.calibration.color == LENS
    assert found.depth_unit_m == 0.0005
    assert depths(tmp_path / "raw", "Zoë/2") == [0.7, 0.701, 0.702, 0.703]
    assert found[2].read_color()[3, 3].tolist() == [2, 2, 2]
    assert found[2].stamp == pytest.approx(100.0 + 2 / 15, abs=1e-6)


def test_a_second_session_is_a_recording_of_its_own_beside_the_first(tmp_path):
    recorded(tmp_path, map(shot, range(2)))
    recorded(tmp_path, map(shot, range(3)), RecordSettings(participant="p01", session="b"))
    assert len(depths(tmp_path, "p01")) == 2
    assert len(depths(tmp_path, "p01/b")) == 3
    assert {recording.participant for recording in find_recordings(tmp_path)} == {"p01"}


def test_no_recording_is_ever_overwritten(tmp_path):
    recorded(tmp_path, map(shot, range(2)))
    before = everything_below(tmp_path)
    source = source_of(map(shot, range(5)))
    with pytest.raises(OutputExistsError, match=r"p01: exists.*choose another --session"):
        record_from(source, tmp_path, SETTINGS, quiet=True)
    assert everything_below(tmp_path) == before
    assert not hasattr(source, "wanted")  # no sensor is started in vain


def test_of_two_recorders_that_start_together_one_has_the_folder(tmp_path):
    def while_another_starts():
        yield shot(0)

    def late():
        recorded(tmp_path, while_another_starts())
        yield shot(7)

    with pytest.raises(OutputExistsError, match="p01: exists"):
        recorded(tmp_path, late())
    assert depths(tmp_path) == [0.7]


def test_a_sensor_that_stops_leaves_what_came_before(tmp_path):
    def stops():
        yield from map(shot, range(3))
        raise SensorError("a test's camera: nothing came for 5 s")

    with pytest.raises(SensorError, match="nothing came"):
        recorded(tmp_path, stops())
    assert len(depths(tmp_path)) == 3


def test_a_sensor_that_gives_nothing_leaves_no_folder(tmp_path):
    result = recorded(tmp_path / "raw", [])
    assert (result.frames, result.folder, result.fps) == (0, None, None)
    assert not (tmp_path / "raw").exists()


def test_the_time_that_was_asked_for_is_kept(tmp_path):
    def endless():
        k = 0
        while True:
            time.sleep(0.02)
            yield shot(k)
            k += 1

    began = time.monotonic()
    result = recorded(tmp_path, endless(), RecordSettings(participant="p01", seconds=0.3))
    assert time.monotonic() - began >= 0.3
    assert 1 <= result.frames <= 15


def test_a_second_ctrl_c_interrupts_a_sensor_that_gives_nothing(tmp_path):
    def hangs():
        yield shot(0)
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGINT)
        yield shot(1)

    with pytest.raises(KeyboardInterrupt):
        recorded(tmp_path, hangs())
    assert depths(tmp_path) == [0.7]


def test_a_thread_that_hears_no_signals_can_record_too(tmp_path):
    with ThreadPoolExecutor(1) as beside:
        assert beside.submit(recorded, tmp_path, map(shot, range(2))).result().frames == 2


def test_when_a_recording_has_ended_its_lists_are_on_the_disk(tmp_path, monkeypatch):
    flushed = []
    flush = tum_writer.flush_to_disk
    monkeypatch.setattr(tum_writer, "flush_to_disk", lambda path: flushed.append(path.name) or flush(path))
    recorded(tmp_path, map(shot, range(2)))
    assert {"rgb.txt", "depth.txt"} <= set(flushed)


class Terminal(StringIO):
    def isatty(self):
        return True


@pytest.mark.parametrize("quiet", [False, True])
def test_a_terminal_is_told_how_to_end_unless_it_is_to_be_quiet(tmp_path, monkeypatch, quiet):
    monkeypatch.setattr(sys, "stderr", Terminal())
    record_from(source_of(map(shot, range(2))), tmp_path, SETTINGS, quiet=quiet)
    assert ("Ctrl-C ends" in sys.stderr.getvalue()) is not quiet


def test_a_full_disk_ends_the_recording_and_says_what_is_there(tmp_path, monkeypatch):
    write = files._write

    def full(path, content):
        if "100.200000" in path.name:  # the fourth frame
            write(path, content[:10])
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    monkeypatch.setattr(files, "_write", full)
    with pytest.raises(OutputError, match=r"No space left.*3 frames are .*p01.*--ses") as e:
        recorded(tmp_path, map(shot, range(9)))
    assert "goes on where it stopped" not in str(e.value)
    assert e.value.exit_code == 5
    assert depths(tmp_path) == [0.7, 0.701, 0.702]
    assert sorted(path.name for path in (tmp_path / "p01" / "rgb").iterdir()) == [
        "100.000000.png",
        "100.066667.png",
        "100.133333.png",
    ]


@pytest.mark.parametrize("name", ["recording.toml", "depth.txt", "100.000000.png"])
def test_a_disk_that_was_full_from_the_start_leaves_no_folder_in_the_way(tmp_path, monkeypatch, name):
    write = files._write

    def full(path, content):
        if name in path.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        write(path, content)

    with monkeypatch.context() as patch:
        patch.setattr(files, "_write", full)
        with pytest.raises(OutputError, match="No space left"):
            recorded(tmp_path, map(shot, range(3)))
    assert not (tmp_path / "p01").exists()
    assert recorded(tmp_path, map(shot, range(3))).frames == 3


@pytest.mark.parametrize(
    "name",
    ["..", ".hidden", "a/b", "a\\b", "", " a", "a\nb", "rgb", "Depth", "x" * 101, "a%2fb", "a:b", "a\u202eb", "ü" * 51],
)
def test_a_name_that_is_no_folders_is_refused(tmp_path, name):
    with pytest.raises(SettingsError, match=r"participant"):
        recorded(tmp_path, map(shot, range(1)), RecordSettings(participant=name))
    if name:
        with pytest.raises(SettingsError, match=r"session"):
            recorded(tmp_path, map(shot, range(1)), RecordSettings(participant="p01", session=name))
    assert not list(tmp_path.iterdir())


def test_a_source_must_be_named(tmp_path):
    with pytest.raises(SettingsError, match="--source simulated"):
        record(tmp_path, SETTINGS)
    with pytest.raises(SettingsError, match="no source 'realsence'; did you mean 'realsense'"):
        record(tmp_path, RecordSettings(participant="p01", source="realsence"))


ENDLESS = """
from itertools import count
from pathlib import Path
import sys
from labelkit.workflows.record import record_from
from tests.workflows.test_record import SETTINGS, shot, source_of
result = record_from(source_of(map(shot, count())), Path(sys.argv[1]), SETTINGS, quiet=True)
print(result.frames)
"""


@contextmanager
def running(*command, frames, raw):
    """Start a program, and wait until so many frames are there."""
    process = subprocess.Popen([sys.executable, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        until = time.monotonic() + 120
        while len(list(raw.glob("p01/depth/*.png"))) < frames:
            assert process.poll() is None, process.stderr.read()
            assert time.monotonic() < until
            time.sleep(0.005)
        yield process
    finally:
        process.kill()
        process.wait()


def listed(raw: Path) -> list[int]:
    """The lines of both lists, each of which must name a picture."""
    lines = []
    for kind in ("rgb", "depth"):
        found = (raw / "p01" / f"{kind}.txt").read_text().splitlines()[3:]
        assert all((raw / "p01" / line.split()[1]).is_file() for line in found)
        lines.append(len(found))
    return lines


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_recording_that_is_asked_to_end_ends_with_a_whole_frame(tmp_path, number):
    with running("-c", ENDLESS, str(tmp_path), frames=20, raw=tmp_path) as process:
        os.kill(process.pid, number)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (0, "")
    assert listed(tmp_path) == [int(out)] * 2
    assert len(depths(tmp_path)) == int(out)
    assert not list(tmp_path.rglob(".*"))


@pytest.mark.parametrize("frames", [1, 7, 40, 90])
def test_whenever_a_recorder_is_killed_every_listed_frame_is_whole(tmp_path, frames):
    with running("-c", ENDLESS, str(tmp_path), frames=frames, raw=tmp_path) as process:
        process.kill()
        process.wait()
    colors, depths_listed = listed(tmp_path)
    assert colors - depths_listed in (0, 1)  # the kill may have come between the two lists
    (found,) = find_recordings(tmp_path)
    whole = [found[k] for k in range(len(found)) if np.isfinite(found.frame_name(k).stamp)]
    assert sum(isinstance(frame, Frame) for frame in whole) == depths_listed >= frames - 1
