"""Point clouds, one file for each frame: .pcd and .ply.

    <folder>/0001.pcd   <folder>/0002.pcd   ...

A cloud is organised if its points lie in the rows and columns of the picture that it was made of. The camera that
made it then follows from the points themselves, u = fx x/z + cx, to a thousandth of a pixel, and is compared with
what recording.toml states. A cloud that is not organised is projected with the stated camera. Coordinates are
metres, z forward, as in PCL; if recording.toml states depth_unit_m, they are in that unit.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import RawFrameError, RecordingError
from labelkit.recordings.container import ContainerSource, Version, files_in, version_of
from labelkit.recordings.encodings import STEP_M, steps_from_metres
from labelkit.recordings.pairing import name_key
from labelkit.recordings.pictures import MAX_PIXELS
from labelkit.recordings.reader import LOOKED_BACK, OtherLayoutError, is_same_file
from labelkit.recordings.readers.depth_only import DEPTH_ONLY, DEPTH_ONLY_NOTE
from labelkit.recordings.sidecar import FILE_NAME, Sidecar
from labelkit.records import ColorImage, FloatArray, FrameName

_SUFFIXES = (".pcd", ".ply")
_HEADER_BYTES = 65_536
_INTRINSICS = ("fx", "fy", "cx", "cy")

_LEAST_POINTS = 1000  # of a cloud that shows its camera
_FITTED_POINTS = 20_000
_OFF_GRID_PX = 0.25  # median distance to the fitted grid; float32 coordinates are off by 0.0001, other orders by 100
_OTHER_FOCAL = 0.01  # units of one sensor differ by as much; more is another camera
_OTHER_CENTRE_PX = 3.0
_NO_METRES = 20.0  # median distance: no depth camera for hands looks farther, so it is no metre
_KEPT = 2  # clouds in memory: depth and colour of a frame are read one after the other

_PLY_BYTES = {
    **dict.fromkeys(("char", "uchar", "int8", "uint8"), 1),
    **dict.fromkeys(("short", "ushort", "int16", "uint16"), 2),
    **dict.fromkeys(("int", "uint", "float", "int32", "uint32", "float32"), 4),
    **dict.fromkeys(("double", "float64"), 8),
}


class _Header(NamedTuple):
    """What a cloud says of itself; width and height are 0 if it is not organised."""

    points: int
    width: int
    height: int
    has_color: bool
    least_bytes: int  # of the file
    is_ascii: bool
    start: int  # where in the file the points begin


class _Cloud(NamedTuple):
    """xyz (n, 3) in the file's unit, rgb (n, 3) uint8 or None."""

    header: _Header
    xyz: FloatArray
    rgb: ColorImage | None


class _Camera(NamedTuple):
    fx: float
    fy: float
    cx: float
    cy: float


@dataclass(frozen=True)
class CloudSource(ContainerSource):
    """A folder of clouds.

    Attributes:
        step_m: of the depth that is given.
        unit_m: of the clouds' coordinates.
        projection: the camera with which clouds that are not organised are projected: fx, fy, cx, cy, width, height.
    """

    step_m: float = STEP_M
    unit_m: float = 1.0
    projection: tuple[float, ...] | None = None

    def depth_size(self, index: int) -> tuple[int, int]:
        return self._size(index)

    def color_size(self, index: int) -> tuple[int, int]:
        return self._size(index)

    def read_depth(self, index: int) -> NDArray[np.uint16]:
        """Read (H, W) in steps; raises as `FrameSource.read_depth`."""
        cloud = self._cloud(index)
        z = cloud.xyz[:, 2].astype(np.float64) * self.unit_m
        return steps_from_metres(self._lay_out(cloud, z, np.nan), self.step_m)

    def read_color(self, index: int) -> ColorImage:
        """Read (H, W, 3) RGB; black where a cloud that is not organised has no point."""
        cloud = self._cloud(index)
        if cloud.rgb is None:
            raise RawFrameError("is a cloud without colour")
        return np.ascontiguousarray(self._lay_out(cloud, cloud.rgb, 0))

    def find_repeat(self, index: int) -> str | None:
        """Say whether a cloud is byte for byte one of the two before it; as `PictureSource.find_repeat`."""
        before = range(max(0, index - LOOKED_BACK), index)
        return "depth" if any(is_same_file(self._path(index), self._path(other)) for other in before) else None

    def _size(self, index: int) -> tuple[int, int]:
        header = _read_header(self._path(index))
        if header.width:
            return header.width, header.height
        if self.projection is None:
            raise RawFrameError("is a cloud that is not organised, among others that are")
        return int(self.projection[4]), int(self.projection[5])

    def _lay_out(self, cloud: _Cloud, values: NDArray[Any], nothing: float) -> NDArray[Any]:
        """Give each point its pixel; of several in one pixel the nearest."""
        header = cloud.header
        if header.width:
            return values.reshape(header.height, header.width, *values.shape[1:])
        if self.projection is None:
            raise RawFrameError("is a cloud that is not organised, among others that are")
        fx, fy, cx, cy, width, height = self.projection
        x, y, z = cloud.xyz.astype(np.float64).T
        with np.errstate(divide="ignore", invalid="ignore"):
            u, v = np.rint(fx * x / z + cx), np.rint(fy * y / z + cy)
            seen = np.flatnonzero((z > 0) & (u >= 0) & (v >= 0) & (u < width) & (v < height))
        far_first = seen[np.argsort(-z[seen], kind="stable")]
        picture = np.full((int(height), int(width), *values.shape[1:]), nothing, values.dtype)
        picture[v[far_first].astype(int), u[far_first].astype(int)] = values[far_first]
        return picture

    def _cloud(self, index: int) -> _Cloud:
        return _read_cloud(version_of(self._path(index)))

    def _path(self, index: int) -> Path:
        name = self.names[index].key
        return self.folder / name


def open_clouds(folder: Path, sidecar: Sidecar, max_gap_s: float, /) -> Sequence[CloudSource]:
    """Open the recording of a folder of point clouds."""
    del max_gap_s
    files = sorted(files_in(folder, _SUFFIXES), key=lambda file: (name_key(file), file))
    if not files:
        raise OtherLayoutError("no .pcd or .ply")
    first = _find_sound(folder, files)
    depth_only = not any(_has_color(folder / file) for file in files)
    stated_unit = sidecar.get("recording.depth_unit_m")
    unit_m = stated_unit.value if stated_unit else 1.0
    if stated_unit is None and _median_z(first) > _NO_METRES:
        raise RecordingError(
            f"the median distance in {files[0]} is {_median_z(first):.0f}, so its coordinates are no metres; state "
            f"their unit in {FILE_NAME}, such as depth_unit_m = 0.001 for millimetres"
        )
    projection, camera, notes = None, None, tuple[str, ...]()
    if first.header.width:
        camera = _fit_camera(first, files[0])
        _compare(camera, sidecar, files[0])
    else:
        projection = _find_stated_camera(sidecar, files[0])
        notes = (
            "the clouds are not organised: each is projected with the stated camera, and pixels without a point "
            "are black",
        )
    recording: dict[str, Any] = {"registered": True, "depth_unit_m": stated_unit.value if stated_unit else STEP_M}
    if depth_only:
        recording |= DEPTH_ONLY
        notes = (*notes, DEPTH_ONLY_NOTE)
    metadata: dict[str, dict[str, Any]] = {"recording": recording}
    if camera:
        rounded = {key: round(value, 3) for key, value in camera._asdict().items()}
        metadata["intrinsics"] = {**rounded, "width": first.header.width, "height": first.header.height}
    has_color = partial(_has_color_or_unsure, folder)
    names = tuple(FrameName(file, file if not depth_only and has_color(file) else None) for file in files)
    step_m = recording["depth_unit_m"]
    return [CloudSource(folder, names, "", metadata, notes, step_m=step_m, unit_m=unit_m, projection=projection)]


def _find_sound(folder: Path, files: Sequence[str]) -> _Cloud:
    """Read the first cloud that can be read and is no empty scene."""
    says = ""
    for file in files[:5]:
        try:
            cloud = _read_cloud(version_of(folder / file))
            if np.count_nonzero(np.isfinite(cloud.xyz[:, 2])) >= _LEAST_POINTS or not cloud.header.width:
                return cloud
            says = says or f"{file} has fewer than {_LEAST_POINTS} points"
        except (RawFrameError, OSError) as error:
            says = says or f"{file} {error}"
    raise RecordingError(f"none of its first {len(files[:5])} point clouds can be read: {says}")


def _median_z(cloud: _Cloud) -> float:
    z = cloud.xyz[:, 2]
    finite = z[np.isfinite(z)]
    return float(np.median(finite)) if finite.size else 0.0


def _fit_camera(cloud: _Cloud, file: str) -> _Camera:
    """Find the camera of an organised cloud by least squares.

    Raises:
        RecordingError: the points do not lie in the rows and columns of a camera's picture.
    """
    xyz, width = cloud.xyz.astype(np.float64), cloud.header.width
    seen = np.flatnonzero(np.isfinite(xyz).all(axis=1) & (xyz[:, 2] != 0))
    if len(seen) and np.median(xyz[seen, 2]) < 0:
        raise RecordingError(f"{file}: z points backward (OpenGL's axes); labelkit needs x right, y down, z forward")
    seen = seen[xyz[seen, 2] > 0][:: max(1, len(seen) // _FITTED_POINTS)]
    numbers: list[float] = []
    for slope, pixel in ((0, seen % width), (1, seen // width)):
        rays = xyz[seen, slope] / xyz[seen, 2]
        matrix = np.stack([rays, np.ones_like(rays)], axis=1)
        solution, _, rank, _ = np.linalg.lstsq(matrix, pixel.astype(np.float64), rcond=None)
        off_px = float(np.median(np.abs(matrix @ solution - pixel))) if rank == 2 else np.inf
        if not off_px < _OFF_GRID_PX:
            raise RecordingError(
                f"{file}: its points do not lie in the rows and columns of one camera's picture (they are off by "
                f"{off_px:.1f} pixels); was the cloud moved, filtered or undistorted? Export it as the camera made it"
            )
        numbers += solution.tolist()
    fx, cx, fy, cy = numbers
    if fx < 0 or fy < 0:
        axis = "x" if fx < 0 else "y"
        raise RecordingError(f"{file}: its {axis} axis is turned round; labelkit needs x right, y down, z forward")
    return _Camera(fx, fy, cx, cy)


def _compare(camera: _Camera, sidecar: Sidecar, file: str) -> None:
    """Refuse a stated camera that is not the cloud's."""
    for key, fitted in camera._asdict().items():
        stated = sidecar.get(f"intrinsics.{key}")
        limit = _OTHER_FOCAL * fitted if key.startswith("f") else _OTHER_CENTRE_PX
        if stated and abs(stated.value - fitted) > limit:
            raise RecordingError(
                f"{stated.origin}: {key} = {stated.value:g}, but the points of {file} were made with {key} = "
                f"{fitted:.1f}; take [intrinsics] out of {FILE_NAME}, since the clouds show them"
            )


def _find_stated_camera(sidecar: Sidecar, file: str) -> tuple[float, ...]:
    keys = (*_INTRINSICS, "width", "height")
    missing = [key for key in keys if f"intrinsics.{key}" not in sidecar]
    if missing:
        raise RecordingError(
            f"{file} is not organised in rows and columns, so the camera that made it is unknown; state [intrinsics] "
            f"({', '.join(missing)}) in {FILE_NAME}, or export organised clouds"
        )
    return tuple(sidecar[f"intrinsics.{key}"].value for key in keys)


def _has_color(path: Path) -> bool:
    try:
        return _read_header(path).has_color
    except (RawFrameError, OSError):
        return False


def _has_color_or_unsure(folder: Path, file: str) -> bool:
    """Whether a cloud has colour; also if its header cannot be read, which is then the frame's fault."""
    try:
        return _read_header(folder / file).has_color
    except (RawFrameError, OSError):
        return True


@lru_cache(maxsize=_KEPT)
def _read_cloud(version: Version) -> _Cloud:
    """Read a cloud; its header is judged first, so that a small file that claims much costs nothing."""
    import open3d as o3d  # takes a second to load, which recordings of pictures need not wait for

    header = _read_header(version.path)
    if version.bytes < header.least_bytes:
        raise RawFrameError(f"is cut short: {version.bytes:,} bytes, where its header needs {header.least_bytes:,}")
    if header.is_ascii and _count_lines(version.path, header.start) < header.points:
        raise RawFrameError(f"is cut short: it has fewer lines than the {header.points:,} points of its header")
    with o3d.utility.VerbosityContextManager(o3d.utility.VerbosityLevel.Error):
        try:
            cloud = o3d.t.io.read_point_cloud(version.path, remove_nan_points=False, remove_infinite_points=False)
            # Copies: Open3D's own memory, if it is still held when the process ends, is reported as a leak.
            xyz = np.array(cloud.point.positions.numpy())
            rgb = np.array(cloud.point.colors.numpy()) if header.has_color and "colors" in cloud.point else None
        except (RuntimeError, KeyError) as error:
            raise RawFrameError(f"is a cloud that cannot be decoded ({str(error).strip().splitlines()[-1]})") from None
    if len(xyz) != header.points:
        raise RawFrameError(f"is cut short or damaged: {len(xyz):,} points, where its header states {header.points:,}")
    return _Cloud(header, xyz, None if rgb is None else _bytes_from_colors(rgb))


def _count_lines(path: Path, start: int) -> int:
    """Count the lines after a header: Open3D fills up with zeros what a text lacks."""
    with path.open("rb") as file:
        file.seek(start)
        return sum(1 for _ in file)


def _bytes_from_colors(rgb: NDArray[Any]) -> ColorImage:
    return rgb if rgb.dtype == np.uint8 else np.clip(np.rint(rgb * 255.0), 0, 255).astype(np.uint8)


def _read_header(path: Path) -> _Header:
    with path.open("rb") as file:
        content = file.read(_HEADER_BYTES)
    header = _ply_header(content) if path.suffix.lower() == ".ply" else _pcd_header(content)
    if not 0 < header.points <= MAX_PIXELS:
        raise RawFrameError(f"claims {header.points:,} points; at most {MAX_PIXELS:,} are read")
    return header


def _pcd_header(content: bytes) -> _Header:
    found = re.search(rb"(?m)^DATA (ascii|binary_compressed|binary)\r?\n", content)
    if not content:
        raise RawFrameError("is empty")
    if not found:
        raise RawFrameError(f"is no PCD file, or its header is cut short (it begins with {content[:8]!r})")
    lines = (line.split() for line in content[: found.start()].decode("ascii", "replace").splitlines())
    keys = {line[0]: line[1:] for line in lines if line}
    try:
        fields = [field.lower() for field in keys["FIELDS"]]
        sizes = [int(size) for size in keys["SIZE"]]
        counts = [int(count) for count in keys.get("COUNT", ["1"] * len(fields))]
        width, height, points = (int(keys[key][0]) for key in ("WIDTH", "HEIGHT", "POINTS"))
    except (KeyError, ValueError, IndexError) as error:
        raise RawFrameError(f"is a PCD file with a damaged header ({error})") from None
    if width * height != points or min(width, height, *sizes, *counts) <= 0 or not {"x", "y", "z"} <= set(fields):
        raise RawFrameError(
            f"is a PCD file whose header contradicts itself ({width} x {height}, {points} points, fields "
            f"{' '.join(fields)[:60]})"
        )
    stride = sum(size * count for size, count in zip(sizes, counts, strict=False))
    packed = content[found.end() : found.end() + 8]
    least = {
        b"ascii": 2 * points * len(fields),
        b"binary": points * stride,
        b"binary_compressed": 8 + int.from_bytes(packed[:4], "little"),
    }[found[1]]
    if found[1] == b"binary_compressed" and int.from_bytes(packed[4:], "little") != points * stride:
        raise RawFrameError("is a compressed PCD file whose claimed size is not that of its points")
    organised = height > 1
    return _Header(
        points,
        width * organised,
        height * organised,
        bool({"rgb", "rgba"} & set(fields)),
        found.end() + least,
        found[1] == b"ascii",
        found.end(),
    )


def _ply_header(content: bytes) -> _Header:
    if not content:
        raise RawFrameError("is empty")
    found = re.search(rb"(?m)^end_header\r?\n", content)
    if not content.startswith(b"ply") or not found:
        raise RawFrameError(f"is no PLY file, or its header is cut short (it begins with {content[:8]!r})")
    points, stride, names, is_vertex, is_ascii = 0, 0, list[str](), False, False
    grid = {"num_cols": 0, "num_rows": 0}
    for line in content[: found.start()].decode("ascii", "replace").splitlines():
        match line.split():
            case ["format", kind, _]:
                is_ascii = kind == "ascii"
            case ["element", kind, count] if count.isdigit():
                is_vertex = kind == "vertex"
                points = int(count) if is_vertex else points
            case ["property", kind, name] if is_vertex and kind in _PLY_BYTES:
                names.append(name)
                stride += 2 if is_ascii else _PLY_BYTES[kind]
            case ["obj_info" | "comment", ("num_cols" | "num_rows") as side, count] if count.isdigit():
                grid[side] = int(count)
            case _:
                pass
    if not {"x", "y", "z"} <= set(names):
        raise RawFrameError("is a PLY file without x, y and z of its vertices")
    organised = grid["num_cols"] * grid["num_rows"] == points
    return _Header(
        points,
        grid["num_cols"] * organised,
        grid["num_rows"] * organised,
        {"red", "green", "blue"} <= set(names),
        found.end() + points * stride,
        is_ascii,
        found.end(),
    )
