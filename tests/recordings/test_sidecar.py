from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from labelkit.errors import RecordingError
from labelkit.recordings.sidecar import Sidecar, Statement, read_sidecar, statements_from_tables
from tests.recordings.made import write_sidecar


def read(folder: Path, text: str) -> Sidecar:
    write_sidecar(folder, text)
    return read_sidecar(folder, "p1/recording.toml")


def test_a_folder_without_recording_toml_states_nothing(tmp_path: Path) -> None:
    assert read_sidecar(tmp_path, "recording.toml") == {}


def test_each_key_says_where_it_came_from(tmp_path: Path) -> None:
    stated = read(tmp_path, '[recording]\nparticipant = "p07"\n[intrinsics]\nfx = 525\n')
    assert stated == {
        "recording.participant": Statement("p07", "p1/recording.toml"),
        "intrinsics.fx": Statement(525.0, "p1/recording.toml"),
    }


def test_the_example_of_the_design_is_read(tmp_path: Path) -> None:
    text = """
    [recording]
    participant = "p07"
    handedness = "right"
    sensor = "kinect-v1"
    depth_unit_m = 0.001
    registered = true
    range_m = [0.4, 1.5]
    [files]
    color = "{key}_o.jpg"
    depth = "{key}_depth.png"
    [intrinsics]
    fx = 525.0
    fy = 525.0
    cx = 319.5
    cy = 239.5
    width = 640
    height = 480
    distortion = []
    [color_intrinsics]
    fx = 1050
    [color_from_depth]
    rotation = [[1, 0, 0], [0, 1, 0], [0, 0, 1]]
    translation_m = [0.025, 0.0, 0.0]
    """
    assert len(read(tmp_path, text)) == 18


def test_a_byte_order_mark_does_no_harm(tmp_path: Path) -> None:
    assert read(tmp_path, '\ufeff[recording]\nparticipant = "p"\n')["recording.participant"].value == "p"


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ('[recording]\npartcipant = "p"', r"unknown key 'partcipant' in \[recording\]; did you mean 'participant'"),
        ("[intrinsic]\nfx = 1", r"unknown table \[intrinsic\]; did you mean 'intrinsics'"),
        ('participant = "p"', r"'participant' belongs under \[recording\]"),
        ("recording = 3", r"\[recording\] must be a table"),
        ("[recording]\ndepth_unit_m = 1.0", "depth_unit_m must be less than or equal to 0.01, not 1.0"),
        ("[recording]\ndepth_unit_m = 0", "depth_unit_m must be greater than 0"),
        ("[recording]\ndepth_unit_m = nan", "depth_unit_m must be a finite number"),
        ('[recording]\ndepth_unit_m = "0.001"', "depth_unit_m must be a valid number"),
        ('[recording]\nregistered = "yes"', "registered must be a valid boolean"),
        ('[recording]\nhandedness = "both"', "handedness must be 'right' or 'left', not 'both'"),
        ('[recording]\nsensor = "kinect"', "sensor must be a known sensor; did you mean 'kinect-v"),
        ('[recording]\nparticipant = ""', "participant must be"),
        ("[recording]\nrange_m = [1.5, 0.4]", "two distances in metres, the nearer first"),
        ("[recording]\nrange_m = [0.4]", "range_m must be"),
        ("[intrinsics]\nfx = -525", "fx must be greater than 0"),
        ("[intrinsics]\nwidth = 640.5", "width must be a valid integer"),
        ("[intrinsics]\ndistortion = [0.1, 0.2]", "distortion must be a list of"),
        ("[color_from_depth]\nrotation = [[1,0,0],[0,1,0],[0,0,2]]", "rotation must be a rotation"),
        ("[color_from_depth]\nrotation = [[1,0,0],[0,1,0],[0,0,-1]]", "rotation must be a rotation"),
        ("[intrinsics]\nfx = ?", r"recording\.toml is not TOML: .*line 2"),
    ],
)
def test_a_wrong_sidecar_is_refused_with_what_was_expected(tmp_path: Path, text: str, words: str) -> None:
    with pytest.raises(RecordingError, match=words):
        read(tmp_path, text)


def test_a_sidecar_in_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "recording.toml").write_bytes('[recording]\nparticipant = "Jürgen"'.encode("latin-1"))
    with pytest.raises(RecordingError, match=r"recording\.toml is not TOML"):
        read_sidecar(tmp_path, "recording.toml")


intrinsics = st.dictionaries(st.sampled_from(["fx", "fy", "cx", "cy"]), st.floats(1, 999))


@given(far=intrinsics, near=intrinsics)
def test_the_nearer_statement_wins_key_by_key(far: dict[str, float], near: dict[str, float]) -> None:
    merged = {
        **statements_from_tables({"intrinsics": far}, "far"),
        **statements_from_tables({"intrinsics": near}, "near"),
    }
    assert {key: stated.value for key, stated in merged.items()} == {
        f"intrinsics.{key}": value for key, value in (far | near).items()
    }
    assert all((stated.origin == "near") == (key.split(".")[1] in near) for key, stated in merged.items())
