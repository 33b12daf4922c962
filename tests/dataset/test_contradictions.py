from __future__ import annotations

import shutil

import numpy as np
import pytest

from labelkit.building.build import build
from labelkit.dataset.verification import Fault, verify_dataset
from labelkit.settings import BuildSettings
from tests.dataset.tampered import edit_manifest, edit_shard, edit_table
from tests.datasets import make_dataset
from tests.golden.make import RAW

SHARD = "shards/p01-0000.h5"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("made") / "set", participants=2, samples=4)


@pytest.fixture
def folder(made, tmp_path):
    return shutil.copytree(made, tmp_path / "set")


def found(folder):
    _, findings = verify_dataset(folder, lambda done, total: None)
    assert all(finding.fault == Fault.CONTRADICTORY for finding in findings), findings
    return [f"{finding.file}: {finding.says}" for finding in findings]


def put(name, index, value):
    def edit(columns):
        columns[name][index] = value

    return edit


def turn(columns):
    columns["ray"][1] = (0.1, 0.0, np.sqrt(0.99))


def flip(columns):
    for name in ("normal", "view_normal"):
        columns[name][0] *= -1


def level(name):
    def edit(columns):
        columns[name][2, 0, 0] ^= 1

    return edit


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (put("normal", (2, 0), np.nan), "normal is not finite (1 of 4 samples, the first is number 2)"),
        (put("plane_rms", 1, np.inf), "plane_rms is not finite"),
        (put("normal", (3, 2), -0.5), "normal is not of length 1"),
        (put("view_normal", (3, 2), -0.5), "view_normal is not of length 1"),
        (put("ray", (3, 2), 1.00001), "ray is not of length 1"),
        (flip, "the normal faces away from the camera (1 of 4 samples, the first is number 0)"),
        (flip, "the normal faces away from the camera in the view frame"),
        (put("azimuth", 0, 90.5), "azimuth is not that of normal"),
        (put("elevation", 0, 90.5), "elevation is not that of normal"),
        (put("view_azimuth", 0, 90.5), "view_azimuth is not that of view_normal"),
        (put("view_elevation", 0, 90.5), "view_elevation is not that of view_normal"),
        (put("ray", 0, (0, 0, -1)), "the ray does not point forward"),
        (turn, "view_normal is not normal, turned into the view of the ray (1 of 4 samples, the first is number 1)"),
        (put("normal_cov", (0, 0, 1), 0.01), "normal_cov is not symmetric"),
        (put("normal_cov", 0, [[0.25, 0.3], [0.3, 0.25]]), "normal_cov is not positive"),
        (put("normal_cov", 0, np.zeros((2, 2))), "normal_cov is not positive"),
        (put("normal_sd", 0, 0.51), "normal_sd is not that of normal_cov"),
        (put("azimuth", 0, 180.5), "azimuth is outside 0..180"),
        (put("in_plane", 0, -181), "in_plane is outside -180..180"),
        (put("inlier_ratio", 0, 1.01), "inlier_ratio is outside 0..1"),
        (put("plane_rms", 0, -1), "plane_rms is negative"),
        (put("points", 0, 0), "points is not positive"),
        (put("distance", 0, 0), "distance is not positive"),
        (put("intrinsics", (0, 1), 0), "a focal length is not positive"),
        (put("crop", (0, 3), 0), "the crop's width or height is not positive"),
        (put("mirrored", 0, 2), "mirrored is neither 0 nor 1"),
        (put("row", 3, 2), "row does not ascend"),
        (put("row", 0, -1), "row does not ascend"),
        (level("rgb64"), "rgb64 is not rgb128 halved (1 of 4 samples, the first is number 2)"),
        (level("rgb32"), "rgb32 is not rgb128 halved (1 of 4 samples, the first is number 2)"),
    ],
)
def test_a_shard_whose_fields_contradict_each_other_is_found(folder, edit, says):
    edit_shard(folder, SHARD, edit)
    assert any(line.startswith(f"{SHARD}: {says}") for line in found(folder)), found(folder)


@pytest.mark.parametrize("size", [64, 32])
def test_a_level_of_the_depth_pyramid_that_is_not_the_mean_of_what_was_seen_is_found(folder, size):
    def edit(columns):
        depth = np.full((4, 128, 128), 700, np.uint16)
        depth[:, ::3] = 0
        four = np.stack([depth[:, ::2, ::2], depth[:, 1::2, ::2], depth[:, ::2, 1::2], depth[:, 1::2, 1::2]])
        half = np.where(four.any(axis=0), 700, 0).astype(np.uint16)
        four = np.stack([half[:, ::2, ::2], half[:, 1::2, ::2], half[:, ::2, 1::2], half[:, 1::2, 1::2]])
        columns |= {"depth128": depth, "depth64": half, "depth32": np.where(four.any(axis=0), 700, 0).astype(np.uint16)}

    edit_shard(folder, SHARD, edit)
    assert found(folder) == []
    edit_shard(folder, SHARD, level(f"depth{size}"))
    assert found(folder) == [f"{SHARD}: depth{size} is not depth128 halved (1 of 4 samples, the first is number 2)"]
    edit_shard(folder, SHARD, lambda columns: columns.pop("depth32"))
    assert found(folder) == [
        f"{SHARD}: a level of the depth pyramid is missing (4 of 4 samples, the first is number 0)"
    ]


@pytest.mark.parametrize(
    "name",
    [
        *("stamp", "azimuth", "elevation", "view_azimuth", "view_elevation", "nx", "ny", "nz", "normal_sd"),
        *("in_plane", "plane_rms", "inlier_ratio", "points", "distance", "mirrored"),
    ],
)
def test_each_number_of_the_table_that_is_not_that_of_the_shard_is_found(folder, name):
    def edit(rows):
        value = rows[1][name]
        rows[1][name] = not value if name == "mirrored" else value + 1 if name == "points" else value * 1.00001 + 1e-5

    edit_table(folder, edit)
    (line,) = found(folder)
    assert line.startswith(f"{SHARD}: {name} is not what labels.parquet says (1 of 4 samples; number 1 has ")


def set_(row, **values):
    return lambda rows: rows[row].update(values)


def swap(rows):
    rows[0]["index"], rows[1]["index"] = rows[1]["index"], rows[0]["index"]


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        (set_(4, status="maybe"), "labels.parquet: status is neither sample nor rejected (1 rows, the first is row 4)"),
        (set_(4, reason="bad mood"), "labels.parquet: a rejection's reason is not known"),
        (set_(4, reason=None), "labels.parquet: a rejection's reason is not known"),
        (set_(4, azimuth=90.0), "labels.parquet: a rejection has azimuth"),
        (set_(4, shard=SHARD), "labels.parquet: a rejection has shard"),
        (set_(0, reason="no-hand"), "labels.parquet: a sample has a reason for being rejected"),
        (set_(0, padded=None), "labels.parquet: a sample lacks padded"),
        (set_(0, distance=None), "labels.parquet: a sample lacks distance"),
        (set_(0, frame="p02/depth/00000.png"), "labels.parquet: 1 frames stand in it more than once, such as 'p02/"),
        (set_(4, reason="decode"), "labels.parquet: the rejections are {'decode': 1, 'no-hand': 1}, the manifest says"),
        (set_(4, participant="p02"), "labels.parquet: participant 'p02' with recording 'p01' is only in it or in"),
        (set_(4, participant="p02"), "labels.parquet: participant 'p01' has 4 frames and 4 samples, the manifest says"),
        (set_(4, recording="p03"), "labels.parquet: recording 'p03' has 1 frames and 0 samples, the manifest does not"),
        (lambda rows: rows.pop(4), "labels.parquet: frames and samples are 9 and 8, the manifest says 10 and 8"),
        (lambda rows: rows.append(dict(rows[4])), "labels.parquet: frames and samples are 11 and 8, the manifest"),
        (lambda rows: rows.pop(2), f"{SHARD}: its rows are not those that name it in labels.parquet"),
        (swap, f"{SHARD}: its samples are not numbered in labels.parquet as they lie in it"),
        (lambda rows: [row.update(shard="shards/p09-0000.h5") for row in rows[:4]], f"{SHARD}: no row of labels"),
        (
            set_(0, shard="shards/p09-0000.h5"),
            "labels.parquet: names 'shards/p09-0000.h5', which the manifest does not",
        ),
        (set_(0, participant="p02"), f"{SHARD}: says participant 'p01', labels.parquet says 'p02'"),
    ],
)
def test_a_table_that_contradicts_itself_the_shards_or_the_manifest_is_found(folder, edit, says):
    edit_table(folder, edit)
    assert any(line.startswith(says) for line in found(folder)), found(folder)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"settings": {"seed": 1}}, "manifest.json: settings_digest is not that of settings"),
        ({"recordings": []}, "manifest.json: its participants are not those of its recordings"),
        ({"samples": 9}, "labels.parquet: frames and samples are 10 and 8, the manifest says 10 and 9"),
        ({"rejected": {}}, "labels.parquet: the rejections are {'no-hand': 2}, the manifest says {}"),
        ({"participants": {}}, "labels.parquet: participant 'p01' has 5 frames and 4 samples, the manifest does not"),
        ({"recordings": []}, "labels.parquet: participant 'p01' with recording 'p01' is only in it or in the manifest"),
    ],
)
def test_a_manifest_that_contradicts_itself_or_the_table_is_found(folder, change, says):
    edit_manifest(folder, lambda m: m.model_copy(update=change))
    assert any(line.startswith(says) for line in found(folder)), found(folder)


def test_a_recording_that_the_manifest_names_twice_is_found(folder):
    edit_manifest(folder, lambda m: m.model_copy(update={"recordings": [*m.recordings, m.recordings[0]]}))
    assert "manifest.json: names a recording twice" in found(folder)


@pytest.mark.parametrize(
    ("attributes", "says"),
    [
        ({"schema": "labelkit/9"}, "says schema 'labelkit/9', the manifest says 'labelkit/1'"),
        ({"settings_digest": "0"}, "says settings_digest '0', the manifest says"),
        ({"participant": "p02"}, "says participant 'p02', labels.parquet says 'p01'"),
        ({"recordings": "p02"}, "says recording 'p02', labels.parquet says 'p01'"),
    ],
)
def test_a_shard_that_says_otherwise_of_itself_is_found(folder, attributes, says):
    edit_shard(folder, SHARD, lambda columns: None, **attributes)
    assert [line.split(": ", 1)[1][: len(says)] for line in found(folder)] == [says]


def test_every_finding_is_told_not_only_the_first(folder):
    edit_shard(folder, SHARD, put("azimuth", 0, 90.5))
    edit_shard(folder, "shards/p02-0000.h5", put("points", 3, 7))
    assert [line.split(" of ")[0].split(" is ")[0] for line in found(folder)] == [
        f"{SHARD}: azimuth",
        f"{SHARD}: azimuth",
        "shards/p02-0000.h5: points",
    ]


def test_what_a_build_makes_contradicts_nothing(tmp_path):
    for crop in ("virtual-camera", "box"):
        settings = BuildSettings(crop=crop, with_depth=True, with_contour=True, workers=1)
        build(RAW, tmp_path / crop, settings, report=lambda done, samples, total: None)
        assert found(tmp_path / crop) == []
