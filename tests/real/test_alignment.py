"""Colour and depth of real sensors: those that belong together, and those that do not, are told apart."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from labelkit.curation.alignment import EdgeMaps, Fit
from labelkit.records import Calibration, Intrinsics

pytestmark = pytest.mark.real

RANGE_M = (0.3, 1.6)


def read_pairs(color: list[Path], depth: list[Path]) -> list[tuple[np.ndarray, np.ndarray]]:
    pairs = []
    for color_path, depth_path in zip(color, depth, strict=True):
        stored = cv2.imdecode(np.fromfile(depth_path, np.uint8), cv2.IMREAD_UNCHANGED)
        depth_m = np.where(stored > 0, stored.astype(np.float32) / 1000, np.float32(np.nan))
        pairs.append((depth_m, cv2.imdecode(np.fromfile(color_path, np.uint8), cv2.IMREAD_COLOR_RGB)))
    return pairs


def measure(pairs):
    height, width = pairs[0][0].shape
    camera = Intrinsics(525.0, 525.0, width / 2, height / 2, width, height)
    edges = EdgeMaps(Calibration(camera, camera), RANGE_M)
    for depth_m, color in pairs:
        edges.add(depth_m, color)
    return edges.measure()


@pytest.fixture(
    params=[
        ("hand_mesh_truth", "*_o.jpg", "*_depth.png"),
        ("kinect_v1_openni", "color/a/*.png", "depth/a/*.png"),
        ("open3d_layout", "color/*.jpg", "depth/*.png"),
    ],
    ids=lambda param: param[0],
)
def sound(request, real_data):
    name, color, depth = request.param
    folder = real_data / name
    return read_pairs(sorted(folder.glob(color)), sorted(folder.glob(depth)))


def test_registered_pictures_are_aligned(sound):
    found = measure(sound)
    assert found.fit is Fit.ALIGNED
    assert np.hypot(*found.shift_px) < 6


@pytest.mark.parametrize("shift", [(30, 0), (-30, 0), (0, 30), (12, 0)])
def test_a_shifted_copy_is_found(sound, shift):
    found = measure([(np.roll(depth_m, shift, (1, 0)), color) for depth_m, color in sound])
    assert found.fit is Fit.SHIFTED
    assert np.hypot(found.shift_px[0] + shift[0], found.shift_px[1] + shift[1]) < 8


def test_a_mirrored_copy_is_found(sound):
    assert measure([(depth_m[:, ::-1], color) for depth_m, color in sound]).fit is Fit.MIRRORED


def cut_middle(picture, height, width):
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


@pytest.mark.parametrize("letter", ["a", "b", "v"])
def test_crops_whose_depth_was_cut_elsewhere_are_never_called_aligned(real_data, letter):
    color = sorted((real_data / "crops_unregistered" / letter).glob("color*"))
    pairs = read_pairs(color, [path.with_name(path.name.replace("color", "depth")) for path in color])
    height, width = np.min([depth_m.shape for depth_m, _ in pairs], axis=0)
    cut = [(cut_middle(depth_m, height, width), cut_middle(color, height, width)) for depth_m, color in pairs]
    assert measure(cut).fit in (Fit.SHIFTED, Fit.UNRELATED)
