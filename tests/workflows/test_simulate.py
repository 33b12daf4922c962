import csv
import hashlib
import json
import tomllib

import cv2
import numpy as np
import pytest

from labelkit.errors import OutputError, OutputExistsError
from labelkit.settings import SimulateSettings
from labelkit.simulator import recorder
from labelkit.workflows.simulate import simulate
from tests.commands import called

SOME = SimulateSettings(participants=2, frames=21, seed=5, workers=1, with_masks=True)
FEW = SOME.model_copy(update={"frames": 1})


@pytest.fixture(scope="module")
def simulated(tmp_path_factory):
    out = tmp_path_factory.mktemp("simulated")
    return simulate(out, SOME, quiet=True)


def rows_of(result):
    with result.truth.open(newline="") as file:
        return list(csv.DictReader(file))


def digests(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_every_frame_has_a_row_of_truth_and_every_row_a_frame(simulated):
    frames = {path.relative_to(simulated.raw).as_posix() for path in simulated.raw.glob("*/depth/*.png")}
    assert {row["frame"] for row in rows_of(simulated)} == frames
    assert simulated.frames == len(frames) == 42
    assert simulated.participants == 2


def test_truth_stays_outside_raw(simulated):
    inside = {path.suffix for path in simulated.raw.rglob("*") if path.is_file()}
    assert inside == {".png", ".txt", ".toml"}
    assert not [path for path in simulated.raw.rglob("*") if "truth" in path.name]


def test_true_normals_are_unit_and_face_the_camera(simulated):
    rows = rows_of(simulated)
    assert {row["hand"] for row in rows} == {"0", "1"}
    for row in rows:
        if row["hand"] == "0":
            assert row["nx"] == row["palm_u"] == ""
            continue
        normal = np.array([float(row[k]) for k in ("nx", "ny", "nz")])
        palm = np.array([float(row[k]) for k in ("palm_x", "palm_y", "palm_z")])
        assert np.linalg.norm(normal) == pytest.approx(1.0, abs=1e-6)
        assert normal @ palm < 0
        angles = np.array([float(row["view_azimuth"]), float(row["view_elevation"])])
        assert np.linalg.norm(angles - 90.0) <= 45.0 + 1e-6


def test_roots_of_the_fingers_lie_on_the_hand_the_masks_show(simulated):
    for row in rows_of(simulated):
        mask = cv2.imread(str(simulated.out / "truth" / row["frame"].replace("/depth/", "/")), -1)
        assert (mask > 0).any() == (row["hand"] == "1")
        if row["hand"] == "0":
            continue
        assert np.count_nonzero(mask == 1) == int(row["palm_pixels"])
        for name in ("palm", "index", "middle", "ring", "little"):
            u, v = round(float(row[f"{name}_u"])), round(float(row[f"{name}_v"]))
            assert mask[v, u] > 0


def test_stamps_pair_by_the_nearest_and_by_nothing_else(simulated):
    stamps = {
        name: np.loadtxt(simulated.raw / "p01" / f"{name}.txt", usecols=0, dtype=np.float64)
        for name in ("rgb", "depth")
    }
    gaps = np.abs(stamps["rgb"][:, None] - stamps["depth"])
    assert np.array_equal(gaps.argmin(axis=1), np.arange(21))
    assert 0 < gaps.min(axis=1).max() < 0.0061


def test_the_same_seed_gives_the_same_bytes_whatever_the_workers(simulated, tmp_path):
    simulate(tmp_path, SOME.model_copy(update={"workers": 2}), quiet=True)
    assert digests(tmp_path) == digests(simulated.out)


def test_a_participant_does_not_depend_on_who_else_is_recorded(simulated, tmp_path):
    simulate(tmp_path, SOME.model_copy(update={"participants": 1}), quiet=True)
    assert digests(tmp_path / "raw" / "p01") == digests(simulated.raw / "p01")


def test_an_earlier_simulation_is_refused_and_with_overwrite_replaced(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    simulate(tmp_path, FEW, quiet=True)
    (tmp_path / "raw" / "guest").mkdir()
    before = digests(tmp_path)
    with pytest.raises(OutputExistsError, match="--overwrite"):
        simulate(tmp_path, FEW, quiet=True)
    assert digests(tmp_path) == before
    fewer = FEW.model_copy(update={"participants": 1, "with_masks": False})
    simulate(tmp_path, fewer, overwrite=True, quiet=True)
    assert sorted(path.name for path in (tmp_path / "raw").iterdir()) == ["guest", "p01"]
    assert not (tmp_path / "truth").exists()
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_recordings_of_others_are_never_overwritten(tmp_path):
    (tmp_path / "raw" / "p01").mkdir(parents=True)
    with pytest.raises(OutputExistsError, match="did not write"):
        simulate(tmp_path, FEW, overwrite=True, quiet=True)
    assert (tmp_path / "raw" / "p01").is_dir()


def test_an_interruption_leaves_nothing_behind_and_the_earlier_result_whole(tmp_path, monkeypatch):
    simulate(tmp_path, FEW, quiet=True)
    before = digests(tmp_path)

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(recorder.TumWriter, "close", interrupted)
    with pytest.raises(KeyboardInterrupt):
        simulate(tmp_path, FEW, overwrite=True, quiet=True)
    assert digests(tmp_path) == before


def test_a_file_in_the_place_of_out_is_named(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(OutputError, match="in the way"):
        simulate(tmp_path / "out", FEW, quiet=True)


def test_settings_are_written_beside_the_result(simulated):
    stated = tomllib.loads((simulated.out / "simulate.toml").read_text())
    assert stated["seed"] == 5
    assert stated["frames"] == 21


def test_the_command_says_what_to_type_next(tmp_path, capsys):
    command = ["simulate", str(tmp_path / "out"), "--participants", "1", "--frames", "1"]
    code, out, _ = called(capsys, *command)
    assert code == 0
    assert "labelkit build-dataset" in out
    assert len(out.splitlines()) <= 3
    code, out, err = called(capsys, *command)
    assert (code, out) == (2, "")
    assert "--overwrite" in err
    code, out, _ = called(capsys, *command, "--overwrite", "--json")
    assert set(json.loads(out)) == {"out", "raw", "truth", "participants", "frames", "seconds"}


@pytest.mark.parametrize("flags", [["--participants", "0"], ["--reach-deg", "80"], ["--frames", "-1"]])
def test_settings_out_of_range_are_refused_before_anything_is_written(tmp_path, capsys, flags):
    code, _, err = called(capsys, "simulate", str(tmp_path / "out"), *flags)
    assert code == 2
    assert flags[0][2:] in err
    assert not (tmp_path / "out").exists()


PEOPLE = SimulateSettings(participants=2, frames=3, seed=5, workers=1, with_masks=True, subjects="people")


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    return simulate(tmp_path_factory.mktemp("people"), PEOPLE, quiet=True)


def test_people_have_the_columns_of_arms_and_more(people, simulated):
    rows, before = rows_of(people), rows_of(simulated)
    assert list(rows[0])[: len(before[0])] == list(before[0])
    more = set(rows[0]) - set(before[0])
    assert {"joints_nx", "joint_angle", "body_pixels", "second_hand_pixels", "joint0_x", "joint20_z"} <= more
    for row in rows:
        assert len(row) == len(rows[0])
        if row["hand"] == "1":
            assert all(row[name] for name in more)
            assert 0 < float(row["joint_angle"]) < 10
            mask = cv2.imread(str(people.out / "truth" / row["frame"].replace("/depth/", "/")), -1)
            assert np.count_nonzero(mask == 6) == int(row["body_pixels"])


def test_the_same_seed_gives_the_same_people_whatever_the_workers(people, tmp_path):
    simulate(tmp_path, PEOPLE.model_copy(update={"workers": 2}), quiet=True)
    assert digests(tmp_path) == digests(people.out)


def test_a_person_does_not_depend_on_who_else_is_recorded(people, tmp_path):
    simulate(tmp_path, PEOPLE.model_copy(update={"participants": 1}), quiet=True)
    assert digests(tmp_path / "raw" / "p01") == digests(people.raw / "p01")


@pytest.mark.parametrize("room", ["body", "wall", "none"])
def test_the_room_that_is_asked_for_is_the_one_recorded(tmp_path, room):
    asked = PEOPLE.model_copy(update={"room": room, "participants": 1, "frames": 1})
    assert {row["backdrop"] for row in rows_of(simulate(tmp_path, asked, quiet=True))} == {room}


@pytest.mark.parametrize(
    ("flags", "named"),
    [
        (["--hands", "relaxed"], "subjects people"),
        (["--room", "wall"], "subjects people"),
        (["--subjects", "people", "--curl", "2"], "subjects arms"),
        (["--subjects", "cats"], "people"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(tmp_path, capsys, flags, named):
    code, _, err = called(capsys, "simulate", str(tmp_path / "out"), *flags)
    assert code == 2
    assert named in err
    assert not (tmp_path / "out").exists()
