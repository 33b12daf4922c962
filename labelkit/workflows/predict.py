"""Plain pictures in, orientations of hands out: with LiteRT, without Keras or TensorFlow."""

from __future__ import annotations

import csv as csv_module
import itertools
import logging
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO

import cv2
import numpy as np

from labelkit.deploy.engines import open_litert
from labelkit.deploy.footage import VIDEOS, Footage, Unseen, list_files, look_at_files, look_through_camera
from labelkit.deploy.networks import find_network, names_network
from labelkit.deploy.reading import Box, HandReader, ReadHand
from labelkit.errors import OutputError, RawFrameError, SettingsError
from labelkit.figures.overlay import draw_overlay
from labelkit.files import make_folder, translate_os_errors, write_bytes
from labelkit.records import ColorImage
from labelkit.settings import PredictSettings, settings_of

log = logging.getLogger(__name__)

_PICTURE, _VIDEO = (".png", ".jpg", ".jpeg"), ".mp4"  # what overlays are written as
_VIDEO_FPS = 30.0  # of an overlay: one frame for each that was looked at
_STDOUT = "-"
_COLUMNS = (
    *("picture", "frame", "time", "azimuth", "elevation", "label_azimuth", "label_elevation", "nx", "ny", "nz"),
    *("normal_sd", "x", "y", "width", "height"),
)


@dataclass(frozen=True, kw_only=True)
class HandPrediction:
    """The orientation of the hand in one picture, view frame (docs/conventions.md).

    Attributes:
        picture: the file, or the camera.
        frame, time_s: of a video or a camera: its number from 0, and seconds; None for a picture.
        azimuth, elevation: degrees, centred: 0, 0 faces the camera, positive is right and down.
        label_azimuth, label_elevation: the same as labels have them, 0 to 180 degrees.
        normal: unit, toward the camera.
        normal_sd: one standard deviation along each axis, degrees; None if the network learned none.
        box: x, y, width, height of the hand, pixels; None if the whole picture was taken as the crop.
    """

    picture: str
    frame: int | None
    time_s: float | None
    azimuth: float
    elevation: float
    label_azimuth: float
    label_elevation: float
    normal: tuple[float, float, float]
    normal_sd: float | None
    box: Box | None


@dataclass(frozen=True, kw_only=True)
class PredictResult:
    """What `predict` found.

    Attributes:
        network: the file or run that answered.
        says: what to expect of it, in words; None if its card does not say.
        predictions: in the order of the pictures; empty if they were handed out one by one.
        failed: the pictures that could not be looked at, and why.
        pictures: how many were looked at.
        seconds: from the first to the last.
    """

    network: str
    says: str | None
    predictions: tuple[HandPrediction, ...]
    failed: tuple[Unseen, ...]
    pictures: int
    seconds: float


def predict(
    pictures: Sequence[Path | str] | Path | str = (),
    *,
    run: Path | str | None = None,
    camera: int | None = None,
    box: Box | None = None,
    out: Path | str | None = None,
    csv: Path | str | None = None,
    on_prediction: Callable[[HandPrediction], None] | None = None,
    settings: PredictSettings | None = None,
    **keywords: Any,
) -> PredictResult:
    """Say how the hand in each picture is turned.

    Args:
        pictures: files, folders of them, videos, in any mixture. If `run` is None and the first is a run folder or
            an exported network, that one answers.
        run: what answers: a run folder (converted once, network.tflite in it), or a .tflite file of
            `labelkit export`; None: the network that ships with labelkit.
        camera: look through this camera of the machine instead of at files.
        box: x, y, width, height of the hand in every picture, pixels, from the wrist to the fingertips, without the
            forearm; None: each whole picture is taken as the crop of one hand.
        out: overlays: for one picture a .png or .jpg file, for one video or a camera an .mp4; otherwise a folder.
        csv: a file that gets a row for each picture; "-" is stdout.
        on_prediction: gets each prediction as soon as it is made; then the result holds none, so that a video or a
            camera takes no more memory the longer it runs.
        keywords: single settings, as of `PredictSettings`; they win over `settings`.
    Raises:
        SettingsError: nothing to look at, or a file that is not there.
        RunError: the network is missing, damaged, of another version, or cannot be converted.
        MissingExtraError: LiteRT is not installed.
        SensorError: the camera cannot be opened, or has stopped.
        OutputError: no space or permission.
    """
    settings = settings_of(PredictSettings, settings, keywords)
    paths = [Path(each) for each in ([pictures] if isinstance(pictures, str | Path) else pictures)]
    if run is None and paths and names_network(paths[0]):
        run, *paths = paths
    files = _list_what_is_shown(paths, camera)
    found = find_network(None if run is None else Path(run))
    reader = HandReader(found.card, open_litert(found.content))
    kept: list[HandPrediction] = []
    failed: list[Unseen] = []
    number, started = 0, time.perf_counter()
    with ExitStack() as outputs:
        add_row = outputs.enter_context(_open_table(csv)) if csv is not None else None
        overlays = outputs.enter_context(_Overlays(Path(out), files)) if out is not None else None
        footage = look_at_files(files) if camera is None else look_through_camera(camera, seconds=settings.seconds)
        for outcome in _until_interrupted(_read_each(reader, footage, box, settings), is_endless=camera is not None):
            if isinstance(outcome, Unseen):
                failed.append(outcome)
                log.warning("%s: %s", outcome.name, outcome.why)
                continue
            number += 1
            seen, prediction = outcome
            (on_prediction or kept.append)(prediction)
            if add_row:
                add_row(prediction)
            if overlays:
                overlays.add(seen, prediction)
    return PredictResult(
        network=found.name,
        says=found.card.notes.get("expect"),
        predictions=tuple(kept),
        failed=tuple(failed),
        pictures=number,
        seconds=time.perf_counter() - started,
    )


def _list_what_is_shown(paths: Sequence[Path], camera: int | None) -> list[Path]:
    if camera is not None:
        if paths:
            raise SettingsError(f"{paths[0]}: with --camera no pictures are read; leave them out, or --camera")
        return []
    if not paths:
        raise SettingsError("no picture is named; give pictures, folders of them or videos, or --camera 0")
    return list_files(paths)


def _read_each(
    reader: HandReader, footage: Iterator[Footage | Unseen], box: Box | None, settings: PredictSettings
) -> Iterator[tuple[Footage, HandPrediction] | Unseen]:
    is_left = settings.handedness == "left"
    for seen in footage:
        if isinstance(seen, Unseen):
            yield seen
            continue
        try:
            hand = reader.read(seen.image, box=box, focal_px=settings.focal_px, mirror=is_left)
        except RawFrameError as error:
            yield Unseen(seen.name, str(error))
        else:
            yield seen, _describe(seen, hand, box)


def _until_interrupted(outcomes: Iterator[Any], *, is_endless: bool) -> Iterator[Any]:
    """Let Ctrl-C end what has no other end."""
    try:
        yield from outcomes
    except KeyboardInterrupt:
        if not is_endless:
            raise


def _describe(seen: Footage, hand: ReadHand, box: Box | None) -> HandPrediction:
    (azimuth, elevation), (label_azimuth, label_elevation) = hand.centred_deg.tolist(), hand.label_deg.tolist()
    n_x, n_y, n_z = hand.normal.tolist()
    return HandPrediction(
        picture=seen.name,
        frame=seen.frame,
        time_s=seen.time_s,
        azimuth=azimuth,
        elevation=elevation,
        label_azimuth=label_azimuth,
        label_elevation=label_elevation,
        normal=(n_x, n_y, n_z),
        normal_sd=hand.sd_deg,
        box=box,
    )


@contextmanager
def _open_table(path: Path | str) -> Iterator[Callable[[HandPrediction], None]]:
    """Open a CSV file, or stdout for "-", and give what adds a row; each row is there at once."""
    with ExitStack() as closing, translate_os_errors(Path(path)):
        to = sys.stdout if str(path) == _STDOUT else closing.enter_context(_new_file(Path(path)))
        writer = csv_module.writer(to, lineterminator="\n")
        writer.writerow(_COLUMNS)

        def add(each: HandPrediction) -> None:
            angles = (each.azimuth, each.elevation, each.label_azimuth, each.label_elevation)
            writer.writerow(
                [
                    *(each.picture, each.frame, "" if each.time_s is None else f"{each.time_s:.3f}"),
                    *(f"{angle:.3f}" for angle in angles),
                    *(f"{number:.6f}" for number in each.normal),
                    "" if each.normal_sd is None else f"{each.normal_sd:.3f}",
                    *(each.box or ("",) * 4),
                ]
            )
            to.flush()

        yield add


def _new_file(path: Path) -> TextIO:
    make_folder(path.parent)
    return path.open("w", encoding="utf-8", errors="surrogateescape", newline="")


class _Overlays:
    """Writes overlays: one file, or into a folder a .png for each picture and an .mp4 for each video or camera."""

    def __init__(self, out: Path, files: Sequence[Path]) -> None:
        self._out = out
        kind = out.suffix.lower()
        self._is_file = kind in (*_PICTURE, _VIDEO)
        are_videos = [each.suffix.lower() in VIDEOS for each in files] or [True]  # a camera is one, too
        if self._is_file and are_videos != [kind == _VIDEO]:
            what = "video or camera" if kind == _VIDEO else "picture"
            raise SettingsError(f"--out {out}: a {kind} file is for one {what}; name a folder")
        if not self._is_file and out.is_file():
            raise OutputError(
                f"--out {out}: is a file; name a folder, or a file that ends in {_PICTURE[0]} or {_VIDEO}"
            )
        self._writing: tuple[Path, cv2.VideoWriter] | None = None
        self._taken: dict[Path, str] = {}

    def __enter__(self) -> _Overlays:
        return self

    def __exit__(self, *_: object) -> None:
        if self._writing:
            self._writing[1].release()

    def add(self, seen: Footage, prediction: HandPrediction) -> None:
        height, width = seen.image.shape[:2]
        words = f"azimuth {prediction.azimuth:+.1f}  elevation {prediction.elevation:+.1f} deg"
        drawn = draw_overlay(seen.image, prediction.box or (0, 0, width, height), np.array(prediction.normal), words)
        if seen.frame is not None:
            self._add_to_video(self._place(seen.name, _VIDEO), drawn)
            return
        path = self._place(seen.name, _PICTURE[0])
        is_fine, content = cv2.imencode(path.suffix, cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
        assert is_fine
        make_folder(path.parent)
        write_bytes(path, content.tobytes(), flush=False)

    def _place(self, name: str, suffix: str) -> Path:
        """Choose a file in the folder; pictures of one name from several folders get different ones."""
        if self._is_file:
            return self._out
        stem = Path(name).stem
        for path in (self._out / f"{stem}{k or ''}{suffix}" for k in itertools.count()):
            if self._taken.setdefault(path, name) == name:
                return path
        raise AssertionError("some number is free")

    def _add_to_video(self, path: Path, drawn: ColorImage) -> None:
        if self._writing is None or self._writing[0] != path:
            if self._writing:
                self._writing[1].release()
            make_folder(path.parent)
            size = (drawn.shape[1], drawn.shape[0])
            writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*"mp4v"), _VIDEO_FPS, size)
            if not writer.isOpened():
                raise OutputError(f"{path}: the video cannot be written; make room or change the permission")
            self._writing = path, writer
        self._writing[1].write(cv2.cvtColor(drawn, cv2.COLOR_RGB2BGR))
