"""Rooms without people, recorded by others: no frame becomes a sample, and the reason is that there is no hand."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest

from labelkit.records import Frame, Intrinsics, Reason, Rejection, Sample
from tests.real.test_hands import labelled, picture

pytestmark = pytest.mark.real

KINECT = Intrinsics(525.0, 525.0, 319.5, 239.5, 640, 480)
KITCHEN = Intrinsics(585.0, 585.0, 320.0, 240.0, 640, 480)
OFFICE = Intrinsics(498.1, 498.2, 317.3, 233.8, 640, 480)
SR305 = Intrinsics(476.007, 476.007, 313.683, 242.755, 640, 480)


def filmed(depth_m):
    return Frame(depth_m.astype(np.float32), lambda: np.full((480, 640, 3), 128, np.uint8), 0.0)


def stored(path, unit_m=0.001):
    values = picture(path)
    return filmed(np.where((values == 0) | (values == 65535), np.nan, values * unit_m))


def cloud(path):
    """Read the z of an organised point cloud whose columns are packed by LZF."""
    head, _, rest = path.read_bytes().partition(b"DATA binary_compressed\n")
    names = next(line.split()[1:] for line in head.decode().splitlines() if line.startswith("FIELDS"))
    packed = rest[8 : 8 + struct.unpack_from("<I", rest)[0]]
    columns, place = bytearray(), 0
    while place < len(packed):
        first, place = packed[place], place + 1
        if first < 32:
            columns += packed[place : place + first + 1]
            place += first + 1
            continue
        length = first >> 5
        if length == 7:
            length, place = length + packed[place], place + 1
        start, place = len(columns) - ((first & 31) << 8) - 1 - packed[place], place + 1
        for k in range(length + 2):
            columns.append(columns[start + k])
    pixels = 640 * 480
    return filmed(np.frombuffer(bytes(columns), "<f4", pixels, 4 * pixels * names.index("z")).reshape(480, 640))


def rooms(data: Path):
    for path in sorted((data / "kitchen_no_hand").glob("*.depth.png")):
        yield path, stored(path), KITCHEN, "kinect-v1"
    for path in sorted((data / "open3d_layout" / "depth").glob("*.png")):
        yield path, stored(path), KINECT, "kinect-v1"
    for path in sorted((data / "pcd").glob("*.pcd")):
        yield path, cloud(path), KINECT, "kinect-v1"
    for path in sorted((data / "tum_disordered" / "depths").glob("*.png")):
        yield path, stored(path), OFFICE, None
        yield path, stored(path, 0.0002), OFFICE, None


def test_in_rooms_without_people_every_frame_is_no_hand(real_data):
    reasons = {}
    for path, frame, camera, sensor in rooms(real_data):
        outcome = labelled(frame, camera, (0.4, 1.5), sensor)
        reasons[path.parent.name, path.name] = outcome.reason if isinstance(outcome, Rejection) else outcome
    assert len(reasons) == 28 + 5 + 2 + 6
    assert {name: reason for name, reason in reasons.items() if reason is not Reason.NO_HAND} == {}


def test_an_open_palm_before_a_room_is_found_in_every_frame(real_data):
    """In four of the eight, the room behind has ends of the form of a hand too, some of them nearer to its border."""
    frames = sorted((real_data / "sr305_depth_only").glob("*/*.png"))
    found = [labelled(stored(path, 0.000125), SR305, (0.2, 1.5), None) for path in frames]
    assert len(found) == 8
    assert all(isinstance(sample, Sample) and 0.45 < sample.distance_m < 0.65 for sample in found)
