from __future__ import annotations

import re

import h5py
import numpy as np
import pytest

from labelkit.dataset.schema import FIELDS, shard_name, slug
from labelkit.dataset.shards import shard_bytes
from labelkit.errors import DatasetError
from tests.datasets import angles_on_disc, columns_of, map_shard


@pytest.fixture
def columns():
    rng = np.random.default_rng(0)
    return columns_of(angles_on_disc(3, rng), 7, rng)


def test_a_mapped_shard_gives_back_what_was_put_in(tmp_path, columns):
    (tmp_path / "s.h5").write_bytes(shard_bytes(columns, {"participant": "p01"}))
    mapped = map_shard(tmp_path / "s.h5")
    assert set(mapped) == {field.name for field in FIELDS}
    for field in FIELDS:
        assert mapped[field.name].dtype == np.dtype(field.dtype)
        np.testing.assert_array_equal(mapped[field.name], np.asarray(columns[field.name], dtype=field.dtype))


def test_a_shard_may_hold_depth_without_colour_but_no_half_of_either(tmp_path, columns):
    depth = {f"depth{size}": np.full((3, size, size), 700, np.uint16) for size in (128, 64, 32)}
    plain = {name: column for name, column in columns.items() if not name.startswith("rgb")}
    (tmp_path / "s.h5").write_bytes(shard_bytes({**plain, **depth}, {"participant": "p01"}))
    assert not {"rgb128", "rgb64", "rgb32"} & map_shard(tmp_path / "s.h5").keys()
    for lacking in (plain, {**plain, "depth128": depth["depth128"]}, {**plain, **depth, "rgb32": columns["rgb32"]}):
        with pytest.raises(ValueError, match="rgb128"):
            shard_bytes(lacking, {"participant": "p01"})


def test_the_same_columns_give_the_same_bytes_and_others_do_not(columns):
    once = shard_bytes(columns, {"participant": "p01"})
    assert shard_bytes({name: columns[name].copy() for name in reversed(columns)}, {"participant": "p01"}) == once
    columns["azimuth"] = columns["azimuth"] + 1
    assert shard_bytes(columns, {"participant": "p01"}) != once


def test_a_shard_explains_itself_to_plain_h5py(tmp_path, columns):
    (tmp_path / "s.h5").write_bytes(shard_bytes(columns, {"participant": "Zoë"}))
    with h5py.File(tmp_path / "s.h5") as file:
        assert file.attrs["schema"].decode() == "labelkit/1"
        assert file.attrs["participant"].decode() == "Zoë"
        assert "faces the camera" in file.attrs["conventions"].decode()
        assert file["azimuth"].attrs["what"].decode().startswith("arccos n_x, degrees")
        assert all(file[name].chunks is None and file[name].compression is None for name in file)


@pytest.mark.parametrize("change", ["missing", "unknown", "short", "shape"])
def test_columns_that_do_not_fit_the_schema_are_refused(columns, change):
    if change == "missing":
        del columns["ray"]
    elif change == "unknown":
        columns["raw"] = columns["ray"]
    elif change == "short":
        columns["ray"] = columns["ray"][:2]
    else:
        columns["rgb64"] = columns["rgb64"][:, :32]
    with pytest.raises(ValueError, match=r"the schema says|lacks|does not know"):
        shard_bytes(columns, {})


def test_a_shard_cut_short_is_refused(tmp_path, columns):
    content = shard_bytes(columns, {})
    (tmp_path / "s.h5").write_bytes(content[: len(content) // 2])
    with pytest.raises(DatasetError, match=r"s\.h5: .*(cut short|not a readable)"):
        map_shard(tmp_path / "s.h5")


@pytest.mark.parametrize("kind", ["external link", "soft link", "external storage", "chunked", "another type"])
def test_a_shard_whose_data_lies_elsewhere_or_otherwise_is_refused(tmp_path, columns, kind):
    path = tmp_path / "s.h5"
    path.write_bytes(shard_bytes(columns, {}))
    (tmp_path / "secret.h5").write_bytes(path.read_bytes())
    with h5py.File(path, "a") as file:
        del file["azimuth"]
        if kind == "external link":
            file["azimuth"] = h5py.ExternalLink(str(tmp_path / "secret.h5"), "/azimuth")
        elif kind == "soft link":
            file["azimuth"] = h5py.SoftLink("/elevation")
        elif kind == "external storage":
            file.create_dataset("azimuth", (3,), "<f4", external=[(str(tmp_path / "secret.h5"), 0, 12)])
        elif kind == "chunked":
            file.create_dataset("azimuth", data=np.zeros(3, "<f4"), chunks=True)
        else:
            file["azimuth"] = np.zeros(3, "<f8")
    with pytest.raises(DatasetError, match=r"azimuth is (a link|not a contiguous)"):
        map_shard(path)


def test_slugs_are_safe_stable_and_apart():
    names = ["p01", "P01", "Zoë", "zoe", "../../etc", "a b", "a-b", "参加者", "", "x" * 99, "p01\udcff"]
    slugs = [slug(name) for name in names]
    assert slugs[0] == "p01"
    assert len(set(slugs)) == len(names)
    assert all(set(s) <= set("abcdefghijklmnopqrstuvwxyz0123456789-") and 0 < len(s) <= 47 for s in slugs)
    assert shard_name("p01", "p01", 3) == "shards/p01-0003.h5"
    assert re.fullmatch(r"shards/p01-[0-9a-f]{8}-0003\.h5", shard_name("p01", "p01/monday", 3))
    assert shard_name("p01", "p01/monday", 3) != shard_name("p01", "p01/tuesday", 3)
