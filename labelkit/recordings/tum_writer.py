"""Write a recording as a TUM RGB-D folder.

    <folder>/rgb/<stamp>.png  depth/<stamp>.png  rgb.txt  depth.txt  recording.toml

Depth is 16-bit PNG with 5000 = 1 m and 0 = nothing seen. The lists come last: a folder without them
is an unfinished recording, which no reader takes for one.

Source: https://cvg.cit.tum.de/data/datasets/rgbd-dataset/file_formats
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from labelkit.errors import OutputError
from labelkit.files import make_folder, mendable, write_text
from labelkit.records import ColorImage, FloatArray, Handedness, Intrinsics

DEPTH_UNIT_M = 0.0002  # 5000 = 1 m

# Measured on noisy pictures: a third of the time of OpenCV's defaults, and smaller files.
_PNG = {
    "rgb": [
        *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_AVG),
        *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_HUFFMAN_ONLY),
    ],
    "depth": [
        *(cv2.IMWRITE_PNG_FILTER, cv2.IMWRITE_PNG_FILTER_UP),
        *(cv2.IMWRITE_PNG_STRATEGY, cv2.IMWRITE_PNG_STRATEGY_RLE),
    ],
}


class TumWriter:
    """One recording being written; `finish` makes it one."""

    def __init__(self, folder: Path) -> None:
        """Make the folders.

        Raises:
            OutputError: no space, no permission, or a file in the way.
        """
        self.folder = folder
        self._lists: dict[str, list[str]] = {"rgb": [], "depth": []}
        for name in self._lists:
            make_folder(folder / name)

    def add(self, depth_m: FloatArray, depth_stamp: float, color: ColorImage, color_stamp: float) -> str:
        """Write one pair of pictures.

        Args:
            depth_m: (H, W), metres, NaN where nothing was seen.
            depth_stamp, color_stamp: seconds; no two of a kind alike to a microsecond.
            color: (H, W, 3) RGB uint8.
        Returns:
            The depth picture's file, relative to the folder, with forward slashes.
        Raises:
            OutputError: no space or no permission.
        """
        stored = np.nan_to_num(np.round(depth_m / DEPTH_UNIT_M), nan=0.0)
        depth = np.clip(stored, 0, np.iinfo(np.uint16).max).astype(np.uint16)
        self._write("rgb", color_stamp, color[..., ::-1])
        return self._write("depth", depth_stamp, depth)

    def finish(
        self, *, participant: str, handedness: Handedness, sensor: str, intrinsics: Intrinsics, title: str
    ) -> None:
        """Write recording.toml and the two lists; `title` is their first comment line."""
        tables = {
            "recording": {
                "participant": participant,
                "handedness": handedness,
                "sensor": sensor,
                "depth_unit_m": DEPTH_UNIT_M,
                "registered": True,
            },
            "intrinsics": {key: getattr(intrinsics, key) for key in ("fx", "fy", "cx", "cy", "width", "height")},
        }
        write_text(self.folder / "recording.toml", _toml(title, tables))
        for name, kind in (("rgb", "color images"), ("depth", "depth maps")):
            head = f"# {kind}\n# {title}\n# timestamp filename\n"
            write_text(self.folder / f"{name}.txt", head + "".join(self._lists[name]))

    def _write(self, kind: str, stamp: float, picture: Any) -> str:
        file = f"{kind}/{stamp:.6f}.png"
        written, content = cv2.imencode(".png", picture, _PNG[kind])
        if not written:
            raise OutputError(f"{self.folder / file}: OpenCV cannot encode the picture as PNG")
        with mendable(self.folder / file):
            (self.folder / file).write_bytes(content.tobytes())  # not a part of the recording before the lists are
        self._lists[kind].append(f"{stamp:.6f} {file}\n")
        return file


def _toml(title: str, tables: dict[str, dict[str, Any]]) -> str:
    lines = [f"# {title}"]
    for table, values in tables.items():
        lines += ["", f"[{table}]", *(f"{key} = {json.dumps(value)}" for key, value in values.items())]
    return "\n".join(lines) + "\n"
