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
