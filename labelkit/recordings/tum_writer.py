"""Write a recording as a TUM RGB-D folder, frame by frame.

    <folder>/recording.toml  rgb.txt  depth.txt  rgb/<stamp>.png  depth/<stamp>.png

Depth is 16-bit PNG, 0 for no depth; recording.toml states its unit. The recording is complete at every
moment, also while it is written and if the writer is killed: a picture appears whole, and is listed once
both pictures of its frame are written.

Source: https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats
"""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, Self

import numpy as np

from labelkit.errors import OutputExistsError
from labelkit.files import flush_to_disk, make_folder, translate_os_errors, write_bytes, write_text
from labelkit.recordings.png import png_bytes
from labelkit.records import ColorImage, FloatArray, Handedness, Intrinsics

DEPTH_UNIT_M = 0.0002  # the format's own: 5000 = 1 m

_LISTS = {"rgb": "color images", "depth": "depth maps"}


class TumWriter:
    """A recording that is being written; a context manager that closes it."""

    def __init__(
        self,
        folder: Path,
        *,
        participant: str,
        handedness: Handedness,
        sensor: str,
        intrinsics: Intrinsics,
        title: str,
        depth_unit_m: float = DEPTH_UNIT_M,
        simulated: bool = False,
    ) -> None:
        """Begin a recording without frames.

        Args:
            folder: holds no recording yet.
            sensor: the name of its profile.
            intrinsics: of both pictures, since they are registered.
            title: the files' first comment line.
            depth_unit_m: metres per step of a depth picture; with the sensor's own unit nothing is rounded.
            simulated: whether no person is recorded; recording.toml says so.
        Raises:
            OutputError: no space, no permission, or a file in the way.
        """
        self.folder = folder
        self._unit_m = depth_unit_m
        self._lists: dict[str, BinaryIO] = {}
        tables = {
            "recording": {
                "participant": participant,
                "handedness": handedness,
                "sensor": sensor,
                "depth_unit_m": depth_unit_m,
                "registered": True,
                **({"simulated": True} if simulated else {}),
            },
            "intrinsics": {key: getattr(intrinsics, key) for key in ("fx", "fy", "cx", "cy", "width", "height")},
        }
        if intrinsics.distortion:
            tables["intrinsics"]["distortion"] = list(intrinsics.distortion)
        make_folder(folder)
        write_text(folder / "recording.toml", _toml(title, tables))
        for kind, content in _LISTS.items():
            make_folder(folder / kind)
            write_text(folder / f"{kind}.txt", f"# {content}\n# {title}\n# timestamp filename\n")
            with translate_os_errors(folder / f"{kind}.txt"):
                self._lists[kind] = (folder / f"{kind}.txt").open("ab", buffering=0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *failure: object) -> None:
        self.close()

    def add(self, depth_m: FloatArray, depth_stamp: float, color: ColorImage, color_stamp: float) -> str:
        """Write and list one pair of pictures, or neither.

        Args:
            depth_m: (H, W), metres, NaN where nothing was seen.
            depth_stamp, color_stamp: seconds; those of one kind differ by a microsecond or more.
            color: (H, W, 3) RGB uint8.
        Returns:
            The depth picture's file, relative to the folder, with forward slashes.
        Raises:
            OutputExistsError: a picture of this stamp exists.
            OutputError: no space or no permission.
        """
        stored = np.nan_to_num(np.round(depth_m / self._unit_m), nan=0.0)
        depth = np.clip(stored, 0, np.iinfo(np.uint16).max).astype(np.uint16)
        pictures = {"rgb": (color_stamp, color), "depth": (depth_stamp, depth)}
        files = {kind: f"{kind}/{stamp:.6f}.png" for kind, (stamp, _) in pictures.items()}
        for file in files.values():
            if (self.folder / file).exists():
                raise OutputExistsError(f"{self.folder / file}: exists: two frames have the same time stamp")
        ends = {kind: file.tell() for kind, file in self._lists.items()}
        try:
            for kind, (_, picture) in pictures.items():
                write_bytes(self.folder / files[kind], png_bytes(picture), flush=False)
            for kind, (stamp, _) in pictures.items():
                self._list(kind, f"{stamp:.6f} {files[kind]}\n")
        except BaseException:
            self._take_back(files, ends)
            raise
        return files["depth"]

    def close(self) -> None:
        """Wait until the lists are on the disk."""
        for kind, file in self._lists.items():
            file.close()
            flush_to_disk(self.folder / f"{kind}.txt")

    def _list(self, kind: str, line: str) -> None:
        left = line.encode()
        with translate_os_errors(self.folder / f"{kind}.txt"):
            while left:  # a nearly full disk may take only a part
                left = left[self._lists[kind].write(left) :]

    def _take_back(self, files: dict[str, str], ends: dict[str, int]) -> None:
        with suppress(OSError):
            for kind, end in ends.items():
                self._lists[kind].truncate(end)
                self._lists[kind].seek(end)
            for file in files.values():
                (self.folder / file).unlink(missing_ok=True)


def _toml(title: str, tables: dict[str, dict[str, Any]]) -> str:
    lines = [f"# {title}"]
    for table, values in tables.items():
        lines += ["", f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"
