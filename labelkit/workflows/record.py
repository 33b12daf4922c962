"""Record from a sensor, frame after frame, in the layout that a build reads."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelkit.errors import OutputError, OutputExistsError, SettingsError
from labelkit.files import THEN_AGAIN, make_folder, remove, translate_os_errors
from labelkit.interrupts import handle_signals
from labelkit.progress import open_bar
from labelkit.recordings.folders import COLOR_FOLDERS, DEPTH_FOLDERS
from labelkit.recordings.tum_writer import TumWriter
from labelkit.settings import RecordSettings, settings_of
from labelkit.sources.find import find_source
from labelkit.sources.source import Camera, Source, Wanted


@dataclass(frozen=True)
class Recorded:
    """What was recorded.

    Attributes:
        raw: the folder of recordings.
        folder: the recording's own; None if no frame came.
        camera: what it was recorded with.
        frames: complete frames.
        seconds: from the first frame's stamp to the last's.
        fps: frames a second, over that time; None with fewer than two frames.
    """

    raw: Path
    folder: Path | None
    camera: str
    frames: int
    seconds: float
    fps: float | None


def record(raw: Path | str, settings: RecordSettings | None = None, *, quiet: bool = True, **keywords: Any) -> Recorded:
    """Record until the time is up, the source ends, or Ctrl-C: RAW/<participant>[/<session>]/.

    Args:
        raw: the folder of recordings; made if it is not there.
        settings: what to record, and from which sensor.
        quiet: show no progress.
        keywords: single settings, as of `RecordSettings`; they win over `settings`.
    Raises:
        SettingsError: no source or participant, or one that cannot be.
        OutputExistsError: there is such a recording; none is ever overwritten.
        SensorError: the sensor is not there, or has stopped; what was recorded until then is complete.
        OutputError: no space or no permission; what was recorded until then is complete.
    """
    settings = settings_of(RecordSettings, settings, keywords)
    if not settings.source:
        raise SettingsError("say what to record from with --source, such as --source simulated or --source realsense")
    return record_from(find_source(settings.source), Path(raw), settings, quiet=quiet)


def record_from(
    source: Source, raw: Path, settings: RecordSettings, *, until: Callable[[], bool] = lambda: False, quiet: bool
) -> Recorded:
    """Record from a source that has been found; as `record`.

    Args:
        until: asked after each frame: whether to end there.
    """
    folder = _place(raw, settings)
    wanted = Wanted(fps=settings.fps, participant=settings.participant, handedness=settings.handedness)
    with _listen_for_stop() as asked, source(wanted) as camera:
        return _film(camera, raw, folder, settings, lambda: asked.is_set() or until(), quiet)


def _place(raw: Path, settings: RecordSettings) -> Path:
    """Find the folder of the recording, and check that nothing is there."""
    if not settings.participant:
        raise SettingsError("name the person with --participant, such as --participant p01")
    _check_name("participant", settings.participant)
    folder = raw / settings.participant
    if settings.session:
        _check_name("session", settings.session)
        folder = folder / settings.session
    if folder.exists():
        raise _exists(folder)
    return folder


def _check_name(key: str, name: str) -> None:
    """Refuse names that are no folder's, or that would make a recording of another shape."""
    plain = name.isprintable() and name == name.strip() and not name.startswith(".") and len(name.encode()) <= 100
    if not plain or set(name) & set('/\\:*?"<>|%'):
        raise SettingsError(
            f"{key} {name!r} cannot name a folder; take letters, digits, - and _, and no dot at the beginning"
        )
    if name.lower() in (*COLOR_FOLDERS, *DEPTH_FOLDERS):
        raise SettingsError(f"{key} {name!r} is what a folder of pictures is called; choose another name")


def _exists(folder: Path) -> OutputExistsError:
    return OutputExistsError(f"{folder}: exists, and no recording is overwritten; choose another --session")


@contextmanager
def _listen_for_stop() -> Iterator[threading.Event]:
    """Turn Ctrl-C, and a request to end, into an event; a second one interrupts as usual."""
    asked = threading.Event()

    def ask(*_: object) -> None:
        if asked.is_set():
            raise KeyboardInterrupt
        asked.set()

    with handle_signals(ask, signal.SIGINT, signal.SIGTERM):
        yield asked


def _film(
    camera: Camera, raw: Path, folder: Path, settings: RecordSettings, ends: Callable[[], bool], quiet: bool
) -> Recorded:
    """Write the camera's shots."""
    frames, first_s, last_s = 0, 0.0, 0.0
    writer: TumWriter | None = None
    began_s = time.monotonic()
    try:
        with open_bar(quiet=quiet, desc=f"record {folder.name}, Ctrl-C ends", unit=" frames") as bar:
            for shot in camera.shots:
                writer = writer or _begin(folder, camera, settings)
                writer.add(shot.depth_m, shot.stamp_s, shot.color, shot.stamp_s)
                first_s, last_s, frames = first_s if frames else shot.stamp_s, shot.stamp_s, frames + 1
                bar.update()
                if ends() or (settings.seconds and time.monotonic() - began_s >= settings.seconds):
                    break
    except OutputError as error:
        what_to_do = f"; {frames} frames are complete in {folder}, go on with another --session" if frames else ""
        raise OutputError(str(error).removesuffix(THEN_AGAIN) + what_to_do) from error
    finally:
        if writer:
            writer.close()
            if not frames:
                remove(folder)
    seconds = last_s - first_s
    fps = (frames - 1) / seconds if frames > 1 and seconds > 0 else None
    return Recorded(raw, folder if frames else None, camera.name, frames, seconds, fps)


def _begin(folder: Path, camera: Camera, settings: RecordSettings) -> TumWriter:
    """Take the folder, unless another recorder has, and begin the recording in it."""
    make_folder(folder.parent)
    with translate_os_errors(folder):
        try:
            folder.mkdir()
        except FileExistsError:
            raise _exists(folder) from None
    try:
        return TumWriter(
            folder,
            participant=settings.participant,
            handedness=settings.handedness,
            sensor=camera.sensor,
            intrinsics=camera.intrinsics,
            title=f"labelkit record, {' '.join(camera.name.split())}",
            depth_unit_m=camera.depth_unit_m,
            simulated=camera.simulated,
        )
    except BaseException:
        remove(folder)
        raise
