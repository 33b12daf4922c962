"""ROS 1 and ROS 2 bags, MCAP, and RealSense's .bag: Image, CompressedImage, compressedDepth, CameraInfo, static tf.

    <folder>/take.bag   or   take.mcap   or   take_0.db3 with its metadata.yaml

Each file is a recording of its own; a folder with a metadata.yaml is one. Pictures pair by the stamps in their headers.
The bags are taken apart by rosbags, an optional library; ROS itself is not needed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePosixPath
from types import ModuleType
from typing import Any, NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.errors import RawFrameError
from labelkit.recordings.compressed_depth import unpack_depth
from labelkit.recordings.container import ContainerSource, Version, describe_missing, files_in, version_of
from labelkit.recordings.encodings import STEP_M, steps_from_metres
from labelkit.recordings.pairing import pair_by_stamp, starts_of_runs
from labelkit.recordings.pictures import MAX_PIXELS, color_from_bytes
from labelkit.recordings.reader import OtherLayoutError, Problem
from labelkit.recordings.sidecar import Sidecar
from labelkit.records import ColorImage, FloatArray, FrameName

_SUFFIXES = (".bag", ".mcap", ".db3")
_METADATA = "metadata.yaml"
_REPAIRS = {".bag": "rosbag reindex", ".mcap": "mcap recover"}

_IMAGE, _COMPRESSED = "sensor_msgs/msg/Image", "sensor_msgs/msg/CompressedImage"
_CAMERA_INFO, _TRANSFORMS, _NUMBER = "sensor_msgs/msg/CameraInfo", "tf2_msgs/msg/TFMessage", "std_msgs/msg/Float32"
_REALSENSE_UNIT = "/option/Depth_Units/value"

_MILLIMETRES = 0.001  # of 16UC1, by ROS's REP 118
_DEPTH_TYPES = {"16UC1": "u2", "mono16": "u2", "32FC1": "f4"}
_COLOR_CODES = {
    "rgb8": (3, None),
    "bgr8": (3, cv2.COLOR_BGR2RGB),
    "rgba8": (4, cv2.COLOR_RGBA2RGB),
    "bgra8": (4, cv2.COLOR_BGRA2RGB),
}
_DISTORTIONS = ("plumb_bob", "rational_polynomial")  # in OpenCV's order
_ALIGNED = ("aligned", "registered")  # topics of depth on colour's pixels


class _UnusableBagError(Exception):
    """A file that cannot be read as such a recording; the message says why."""


class _Stream(NamedTuple):
    """A topic of pictures: for each its time in the bag and its number among those of that time."""

    topic: str
    size: tuple[int, int]
    places: tuple[tuple[int, int], ...]


@dataclass(frozen=True)
class BagSource(ContainerSource):
    """One bag.

    Attributes:
        file: the file, or "" for a folder with its metadata.yaml.
        pairs: for each frame the numbers of its depth and its colour in their streams.
    """

    file: str = ""
    depth: _Stream | None = None
    color: _Stream | None = None
    pairs: tuple[tuple[int | None, int | None], ...] = ()

    def depth_size(self, index: int) -> tuple[int, int]:
        assert self.depth
        return self.depth.size

    def color_size(self, index: int) -> tuple[int, int]:
        assert self.color
        return self.color.size

    def read_depth(self, index: int) -> NDArray[np.uint16]:
        """Read (H, W) in steps; raises as `FrameSource.read_depth`."""
        return _depth_of(self._message(self.depth, self.pairs[index][0]))

    def read_color(self, index: int) -> ColorImage:
        """Read (H, W, 3) RGB; raises as `FrameSource.read_color`."""
        picture = _color_of(self._message(self.color, self.pairs[index][1]))
        if (stored := (picture.shape[1], picture.shape[0])) != (first := self.color_size(index)):
            raise RawFrameError("is {}x{}, where the first of the bag is {}x{}".format(*stored, *first))
        return picture

    def _message(self, stream: _Stream | None, number: int | None) -> Any:
        assert stream
        assert number is not None
        path = self.folder / self.file
        version = version_of(path / _METADATA if path.is_dir() else path)
        return _open_topic(version, path, stream.topic).find(*stream.places[number])


def open_ros(folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[BagSource]:
    """Open the recordings of a folder of bags."""
    files = files_in(folder, _SUFFIXES)
    if not files:
        raise OtherLayoutError(f"no {', '.join(_SUFFIXES)}")
    _rosbags()
    if (folder / _METADATA).is_file():
        files = [""]
    stated = {kind: sidecar[f"files.{kind}"].value for kind in ("depth", "color") if f"files.{kind}" in sidecar}
    return [_open_one(folder, file, stated, max_gap_s) for file in files]


def _open_one(folder: Path, file: str, stated: Mapping[str, str], max_gap_s: float) -> BagSource:
    clip = Path(file).stem
    try:
        if file and not (folder / file).stat().st_size:
            raise _UnusableBagError("is empty")
        return _index_bag(folder, file, clip, stated, max_gap_s)
    except Exception as error:  # of a damaged bag, rosbags lets the errors of many libraries through
        says = str(error)
        if not isinstance(error, _UnusableBagError):
            cure = next((f" ({tool})" for suffix, tool in _REPAIRS.items() if file.endswith(suffix)), "")
            says = f"cannot be read as a bag ({_first_line(error)}); was it closed, and is it whole?{cure}"
        return BagSource(folder, (), clip, problems=(Problem(f"{file or _METADATA} {says}"),))


def _index_bag(folder: Path, file: str, clip: str, stated: Mapping[str, str], max_gap_s: float) -> BagSource:
    """List a bag's pictures; all of its bytes are read once, and of each picture only its stamp is kept."""
    name = file or _METADATA
    with closing(_Bag(folder / file)) as bag:
        images = {topic: bag.first(topic) for topic in bag.topics_of(_IMAGE, _COMPRESSED)}
        depth_topic = _choose("depth", {t: m for t, m in images.items() if _is_depth(t, m)}, stated.get("depth"))
        color_topic = _choose("color", {t: m for t, m in images.items() if _is_color(m)}, stated.get("color"))
        first_depth, first_color = images[depth_topic], images[color_topic]
        metadata = _facts(bag, depth_topic, first_depth, color_topic, first_color)
        found: dict[str, list[tuple[int, int, float]]] = {depth_topic: [], color_topic: []}
        for topic, time_ns, raw in bag.messages(depth_topic, color_topic):
            listed = found[topic]
            number = listed[-1][1] + 1 if listed and listed[-1][0] == time_ns else 0
            listed.append((time_ns, number, _stamp_of(raw)))
    depth, color = (
        _Stream(topic, _size_of(images[topic]), tuple((at, number) for at, number, _ in found[topic]))
        for topic in (depth_topic, color_topic)
    )
    stamps = [[stamp or time_ns / 1e9 for time_ns, _, stamp in found[topic]] for topic in (depth_topic, color_topic)]
    notes = [f"depth is {depth_topic}, colour {color_topic}"]
    if len(depth.places) != len(color.places):
        notes.append(f"{name} holds {len(depth.places)} depth and {len(color.places)} colour pictures")
    for kind, of_kind in zip(("depth", "colour"), stamps, strict=True):
        if back := len(starts_of_runs(of_kind)) - 1:
            notes.append(f"the stamps of the {kind} in {name} start again {back} times")
    pairs = sorted(
        pair_by_stamp(stamps[0], stamps[1], max_gap_s), key=lambda pair: (_stamp_s(stamps, pair), pair[0] is None)
    )
    names = tuple(
        FrameName(
            None if d is None else f"{name}#{number}",
            None if c is None else f"{name}#{number}",
            _stamp_s(stamps, (d, c)),
        )
        for number, (d, c) in enumerate(pairs)
    )
    return BagSource(
        folder, names, clip, metadata, tuple(notes), file=file, depth=depth, color=color, pairs=tuple(pairs)
    )


def _stamp_s(stamps: Sequence[Sequence[float]], pair: tuple[int | None, int | None]) -> float:
    d, c = pair
    if d is not None:
        return stamps[0][d]
    assert c is not None
    return stamps[1][c]


def _choose(kind: str, found: Mapping[str, Any], stated: str | None) -> str:
    """Choose the topic of depth or colour: the stated one, the only one, or the only one that is aligned."""
    if stated:
        if stated not in found:
            raise _UnusableBagError(f"has no {kind} topic {stated}; it has {', '.join(sorted(found)) or 'none'}")
        return stated
    if not found:
        raise _UnusableBagError(f"holds no {kind} pictures (no topic of Image or CompressedImage with them)")
    topics = sorted(found)
    if len(topics) > 1:
        # the same pictures twice, as they are and compressed: those as they are
        topics = [topic for topic in topics if not any(topic.startswith(f"{other}/") for other in topics)]
    if len(topics) > 1 and len(aligned := [t for t in topics if any(word in t for word in _ALIGNED)]) == 1:
        topics = aligned
    if len(topics) > 1:
        raise _UnusableBagError(
            f'has several {kind} topics; state one under [files] in recording.toml, {kind} = "{topics[0]}" '
            f"(or {', '.join(topics[1:])})"
        )
    return topics[0]


def _is_depth(topic: str, message: Any) -> bool:
    if hasattr(message, "format"):
        return "compressedDepth" in message.format
    return message.encoding in ("16UC1", "32FC1") or (message.encoding == "mono16" and "depth" in topic.lower())


def _is_color(message: Any) -> bool:
    if hasattr(message, "format"):
        is_picture = message.format.lower().split(";")[-1].strip().startswith(("jpeg", "jpg", "png", "rgb8", "bgr8"))
        return "compressedDepth" not in message.format and "16UC1" not in message.format and is_picture
    return message.encoding in _COLOR_CODES


def _facts(bag: _Bag, depth_topic: str, depth: Any, color_topic: str, color: Any) -> dict[str, dict[str, Any]]:
    """Give what the bag states, as tables of recording.toml."""
    recording: dict[str, Any] = {"depth_unit_m": _unit_of(bag, depth)}
    tables: dict[str, dict[str, Any]] = {"recording": recording}
    depth_frame, color_frame = depth.header.frame_id, color.header.frame_id
    color_camera = _camera_of(bag, color_topic, _size_of(color))
    have_frames = all(frame and not frame.isdigit() for frame in (depth_frame, color_frame))  # RealSense's are numbers
    if have_frames and depth_frame == color_frame and _size_of(depth) == _size_of(color):
        recording["registered"] = True
        return {**tables, **({"intrinsics": color_camera} if color_camera else {})}
    if _size_of(depth) != _size_of(color) or (have_frames and depth_frame != color_frame):
        recording["registered"] = False
    if depth_camera := _camera_of(bag, depth_topic, _size_of(depth)):
        tables["intrinsics"] = depth_camera
    if color_camera and recording.get("registered") is False:
        tables["color_intrinsics"] = color_camera
    transform = _find_transform(bag, color_frame, depth_frame)
    if transform is not None and recording.get("registered") is False:
        tables["color_from_depth"] = {
            "rotation": transform[:3, :3].tolist(),
            "translation_m": transform[:3, 3].tolist(),
        }
    return tables


def _unit_of(bag: _Bag, depth: Any) -> float:
    if "32FC1" in getattr(depth, "encoding", "") + getattr(depth, "format", ""):
        return STEP_M
    for topic in bag.topics_of(_NUMBER):
        if topic.endswith(_REALSENSE_UNIT) and (stated := float(bag.first(topic).data)) > 0:
            return round(stated, 9)
    return _MILLIMETRES


def _camera_of(bag: _Bag, topic: str, size: tuple[int, int]) -> dict[str, Any] | None:
    """Find the intrinsics of a topic's camera: those of the nearest camera_info; None if there is none for its size."""
    infos = {PurePosixPath(info).parent: info for info in bag.topics_of(_CAMERA_INFO)}
    infos |= {folder.parent: info for folder, info in infos.items() if folder.name == "info"}  # RealSense's .bag
    near = next((infos[folder] for folder in PurePosixPath(topic).parents if folder in infos), None)
    message = bag.first(near) if near else None
    if message is None or (message.width, message.height) != size:
        return None
    K, D, P = (_field(message, name) for name in ("k", "d", "p"))
    if "rect" in PurePosixPath(topic).parent.name or any("rect" in part for part in PurePosixPath(topic).parts):
        K, D = np.reshape(P, (3, 4))[:, :3].ravel(), np.zeros(0)
    if not K[0] > 0 or not K[4] > 0 or (np.any(D) and message.distortion_model not in _DISTORTIONS):
        return None
    fx, _, cx, _, fy, cy, *_ = K.tolist()
    distortion = D.tolist() if np.any(D) else []
    return {"fx": fx, "fy": fy, "cx": cx, "cy": cy, "width": size[0], "height": size[1], "distortion": distortion}


def _field(message: Any, name: str) -> FloatArray:
    """Read a field that is a capital letter in ROS 1."""
    return np.asarray(getattr(message, name, None) if hasattr(message, name) else getattr(message, name.upper()), float)


def _find_transform(bag: _Bag, target: str, source: str) -> FloatArray | None:
    """Find the (4, 4) transform between two frames in the static tf; None if they are not joined."""
    steps: dict[str, dict[str, FloatArray]] = {}
    for topic in bag.topics_of(_TRANSFORMS):
        if not topic.endswith("tf_static"):
            continue
        for _, _, raw in bag.messages(topic):
            for one in bag.decode(topic, raw).transforms:
                parent_from_child = _matrix_of(one.transform)
                parent, child = one.header.frame_id.lstrip("/"), one.child_frame_id.lstrip("/")
                steps.setdefault(child, {})[parent] = parent_from_child
                steps.setdefault(parent, {})[child] = np.linalg.inv(parent_from_child)
    reached = {source.lstrip("/"): np.eye(4)}
    waiting = list(reached)
    while waiting:
        here = waiting.pop()
        for there, there_from_here in steps.get(here, {}).items():
            if there not in reached:
                reached[there] = there_from_here @ reached[here]
                waiting.append(there)
    return reached.get(target.lstrip("/"))


def _matrix_of(transform: Any) -> FloatArray:
    q, t = transform.rotation, transform.translation
    x, y, z, w = np.array([q.x, q.y, q.z, q.w]) / np.linalg.norm([q.x, q.y, q.z, q.w])
    matrix = np.eye(4)
    matrix[:3, :3] = [
        [1 - 2 * (y * y + z * z), 2 * (x * y - z * w), 2 * (x * z + y * w)],
        [2 * (x * y + z * w), 1 - 2 * (x * x + z * z), 2 * (y * z - x * w)],
        [2 * (x * z - y * w), 2 * (y * z + x * w), 1 - 2 * (x * x + y * y)],
    ]
    matrix[:3, 3] = t.x, t.y, t.z
    return matrix


def _size_of(message: Any) -> tuple[int, int]:
    """Give width and height of a picture."""
    if hasattr(message, "encoding"):
        return int(message.width), int(message.height)
    picture = _depth_of(message) if "compressedDepth" in message.format else _color_of(message)
    return picture.shape[1], picture.shape[0]


def _depth_of(message: Any) -> NDArray[np.uint16]:
    if hasattr(message, "format"):
        return unpack_depth(bytes(message.data), message.format)
    if message.encoding not in _DEPTH_TYPES:
        raise RawFrameError(f"has the encoding {message.encoding}")
    kind = np.dtype(_DEPTH_TYPES[message.encoding]).newbyteorder(">" if message.is_bigendian else "<")
    values = _rows_of(message, kind.itemsize).view(kind)
    return steps_from_metres(values) if kind.kind == "f" else values.astype(np.uint16)


def _color_of(message: Any) -> ColorImage:
    if hasattr(message, "format"):
        return color_from_bytes(bytes(message.data))
    if message.encoding not in _COLOR_CODES:
        raise RawFrameError(f"has the encoding {message.encoding}")
    channels, code = _COLOR_CODES[message.encoding]
    pixels = _rows_of(message, channels).reshape(message.height, message.width, channels)
    return pixels if code is None else np.asarray(cv2.cvtColor(pixels, code), np.uint8)


def _rows_of(message: Any, pixel_bytes: int) -> NDArray[np.uint8]:
    """Take the rows of a picture out of a message whose rows may be longer: (H, W * pixel_bytes)."""
    width, height, step = int(message.width), int(message.height), int(message.step)
    if not 0 < width * height <= MAX_PIXELS:
        raise RawFrameError(f"claims {width}x{height} pixels; at most {MAX_PIXELS:,} are read")
    if step < width * pixel_bytes or len(message.data) < height * step:
        raise RawFrameError(f"is cut short or damaged: {len(message.data):,} bytes for {width}x{height} pixels")
    rows = np.asarray(message.data, np.uint8)[: height * step].reshape(height, step)
    return np.ascontiguousarray(rows[:, : width * pixel_bytes])


def _stamp_of(raw: bytes) -> float:
    """Read the header's stamp off a message, seconds: bytes 4 to 12 in ROS 1 (after seq) and in ROS 2 (after CDR's)."""
    seconds, nanoseconds = np.frombuffer(raw, "<u4", count=2, offset=4).tolist()
    return float(seconds + nanoseconds / 1e9)


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__


class _Bag:
    """An open bag."""

    def __init__(self, path: Path) -> None:
        rosbags = _rosbags()
        stores = rosbags.typesys.Stores
        self._reader = rosbags.highlevel.AnyReader(
            [path], default_typestore=rosbags.typesys.get_typestore(stores.ROS2_HUMBLE)
        )
        self._reader.open()

    def close(self) -> None:
        self._reader.close()

    def topics_of(self, *types: str) -> list[str]:
        """List the topics of these types that hold messages, sorted."""
        return sorted({c.topic for c in self._reader.connections if c.msgtype in types and c.msgcount})

    def first(self, topic: str) -> Any:
        """Decode the first message of a topic."""
        _, _, raw = next(self.messages(topic))
        return self.decode(topic, raw)

    def messages(self, *topics: str, start: int | None = None) -> Iterator[tuple[str, int, bytes]]:
        """Read the messages of topics in the order of their time: topic, time in nanoseconds, bytes."""
        wanted = [c for c in self._reader.connections if c.topic in topics]
        for connection, time_ns, raw in self._reader.messages(connections=wanted, start=start):
            yield connection.topic, time_ns, raw

    def decode(self, topic: str, raw: bytes) -> Any:
        kind = next(c.msgtype for c in self._reader.connections if c.topic == topic)
        return self._reader.deserialize(raw, kind)


class _OpenTopic:
    """A topic that is read on from message to message; one that is not the next is sought by the bag's index."""

    def __init__(self, path: Path, topic: str) -> None:
        self._bag, self._topic = _Bag(path), topic
        self._messages: Iterator[tuple[str, int, bytes]] = iter(())
        self._at = (-1, 0)

    def find(self, time_ns: int, number: int) -> Any:
        """Decode the message of a time; of several at that time the one of this number."""
        try:
            if not self._at < (time_ns, number) or (raw := self._read_on(time_ns, number, steps=2)) is None:
                self._messages, self._at = self._bag.messages(self._topic, start=time_ns), (time_ns, -1)
                raw = self._read_on(time_ns, number)
            if raw is not None:
                return self._bag.decode(self._topic, raw)
        except Exception as error:  # as in _open_one
            self._at = (2**63, 0)
            raise RawFrameError(f"cannot be read from the bag ({_first_line(error)})") from None
        raise RawFrameError("is no longer in the bag")

    def _read_on(self, time_ns: int, number: int, steps: int | None = None) -> bytes | None:
        while steps is None or steps > 0:
            message = next(self._messages, None)
            if message is None or message[1] > time_ns:
                self._at = (2**63, 0)  # passed: the next one is sought
                return None
            self._at = (message[1], self._at[1] + 1 if message[1] == self._at[0] else 0)
            if self._at == (time_ns, number):
                return message[2]
            steps = None if steps is None else steps - 1
        return None


@lru_cache(maxsize=4)
def _open_topic(version: Version, path: Path, topic: str) -> _OpenTopic:
    del version  # a newer file is opened again
    return _OpenTopic(path, topic)


def _rosbags() -> ModuleType:
    try:
        import rosbags.highlevel
        import rosbags.typesys
    except ImportError as error:
        raise describe_missing("ROS bags and MCAP", "rosbags", "ros") from error
    return rosbags
