"""Pictures to be looked at, one after the other: files, folders of them, videos, and a camera."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from labelkit.errors import RawFrameError, SensorError, SettingsError
from labelkit.recordings.pictures import read_photo
from labelkit.records import ColorImage
from labelkit.stderr import keep_stderr_clean

PICTURES = (".png", ".jpg", ".jpeg", ".ppm", ".pgm")
VIDEOS = (".mp4", ".m4v", ".mov", ".avi", ".mkv", ".webm")

# A container's own count is an estimate in some formats; what lacks more than a tenth was cut.
_LEAST_SHARE = 0.9


@dataclass(frozen=True, eq=False)
class Footage:
    """One picture, or one frame of a video or a camera.

    Attributes:
        name: the file, or the camera.
        frame: its number, from 0; None for a picture.
        time_s: since the beginning; None for a picture.
        image: (H, W, 3) RGB uint8.
    """

    name: str
    frame: int | None
    time_s: float | None
    image: ColorImage


@dataclass(frozen=True)
class Unseen:
    """A file that could not be looked at, or not to its end, and why."""

    name: str
    why: str


def list_files(paths: Iterable[Path]) -> list[Path]:
    """List pictures and videos: files as they are given, folders by what lies directly in them, by name.

    Raises:
        SettingsError: a path that is not there, or a folder without pictures.
    """
    found: list[Path] = []
    for path in paths:
        if path.is_dir():
            inside = sorted(each for each in path.iterdir() if _is_shown(each))
            if not inside:
                raise SettingsError(
                    f"{path}: neither a run (no run.json in it) nor a folder with pictures or videos "
                    f"({' '.join((*PICTURES, *VIDEOS))})"
                )
            found += inside
        elif path.exists():
            found.append(path)
        else:
            raise SettingsError(f"{path}: no such picture, folder, video or run")
    return found


def _is_shown(path: Path) -> bool:
    return path.suffix.lower() in (*PICTURES, *VIDEOS) and path.is_file() and not path.name.startswith(".")


def look_at_files(files: Iterable[Path]) -> Iterator[Footage | Unseen]:
    """Read pictures and the frames of videos, in order, one at a time."""
    for path in files:
        try:
            if path.suffix.lower() in VIDEOS:
                yield from _frames_of_video(path)
            else:
                yield Footage(str(path), None, None, read_photo(path))
        except RawFrameError as error:
            yield Unseen(str(path), str(error))
        except OSError as error:
            yield Unseen(str(path), f"cannot be read ({error.strerror})")


def _frames_of_video(path: Path) -> Iterator[Footage]:
    with path.open("rb"):  # OpenCV does not say why it cannot open a file
        pass
    with _open(str(path), cv2.CAP_FFMPEG) as capture:
        if not capture.isOpened():
            raise RawFrameError("is no video that can be read; it is of an unknown format, or cut short")
        stated = int(capture.get(cv2.CAP_PROP_FRAME_COUNT))
        number = 0
        for number, (time_s, image) in enumerate(_frames(capture), start=1):
            yield Footage(str(path), number - 1, time_s, image)
    if number == 0:
        raise RawFrameError("is a video without a frame that can be read; it is cut short or damaged")
    if number < _LEAST_SHARE * stated:
        raise RawFrameError(f"ends after {number} of {stated} frames; the video is cut short or damaged")


def look_through_camera(number: int, *, seconds: float = 0.0) -> Iterator[Footage]:
    """Read a camera of this machine; the newest frame each time, until Ctrl-C or for so many seconds.

    Raises:
        SensorError: there is no such camera, another program uses it, or it stopped.
    """
    name = f"camera {number}"
    with _open(number, cv2.CAP_ANY) as capture:
        if not capture.isOpened():
            raise SensorError(
                f"{name}: cannot be opened; it is not there, or another program uses it (--camera 1 is a second camera)"
            )
        capture.set(cv2.CAP_PROP_BUFFERSIZE, 1)
        yield from watch_camera(capture, name, seconds)


def watch_camera(capture: cv2.VideoCapture, name: str, seconds: float) -> Iterator[Footage]:
    """Read an open camera; as `look_through_camera`."""
    started = cv2.getTickCount()
    for frame, (_, image) in enumerate(_frames(capture)):
        time_s = (cv2.getTickCount() - started) / cv2.getTickFrequency()
        if seconds and time_s > seconds:
            return
        yield Footage(name, frame, time_s, image)
    raise SensorError(f"{name}: sends no more pictures; was it unplugged?")


@contextmanager
def _open(source: str | int, api: int) -> Iterator[cv2.VideoCapture]:
    # Read once, when the first capture is made: FFmpeg's own words are no news to a user.
    os.environ.setdefault("OPENCV_FFMPEG_LOGLEVEL", "-8")
    with keep_stderr_clean():
        capture = cv2.VideoCapture(source, api)
    try:
        yield capture
    finally:
        capture.release()


def _frames(capture: cv2.VideoCapture) -> Iterator[tuple[float, ColorImage]]:
    """Read frames to the end: the time of each, seconds, and the frame, turned as the video says."""
    while True:
        is_there, bgr = capture.read()
        if not is_there:
            return
        yield capture.get(cv2.CAP_PROP_POS_MSEC) / 1000.0, np.asarray(cv2.cvtColor(bgr, cv2.COLOR_BGR2RGB))
