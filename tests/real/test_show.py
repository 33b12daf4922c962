"""labelkit show on hands that others recorded."""

from __future__ import annotations

import shutil

import pytest
from PIL import Image

from labelkit.settings import BuildSettings
from labelkit.workflows.show import show
from tests.real.test_readers import HAND_MESH

pytestmark = pytest.mark.real

KINECT = '[recording]\nsensor = "kinect-v1"\ndepth_unit_m = 0.001\nregistered = true\n'


@pytest.fixture(scope="module")
def raw(real_data, tmp_path_factory):
    raw = tmp_path_factory.mktemp("raw")
    for name, sidecar in (("hand_mesh_truth", HAND_MESH), ("kinect_v1_openni", KINECT)):
        shutil.copytree(real_data / name, raw / name)
        who = "" if "participant" in sidecar else f'participant = "{name}"\n'
        stated = sidecar.replace("[recording]\n", f"[recording]\n{who}range_m = [0.3, 1.5]\n")
        (raw / name / "recording.toml").write_text(stated)
    return raw


@pytest.mark.parametrize(
    ("frame", "status", "reason"),
    [
        ("790791000_o.jpg", "sample", None),
        ("790393000_depth.png", "rejected", "not-planar"),
        ("depth_00060.png", "sample", None),
        ("depth_00001.png", "rejected", "no-hand"),
    ],
)
def test_a_recorded_frame_is_explained(raw, tmp_path, frame, status, reason):
    shown = show(raw, frame, tmp_path / "shown.png")
    assert (shown.row["status"], shown.row.get("reason")) == (status, reason)
    assert (shown.fit is None) == (status == "rejected")
    assert Image.open(tmp_path / "shown.png").size[0] == 1800


def test_the_plane_of_all_skin_of_a_fist_is_still_measured(raw, tmp_path):
    shown = show(raw, "790393000_depth.png", tmp_path / "shown.png", BuildSettings(region="hand"))
    assert shown.row["reason"] == "not-planar"
    assert shown.fit["rms_mm"] > 3
    assert shown.crop is None
