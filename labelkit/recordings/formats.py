"""Files that look like recordings and that are part of none, with the way out of each format.

The format of a new reader states its layout here: only its files next to another recording are then listed.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import NamedTuple

from labelkit.recordings.listing import is_skipped


class Format(NamedTuple):
    """A format that is not read.

    Attributes:
        way_out: what to do with its files.
        magic: the first bytes of a file, by which one without a suffix is recognised.
        layout: the reader that reads such files, unless pictures of another recording are next to them.
    """

    name: str
    way_out: str
    magic: bytes = b""
    layout: str = ""


_PICTURES = "save colour as JPEG or PNG and depth as 16-bit PNG"
_ARRAYS = "name its arrays depth and color, or save colour as JPEG or PNG and depth as 16-bit PNG"
_VIDEO = "unpack colour into pictures (ffmpeg); depth has to come from the recording that the video was made of"
_APART = "put it into a folder of its own, without the pictures of another recording"

_MKV = Format("Matroska, as the Azure Kinect recorder writes it", _APART, b"\x1a\x45\xdf\xa3", "azure-mkv")
_BAG = Format("ROS 1 or RealSense bag", _APART, b"#ROSBAG V", "ros")
_ONI = Format("OpenNI recording", f"with OpenNI's NiViewer or SDK, {_PICTURES}", b"NI10")
_XEF = Format("Kinect Studio recording", f"play it with Kinect Studio (Windows) to a program that can {_PICTURES}")
_SVO = Format("ZED recording", f"with the ZED SDK, {_PICTURES}")
_KLG = Format("Kintinuous or ElasticFusion log", _PICTURES)
_SENS = Format("ScanNet stream", "unpack it with ScanNet's SensReader: --export_depth_images --export_color_images")
_R3D = Format("Record3D recording", f"export it from the app, then {_PICTURES}")
_MCAP = Format("MCAP (ROS 2)", _APART, b"\x89MCAP0", "ros")
_DB3 = Format("ROS 2 bag", _APART, b"SQLite format 3", "ros")
_NPY = Format("NumPy array", _ARRAYS, b"\x93NUMPY", "arrays")
_H5 = Format("HDF5", _ARRAYS, b"\x89HDF", "arrays")
_MAT = Format("MATLAB file", _ARRAYS, layout="arrays")
_BYTES = Format("bytes without a header", _ARRAYS)
_EXR = Format("OpenEXR picture", "save it as 16-bit PNG, in steps that depth_unit_m states", b"\x76\x2f\x31\x01")
_PFM = Format("PFM picture", "save it as 16-bit PNG, in steps that depth_unit_m states")
_HEIC = Format("HEIF picture", "save it as JPEG or PNG")
_VID = Format("video", _VIDEO)
_PCD = Format("point cloud", _APART, b"# .PCD", "clouds")
_ZIP = Format("archive", "unpack it", b"PK\x03\x04")

UNREAD: Mapping[str, Format] = {
    ".mkv": _MKV,
    ".bag": _BAG,
    ".oni": _ONI,
    ".xef": _XEF,
    ".xrf": _XEF,
    ".svo": _SVO,
    ".svo2": _SVO,
    ".klg": _KLG,
    ".sens": _SENS,
    ".r3d": _R3D,
    ".mcap": _MCAP,
    ".db3": _DB3,
    ".npy": _NPY,
    ".npz": _NPY,
    ".h5": _H5,
    ".hdf5": _H5,
    ".mat": _MAT,
    ".bin": _BYTES,
    ".raw": _BYTES,
    ".exr": _EXR,
    ".pfm": _PFM,
    ".heic": _HEIC,
    ".heif": _HEIC,
    ".mp4": _VID,
    ".m4v": _VID,
    ".mov": _VID,
    ".avi": _VID,
    ".webm": _VID,
    ".pcd": _PCD,
    ".ply": _PCD,
    ".zip": _ZIP,
    ".tar": _ZIP,
    ".tgz": _ZIP,
    ".gz": _ZIP,
    ".bz2": _ZIP,
    ".xz": _ZIP,
    ".7z": _ZIP,
    ".rar": _ZIP,
}

_BY_MAGIC = {known.magic: known for known in UNREAD.values() if known.magic}


class Unread(NamedTuple):
    """The files of one format that no recording holds.

    Attributes:
        first: the first of them, relative to RAW.
    """

    format: Format
    files: int
    first: str

    def describe(self) -> str:
        """Say how many there are, where, and the way out."""
        which = f"{self.files:,} files, the first is {self.first}" if self.files > 1 else self.first
        if self.format.layout:
            return f"part of no recording: {self.format.name} ({which}); {self.format.way_out}"
        return f"not read by this version: {self.format.name} ({which}); {self.format.way_out}"


def list_unread(folder: Path) -> list[tuple[str, Format]]:
    """List the files directly in a folder that are in a format of the table, sorted by name."""
    with os.scandir(folder) as entries:
        found = [
            (entry.name, known)
            for entry in entries
            if not is_skipped(entry.name) and (known := _recognise(entry.path)) and entry.is_file()
        ]
    return sorted(found)


def _recognise(path: str) -> Format | None:
    if suffix := os.path.splitext(path)[1]:  # noqa: PTH122  (thousands of names)
        return UNREAD.get(suffix.lower())
    try:
        with Path(path).open("rb") as file:
            head = file.read(16)
    except OSError:
        return None
    return next((known for magic, known in _BY_MAGIC.items() if head.startswith(magic)), None)


def count_unread(files: Iterable[tuple[str, Format]]) -> list[Unread]:
    """Count files by their format, in the order of the first of each."""
    groups: dict[str, list[tuple[str, Format]]] = {}
    for file in files:
        groups.setdefault(file[1].name, []).append(file)
    return [Unread(group[0][1], len(group), group[0][0]) for group in groups.values()]


def describe_unread(files: Iterable[tuple[str, Format]]) -> str:
    """Say in one line what a folder holds in place of pictures."""
    return "; ".join(unread.describe() for unread in count_unread(files))
