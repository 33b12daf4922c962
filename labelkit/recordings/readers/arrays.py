"""Frames in arrays: .npy, .npz, HDF5 and MATLAB files, stacks of all frames or one file for each.

    <folder>/depth.npy  color.npy            stacks (n, H, W) and (n, H, W, 3)
    <folder>/depth.npy  color/00012.png      a stack, and colour pictures in the order of their numbers
    <folder>/depth/00012.npy  color/00012.png
    <folder>/take.h5                         depth and color in one file; .npz and .mat too
    <folder>/frame012.mat                    one file for each frame with depth and rgb

Integers are steps, whose unit is to be stated. Floating-point numbers are metres, or in the unit that recording.toml
states. Colour is RGB.
"""

from __future__ import annotations

import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import RawFrameError, RecordingError
from labelkit.recordings.container import ContainerSource, Version, files_in, version_of
from labelkit.recordings.encodings import STEP_M, steps_from_metres
from labelkit.recordings.folders import COLOR_FOLDERS, DEPTH_FOLDERS
from labelkit.recordings.listing import folders_in, pictures_in
from labelkit.recordings.pairing import name_key, pair_by_name
from labelkit.recordings.pictures import MAX_PIXELS, color_size, read_color
from labelkit.recordings.reader import OtherLayoutError
from labelkit.recordings.sidecar import FILE_NAME, Sidecar
from labelkit.records import ColorImage, FrameName

_NPY, _NPZ, _MAT, _HDF5 = ".npy", ".npz", ".mat", (".h5", ".hdf5")
_TABLES = (_NPZ, _MAT, *_HDF5)  # files of several arrays
_SUFFIXES = (_NPY, *_TABLES)
_HDF5_START = b"\x89HDF\r\n\x1a\n"

_MOST_BYTES = 1_000_000_000  # of an array that has to be read whole: .npz, and .mat before version 7.3
_NO_METRES = 20.0  # as in clouds.py: a median of so much is no metre
_KEPT = 4


class _ArrayPlace(NamedTuple):
    """Where a picture is: a file, the array in it, and the number in the stack; -1 if the array is the picture."""

    file: str
    key: str = ""
    number: int = -1

    @property
    def name(self) -> str:
        return self.file if self.number < 0 else f"{self.file}#{self.number}"


class _Array(NamedTuple):
    """What an array claims to be; in rows and columns, if it is MATLAB's."""

    shape: tuple[int, ...]
    kind: str  # of its numbers, as numpy's dtype.kind


@dataclass(frozen=True)
class ArraySource(ContainerSource):
    """Frames in arrays.

    Attributes:
        depth, color: where the pictures are; of colour also picture files, which have no key.
        unit_m, step_m: metres of one in a depth of floating-point numbers, and of a step of the depth that is given.
    """

    depth: tuple[_ArrayPlace | None, ...] = ()
    color: tuple[_ArrayPlace | None, ...] = ()
    unit_m: float = 1.0
    step_m: float = STEP_M

    def color_size(self, index: int) -> tuple[int, int]:
        place = self.color[index]
        assert place
        if PurePath(place.file).suffix.lower() in _SUFFIXES:
            return super().color_size(index)
        return color_size(self.folder / place.file)

    def read_depth(self, index: int) -> NDArray[np.uint16]:
        """Read (H, W) in steps; raises as `FrameSource.read_depth`."""
        depth = self._read(self.depth[index])
        if depth.ndim != 2:
            raise RawFrameError(f"is an array of the shape {depth.shape}, not (H, W)")
        if depth.dtype.kind == "f":
            return steps_from_metres(depth.astype(np.float64) * self.unit_m, self.step_m)
        if depth.dtype.kind not in "ui" or depth.min() < 0 or depth.max() > np.iinfo(np.uint16).max:
            raise RawFrameError(f"is an array of {depth.dtype} with values outside 0 to 65535")
        return depth.astype(np.uint16)

    def read_color(self, index: int) -> ColorImage:
        """Read (H, W, 3) RGB; raises as `FrameSource.read_color`."""
        place = self.color[index]
        assert place
        if PurePath(place.file).suffix.lower() not in _SUFFIXES:
            return read_color(self.folder / place.file)
        color = self._read(place)
        if color.ndim != 3 or color.shape[2] not in (3, 4) or color.dtype != np.uint8:
            raise RawFrameError(f"is an array of {color.dtype} of the shape {color.shape}, not (H, W, 3) of uint8")
        return np.ascontiguousarray(color[..., :3])

    def _read(self, place: _ArrayPlace | None) -> NDArray[Any]:
        assert place
        version = version_of(self.folder / place.file)
        try:
            return _read_array(version, place.key, place.number)
        except RawFrameError:
            raise
        except Exception as error:  # numpy, h5py and scipy let many kinds through from damaged files
            raise RawFrameError(f"is in a file that cannot be read ({_first_line(error)})") from None


def open_arrays(folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[ArraySource]:
    """Open the recording, or the recordings, of a folder of arrays."""
    del max_gap_s
    is_depth_only = "recording.depth_only" in sidecar and sidecar["recording.depth_only"].value
    here = {file: _list_arrays(folder, file) for file in files_in(folder, _SUFFIXES)}
    stacks = {kind: [p for file, arrays in here.items() for p in _find(file, arrays, kind)] for kind in _WORDS}
    if len(stacks["depth"]) == 1:
        depth = _spread(here, stacks["depth"][0])
        color = _spread(here, stacks["color"][0]) if len(stacks["color"]) == 1 else _pictures_beside(folder)
        is_alone = not color and is_depth_only
        if len(depth) != len(color) and not is_alone:
            raise RecordingError(
                f"{stacks['depth'][0].file} holds {len(depth)} frames of depth, and there are {len(color)} colour "
                f"pictures{'; which belong together cannot be told' if color else ': state depth_only = true'}"
            )
        pairs: list[tuple[_ArrayPlace | None, _ArrayPlace | None]] = list(
            zip(depth, [None] * len(depth) if is_alone else color, strict=True)
        )
    elif stacks["depth"]:
        pairs = _frames_of_files(stacks)
    else:
        pairs = _files_of_folder(folder)
    if not pairs:
        raise OtherLayoutError(f"no array of depth in {', '.join(_SUFFIXES)}")
    return [_source(folder, pairs, sidecar)]


_WORDS = {
    "depth": (*DEPTH_FOLDERS, "depth_image", "depth_images", "depth_map", "depth_maps", "depthmap"),
    "color": (*COLOR_FOLDERS, "colors", "rgbs", "color_image", "color_images", "rgb_image", "rgb_images"),
}


def _find(file: str, arrays: Mapping[str, _Array], kind: str) -> list[_ArrayPlace]:
    """List the arrays of a file that are depth, or colour, by their names."""
    words, dimensions = _WORDS[kind], (2, 3) if kind == "depth" else (3, 4)
    if PurePath(file).suffix.lower() == _NPY:
        return (
            [_ArrayPlace(file, "")]
            if PurePath(file).stem.lower() in words and len(arrays[""].shape) in dimensions
            else []
        )
    return [
        _ArrayPlace(file, key)
        for key, array in arrays.items()
        if key.rpartition("/")[2].lower() in words and len(array.shape) in dimensions
    ]


def _spread(here: Mapping[str, Mapping[str, _Array]], place: _ArrayPlace) -> list[_ArrayPlace]:
    """List the pictures of an array."""
    shape = here[place.file][place.key].shape
    if place.file.lower().endswith(_MAT) and len(shape) == 3 and shape[2] not in (3, 4) and not shape[0] < shape[1]:
        raise RecordingError(
            f"{place.file} holds {place.key} as {shape}: whether its frames lie along the first or the last of these "
            "cannot be told; save one file for each frame, or version 7.3"
        )
    is_one = len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))
    return [place] if is_one else [place._replace(number=number) for number in range(shape[0])]


def _pictures_beside(folder: Path) -> list[_ArrayPlace]:
    """List the colour pictures of the colour folder, in the order of their numbers."""
    for name in folders_in(folder):
        if name.lower() in COLOR_FOLDERS:
            files = sorted(pictures_in(folder / name), key=lambda file: (name_key(file)[1], file))
            return [_ArrayPlace(f"{name}/{file}") for file in files]
    return []


def _frames_of_files(
    stacks: Mapping[str, Sequence[_ArrayPlace]],
) -> list[tuple[_ArrayPlace | None, _ArrayPlace | None]]:
    """Pair the depth and colour of files that hold one frame each."""
    depth, color = ({place.file: place for place in stacks[kind]} for kind in ("depth", "color"))
    files = sorted(depth.keys() | color.keys(), key=lambda file: (name_key(file)[1], file))
    return [(depth.get(file), color.get(file)) for file in files]


def _files_of_folder(folder: Path) -> list[tuple[_ArrayPlace | None, _ArrayPlace | None]]:
    """Pair the arrays of a depth folder with the pictures, or arrays, of a colour folder by their names."""
    names = folders_in(folder)
    depth_folder, color_folder = (
        next((n for n in names if n.lower() in w), None) for w in (DEPTH_FOLDERS, COLOR_FOLDERS)
    )
    if not depth_folder or not color_folder:
        return []
    depth = [f"{depth_folder}/{file}" for file in files_in(folder / depth_folder, (_NPY,))]
    color = [
        f"{color_folder}/{file}"
        for file in (pictures_in(folder / color_folder) or files_in(folder / color_folder, (_NPY,)))
    ]
    if not depth:
        return []
    pairs = pair_by_name(*({file: PurePath(file).stem for file in files} for files in (depth, color)))
    return [(_ArrayPlace(d) if d else None, _ArrayPlace(c) if c else None) for d, c in pairs]


def _source(
    folder: Path, pairs: Sequence[tuple[_ArrayPlace | None, _ArrayPlace | None]], sidecar: Sidecar
) -> ArraySource:
    depth, color = zip(*pairs, strict=True)
    names = tuple(FrameName(d.name if d else None, c.name if c else None) for d, c in pairs)
    source = ArraySource(folder, names, depth=depth, color=color)
    stated = sidecar.get("recording.depth_unit_m")
    if stated:
        return ArraySource(folder, names, depth=depth, color=color, unit_m=stated.value, step_m=stated.value)
    first = next((_try_read(source, place) for place in depth if place), None)
    if first is None or first.dtype.kind != "f":
        return source
    seen = first[np.isfinite(first) & (first > 0)]
    if seen.size and (median := float(np.median(seen))) > _NO_METRES:
        raise RecordingError(
            f"the median depth of {next(place.name for place in depth if place)} is {median:.0f}, so it is no metre; "
            f"state the unit in {FILE_NAME}, such as depth_unit_m = 0.001 for millimetres"
        )
    return ArraySource(folder, names, "", {"recording": {"depth_unit_m": STEP_M}}, depth=depth, color=color)


def _try_read(source: ArraySource, place: _ArrayPlace) -> NDArray[Any] | None:
    try:
        return source._read(place)
    except (RawFrameError, OSError):
        return None


def _list_arrays(folder: Path, file: str) -> dict[str, _Array]:
    """List the arrays of a file, by their keys; the one of .npy has none.

    Raises:
        RecordingError: it cannot be read.
    """
    try:
        return _list_of_version(version_of(folder / file))
    except Exception as error:  # as in ArraySource._read
        raise RecordingError(f"{file} cannot be read ({_first_line(error)})") from None


@lru_cache(maxsize=64)
def _list_of_version(version: Version) -> dict[str, _Array]:
    path, suffix = version.path, version.path.suffix.lower()
    if not version.bytes:
        raise ValueError("it is empty")
    if suffix == _NPY:
        stack = np.load(path, mmap_mode="r", allow_pickle=False)
        return {"": _Array(stack.shape, stack.dtype.kind)}
    if suffix == _NPZ:
        return _list_npz(path)
    if _is_hdf5(path):
        import h5py  # as in _list_hdf5

        with h5py.File(path, "r", locking=False) as file:
            return _list_hdf5(file, is_matlab=suffix == _MAT)
    if suffix != _MAT:
        raise ValueError("it is no HDF5")
    import scipy.io  # MATLAB's old files are rare, and it takes as long to load as the rest

    return {key: _Array(tuple(shape), "f" if "single" in kind or "double" in kind else "u")
            for key, shape, kind in scipy.io.whosmat(path)}  # fmt: skip


def _list_npz(path: Path) -> dict[str, _Array]:
    found = {}
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.filename.endswith(_NPY):
                with archive.open(entry) as file:
                    major, _ = np.lib.format.read_magic(file)
                    read = np.lib.format.read_array_header_1_0 if major == 1 else np.lib.format.read_array_header_2_0
                    shape, _, kind = read(file)
                found[entry.filename.removesuffix(_NPY)] = _Array(shape, kind.kind)
    return found


def _list_hdf5(file: Any, *, is_matlab: bool) -> dict[str, _Array]:
    """List the datasets that lie in the file itself; no link out of it is followed."""
    import h5py  # commands that look at plain pictures start without it

    found: dict[str, _Array] = {}

    def add(name: str, item: Any) -> None:
        if isinstance(item, h5py.Dataset) and not item.external and not item.is_virtual and item.dtype.kind in "uif":
            found[name] = _Array(_turn_shape(item.shape) if is_matlab else item.shape, item.dtype.kind)

    file.visititems(add)  # it follows hard links alone
    return found


def _turn_shape(shape: tuple[int, ...]) -> tuple[int, ...]:
    """MATLAB stores H x W x 3 x n as (n, 3, W, H): the shape as (n, H, W, 3)."""
    rest, own = (
        (shape[:1], shape[1:]) if len(shape) > 3 or (len(shape) == 3 and shape[0] not in (3, 4)) else ((), shape)
    )
    return (*rest, *own[::-1])


@lru_cache(maxsize=_KEPT)
def _read_array(version: Version, key: str, number: int) -> NDArray[Any]:
    """Read one picture; of .npy and HDF5 no more than its bytes."""
    path, suffix = version.path, version.path.suffix.lower()
    if suffix == _NPY:
        stack = np.load(path, mmap_mode="r", allow_pickle=False)
        return np.array(_take_picture(stack.shape, stack, number))
    if suffix != _NPZ and _is_hdf5(path):
        import h5py  # as in _list_hdf5

        with h5py.File(path, "r", locking=False) as file:
            stored = file[key]
            picture = np.array(_take_picture(stored.shape, stored, number))
            return picture.T if suffix == _MAT else picture
    stack = _load_whole(version, key)
    return np.asarray(_take_picture(stack.shape, stack, number))


def _take_picture(shape: tuple[int, ...], stack: Any, number: int) -> Any:
    """Take a picture of a stack, unless it is vast."""
    own = shape if number < 0 else shape[1:]
    if not 0 < np.prod(own, dtype=np.float64) <= 4 * MAX_PIXELS:
        raise RawFrameError(f"claims the shape {own}; at most {MAX_PIXELS:,} pixels are read")
    return stack[()] if number < 0 else stack[number]


@lru_cache(maxsize=2)
def _load_whole(version: Version, key: str) -> NDArray[Any]:
    """Read an array that cannot be read in part."""
    path = version.path
    array = _list_of_version(version)[key]
    if np.prod(array.shape, dtype=np.float64) * 8 > _MOST_BYTES:
        raise RawFrameError(
            f"is in an array of the shape {array.shape}, which would have to be read whole; save it as .npy or HDF5"
        )
    if path.suffix.lower() == _NPZ:
        with np.load(path, allow_pickle=False) as archive:
            return np.asarray(archive[key])
    import scipy.io  # as above

    return np.asarray(scipy.io.loadmat(path, variable_names=[key])[key])


def _is_hdf5(path: Path) -> bool:
    with path.open("rb") as file:
        head = file.read(512 + len(_HDF5_START))
    return head.startswith(_HDF5_START) or head[512:] == _HDF5_START  # MATLAB's begins after a header of its own


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:200] if lines else type(error).__name__
