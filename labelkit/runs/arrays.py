"""Arrays under their own hash: weights and checkpoints."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from labelkit.errors import RunError
from labelkit.files import write_bytes

Arrays = Mapping[str, NDArray[Any]]
Weights = Mapping[str, NDArray[np.float32]]  # by the weight's name in the network
_SEAL = b"labelkit sha256 "
_SEALED = 512  # bytes: the smallest user block that HDF5 has


def write_weights(path: Path, weights: Weights) -> None:
    """Write a network's weights, float32; same weights, same bytes. As `write_arrays`."""
    write_arrays(path, {name: np.asarray(values, dtype=np.float32) for name, values in weights.items()})


def read_weights(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Weights:
    """Read a network's weights. As `read_arrays`.

    Args:
        shapes: of every weight of the network, by name.
    Raises:
        RunError: missing, damaged, or the weights of another network.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such weights; its training ended before its first epoch did: train again")
    return read_arrays(path, {name: (shape, "float32") for name, shape in shapes.items()})


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write an HDF5 file of one plain dataset an array, under its own hash; same arrays, same bytes.

    Raises:
        OutputError: the disk is full or may not be written; the file that was there stays.
    """
    with h5py.File("arrays.h5", "w", driver="core", backing_store=False) as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values)
        file.flush()
        content = file.id.get_file_image()
    write_bytes(path, _seal(content) + content)


def _seal(content: bytes) -> bytes:
    return (_SEAL + hashlib.sha256(content).hexdigest().encode() + b"\n").ljust(_SEALED, b"\0")


def read_arrays(path: Path, expected: Mapping[str, tuple[tuple[int, ...], str]]) -> Arrays:
    """Read the arrays of a file. Nothing outside the file is followed and nothing in it is executed.

    Args:
        expected: shape and type of every array, by name; the file must hold these and no others.
    Raises:
        RunError: missing, damaged, or of another network.
    """
    with _open_arrays(path) as file:
        if unlike := sorted(set(file) ^ set(expected)):
            raise RunError(f"{path}: of another network ({unlike[0]} is only in one of them); train again")
        return {name: _read_array(path, file, name, *what) for name, what in expected.items()}


def read_sizes(path: Path) -> dict[str, int]:
    """Read how long each array of a file is, along its first axis. For arrays whose size the file alone knows.

    Raises:
        RunError: missing or damaged.
    """
    with _open_arrays(path) as file:
        return {name: len(stored) for name, stored in file.items() if isinstance(stored, h5py.Dataset) and stored.shape}


@contextmanager
def _open_arrays(path: Path) -> Iterator[h5py.File]:
    """Open a file of arrays, if it matches its hash."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); train again") from None
    if content[:_SEALED] != _seal(content[_SEALED:]):
        raise RunError(f"{path}: damaged (it does not match the hash at its beginning); train again")
    try:
        with h5py.File(io.BytesIO(content[_SEALED:]), "r") as file:
            yield file
    except (OSError, RuntimeError, KeyError) as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{path}: not a readable weights file ({error}); train again") from None


def _read_array(path: Path, file: h5py.File, name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    stored = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    plain = (
        isinstance(stored, h5py.Dataset)
        and not stored.external
        and stored.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS  # so through no filter either
        and stored.dtype == np.dtype(dtype)
    )
    if stored is None or not plain or stored.shape != shape:
        found = stored.shape if plain and stored is not None else f"no plain {dtype} array"
        raise RunError(f"{path}: of another network ({name} is {found}, expected {shape}); train again")
    return np.asarray(stored[()], dtype=dtype)
