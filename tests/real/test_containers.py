"""Containers that others recorded with real sensors, from the file to a dataset that verifies."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from functools import partial
from pathlib import Path

import cv2
import numpy as np
import pytest

from labelkit.dataset.dataset import open_dataset
from labelkit.geometry.camera import deproject, project, transform_points
from labelkit.geometry.orientation import angle_between
from labelkit.recordings import find_recordings
from labelkit.recordings.pictures import read_color, read_depth
from labelkit.recordings.readers.azure_mkv import calibration_from_json
from labelkit.records import Calibration, Frame
from tests.recordings.made import encoded, write
from tests.recordings.made_containers import STAMP_S, RosMessages, write_bag

pytestmark = pytest.mark.real


def copied(data: Path, name: str, to: Path) -> Path:
    """Copy a folder as one that a participant's recording is in."""
    shutil.copytree(data / name, to / "raw" / "p01")
    return to / "raw"


def labelkit(*words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "labelkit", *map(str, words)], capture_output=True, text=True, check=False
    )


def build(raw: Path, *flags: str) -> dict:
    """Build a dataset with its command, verify it, and give what the build says."""
    out = raw.parent / "dataset"
    built = labelkit("build-dataset", raw, "--out", out, "--max-rejected", "1", "--json", *flags)
    assert built.returncode == 0, built.stderr
    assert built.stderr.count("\n") <= 1, "no library reports on its own"
    assert labelkit("verify", out).returncode == 0
    return json.loads(built.stdout)


def outline_of_board(frame: Frame, calibration: Calibration, mask: np.ndarray) -> np.ndarray:
    """Find the rim of the board before what lies behind it, carried into the colour picture: (n, 2) pixels."""
    v, u = np.nonzero(mask & np.isfinite(frame.depth_m))
    inverse = np.linalg.lstsq(np.stack([u, v, np.ones_like(u)], 1), 1 / frame.depth_m[v, u], rcond=None)[0]
    rows, columns = np.indices(mask.shape)
    plane_m = 1 / (columns * inverse[0] + rows * inverse[1] + inverse[2])
    _, parts = cv2.connectedComponents((np.abs(frame.depth_m - plane_m) < 0.03).astype(np.uint8))
    board = parts == np.bincount(parts[mask & (parts > 0)]).argmax()
    behind = cv2.dilate((frame.depth_m - plane_m > 0.15).astype(np.uint8), np.ones((7, 7)))
    rim = board & (cv2.erode(board.astype(np.uint8), np.ones((3, 3))) == 0) & (behind > 0)
    rim[:8] = rim[-8:] = rim[:, :8] = rim[:, -16:] = False
    points = deproject(plane_m, rim, calibration.depth)
    return project(transform_points(calibration.color_from_depth, points), calibration.color)


def test_a_board_has_one_outline_in_disparity_and_colour(real_data: Path, tmp_path: Path) -> None:
    raw = copied(real_data, "kinect_v1_disparity", tmp_path)
    (recording,) = find_recordings(raw)
    assert (recording.layout, len(recording)) == ("herrera", 4)
    for index, key in ((1, "0005"), (2, "0026"), (3, "0030")):
        frame = recording[index]
        assert isinstance(frame, Frame)
        boards = real_data / "boards" / "herrera"
        mask, shared = (
            cv2.imread(str(boards / f"{key}.{kind}.png"), cv2.IMREAD_UNCHANGED) for kind in ("mask", "depth")
        )
        seen = (mask > 0) & (shared > 0)
        assert np.nanmedian(np.abs(frame.depth_m - shared / 1000)[seen]) < 0.001
        edges = cv2.Canny(cv2.GaussianBlur(cv2.cvtColor(frame.read_color(), cv2.COLOR_RGB2GRAY), (0, 0), 2), 30, 80)
        to_edge_px = cv2.distanceTransform(255 - edges, cv2.DIST_L2, 5)
        rim = outline_of_board(frame, recording.calibration, mask > 0)
        off_px = [
            np.median(to_edge_px[tuple(np.clip(rim + shift, 0, (1279, 1023)).round().astype(int).T[::-1])])
            for shift in ((0, 0), (0, 15))
        ]
        assert off_px[0] < 4.5, "of a picture 1280 pixels wide, in which a pixel of depth is 1.8 wide"
        assert off_px[1] > 2 * off_px[0], off_px
    assert build(raw, "--with-depth")["frames"] == 4


def test_organised_clouds_of_a_kinect_show_its_camera(real_data: Path, tmp_path: Path) -> None:
    raw = copied(real_data, "pcd", tmp_path)
    (recording,) = find_recordings(raw)
    camera = recording.calibration.depth
    assert (camera.fx, camera.fy, camera.cx, camera.cy) == pytest.approx((525, 525, 320, 240), abs=0.5)
    for index in range(len(recording)):
        frame = recording[index]
        assert isinstance(frame, Frame)
        assert 0.5 < np.nanmedian(frame.depth_m) < 2
        assert frame.read_color().std() > 20
    assert build(raw, "--with-depth")["frames"] == 2


def test_an_azure_recording_brings_its_calibration(real_data: Path, tmp_path: Path) -> None:
    raw = copied(real_data, "azure_mkv", tmp_path)
    (recording,) = find_recordings(raw)
    frame = recording[0]
    assert isinstance(frame, Frame)
    assert frame.depth_m.shape == (576, 640)
    assert 1 < np.nanmedian(frame.depth_m) < 2
    assert frame.read_color().shape == (720, 1280, 3)
    beside = calibration_from_json((real_data / "azure_mkv/calibration.json").read_bytes(), (640, 576), (1280, 720))
    assert recording.calibration.color.fx == pytest.approx(beside["color_intrinsics"]["fx"])
    assert np.linalg.norm(recording.calibration.color_from_depth[:3, 3]) == pytest.approx(0.032, abs=0.003)
    assert build(raw)["frames"] == 1


def test_depth_without_colour_becomes_labels_and_crops_of_depth(real_data: Path, tmp_path: Path) -> None:
    raw = copied(real_data, "sr305_depth_only", tmp_path)
    stated = """
[recording]
depth_only = true
depth_unit_m = 0.000125
sensor = "structured-light"
range_m = [0.2, 1.0]
[intrinsics]
fx = 476.007
fy = 476.007
cx = 313.683
cy = 242.755
width = 640
height = 480
"""
    (raw / "recording.toml").write_text(stated)
    built = build(raw, "--with-depth")
    assert built["frames"] == 8
    assert built["samples"] >= 4
    data = open_dataset(tmp_path / "dataset")
    assert "rgb128" not in data.held
    depth = data.gather("depth128", range(len(data)))
    assert ((depth > 0).mean(axis=(1, 2)) > 0.1).all()
    assert labelkit("show", raw, "20210326-230536/30.png", "--out", tmp_path / "frame.png").returncode == 0
    assert labelkit("report", tmp_path / "dataset").returncode == 0
    refused = labelkit("train", tmp_path / "dataset", "--out", tmp_path / "run")
    assert refused.returncode == 2
    assert "recordings of depth only are in it" in refused.stderr
    shutil.rmtree(tmp_path / "dataset")
    without = labelkit("build-dataset", raw, "--out", tmp_path / "dataset", "--max-rejected", "1", "--json")
    assert json.loads(without.stdout)["samples"] == 0


HAND_MESH = """
[recording]
depth_unit_m = 0.001
registered = true
range_m = [0.3, 1.0]
sensor = "tof"
[intrinsics]
fx = 498.136505
fy = 498.22818
cx = 317.334106
cy = 233.805847
width = 640
height = 480
"""


def pictures_of(data: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Read ten pairs of the hand with a mesh: depth in mm, and RGB."""
    depth = sorted((data / "hand_mesh_truth").glob("*_depth.png"))[:10]
    return [(read_depth(path), read_color(path.with_name(path.name.replace("_depth.png", "_o.jpg")))) for path in depth]


def write_plain(folder: Path, pictures: list[tuple[np.ndarray, np.ndarray]]) -> None:
    for number, (depth, rgb) in enumerate(pictures):
        write(folder / f"p01/depth/{number:03d}.png", encoded(depth))
        write(folder / f"p01/color/{number:03d}.png", encoded(rgb[..., ::-1]))


def write_ros(folder: Path, pictures: list[tuple[np.ndarray, np.ndarray]], suffix: str) -> None:
    ros = RosMessages(ros1=suffix == ".bag")
    messages = []
    for number, (depth, rgb) in enumerate(pictures):
        at = STAMP_S + number / 30
        messages += [
            ("/depth", at, ros.image(depth, "16UC1", at, "camera")),
            ("/color", at + 0.001, ros.image(rgb, "rgb8", at + 0.001, "camera")),
        ]
    write_bag(folder / f"p01/take{suffix}", messages)


WRITERS = {"bag": partial(write_ros, suffix=".bag"), "mcap": partial(write_ros, suffix=".mcap")}


def normals_of(raw: Path) -> dict[int, np.ndarray]:
    """Build, verify, and give the normal of each sample by the number of its frame."""
    (raw / "recording.toml").write_text(HAND_MESH)
    build(raw)
    data = open_dataset(raw.parent / "dataset")
    return dict(zip(data.column("row").tolist(), data.column("normal"), strict=True))


@pytest.mark.parametrize("container", sorted(WRITERS))
def test_the_same_pixels_have_the_same_labels_in_every_container(
    real_data: Path, tmp_path: Path, container: str
) -> None:
    pictures = pictures_of(real_data)
    write_plain(tmp_path / "plain" / "raw", pictures)
    WRITERS[container](tmp_path / "packed" / "raw", pictures)
    plain, packed = (normals_of(tmp_path / kind / "raw") for kind in ("plain", "packed"))
    assert len(plain) >= 4
    assert plain.keys() == packed.keys()
    off_deg = [np.rad2deg(angle_between(plain[row], packed[row])) for row in plain]
    assert max(off_deg) < 0.01, off_deg
