"""The Kinect v1 source: with fakenect, which plays a dump, and with answers in libfreenect's place."""

from __future__ import annotations

import ctypes
import logging
import os
import shutil
import subprocess
import sys
import time
from itertools import islice
from pathlib import Path

import numpy as np
import pytest

from labelkit.dataset.table import TABLE_NAME, read_table
from labelkit.errors import MissingExtraError, SensorError, SettingsError
from labelkit.recordings import find_recordings
from labelkit.recordings.profiles import PROFILES
from labelkit.settings import BuildSettings
from labelkit.simulator.recorder import record as simulate
from labelkit.sources import kinect_v1
from labelkit.sources.kinect_v1 import Freenect, Pairs, open_kinect_v1, seconds_of_ticks
from labelkit.sources.source import Wanted
from labelkit.workflows.build_dataset import build_dataset

TICK_HZ = 60_000_000
WANTED = Wanted(30.0, "p01", "right")
FRAMES = 5  # one that is written and those that may wait for it: none is lost, however busy the machine

# fakenect knows one depth format, 11BIT (0), and gives what the dump holds. The dump holds millimetres, as the camera
# does if it is asked for REGISTERED (4): so the number that is asked for is the one thing that is changed.
PLAY = """
from labelkit.sources import kinect_v1
kinect_v1._REGISTERED = 0
from labelkit.cli import main
main()
"""


@pytest.fixture(scope="module")
def fakenect() -> Path:
    """Give Debian's fakenect; without it, skip, or fail on a Debian where LABELKIT_REQUIRE_DATA=1."""
    for found in Path("/usr/lib").glob("*/fakenect/libfreenect.so.0.5"):
        return found
    missing = "no libfreenect: sudo apt-get install libfreenect0.5"
    if os.environ.get("LABELKIT_REQUIRE_DATA") == "1" and Path("/etc/debian_version").exists():
        pytest.fail(missing)
    pytest.skip(missing)


def write_dump(folder, frames, first_tick, lag_s=0.004):
    """Write (depth in mm, colour) as fakenect-record does: 30 a second by the camera, 5 a second to be played.

    Samples have the machine's byte order, though PGM's is big-endian: so are real dumps.
    """
    folder.mkdir()
    names = []
    for k, (depth, color) in enumerate(frames):
        for kind, late_s, header, data in (
            ("d", 0.0, "P5 640 480 65535\n", depth.astype("=u2")),
            ("r", lag_s, "P6 640 480 255\n", color),
        ):
            tick = (first_tick + round((k / 30 + late_s) * TICK_HZ)) % 2**32
            names.append(f"{kind}-{1000 + k / 5 + late_s:f}-{tick}.{'pgm' if kind == 'd' else 'ppm'}")
            (folder / names[-1]).write_bytes(header.encode() + data.tobytes())
    (folder / "INDEX.txt").write_text("\n".join(names) + "\n")


def labels(raw, out):
    """Build a dataset; give azimuth and elevation of each source frame, in order."""
    build_dataset(raw, out, BuildSettings(workers=1))
    rows = sorted(read_table(out / TABLE_NAME).to_pylist(), key=lambda row: row["frame"])
    return np.array([(row["azimuth"], row["elevation"]) for row in rows], float)


def test_what_the_camera_shows_is_recorded_past_the_wrap_of_its_clock_and_labelled_alike(tmp_path, fakenect):
    simulate(
        tmp_path / "simulated",
        seed=1,
        index=0,
        frames=FRAMES,
        reach_deg=30.0,
        curl=1.0,
        correlated=False,
        masks=None,
        on_frame=lambda: None,
    )
    (film,) = find_recordings(tmp_path / "simulated")
    shown = [
        (np.nan_to_num(np.round(frame.depth_m * 1000)).astype(np.uint16), frame.read_color())
        for frame in (film[k] for k in range(FRAMES))
    ]
    write_dump(tmp_path / "dump", shown, first_tick=2**32 - TICK_HZ // 15)
    raw = tmp_path / "raw"
    command = ["record", raw, "--source", "kinect-v1", "--participant", "p01", "--handedness", film.handedness]
    child = subprocess.run(
        [sys.executable, "-c", PLAY, *map(str, command), "--fps", "30", "--quiet"],
        env={**os.environ, "LD_PRELOAD": str(fakenect), "FAKENECT_PATH": str(tmp_path / "dump")},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    # the end of a dump is what the end of a camera's cable is: nothing more comes
    assert (child.returncode, child.stderr.count("\n")) == (1, 1), child.stderr
    assert "Kinect v1: the camera is gone" in child.stderr

    assert "nominal intrinsics" in (raw / "p01" / "recording.toml").read_text().splitlines()[0]
    (recording,) = find_recordings(raw)
    assert (recording.sensor, recording.depth_unit_m, len(recording)) == ("kinect-v1", 0.001, FRAMES)
    assert recording.calibration.depth == PROFILES["kinect-v1"].registered_intrinsics
    frames = [recording[k] for k in range(FRAMES)]
    assert np.allclose(np.diff([frame.stamp for frame in frames]), 1 / 30, atol=1e-5)
    for frame, (depth, color) in zip(frames, shown, strict=True):
        assert np.array_equal(np.isnan(frame.depth_m), depth == 0)
        assert np.allclose(np.nan_to_num(frame.depth_m), depth / 1000)
        assert np.array_equal(frame.read_color(), color)

    there, here = labels(tmp_path / "simulated", tmp_path / "there"), labels(raw, tmp_path / "here")
    assert np.isfinite(there).all()
    assert np.abs(there - here).max() < 0.5  # degrees: depth rounded to 1 mm as opposed to 0.2 mm moves them by 0.27


def test_the_library_offers_registered_depth_and_colour_in_the_size_that_is_read(fakenect):
    depth = Freenect().call("find_depth_mode", kinect_v1._MEDIUM, kinect_v1._REGISTERED)
    color = Freenect().call("find_video_mode", kinect_v1._MEDIUM, kinect_v1._RGB)
    assert (depth.is_valid, depth.width, depth.height, depth.bytes, depth.fps) == (1, 640, 480, 640 * 480 * 2, 30)
    assert (color.is_valid, color.width, color.height, color.bytes, color.fps) == (1, 640, 480, 640 * 480 * 3, 30)
    assert depth.data_bits == 16  # millimetres; raw disparity has 10 or 11


def test_the_cameras_clock_is_followed_past_its_32_bits_and_back_a_little():
    seconds = seconds_of_ticks()
    minutes = np.arange(0, 300, 0.5)  # it wraps each 71.6 s
    ticks = [(4_000_000_000 + round(s * TICK_HZ)) % 2**32 for s in minutes]
    assert np.allclose([seconds(tick) for tick in ticks], minutes, atol=1e-7)
    assert seconds((ticks[-1] - TICK_HZ // 50) % 2**32) == pytest.approx(minutes[-1] - 0.02, abs=1e-7)


def play(pairs, depth_s, color_s):
    """Let pictures come at these times; a picture is the number of its frame."""
    came = [(s, "depth", k) for k, s in enumerate(depth_s)] + [(s, "color", k) for k, s in enumerate(color_s)]
    for s, kind, k in sorted(came):
        pairs.add(kind, k, round((s + 1) * TICK_HZ))


def taken(pairs):
    """Take all that is there: (seconds since the first pair, depth, colour)."""
    found = [pairs.ready.get() for _ in range(pairs.ready.qsize())]
    return [(stamp_s - pairs._began_s, depth, color) for stamp_s, depth, color in found]


@pytest.mark.parametrize("lag_ms", [-16, -10, 0, 5, 13, 15, 17, 19, 20, 21, 25, 33])
def test_however_the_two_cameras_lie_in_time_each_depth_finds_a_colour_that_is_near(monkeypatch, lag_ms):
    monkeypatch.setattr(kinect_v1, "_WAITING", 1000)
    rng, pairs = np.random.default_rng(0), Pairs(30.0)
    depth_s = np.arange(100) / 30 + rng.uniform(-0.0005, 0.0005, 100)
    color_s = np.arange(-1, 102) / 30 + rng.uniform(-0.0005, 0.0005, 103) + lag_ms / 1000
    play(pairs, depth_s, color_s)
    found = taken(pairs)
    gaps = [abs(depth_s[depth] - color_s[color]) for _, depth, color in found]
    assert len(found) >= 98
    assert len({color for _, _, color in found}) == len(found)
    assert max(gaps) <= 0.0202


def test_a_frame_without_its_colour_is_left_out_and_counted(monkeypatch):
    monkeypatch.setattr(kinect_v1, "_WAITING", 1000)
    pairs = Pairs(30.0)
    play(pairs, [k / 30 for k in range(10)], [k / 30 + 0.002 if k != 4 else 99 for k in range(10)])
    assert [(depth, color) for _, depth, color in taken(pairs)] == [(k, k) for k in range(10) if k != 4]
    assert (pairs.kept, pairs.late, pairs.missing) == (9, 0, 1)


@pytest.mark.parametrize(("fps", "every"), [(30.0, 1), (15.0, 2), (10.0, 3), (7.5, 4)])
def test_of_30_frames_a_second_those_that_are_wanted_come_evenly(monkeypatch, fps, every):
    monkeypatch.setattr(kinect_v1, "_WAITING", 1000)
    rng, pairs = np.random.default_rng(1), Pairs(fps)
    times = np.arange(90) / 30 + rng.uniform(-0.001, 0.001, 90)
    play(pairs, times, times + 0.003)
    assert [depth for _, depth, _ in taken(pairs)] == list(range(0, 90, every))
    assert pairs.missing == 0


def test_frames_that_nobody_takes_are_counted_and_told_with_what_to_do(caplog):
    pairs = Pairs(30.0)
    times = [k / 30 for k in range(20) if k not in (17, 18)]
    play(pairs, times, times)
    assert [depth for _, depth, _ in taken(pairs)] == [0, 1, 2, 3]
    assert (pairs.kept, pairs.late, pairs.missing) == (4, 14, 2)
    with caplog.at_level(logging.WARNING):
        kinect_v1._tell_losses(pairs)
    (line,) = caplog.messages
    assert all(fact in line for fact in ("of 20 frames", "2 did not come", "USB port", "14 found", "--fps"))


def test_a_few_lost_frames_are_no_line(caplog, monkeypatch):
    monkeypatch.setattr(kinect_v1, "_WAITING", 1000)
    pairs = Pairs(30.0)
    times = [k / 30 for k in range(60) if k != 30]
    play(pairs, times, times)
    kinect_v1._tell_losses(pairs)
    assert (pairs.missing, caplog.messages) == (1, [])


class Answers:
    """A libfreenect that answers as it is told to, 0 where it is not."""

    def __init__(self, said=(), **answers):
        self.said, self.answers, self.called = list(said), answers, []
        self.cameras, self.step = {}, TICK_HZ // 30

    def call(self, name, *of):
        self.called.append(name)
        if name.startswith("find_"):
            return kinect_v1._Mode(bytes=640 * 480 * (2 if name == "find_depth_mode" else 3), is_valid=1)
        if name == "process_events_timeout":
            return self.answers.get(name, self.film)()
        return self.answers.get(name, 1 if name == "num_devices" else 0)

    def film(self):
        """Show one frame, the same always."""
        for k, kind in enumerate(("video", "depth")):
            picture = (ctypes.c_uint8 * (640 * 480 * 3))(*range(1, 7))
            self.cameras[kind](ctypes.addressof(picture), self.step * self.called.count("process_events_timeout") + k)
        return 0

    def on_frame(self, came):
        self.cameras["depth" if self.cameras else "video"] = came
        return came

    def on_log(self):
        return None


@pytest.fixture
def answers(monkeypatch):
    def made(said=(), **which):
        freenect = Answers(said, **which)
        monkeypatch.setattr(kinect_v1, "Freenect", lambda: freenect)
        return freenect

    return made


CLOSING = ["stop_depth", "stop_video", "close_device", "shutdown"]


def test_a_camera_that_runs_gives_shots_and_is_closed_in_order(answers):
    freenect = answers()
    with open_kinect_v1(WANTED) as camera:
        first, second = islice(camera.shots, 2)
    assert freenect.called[-4:] == CLOSING
    assert abs(first.stamp_s - time.time()) < 60
    assert second.stamp_s - first.stamp_s == pytest.approx(1 / 30, abs=1e-5)
    assert first.color[0, :2].tolist() == [[1, 2, 3], [4, 5, 6]]
    assert first.depth_m[0, :3].tolist() == pytest.approx([0.513, 1.027, 1.541])
    assert np.isnan(first.depth_m[0, 3])


def test_what_was_lost_is_told_when_the_recording_ends(answers, caplog):
    answers().step *= 5
    with caplog.at_level(logging.WARNING), open_kinect_v1(WANTED) as camera:
        next(camera.shots)
        next(camera.shots)
    (line,) = caplog.messages
    assert "did not come" in line


@pytest.mark.parametrize(
    ("said", "which", "facts", "closed"),
    [
        ((), {"init": -99}, ["USB", "/dev/bus/usb"], []),
        ((), {"num_devices": 0}, ["no Kinect v1 is connected", "power supply", "045e:02ae"], ["shutdown"]),
        ((), {"num_devices": 2}, ["2 Kinect v1", "one plugged in"], ["shutdown"]),
        (("Could not open camera: -3",), {"open_device": -1}, ["permission", "libfreenect0.5", "udev"], ["shutdown"]),
        (("Could not open camera: LIBUSB_ERROR_ACCESS",), {"open_device": -1}, ["permission", "udev"], ["shutdown"]),
        (
            ("Failed to claim camera interface: LIBUSB_ERROR_BUSY", "the LED: -3"),
            {"open_device": -1},
            ["another program", "BUSY"],
            ["shutdown"],
        ),
        (("Could not open camera: -6",), {"open_device": -1}, ["another program", "-6"], ["shutdown"]),
        (("Could not open camera: -31",), {"open_device": -1}, ["cannot be opened", "-31", "plug it in"], ["shutdown"]),
        (("the LED of K4W: -3", "send_cmd: -7"), {"open_device": -1}, ["cannot be opened", "-7"], ["shutdown"]),
        (("no bandwidth",), {"start_depth": -1}, ["depth cannot be started", "no bandwidth", "port"], CLOSING[1:]),
        ((), {"set_video_mode": -1}, ["color cannot be started", "port"], CLOSING[2:]),
    ],
)
def test_what_is_wrong_is_said_in_one_line_and_what_was_opened_is_closed(answers, said, which, facts, closed):
    freenect = answers(said, **which)
    with pytest.raises(SensorError) as raised, open_kinect_v1(WANTED):
        pass
    line = str(raised.value)
    assert "\n" not in line
    assert all(fact in line for fact in facts), line
    assert [name for name in freenect.called if name in CLOSING] == closed


def test_a_camera_that_is_unplugged_ends_after_the_shots_that_came(answers):
    left = [0, -10, 0, -1]  # -10: a signal came, which is no end

    def unplugged():
        freenect.film()
        return left.pop(0)

    freenect = answers(("USB device disappeared",), process_events_timeout=unplugged)
    with open_kinect_v1(WANTED) as camera:
        assert len(list(islice(camera.shots, 4))) == 4
        with pytest.raises(SensorError, match=r"gone \(USB device disappeared\).*cable"):
            next(camera.shots)
    assert freenect.called[-4:] == CLOSING


def test_a_camera_that_is_silent_is_not_waited_for_without_end(answers, monkeypatch):
    monkeypatch.setattr(kinect_v1, "_PATIENCE_S", 0.05)
    answers(process_events_timeout=lambda: 0)
    with open_kinect_v1(WANTED) as camera, pytest.raises(SensorError, match=r"nothing came for 0\.05 s.*power supply"):
        next(camera.shots)


def test_more_than_the_camera_has_is_told_what_it_has():
    with (
        pytest.raises(SettingsError, match=r"no 31 frames a second.*up to 30"),
        open_kinect_v1(Wanted(31.0, "p", "left")),
    ):
        pass


def test_without_the_library_it_says_what_to_install(monkeypatch):
    monkeypatch.setattr(kinect_v1, "_SONAMES", ("libno-such-kinect.so.9",))
    with pytest.raises(MissingExtraError, match=r"apt-get install libfreenect0\.5"), open_kinect_v1(WANTED):
        pass


HERE = "libkinect-here.so.9"
LOAD = f"from labelkit.sources import kinect_v1; kinect_v1._SONAMES = ({HERE!r},); kinect_v1.Freenect()"


@pytest.mark.parametrize(
    ("folders", "error"), [(None, "MissingExtraError"), ("/usr/lib:", "SensorError"), (".:/usr/lib", "SensorError")]
)
def test_the_library_is_not_taken_from_the_current_folder(tmp_path, fakenect, folders, error):
    """In a child, since the loader reads LD_LIBRARY_PATH when a program starts."""
    shutil.copy(fakenect, tmp_path / HERE)
    ctypes.CDLL(str(tmp_path / HERE))  # it is one
    env = {key: value for key, value in os.environ.items() if key != "LD_LIBRARY_PATH"}
    env |= {"LD_LIBRARY_PATH": folders} if folders else {}
    child = subprocess.run(
        [sys.executable, "-c", LOAD], cwd=tmp_path, env=env, capture_output=True, text=True, timeout=120, check=False
    )
    assert child.stderr.splitlines()[-1].startswith(f"labelkit.errors.{error}"), child.stderr
