import errno
import io
import tomllib

import cv2
import numpy as np
import pytest

from labelkit.errors import OutputError, OutputExistsError
from labelkit.files import write_bytes
from labelkit.recordings import find_recordings, tum_writer
from labelkit.recordings.tum_writer import TumWriter
from labelkit.records import Frame, Intrinsics

INTRINSICS = Intrinsics(525.0, 525.0, 3.5, 2.5, 8, 6)
COLOR = np.zeros((6, 8, 3), dtype=np.uint8)
COLOR[..., 0] = 200
DEPTH_M = np.full((6, 8), 0.8, dtype=np.float32)
DEPTH_M[0, 0] = np.nan
DEPTH_M[0, 1] = 50.0


def begin(folder, **changed):
    facts = {"participant": "p01", "handedness": "left", "sensor": "kinect-v1", "intrinsics": INTRINSICS}
    return TumWriter(folder, title="a test", **{**facts, **changed})


def listed(folder, kind):
    return [line for line in (folder / f"{kind}.txt").read_text().splitlines() if not line.startswith("#")]


def pictures(folder):
    return sorted(
        path.relative_to(folder).as_posix() for kind in ("rgb", "depth") for path in (folder / kind).iterdir()
    )


@pytest.fixture
def folder(tmp_path):
    with begin(tmp_path / "p01") as writer:
        assert writer.add(DEPTH_M, 10.0, COLOR, 10.0041) == "depth/10.000000.png"
        writer.add(DEPTH_M, 10.0333333, COLOR, 10.03)
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
    assert listed(folder, "depth") == ["10.000000 depth/10.000000.png", "10.033333 depth/10.033333.png"]
    for line in listed(folder, "rgb"):
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


def test_a_sensors_unit_and_lens_are_stated_and_its_readings_come_back_exactly(tmp_path):
    lens = Intrinsics(600.0, 601.0, 3.5, 2.5, 8, 6, (0.1, -0.2, 0.001, 0.002, 0.05))
    with begin(tmp_path / "p01", intrinsics=lens, depth_unit_m=0.001) as writer:
        writer.add(np.full((6, 8), 1.234), 1.0, COLOR, 1.0)
    (recording,) = find_recordings(tmp_path)
    assert recording.calibration.depth == lens
    frame = recording[0]
    assert isinstance(frame, Frame)
    assert np.allclose(frame.depth_m, 1.234, atol=1e-6)


def test_a_recording_is_whole_after_every_frame(tmp_path):
    writer = begin(tmp_path / "p01")
    for k in range(3):
        writer.add(DEPTH_M + 0.01 * k, k + 1.0, COLOR + np.uint8(k), k + 1.0)
        (recording,) = find_recordings(tmp_path)  # as who reads along, or finds it after a kill
        assert (len(recording), recording.participant, recording.handedness) == (k + 1, "p01", "left")
        assert isinstance(recording[k], Frame)
    writer.close()


def test_two_frames_of_one_stamp_are_refused_and_the_first_stays(folder):
    before = pictures(folder), listed(folder, "rgb")
    with begin(folder.parent / "p02") as writer:
        writer.add(DEPTH_M, 5.0, COLOR, 5.0)
        with pytest.raises(OutputExistsError, match=r"5\.000000\.png: exists"):
            writer.add(DEPTH_M + 1, 5.0, COLOR, 6.0)
    assert listed(folder.parent / "p02", "rgb") == ["5.000000 rgb/5.000000.png"]
    assert (pictures(folder), listed(folder, "rgb")) == before


class _FullDisk(io.FileIO):
    """A list on a disk that takes ten bytes more, then says that it is full."""

    room = 10

    def write(self, content):
        if not self.room:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken, self.room = min(self.room, len(content)), self.room - min(self.room, len(content))
        return super().write(content[:taken])


@pytest.mark.parametrize("full", ["rgb", "depth"])
def test_a_full_disk_leaves_no_frame_half_written_or_half_listed(folder, full):
    with begin(folder.parent / "p02") as writer:
        writer.add(DEPTH_M, 5.0, COLOR, 5.0)
        writer._lists[full].close()
        writer._lists[full] = _FullDisk(folder.parent / "p02" / f"{full}.txt", "ab")
        for stamp in (6.0, 7.0):
            with pytest.raises(OutputError, match=rf"{full}\.txt: cannot write \(No space left"):
                writer.add(DEPTH_M, stamp, COLOR, stamp)
    assert listed(folder.parent / "p02", "rgb") == ["5.000000 rgb/5.000000.png"]
    assert listed(folder.parent / "p02", "depth") == ["5.000000 depth/5.000000.png"]
    assert pictures(folder.parent / "p02") == ["depth/5.000000.png", "rgb/5.000000.png"]


def test_a_recording_goes_on_after_a_frame_that_was_interrupted(tmp_path, monkeypatch):
    def interrupted(path, content, **how):
        if path.name == "6.000000.png" and path.parent.name == "depth":
            raise KeyboardInterrupt
        write_bytes(path, content, **how)

    monkeypatch.setattr(tum_writer, "write_bytes", interrupted)
    with begin(tmp_path / "p02") as writer:
        for stamp in (5.0, 7.0):
            writer.add(DEPTH_M, stamp, COLOR, stamp)
            with pytest.raises(KeyboardInterrupt):
                writer.add(DEPTH_M, 6.0, COLOR, 6.0)
    assert [line.split()[0] for line in listed(tmp_path / "p02", "depth")] == ["5.000000", "7.000000"]
    assert len(pictures(tmp_path / "p02")) == 4


def test_a_file_in_the_way_is_named(tmp_path):
    (tmp_path / "p01").write_text("")
    with pytest.raises(OutputError, match=r"p01.*in the way"):
        begin(tmp_path / "p01")
