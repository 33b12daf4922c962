"""Recordings in containers, written by libraries that are not labelkit's."""

from __future__ import annotations

import json
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

WIDTH, HEIGHT = 640, 576  # of the Azure Kinect's narrow mode
COLOR = (1280, 720)

POSE = {"Rotation": [1, 0, 0, 0, 1, 0, 0, 0, 1], "Translation": [-0.032, 0.0, 0.004]}
MIDDLE = [0.5, 0.5, 0.49, 0.49, 0.2, -0.1, 0, 0, 0, 0, 0, 0, 0.001, 0.002]


def azure_calibration(**changes: Any) -> bytes:
    def camera(location: str, pose: dict[str, Any]) -> dict[str, Any]:
        model = "CALIBRATION_LensDistortionModelBrownConrady"
        return {
            "Location": f"CALIBRATION_CameraLocation{location}",
            "Rt": pose,
            "Intrinsics": {"ModelParameters": MIDDLE, "ModelType": model, **changes},
        }

    zero = {"Rotation": POSE["Rotation"], "Translation": [0, 0, 0]}
    return json.dumps({"CalibrationInformation": {"Cameras": [camera("D0", zero), camera("PV0", POSE)]}}).encode()


def write_mkv(
    path: Path,
    depth: Sequence[NDArray[np.uint16]],
    color: Sequence[bytes],
    *,
    stamps: Sequence[float] | None = None,
    calibration: bytes | None = None,
    title: str = "DEPTH",
    color_size: tuple[int, int] = COLOR,
) -> Path:
    """Write MJPEG colour and b16g depth as k4arecorder does; FFmpeg knows the format by another FourCC."""
    import av

    path.parent.mkdir(parents=True, exist_ok=True)
    height, width = depth[0].shape
    stamps = list(stamps or (index / 30 for index in range(len(depth))))
    with av.open(
        str(path), "w", format="matroska", options={"allow_raw_vfw": "1", "cluster_time_limit": "1"}
    ) as container:
        tracks = {}
        for kind, codec, size in (("COLOR", "mjpeg", color_size), (title, "rawvideo", (width, height))):
            stream = container.add_stream(codec, rate=30)
            stream.width, stream.height = size
            stream.pix_fmt = "yuvj420p" if codec == "mjpeg" else "gray16be"
            stream.metadata["title"] = kind
            tracks[codec] = stream
        if calibration is not None:
            container.add_attachment("calibration.json", "application/octet-stream", calibration)
        for index in range(max(len(depth), len(color))):
            for codec, contents in (("mjpeg", color), ("rawvideo", [d.astype(">u2").tobytes() for d in depth])):
                if index < len(contents):
                    packet = av.Packet(contents[index])
                    packet.stream = tracks[codec]
                    packet.time_base = Fraction(1, 1_000_000)
                    packet.pts = packet.dts = round(stamps[index] * 1_000_000)
                    packet.is_keyframe = True
                    container.mux(packet)
    content = bytearray(path.read_bytes())
    header = content.index(b"\x28\x00\x00\x00", content.index(b"V_MS/VFW/FOURCC"))  # a BITMAPINFOHEADER
    content[header + 16 : header + 20] = b"b16g"
    path.write_bytes(content)
    return path


STAMP_S = 1_700_000_000
PINHOLE = (525.0, 0.0, 319.5, 0.0, 524.0, 239.5, 0.0, 0.0, 1.0)


class RosMessages:
    """Makes the messages of ROS 1 or ROS 2."""

    def __init__(self, *, ros1: bool) -> None:
        from rosbags.typesys import Stores, get_types_from_msg, get_typestore

        self.ros1, self.store = ros1, get_typestore(Stores.ROS1_NOETIC if ros1 else Stores.ROS2_HUMBLE)
        transforms = "geometry_msgs/TransformStamped[] transforms"
        self.store.register(get_types_from_msg(transforms, "tf2_msgs/msg/TFMessage"))

    def make(self, kind: str, **fields: Any) -> Any:
        return self.store.types[kind](**fields)

    def header(self, stamp_s: float, frame: str) -> Any:
        seconds = int(stamp_s)
        time = self.make("builtin_interfaces/msg/Time", sec=seconds, nanosec=round((stamp_s - seconds) * 1e9))
        return self.make("std_msgs/msg/Header", stamp=time, frame_id=frame, **({"seq": 7} if self.ros1 else {}))

    def image(self, pixels: NDArray[Any], encoding: str, stamp_s: float, frame: str, padding: int = 0) -> Any:
        height, width = pixels.shape[:2]
        rows = pixels.reshape(height, -1).view(np.uint8)
        rows = np.pad(rows, ((0, 0), (0, padding)))
        return self.make(
            "sensor_msgs/msg/Image", header=self.header(stamp_s, frame), height=height, width=width, encoding=encoding,
            is_bigendian=0, step=rows.shape[1], data=rows.ravel(),
        )  # fmt: skip

    def compressed(self, content: bytes, how: str, stamp_s: float, frame: str) -> Any:
        data = np.frombuffer(content, np.uint8)
        return self.make("sensor_msgs/msg/CompressedImage", header=self.header(stamp_s, frame), format=how, data=data)

    def info(self, size: tuple[int, int], frame: str, distortion: Sequence[float] = (0.1, 0, 0, 0, 0)) -> Any:
        roi = self.make("sensor_msgs/msg/RegionOfInterest", x_offset=0, y_offset=0, height=0, width=0, do_rectify=False)
        matrices = {
            "k": np.array(PINHOLE), "d": np.array(distortion, float), "r": np.eye(3).ravel(),
            "p": np.array([500.0, 0, 310, 0, 0, 501, 230, 0, 0, 0, 1, 0]),
        }  # fmt: skip
        return self.make(
            "sensor_msgs/msg/CameraInfo", header=self.header(STAMP_S, frame), width=size[0], height=size[1],
            distortion_model="plumb_bob", binning_x=0, binning_y=0, roi=roi,
            **({name.upper(): matrix for name, matrix in matrices.items()} if self.ros1 else matrices),
        )  # fmt: skip

    def static(self, parent: str, child: str, translation: Sequence[float], rotation: Sequence[float]) -> Any:
        transform = self.make(
            "geometry_msgs/msg/Transform",
            translation=self.make("geometry_msgs/msg/Vector3", **dict(zip("xyz", translation, strict=True))),
            rotation=self.make("geometry_msgs/msg/Quaternion", **dict(zip("xyzw", rotation, strict=True))),
        )
        stamped = self.make(
            "geometry_msgs/msg/TransformStamped", header=self.header(STAMP_S, parent), child_frame_id=child,
            transform=transform,
        )  # fmt: skip
        return self.make("tf2_msgs/msg/TFMessage", transforms=[stamped])


def write_bag(path: Path, messages: Sequence[tuple[str, float, Any]], *, compressed: bool = False) -> Path:
    """Write (topic, time, message) as .bag by rosbags, as .mcap by MCAP's own library, or as a folder of .db3."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = RosMessages(ros1=path.suffix == ".bag")
    if path.suffix == ".bag":
        from rosbags.rosbag1 import Writer

        writer = Writer(path)
        if compressed:
            writer.set_compression(Writer.CompressionFormat.LZ4)
        with writer:
            connections: dict[str, Any] = {}
            for topic, stamp_s, message in messages:
                kind = message.__msgtype__
                if topic not in connections:
                    connections[topic] = writer.add_connection(topic, kind, typestore=made.store)
                writer.write(connections[topic], round(stamp_s * 1e9), made.store.serialize_ros1(message, kind))
    elif path.suffix == ".mcap":
        from mcap.writer import CompressionType
        from mcap.writer import Writer as McapWriter

        with path.open("wb") as file:
            kept = McapWriter(file, compression=CompressionType.LZ4 if compressed else CompressionType.NONE)
            kept.start(profile="ros2")
            channels: dict[str, int] = {}
            for topic, stamp_s, message in messages:
                kind = message.__msgtype__
                if topic not in channels:
                    definition, _ = made.store.generate_msgdef(kind, ros_version=2)
                    schema = kept.register_schema(kind, "ros2msg", definition.encode())
                    channels[topic] = kept.register_channel(topic, "cdr", schema)
                at_ns = round(stamp_s * 1e9)
                data = bytes(made.store.serialize_cdr(message, kind))
                kept.add_message(channels[topic], log_time=at_ns, publish_time=at_ns, data=data)
            kept.finish()
    else:
        from rosbags.rosbag2 import Writer as FolderWriter

        with FolderWriter(path, version=8) as folder:
            connections = {}
            for topic, stamp_s, message in messages:
                kind = message.__msgtype__
                if topic not in connections:
                    connections[topic] = folder.add_connection(topic, kind, typestore=made.store)
                folder.write(connections[topic], round(stamp_s * 1e9), made.store.serialize_cdr(message, kind))
    return path
