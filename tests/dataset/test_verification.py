from __future__ import annotations

import hashlib
import os
import shutil
import socket
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import labelkit
from labelkit.building.build import build
from labelkit.dataset import shards, verification
from labelkit.dataset.manifest import MANIFEST_HASH_NAME, MANIFEST_NAME, FileEntry, read_manifest
from labelkit.dataset.schema import ALL_FIELDS, FIELDS
from labelkit.dataset.verification import Defect, Fault, find_change, verify_dataset
from labelkit.errors import DatasetError
from labelkit.settings import BuildSettings
from tests.datasets import angles_on_disc, columns_of, make_dataset, map_shard
from tests.golden.make import RAW

SHARD = "shards/p01-0000.h5"


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A real build of six frames: two shards of one sample each; never written to."""
    out = tmp_path_factory.mktemp("built") / "dataset"
    build(RAW, out, BuildSettings(workers=1), report=lambda done, samples, total: None)
    return out


@pytest.fixture
def folder(built, tmp_path):
    return shutil.copytree(built, tmp_path / "dataset")


def found(folder):
    return [(str(finding.fault), finding.file) for finding in verify_dataset(folder, lambda done, total: None)[1]]


def files_in(folder):
    there = (path for path in folder.rglob("*") if path.is_file() and path.stat().st_size)
    return sorted(path.relative_to(folder).as_posix() for path in there)


def flip(path, bit):
    with path.open("r+b") as file:
        file.seek(bit // 8)
        byte = file.read(1)[0]
        file.seek(bit // 8)
        file.write(bytes([byte ^ 1 << bit % 8]))


def unseen_bits(folder, name, is_seen):
    """Flip every bit of a file, one at a time; give those after which `is_seen()` is false."""
    handle = os.open(folder / name, os.O_RDWR)
    content = os.pread(handle, 1 << 20, 0)
    unseen = []
    for place, byte in enumerate(content):
        for bit in range(8):
            os.pwrite(handle, bytes([byte ^ 1 << bit]), place)
            if not is_seen():
                unseen.append((place, bit))
        os.pwrite(handle, bytes([byte]), place)
    os.close(handle)
    assert len(content) == (folder / name).stat().st_size
    return unseen


def test_an_untouched_dataset_has_no_finding(built):
    assert found(built) == []


@settings(max_examples=60)
@given(st.data())
def test_any_flipped_bit_of_any_file_is_found_and_its_file_is_named(built, data):
    name = data.draw(st.sampled_from(files_in(built)))
    bit = data.draw(st.integers(0, 8 * (built / name).stat().st_size - 1))
    flip(built / name, bit)
    try:
        assert ("changed", name.replace(MANIFEST_HASH_NAME, MANIFEST_NAME)) in found(built)
    finally:
        flip(built / name, bit)
    assert found(built) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", [MANIFEST_NAME, MANIFEST_HASH_NAME, "build.log"])
def test_every_bit_of_what_no_manifest_lists_is_found(built, tmp_path, name):
    for needed in {MANIFEST_NAME, MANIFEST_HASH_NAME, name}:  # without the rest, a round takes half a millisecond
        shutil.copy(built / needed, tmp_path)
    shutil.copy(built / "build.log", tmp_path)
    says = {"changed"} if name == "build.log" else {"changed", "missing"}

    def is_seen():
        return says & {fault for fault, file in found(tmp_path) if file in (name, MANIFEST_NAME)} >= {"changed"}

    assert unseen_bits(tmp_path, name, is_seen) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["labels.parquet", "README.md"])
def test_every_bit_of_what_the_manifest_lists_is_found(folder, name):
    entry = read_manifest(folder).files[name]
    assert find_change(folder, name, entry) == []
    assert unseen_bits(folder, name, lambda: find_change(folder, name, entry)) == []


@pytest.mark.slow
def test_every_bit_of_a_shard_with_smaller_pictures_is_found(tmp_path, monkeypatch):
    small = {
        name: replace(field, tail=(int(name[3:]) // 16, int(name[3:]) // 16, 3)) if name.startswith("rgb") else field
        for name, field in ALL_FIELDS.items()
    }
    monkeypatch.setattr(shards, "ALL_FIELDS", small)
    monkeypatch.setattr(shards, "FIELDS", [small[field.name] for field in FIELDS])
    rng = np.random.default_rng(0)
    columns = columns_of(angles_on_disc(1, rng), 0, rng)
    columns |= {name: columns[name][:, ::16, ::16] for name in ("rgb128", "rgb64", "rgb32")}
    content = shards.shard_bytes(columns, {"participant": "p01"})
    (tmp_path / "s.h5").write_bytes(content)
    assert map_shard(tmp_path / "s.h5")["rgb32"].shape == (1, 2, 2, 3)
    entry = FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())
    assert find_change(tmp_path, "s.h5", entry) == []
    assert unseen_bits(tmp_path, "s.h5", lambda: find_change(tmp_path, "s.h5", entry)) == []


@pytest.mark.sweep
def test_every_bit_of_a_shard_is_found(folder):
    entry = read_manifest(folder).files[SHARD]
    assert find_change(folder, SHARD, entry) == []
    assert unseen_bits(folder, SHARD, lambda: find_change(folder, SHARD, entry)) == []


def test_a_file_that_is_missing_longer_or_shorter_is_found(folder):
    (folder / SHARD).unlink()
    (folder / "README.md").write_bytes((folder / "README.md").read_bytes()[:-1])
    with (folder / "labels.parquet").open("ab") as file:
        file.write(b"\0")
    assert found(folder) == [("changed", "labels.parquet"), ("changed", "README.md"), ("missing", SHARD)]


@pytest.mark.parametrize("name", ["manifest.json", "manifest.sha256"])
def test_a_missing_manifest_is_a_finding_and_not_the_end(folder, name):
    (folder / name).unlink()
    assert ("missing", name) in found(folder)
    (folder / "manifest.sha256").unlink(missing_ok=True)
    (folder / "manifest.json").unlink(missing_ok=True)
    assert {("missing", "manifest.json"), ("missing", "manifest.sha256")} <= set(found(folder))


def test_what_does_not_belong_is_found_wherever_it_lies(folder):
    (folder / "notes.txt").write_text("mine")
    (folder / "shards" / ".p01-0000.h5.7.part").write_bytes(b"half")
    (folder / "shards" / "more").mkdir()
    (folder / "more" / "deep").mkdir(parents=True)
    (folder / ".build").mkdir()
    assert sorted(found(folder)) == [
        ("foreign", ".build/"),
        ("foreign", "more/"),
        ("foreign", "notes.txt"),
        ("foreign", "shards/.p01-0000.h5.7.part"),
        ("foreign", "shards/more/"),
    ]


def test_links_pipes_and_sockets_are_named_and_not_opened(folder, tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("not yours")
    (folder / "shards" / "out").symlink_to(tmp_path / "secret")
    (folder / "loop").symlink_to(folder)
    os.mkfifo(folder / "pipe")
    monkeypatch.chdir(folder)  # a socket's path may have only a hundred characters
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
    assert sorted(found(folder)) == [
        ("foreign", "loop"),
        ("foreign", "pipe"),
        ("foreign", "shards/out"),
        ("foreign", "socket"),
    ]


@pytest.mark.parametrize("name", [SHARD, "labels.parquet", "README.md", "manifest.json", "manifest.sha256"])
def test_a_link_in_the_place_of_a_file_is_not_followed_though_the_content_is_right(folder, tmp_path, name):
    (folder / name).rename(tmp_path / "moved")
    (folder / name).symlink_to(tmp_path / "moved")
    assert {("foreign", name), ("missing", name)} <= set(found(folder))
    with pytest.raises(DatasetError, match="a link, which is not followed"):
        labelkit.open_dataset(folder).check_hashes()


def test_a_linked_folder_of_shards_is_not_entered(folder, tmp_path):
    (folder / "shards").rename(tmp_path / "moved")
    (folder / "shards").symlink_to(tmp_path / "moved")
    assert found(folder) == [("foreign", "shards"), ("missing", SHARD), ("missing", "shards/p02-0000.h5")]
    with pytest.raises(DatasetError, match="Not a directory"):
        labelkit.open_dataset(folder)[0]


def test_a_file_is_hashed_before_anything_opens_it(folder, monkeypatch):
    opened = []
    for name in ("map_open_shard", "read_attributes", "read_open_table"):
        original = getattr(verification, name)
        monkeypatch.setattr(
            verification, name, lambda file, path, original=original: opened.append(str(path)) or original(file, path)
        )
    flip(folder / SHARD, 9)
    flip(folder / "labels.parquet", 9)
    assert found(folder) == [("changed", "labels.parquet"), ("changed", SHARD)]
    assert set(opened) == {"shards/p02-0000.h5"}


def test_a_manifest_and_its_hash_that_were_edited_together_are_beyond_it(tmp_path):
    folder = make_dataset(tmp_path / "set", participants=2, samples=2)
    other = make_dataset(tmp_path / "other", participants=2, samples=2, seed=5)
    shutil.rmtree(folder)
    other.rename(folder)
    assert found(folder) == []


def test_a_folder_without_a_dataset_is_an_error_and_no_list(tmp_path):
    with pytest.raises(DatasetError, match=r"none: cannot be opened as a dataset folder .*; make one with"):
        found(tmp_path / "none")
    with pytest.raises(DatasetError, match=r"not a dataset \(no manifest\.json\)"):
        found(tmp_path)


def test_a_defect_can_be_printed_for_any_name_of_a_file():
    assert Defect(Fault.FOREIGN, "a\x1b[2Jb\udcff", "").file == "a\\x1b[2Jb\\udcff"
