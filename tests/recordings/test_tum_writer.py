import tomllib

import cv2
import numpy as np
import pytest

from labelkit.errors import OutputError
from labelkit.recordings.tum_writer import TumWriter
from labelkit.records import Intrinsics

INTRINSICS = Intrinsics(525.0, 525.0, 3.5, 2.5, 8, 6)


@pytest.fixture
def folder(tmp_path):
    depth_m = np.full((6, 8), 0.8, dtype=np.float32)
    depth_m[0, 0] = np.nan
    depth_m[0, 1] = 50.0
    color = np.zeros((6, 8, 3), dtype=np.uint8)
    color[..., 0] = 200
    writer = TumWriter(tmp_path / "p01")
    assert writer.add(depth_m, 10.0, color, 10.0041) == "depth/10.000000.png"
    writer.add(depth_m, 10.0333333, color, 10.03)
    writer.finish(participant="p01", handedness="left", sensor="kinect-v1", intrinsics=INTRINSICS, title="a test")
    return tmp_path / "p01"


def test_depth_is_five_thousand_to_the_metre_and_zero_where_nothing_was_seen(folder):
    stored = cv2.imread(str(folder / "depth" / "10.000000.png"), cv2.IMREAD_UNCHANGED)
    assert stored.dtype == np.uint16
    assert stored[3, 3] == 4000
    assert stored[0, 0] == 0
    assert stored[0, 1] == 65535  # 13 m and beyond do not wrap round


def test_red_stays_red(folder):
    blue_green_red = cv2.imread(str(folder / "rgb" / "10.004100.png"))
    assert blue_green_red[0, 0].tolist() == [0, 0, 200]


def test_lists_name_files_with_their_stamps_in_order(folder):
    lines = [line for line in (folder / "depth.txt").read_text().splitlines() if not line.startswith("#")]
    assert lines == ["10.000000 depth/10.000000.png", "10.033333 depth/10.033333.png"]
    for line in (folder / "rgb.txt").read_text().splitlines()[3:]:
        assert (folder / line.split()[1]).is_file()


def test_the_sidecar_states_all_that_files_cannot(folder):
    stated = tomllib.loads((folder / "recording.toml").read_text())
    assert stated["recording"] == {
        "participant": "p01",
        "handedness": "left",
        "sensor": "kinect-v1",
        "depth_unit_m": 0.0002,
        "registered": True,
    }
    assert stated["intrinsics"] == {"fx": 525.0, "fy": 525.0, "cx": 3.5, "cy": 2.5, "width": 8, "height": 6}


def test_a_recording_that_was_not_finished_has_no_lists(tmp_path):
    TumWriter(tmp_path / "p01").add(np.ones((6, 8)), 1.0, np.zeros((6, 8, 3), np.uint8), 1.0)
    assert not list((tmp_path / "p01").glob("*.txt"))


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "p01").write_text("")
    with pytest.raises(OutputError, match=r"p01.*in the way"):
        TumWriter(tmp_path / "p01")
