from __future__ import annotations

import hashlib

import h5py
import numpy as np
import pytest

from labelkit.errors import RunError
from labelkit.runs.arrays import read_arrays, read_weights, write_arrays, write_weights

WEIGHTS = {"dense.kernel": np.arange(6, dtype=np.float32).reshape(2, 3), "dense.bias": np.ones(3, np.float32)}

SHAPES = {name: values.shape for name, values in WEIGHTS.items()}


def test_weights_read_back_the_same_and_the_same_weights_are_the_same_bytes(tmp_path):
    write_weights(tmp_path / "a.h5", WEIGHTS)
    write_weights(tmp_path / "b.h5", WEIGHTS)
    read = read_weights(tmp_path / "a.h5", SHAPES)
    assert all(np.array_equal(read[name], WEIGHTS[name]) for name in WEIGHTS)
    assert (tmp_path / "a.h5").read_bytes() == (tmp_path / "b.h5").read_bytes()


def resealed(path, change):
    """Change a file of arrays as one would who wants to be believed: with a hash that fits."""
    inner = path.with_suffix(".inner")
    inner.write_bytes(path.read_bytes()[512:])
    with h5py.File(inner, "a") as file:
        change(file)
    content = inner.read_bytes()
    path.write_bytes(
        b"labelkit sha256 %s\n" % hashlib.sha256(content).hexdigest().encode() + bytes(512 - 16 - 64 - 1) + content
    )


def link_outside(file):
    del file["dense.bias"]
    file["dense.bias"] = h5py.ExternalLink("other.h5", "/x")


def store_outside(file):
    del file["dense.bias"]
    file.create_dataset("dense.bias", (3,), "f4", external=[("/etc/hostname", 0, 12)])


def compress(file):
    del file["dense.bias"]
    file.create_dataset("dense.bias", data=np.ones(3, np.float32), compression="gzip")


def make_virtual(file):
    layout = h5py.VirtualLayout((3,), "f4")
    layout[:] = h5py.VirtualSource("other.h5", "x", (3,))
    del file["dense.bias"]
    file.create_virtual_dataset("dense.bias", layout)


def make_text(file):
    del file["dense.bias"]
    file.create_dataset("dense.bias", data=["a", "b", "c"])


def claim_terabytes(file):
    del file["dense.bias"]
    file.create_dataset("dense.bias", (10**12,), "f4")


def rename(file):
    file.move("dense.bias", "dense.offset")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        *((spoil, "dense.bias is no plain float32 array") for spoil in (link_outside, store_outside, make_virtual)),
        *((spoil, "dense.bias is no plain float32 array") for spoil in (compress, make_text)),
        (claim_terabytes, r"dense.bias is \(1000000000000,\), expected \(3,\)"),
        (rename, "another network .dense.bias is only in one"),
    ],
)
def test_a_hostile_file_of_weights_is_refused_though_its_hash_fits(tmp_path, change, words):
    path = tmp_path / "w.h5"
    write_weights(path, WEIGHTS)
    resealed(path, change)
    with pytest.raises(RunError, match=words):
        read_weights(path, SHAPES)


def test_resealing_alone_changes_nothing(tmp_path):
    write_weights(tmp_path / "w.h5", WEIGHTS)
    resealed(tmp_path / "w.h5", lambda file: None)
    assert np.array_equal(read_weights(tmp_path / "w.h5", SHAPES)["dense.kernel"], WEIGHTS["dense.kernel"])


def flip_a_bit(path):
    content = bytearray(path.read_bytes())
    content[-3] ^= 4
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:-20]), "damaged .it does not match the hash"),
        (flip_a_bit, "damaged .it does not match the hash"),
        (lambda path: path.write_bytes(b"junk"), "damaged .it does not match the hash"),
        (lambda path: path.unlink(), "no such weights"),
    ],
)
def test_damaged_weights_are_refused(tmp_path, damage, words):
    path = tmp_path / "w.h5"
    write_weights(path, WEIGHTS)
    damage(path)
    with pytest.raises(RunError, match=words):
        read_weights(path, SHAPES)


def test_other_tools_read_the_weights_behind_the_hash(tmp_path):
    write_weights(tmp_path / "w.h5", WEIGHTS)
    with h5py.File(tmp_path / "w.h5") as file:
        assert file["dense.kernel"][()].tolist() == WEIGHTS["dense.kernel"].tolist()


def test_arrays_keep_their_types(tmp_path):
    arrays = {"seed.0": np.array([1, 2], np.int64), "progress.loss": np.array(0.1), "w": np.ones((2, 2), np.float32)}
    write_arrays(tmp_path / "a.h5", arrays)
    read = read_arrays(tmp_path / "a.h5", {name: (each.shape, each.dtype.name) for name, each in arrays.items()})
    for name, values in arrays.items():
        assert (read[name].dtype, read[name].tolist()) == (values.dtype, values.tolist())


def test_weights_of_another_shape_are_refused(tmp_path):
    write_weights(tmp_path / "w.h5", WEIGHTS)
    with pytest.raises(RunError, match=r"dense.kernel is \(2, 3\), expected \(3, 2\)"):
        read_weights(tmp_path / "w.h5", {**SHAPES, "dense.kernel": (3, 2)})
