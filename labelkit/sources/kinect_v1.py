"""The Kinect v1, through libfreenect, a C library of the system: depth laid on the colour picture's pixels.

libfreenect hands pictures to callbacks, and loses packets unless its events are handled all the time: a thread does
that, joins depth and colour, and keeps the pairs that are wanted.

Source: https://github.com/OpenKinect/libfreenect, include/libfreenect.h (0.5)
"""

from __future__ import annotations

import ctypes
import logging
import math
import os
import re
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from ctypes import POINTER, byref, c_char_p, c_int, c_int8, c_int16, c_int32, c_long, c_uint32, c_void_p
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import MissingExtraError, SensorError, SettingsError
from labelkit.recordings.profiles import PROFILES
from labelkit.sources.source import Camera, Shot, Wanted

log = logging.getLogger(__name__)

# Nominal: registered depth is in the colour camera's pixels, and libfreenect knows the infrared camera's lens alone.
_NAME = "Kinect v1 (libfreenect, nominal intrinsics)"

_SONAMES = ("libfreenect.so.0.5", "libfreenect.so.0")
_UNIT_M = 0.001
_FPS = 30.0
_TICK_HZ = 60e6  # of the camera's clock, which has 32 bits
# Above half the time between two frames: of depth and colour that run free of each other, all find a partner.
_TOGETHER_S = 0.02
_WAITING = 4  # shots: enough for a disk that is slow for a moment
_PATIENCE_S = 5.0  # a camera that delivers nothing for so long has stopped
_LOST_SHARE = 0.05  # of the wanted frames: more is worth a line

# enum members of libfreenect.h
_CAMERA, _MEDIUM, _RGB, _REGISTERED, _ERROR = 2, 1, 0, 4, 1
_INTERRUPTED = -10  # libusb: a signal came while it waited

_Kind = Literal["depth", "color"]


class _Mode(ctypes.Structure):
    """freenect_frame_mode."""

    _fields_: ClassVar = [
        ("reserved", c_uint32),
        ("resolution", c_int),
        ("format", c_int32),
        ("bytes", c_int32),
        ("width", c_int16),
        ("height", c_int16),
        ("data_bits", c_int8),
        ("padding_bits", c_int8),
        ("fps", c_int8),
        ("is_valid", c_int8),
    ]


class _Time(ctypes.Structure):
    """struct timeval."""

    _fields_: ClassVar = [("s", c_long), ("us", c_long)]


_ON_FRAME = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_uint32)
_ON_LOG = ctypes.CFUNCTYPE(None, c_void_p, c_int, c_char_p)

_FUNCTIONS: dict[str, tuple[Any, list[Any]]] = {
    "init": (c_int, [POINTER(c_void_p), c_void_p]),
    "shutdown": (c_int, [c_void_p]),
    "set_log_level": (None, [c_void_p, c_int]),
    "set_log_callback": (None, [c_void_p, _ON_LOG]),
    "select_subdevices": (None, [c_void_p, c_int]),
    "num_devices": (c_int, [c_void_p]),
    "open_device": (c_int, [c_void_p, POINTER(c_void_p), c_int]),
    "close_device": (c_int, [c_void_p]),
    "find_depth_mode": (_Mode, [c_int, c_int]),
    "find_video_mode": (_Mode, [c_int, c_int]),
    "set_depth_mode": (c_int, [c_void_p, _Mode]),
    "set_video_mode": (c_int, [c_void_p, _Mode]),
    "set_depth_callback": (None, [c_void_p, _ON_FRAME]),
    "set_video_callback": (None, [c_void_p, _ON_FRAME]),
    "start_depth": (c_int, [c_void_p]),
    "start_video": (c_int, [c_void_p]),
    "stop_depth": (c_int, [c_void_p]),
    "stop_video": (c_int, [c_void_p]),
    "process_events_timeout": (c_int, [c_void_p, POINTER(_Time)]),
}


@contextmanager
def open_kinect_v1(wanted: Wanted) -> Iterator[Camera]:
    """Start the Kinect v1 that is connected.

    Args:
        wanted: its frame rate may be anything up to the camera's 30.
    Raises:
        MissingExtraError: libfreenect is not installed.
        SensorError: no camera, or more than one, or one that may not be opened or is in use.
        SettingsError: a higher frame rate.
    """
    if wanted.fps > _FPS:
        raise SettingsError(f"Kinect v1: no {wanted.fps:g} frames a second; fps may be up to {_FPS:g}")
    intrinsics = PROFILES["kinect-v1"].registered_intrinsics
    assert intrinsics is not None
    freenect, pairs = Freenect(), Pairs(wanted.fps)
    with ExitStack() as running:
        context = _context(freenect, running)
        _start(freenect, _only_device(freenect, context, running), pairs, running)
        _listen(freenect, context, pairs, running)
        yield Camera(_NAME, "kinect-v1", intrinsics, _UNIT_M, _shots(freenect, pairs))
    _tell_losses(pairs)


class Pairs:
    """Joins depth and colour as they come, and keeps the pairs that are wanted until somebody takes them.

    Attributes:
        ready: (stamp_s, depth in mm, colour), oldest first; None at the end.
        kept, late: pairs that were kept, and those for which there was no room.
    """

    def __init__(self, fps: float) -> None:
        """Begin with no picture."""
        self.ready: SimpleQueue[tuple[float, NDArray[np.uint16], NDArray[np.uint8]] | None] = SimpleQueue()
        self.kept = self.late = 0
        self._fps = fps
        self._clock: Callable[[int], float] = seconds_of_ticks()
        self._waiting: dict[_Kind, tuple[float, Any]] = {}
        self._first_s = self._began_s = 0.0  # the first pair's time, by the camera and by this machine
        self._last = -1

    def add(self, kind: _Kind, picture: NDArray[Any], ticks: int) -> None:
        """Take a picture with the camera's time; it waits for its partner, or is the partner."""
        self._waiting[kind] = self._clock(ticks), picture
        if len(self._waiting) < 2:
            return
        (depth_s, depth), (color_s, color) = self._waiting["depth"], self._waiting["color"]
        if abs(depth_s - color_s) <= _TOGETHER_S:
            self._waiting.clear()
            self._keep(depth_s, depth, color)

    def end(self) -> None:
        """Say that no more will come."""
        self.ready.put(None)

    @property
    def missing(self) -> int:
        """How many of the wanted pairs never came."""
        return self._last + 1 - self.kept - self.late

    def _keep(self, time_s: float, depth: NDArray[np.uint16], color: NDArray[np.uint8]) -> None:
        """Keep the first pair of each wanted moment; half a frame early is still in time."""
        if self._last < 0:
            self._first_s, self._began_s = time_s, time.time()
        since_s = time_s - self._first_s
        moment = math.floor((since_s + 0.5 / _FPS) * self._fps)
        if moment <= self._last:
            return
        self._last = moment
        if self.ready.qsize() >= _WAITING:
            self.late += 1
        else:
            self.kept += 1
            self.ready.put((self._began_s + since_s, depth, color))


def seconds_of_ticks() -> Callable[[int], float]:
    """Make the conversion of the camera's ticks to seconds since the first; it follows the clock past its 32 bits."""
    last, total = None, 0

    def seconds(ticks: int) -> float:
        nonlocal last, total
        # the shorter way round: a stamp may lie a little before the last one, which was the other camera's
        total += (ticks - last + 2**31) % 2**32 - 2**31 if last is not None else 0
        last = ticks
        return total / _TICK_HZ

    return seconds


class Freenect:
    """libfreenect's functions.

    Attributes:
        said: the last errors that it logged.
    """

    def __init__(self) -> None:
        """Load the library.

        Raises:
            MissingExtraError: it is not installed.
            SensorError: it would come from the current folder.
        """
        self.said: deque[str] = deque(maxlen=8)
        self._functions = _load()
        self._known_to_c: list[Any] = []  # else Python would free what C still calls

    def call(self, name: str, *of: Any) -> Any:
        """Call `freenect_<name>`."""
        return self._functions[name](*of)

    def on_frame(self, came: Callable[[int, int], None]) -> Any:
        """Make a callback that takes the address of a picture and the camera's time."""
        self._known_to_c.append(_ON_FRAME(lambda _, picture, ticks: came(picture, ticks)))
        return self._known_to_c[-1]

    def on_log(self) -> Any:
        """Make a callback that remembers what is logged."""
        self._known_to_c.append(_ON_LOG(lambda *of: self.said.append(of[2].decode(errors="replace").strip())))
        return self._known_to_c[-1]


def _load() -> dict[str, Any]:
    for soname in _SONAMES if sys.platform == "linux" else ():
        _check_not_here(soname)
        try:
            library = ctypes.CDLL(soname)  # by its bare name: where the system's loader looks, and nowhere else
        except OSError:
            continue
        functions = {name: library[f"freenect_{name}"] for name in _FUNCTIONS}
        for name, (gives, takes) in _FUNCTIONS.items():
            functions[name].restype, functions[name].argtypes = gives, takes
        return functions
    raise MissingExtraError(
        f"recording from a Kinect v1 needs libfreenect ({_SONAMES[0]}), which is not installed; on Debian and Ubuntu: "
        "sudo apt-get install libfreenect0.5"
    )


def _check_not_here(soname: str) -> None:
    """Refuse a library of the current folder, where the loader looks if LD_LIBRARY_PATH has an empty entry."""
    # As the program was started with it: OpenCV's import adds to it, which the loader does not see.
    started_with = Path("/proc/self/environ").read_bytes().split(b"\0")
    folders = next((line[16:] for line in map(os.fsdecode, started_with) if line.startswith("LD_LIBRARY_PATH=")), "")
    for folder in map(Path, re.split("[:;]", folders) if folders else ()):
        if not folder.is_absolute() and (folder / soname).exists():
            raise SensorError(
                f"{soname}: in the current folder, from which no library is loaded; remove empty and relative entries "
                f"from LD_LIBRARY_PATH ({folders})"
            )


def _context(freenect: Freenect, running: ExitStack) -> c_void_p:
    context = c_void_p()
    if freenect.call("init", byref(context), None) < 0:
        raise SensorError("libfreenect cannot use this machine's USB; is there a folder /dev/bus/usb?")
    running.callback(freenect.call, "shutdown", context)
    freenect.call("set_log_level", context, _ERROR)
    freenect.call("set_log_callback", context, freenect.on_log())
    freenect.call("select_subdevices", context, _CAMERA)  # neither motor nor microphones
    return context


def _only_device(freenect: Freenect, context: c_void_p, running: ExitStack) -> c_void_p:
    count = freenect.call("num_devices", context)
    if count < 1:
        raise SensorError(
            "no Kinect v1 is connected; plug in its power supply and its USB cable (lsusb then lists 045e:02ae or "
            "045e:02bf)"
        )
    if count > 1:
        raise SensorError(f"{count} Kinect v1 are connected; leave one plugged in")
    device = c_void_p()
    if freenect.call("open_device", context, byref(device), 0) < 0:
        raise SensorError(_why_not_opened("; ".join(freenect.said)))
    running.callback(freenect.call, "close_device", device)
    return device


def _why_not_opened(said: str) -> str:
    """Find the error of libusb in what libfreenect said, by its name or its number."""
    if re.search(r"camera[^;]*: (LIBUSB_ERROR_BUSY|-6\b)", said):
        return f"Kinect v1: another program uses it; end that one first ({said})"
    if re.search(r"camera[^;]*: (LIBUSB_ERROR_ACCESS|-3\b)", said):
        return (
            f"Kinect v1: no permission to open it ({said}); install libfreenect0.5, whose udev rule gives it, then "
            "unplug the camera and plug it in again (docs/record.md has the rule of a Kinect for Windows)"
        )
    return f"Kinect v1: cannot be opened ({said or 'no reason given'}); unplug it and plug it in again"


def _start(freenect: Freenect, device: c_void_p, pairs: Pairs, running: ExitStack) -> None:
    """Let both cameras run; each picture goes to `pairs`."""

    def start(kind: _Kind, stream: str, pixel_format: int, dtype: type[np.generic], shape: tuple[int, ...]) -> None:
        mode, size = freenect.call(f"find_{stream}_mode", _MEDIUM, pixel_format), np.empty(shape, dtype).nbytes

        def came(picture: int, ticks: int) -> None:  # a copy: libfreenect fills its memory again
            pairs.add(kind, np.frombuffer(ctypes.string_at(picture, size), dtype).reshape(shape), ticks)

        freenect.call(f"set_{stream}_callback", device, freenect.on_frame(came))
        if (
            not (mode.is_valid and mode.bytes == size)
            or freenect.call(f"set_{stream}_mode", device, mode) < 0
            or freenect.call(f"start_{stream}", device) < 0
        ):
            said = "; ".join(freenect.said) or "no reason given"
            raise SensorError(f"Kinect v1: its {kind} cannot be started ({said}); give it its own USB port")
        running.callback(freenect.call, f"stop_{stream}", device)

    start("color", "video", _RGB, np.uint8, (480, 640, 3))
    start("depth", "depth", _REGISTERED, np.uint16, (480, 640))


def _listen(freenect: Freenect, context: c_void_p, pairs: Pairs, running: ExitStack) -> None:
    """Handle the library's events in a thread, until the camera is gone or the block ends."""
    ended = threading.Event()

    def listen() -> None:
        while not ended.is_set():
            status = freenect.call("process_events_timeout", context, byref(_Time(0, 100_000)))
            if status < 0 and status != _INTERRUPTED:
                break
        pairs.end()

    thread = threading.Thread(target=listen, name="kinect-v1")
    thread.start()
    running.callback(thread.join)
    running.callback(ended.set)


def _shots(freenect: Freenect, pairs: Pairs) -> Iterator[Shot]:
    while True:
        try:
            pair = pairs.ready.get(timeout=_PATIENCE_S)
        except Empty:
            raise SensorError(
                f"Kinect v1: nothing came for {_PATIENCE_S:g} s; check its power supply, and give it its own USB port"
            ) from None
        if pair is None:
            said = f" ({freenect.said[-1]})" if freenect.said else ""
            raise SensorError(f"Kinect v1: the camera is gone{said}; check its USB cable and its power supply")
        stamp_s, depth, color = pair
        yield Shot(stamp_s, color, np.where(depth > 0, depth * np.float32(_UNIT_M), np.float32(np.nan)))


def _tell_losses(pairs: Pairs) -> None:
    """Say in one line what was lost, and what helps, if it was more than a few."""
    wanted = pairs.kept + pairs.late + pairs.missing
    if pairs.late + pairs.missing > _LOST_SHARE * wanted:
        log.warning(
            "Kinect v1: of %d frames, %d did not come whole (give the camera its own USB port) and %d found the "
            "disk busy (lower --fps)",
            wanted,
            pairs.missing,
            pairs.late,
        )
