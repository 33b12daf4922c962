"""Azure Kinect and Femto recordings: Matroska files of MJPEG colour and 16-bit depth, with the factory calibration.

    <folder>/take.mkv

Each file is a recording of its own. Depth is stored as big-endian 16-bit millimetres, uncompressed, so PyAV is needed
only to take the file apart. Colour and depth are two cameras; the attached calibration.json has their intrinsics, lens
distortion and how they stand to each other.

Source: the calibration's layout and the crops of the modes are those of Microsoft's Azure Kinect Sensor SDK (MIT).
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import RawFrameError
from labelkit.recordings.container import ContainerSource, Version, describe_missing, files_in, version_of
from labelkit.recordings.pairing import pair_by_stamp
from labelkit.recordings.pictures import MAX_PIXELS, color_from_bytes
from labelkit.recordings.reader import OtherLayoutError, Problem
from labelkit.recordings.sidecar import Sidecar
from labelkit.records import ColorImage, FrameName

_SUFFIXES = (".mkv",)
_LEAST_BYTES = 64  # of a Matroska file's head; FFmpeg waits for more of a shorter one
_MAGIC = b"\x1a\x45\xdf\xa3"

_WINDOW = 16  # packets kept while the file is read on: a capture is three of them, and an IMU packet
_LATE_S = 1.0  # packets lie in the file in the order of their stamps, up to so much
_MOST_CALIBRATION_BYTES = 1_000_000

_MODEL = "CALIBRATION_LensDistortionModelBrownConrady"
_DEPTH_CAMERA, _COLOR_CAMERA = "CALIBRATION_CameraLocationD0", "CALIBRATION_CameraLocationPV0"


class _CameraMode(NamedTuple):
    """How a mode's picture comes from the calibrated sensor's: scaled to `scaled`, then cut from `corner`."""

    scaled: tuple[int, int]
    corner: tuple[int, int]
    size: tuple[int, int]


_DEPTH_MODES = {
    mode.size: mode
    for mode in (
        _CameraMode((512, 512), (96, 90), (320, 288)),  # NFOV, binned
        _CameraMode((1024, 1024), (192, 180), (640, 576)),  # NFOV
        _CameraMode((512, 512), (0, 0), (512, 512)),  # WFOV, binned
        _CameraMode((1024, 1024), (0, 0), (1024, 1024)),  # WFOV
    )
}
_COLOR_MODES = {
    mode.size: mode
    for mode in (
        _CameraMode((1280, 960), (0, 120), (1280, 720)),
        _CameraMode((1920, 1440), (0, 180), (1920, 1080)),
        _CameraMode((2560, 1920), (0, 240), (2560, 1440)),
        _CameraMode((2048, 1536), (0, 0), (2048, 1536)),
        _CameraMode((3840, 2880), (0, 360), (3840, 2160)),
        _CameraMode((4096, 3072), (0, 0), (4096, 3072)),
    )
}


class _Track(NamedTuple):
    """A video track, and the stamp of each of its pictures in its own unit."""

    number: int  # of the track in the file
    size: tuple[int, int]
    unit_s: float
    stamps: tuple[int, ...]


class _UnusableFileError(Exception):
    """A file that cannot be read as such a recording; the message says why."""


@dataclass(frozen=True)
class MkvSource(ContainerSource):
    """One file.

    Attributes:
        pairs: for each frame the stamps of its depth and of its colour, in the tracks' own units.
    """

    file: str = ""
    depth: _Track | None = None
    color: _Track | None = None
    pairs: tuple[tuple[int | None, int | None], ...] = ()

    def depth_size(self, index: int) -> tuple[int, int]:
        assert self.depth
        return self.depth.size

    def color_size(self, index: int) -> tuple[int, int]:
        assert self.color
        return self.color.size

    def read_depth(self, index: int) -> NDArray[np.uint16]:
        """Read (H, W) millimetres; raises as `FrameSource.read_depth`."""
        content = self._packet(self.depth, self.pairs[index][0])
        width, height = self.depth_size(index)
        if len(content) != 2 * width * height:
            raise RawFrameError(
                f"is cut short or damaged: {len(content):,} bytes, where {width}x{height} pixels take "
                f"{2 * width * height:,}"
            )
        return np.frombuffer(content, ">u2").astype(np.uint16).reshape(height, width)

    def read_color(self, index: int) -> ColorImage:
        """Read (H, W, 3) RGB; raises as `FrameSource.read_color`."""
        picture = color_from_bytes(self._packet(self.color, self.pairs[index][1]))
        if (stored := (picture.shape[1], picture.shape[0])) != (stated := self.color_size(index)):
            raise RawFrameError("is {}x{}, where its track states {}x{}".format(*stored, *stated))
        return picture

    def _packet(self, track: _Track | None, stamp: int | None) -> bytes:
        assert track
        assert stamp is not None
        return _open_file(version_of(self.folder / self.file)).find_packet(track, stamp)


def open_azure_mkv(folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[MkvSource]:
    """Open the recordings of a folder of .mkv files."""
    del sidecar
    files = files_in(folder, _SUFFIXES)
    if not files:
        raise OtherLayoutError("no .mkv")
    av = _pyav()
    return [_open_one(av, folder, file, max_gap_s) for file in files]


def _open_one(av: ModuleType, folder: Path, file: str, max_gap_s: float) -> MkvSource:
    clip = Path(file).stem
    try:
        return _index_file(av, folder, file, clip, max_gap_s)
    except (_UnusableFileError, OSError, ValueError, av.FFmpegError) as error:
        says = getattr(error, "strerror", None) or str(error)
        return MkvSource(folder, (), clip, problems=(Problem(f"{file} {says}"),))


def _index_file(av: ModuleType, folder: Path, file: str, clip: str, max_gap_s: float) -> MkvSource:
    """List a file's pictures. All of its bytes are read once; none is decoded, and of each only its stamp is kept."""
    path = folder / file
    with path.open("rb") as opened:
        head = opened.read(_LEAST_BYTES)
    if not head:
        raise _UnusableFileError("is empty")
    if len(head) < _LEAST_BYTES or not head.startswith(_MAGIC):
        raise _UnusableFileError(f"is no Matroska file (it begins with {head[:8]!r})")
    notes: list[str] = []
    with closing(av.open(str(path), format="matroska", metadata_errors="replace")) as container:
        depth_stream, color_stream = _find_tracks(container)
        metadata = _facts(
            container, (depth_stream.width, depth_stream.height), (color_stream.width, color_stream.height)
        )
        found: dict[int, list[int]] = {depth_stream.index: [], color_stream.index: []}
        try:
            for packet in container.demux(depth_stream, color_stream):
                if packet.pts is not None and packet.size:
                    found[packet.stream.index].append(packet.pts)
        except (OSError, ValueError, av.FFmpegError):
            notes.append(f"{file} is cut short or damaged; the frames before that place are read")
        depth, color = (
            _Track(stream.index, (stream.width, stream.height), float(stream.time_base), tuple(found[stream.index]))
            for stream in (depth_stream, color_stream)
        )
    if not depth.stamps and not color.stamps:
        raise _UnusableFileError("holds no picture: it is cut short, or the recorder was stopped at once")
    for name, track in (("depth", depth), ("colour", color)):
        back = sum(later < earlier for earlier, later in pairwise(track.stamps))
        if back:
            notes.append(f"the time stamps of the {name} in {file} run backwards {back} times")
    if len(depth.stamps) != len(color.stamps):
        notes.append(f"{file} holds {len(depth.stamps)} depth and {len(color.stamps)} colour pictures")
    pairs = list[tuple[int | None, int | None]]()
    names = list[FrameName]()
    for d, c in sorted(
        pair_by_stamp([s * depth.unit_s for s in depth.stamps], [s * color.unit_s for s in color.stamps], max_gap_s),
        key=lambda pair: (_stamp_s(depth, color, pair), pair[0] is None),
    ):
        number = len(pairs)
        pairs.append((None if d is None else depth.stamps[d], None if c is None else color.stamps[c]))
        name = f"{file}#{number}"
        names.append(
            FrameName(None if d is None else name, None if c is None else name, _stamp_s(depth, color, (d, c)))
        )
    return MkvSource(
        folder, tuple(names), clip, metadata, tuple(notes), file=file, depth=depth, color=color, pairs=tuple(pairs)
    )


def _stamp_s(depth: _Track, color: _Track, pair: tuple[int | None, int | None]) -> float:
    d, c = pair
    if d is not None:
        return depth.stamps[d] * depth.unit_s
    assert c is not None
    return color.stamps[c] * color.unit_s


def _find_tracks(container: Any) -> tuple[Any, Any]:
    """Find the depth and the colour track; the recorder names them."""
    tracks = {stream.metadata.get("title", ""): stream for stream in container.streams.video}
    depth, color = tracks.get("DEPTH"), tracks.get("COLOR")
    if depth is None:
        kinds = ", ".join(f"{title or 'unnamed'}: {stream.codec_context.name}" for title, stream in tracks.items())
        raise _UnusableFileError(
            f"has no track called DEPTH ({kinds or 'no video at all'}): it is no Azure Kinect's recording, or depth "
            "was switched off; a video made of such a recording has lost the depth, so give the recording itself"
        )
    if depth.codec_context.name != "rawvideo":
        raise _UnusableFileError(
            f"holds its depth as {depth.codec_context.name}, which is lossy or 8-bit; record it as k4arecorder does"
        )
    if color is None:
        raise _UnusableFileError("has no track called COLOR: colour was switched off, and there is no picture to label")
    if color.codec_context.name != "mjpeg":
        raise _UnusableFileError(
            f"holds its colour as {color.codec_context.name}, not as MJPEG; record with k4arecorder -c 720p (or 1080p, "
            "1440p, 1536p, 2160p, 3072p), which are MJPEG"
        )
    for stream in (depth, color):
        if not 0 < stream.width * stream.height <= MAX_PIXELS:
            raise _UnusableFileError(
                f"claims pictures of {stream.width}x{stream.height}; at most {MAX_PIXELS:,} pixels are read"
            )
    return depth, color


def _facts(container: Any, depth_size: tuple[int, int], color_size: tuple[int, int]) -> dict[str, dict[str, Any]]:
    """Give what the file states, as tables of recording.toml; no calibration if it is missing or damaged."""
    recording = {"sensor": "azure-kinect", "depth_unit_m": 0.001, "registered": False}
    for attachment in (stream for stream in container.streams if stream.type == "attachment"):
        content = bytes(attachment.data or b"")
        if attachment.name == "calibration.json" and len(content) <= _MOST_CALIBRATION_BYTES:
            try:
                tables = calibration_from_json(content, depth_size, color_size)
            except (KeyError, ValueError, TypeError, IndexError, RecursionError):
                continue
            return {"recording": recording, **tables}
    return {"recording": recording}


def calibration_from_json(
    content: bytes, depth_size: tuple[int, int], color_size: tuple[int, int]
) -> dict[str, dict[str, Any]]:
    """Turn the sensor's calibration into tables of recording.toml.

    Args:
        content: calibration.json, as attached to a recording.
        depth_size, color_size: width and height of the pictures, pixels; they tell the mode.
    Raises:
        KeyError, ValueError, TypeError, IndexError: it is damaged, of another lens model, or for no such mode.
    Source: Azure Kinect Sensor SDK, k4a_calibration_get_from_raw and transformation_get_mode_specific_*. Intrinsics are
        relative to the calibrated picture's size; a pixel's centre is at an integer, so half a pixel is taken off.
    """
    cameras = {
        camera["Location"]: camera for camera in json.loads(content.rstrip(b"\0"))["CalibrationInformation"]["Cameras"]
    }
    depth, color = cameras[_DEPTH_CAMERA], cameras[_COLOR_CAMERA]
    (depth_r, depth_t), (color_r, color_t) = _pose(depth), _pose(color)
    rotation = color_r @ depth_r.T
    return {
        "intrinsics": _intrinsics(depth, _DEPTH_MODES[depth_size]),
        "color_intrinsics": _intrinsics(color, _COLOR_MODES[color_size]),
        "color_from_depth": {
            "rotation": rotation.tolist(),
            "translation_m": (color_t - rotation @ depth_t).tolist(),
        },
    }


def _intrinsics(camera: Mapping[str, Any], mode: _CameraMode) -> dict[str, Any]:
    intrinsics = camera["Intrinsics"]
    if intrinsics["ModelType"] != _MODEL:
        raise ValueError(f"the lens model {intrinsics['ModelType']} is not known")
    cx, cy, fx, fy, k1, k2, k3, k4, k5, k6, _, _, p2, p1 = (float(x) for x in intrinsics["ModelParameters"][:14])
    (wide, high), (left, top), (width, height) = mode
    return {
        "fx": fx * wide,
        "fy": fy * high,
        "cx": cx * wide - left - 0.5,
        "cy": cy * high - top - 0.5,
        "width": width,
        "height": height,
        "distortion": [k1, k2, p1, p2, k3, k4, k5, k6],
    }


def _pose(camera: Mapping[str, Any]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Give the rotation (3, 3) and the translation (3,) in metres from the sensor's frame to a camera's."""
    pose = camera["Rt"]
    return np.array(pose["Rotation"], float).reshape(3, 3), np.array(pose["Translation"], float).reshape(3)


class _OpenFile:
    """A file that is read on from packet to packet; one that is not near is sought by the file's index."""

    def __init__(self, path: Path) -> None:
        self._av = _pyav()
        try:
            self._container = self._av.open(str(path), format="matroska", metadata_errors="replace")
        except (ValueError, self._av.FFmpegError) as error:
            raise RawFrameError(f"cannot be found: the file is damaged ({error})") from None
        self._near: deque[tuple[int, int, bytes]] = deque(maxlen=_WINDOW)
        self._packets: Iterator[Any] = iter(())
        self._at_s = float("inf")

    def find_packet(self, track: _Track, stamp: int) -> bytes:
        """Give a packet's bytes."""
        wanted_s = stamp * track.unit_s
        content = self._look_near(track, stamp)
        if content is None and self._at_s <= wanted_s <= self._at_s + _LATE_S:
            content = self._read_on(track, stamp)
        if content is None:
            self._seek(track, stamp)
            content = self._read_on(track, stamp)
        if content is None:
            raise RawFrameError("is no longer in the file")
        return content

    def _look_near(self, track: _Track, stamp: int) -> bytes | None:
        return next((content for index, at, content in self._near if (index, at) == (track.number, stamp)), None)

    def _seek(self, track: _Track, stamp: int) -> None:
        stream = self._container.streams[track.number]
        try:
            self._container.seek(stamp, stream=stream, backward=True)
        except (OSError, ValueError, self._av.FFmpegError) as error:
            raise RawFrameError(f"cannot be found in the file ({error})") from None
        self._near.clear()
        self._packets = self._container.demux(*self._container.streams.video)

    def _read_on(self, track: _Track, stamp: int) -> bytes | None:
        wanted_s = stamp * track.unit_s
        try:
            for packet in self._packets:
                if packet.pts is None or not packet.size:
                    continue
                self._at_s = packet.pts * float(packet.time_base)
                if packet.stream.metadata.get("title") == "IR":
                    continue
                content = bytes(packet)
                self._near.append((packet.stream.index, packet.pts, content))
                if (packet.stream.index, packet.pts) == (track.number, stamp):
                    return content
                if self._at_s > wanted_s + _LATE_S:
                    return None
        except (OSError, ValueError, self._av.FFmpegError):
            return None  # the file's damaged end
        return None


@lru_cache(maxsize=2)
def _open_file(version: Version) -> _OpenFile:
    return _OpenFile(version.path)


def _pyav() -> ModuleType:
    try:
        import av  # an extra that may be missing
    except ImportError as error:
        raise describe_missing("Azure Kinect .mkv files", "PyAV (av)", "azure") from error
    av.logging.set_level(None)
    return av
