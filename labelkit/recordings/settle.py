"""Combine the metadata of a recording, and say what is missing.

Statements come in layers, weakest first: default, the folder's name, the sensor's profile, the format
itself, recording.toml from RAW down to the frames. Unit and calibration have no default.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from labelkit.errors import RawFrameError
from labelkit.recordings.profiles import PROFILES
from labelkit.recordings.reader import FrameSource, Problem
from labelkit.recordings.sidecar import PARTICIPANT, Sidecar, Statement, statements_from_tables
from labelkit.records import DEFAULT_RANGE_M, Calibration, FrameName, Intrinsics

Size = tuple[int, int]  # width, height

_LOOKED_AT = 8  # pictures of each kind whose headers are read for the size

_NOMINAL = (640, 480)  # the size for which the profile kinect-v1 has intrinsics

_CAMERA = ("fx", "fy", "cx", "cy", "distortion")
_NEEDED = ("fx", "fy", "cx", "cy", "width", "height")  # without a distortion there is none
_MEANING = {"fx": "focal lengths, pixels", "cx": "principal point, pixels", "width": "the size these are for"}


@dataclass(frozen=True)
class Statements:
    """All statements about a recording, by "table.key", and the sizes of its pictures."""

    merged: Sidecar
    depth_sizes: tuple[Size, ...]  # most frequent first; empty if no header can be read
    color_sizes: tuple[Size, ...]

    def value(self, key: str) -> Any:
        """Get the value of a key of [recording]; None if it is not stated."""
        stated = self.merged.get(f"recording.{key}")
        return stated.value if stated else None

    @property
    def registered(self) -> bool:
        """Whether colour and depth share one pixel grid; if it is not stated, a guess by their sizes."""
        stated = self.value("registered")
        return not self.sizes_differ if stated is None else bool(stated)

    @property
    def sizes_differ(self) -> bool:
        """Whether depth and colour have no size in common, as far as both can be read."""
        return bool(self.depth_sizes and self.color_sizes) and not set(self.depth_sizes) & set(self.color_sizes)

    def origins(self) -> dict[str, str]:
        """List where each key of [recording] and each table of the calibration comes from."""
        origins: dict[str, set[str]] = {}
        for name, stated in self.merged.items():
            table, key = name.split(".")
            origins.setdefault(key if table == "recording" else table, set()).add(stated.origin)
        return {name: " and ".join(sorted(about)) for name, about in sorted(origins.items())}


def gather(source: FrameSource, sidecar: Sidecar, *, layout: str, participant: Statement) -> Statements:
    """Combine all statements about a recording.

    Args:
        sidecar: what recording.toml states, from all folders.
        layout: the reader that gave the source.
        participant: its default.
    """
    default = {"recording": {"handedness": "right", "range_m": list(DEFAULT_RANGE_M)}}
    certain = {**statements_from_tables(source.metadata, f"{layout} layout"), **sidecar}
    weak = {**statements_from_tables(default, "default"), PARTICIPANT: participant}
    sizes = _find_sizes(source)
    return Statements({**weak, **_profile(certain, sizes[0]), **certain}, *sizes)


def problems_of(stated: Statements) -> tuple[Problem, ...]:
    """List missing statements, and statements that contradict the pictures."""
    problems = [*_find_unstated(stated), *_camera_problems(stated, "intrinsics", "depth", stated.depth_sizes)]
    if not stated.registered:
        problems += _camera_problems(stated, "color_intrinsics", "colour", stated.color_sizes)
        problems += _transform_problems(stated)
    elif stated.sizes_differ:
        problems.append(
            Problem(
                f"registered = true, but the depth pictures are {_pixels(stated.depth_sizes)} and the colour "
                f"pictures {_pixels(stated.color_sizes)}; state registered = false and both cameras' calibration"
            )
        )
    return tuple(problems)


def calibration_of(stated: Statements) -> Calibration:
    """Build the calibration of a recording without problems."""
    depth = _camera(stated, "intrinsics")
    if stated.registered:
        return Calibration(depth, depth)
    color_from_depth = np.eye(4)
    color_from_depth[:3, :3] = stated.merged["color_from_depth.rotation"].value
    color_from_depth[:3, 3] = stated.merged["color_from_depth.translation_m"].value
    return Calibration(depth, _camera(stated, "color_intrinsics"), color_from_depth)


def _profile(certain: Sidecar, depth_sizes: Sequence[Size]) -> Sidecar:
    """Get the values of the sensor's profile: intrinsics only as a whole, and only for pictures of their size."""
    sensor = certain.get("recording.sensor")
    if sensor is None:
        return {}
    profile = PROFILES[sensor.value]
    tables: dict[str, Any] = {"recording": {"range_m": list(profile.range_m)}}
    camera = profile.registered_intrinsics
    registered = certain.get("recording.registered", Statement(True, "")).value
    if camera and registered and not any(f"intrinsics.{key}" in certain for key in _CAMERA):
        size = tuple(
            certain[key].value if (key := f"intrinsics.{side}") in certain else getattr(camera, side)
            for side in ("width", "height")
        )
        if {size, *depth_sizes} == {(camera.width, camera.height)}:
            tables["intrinsics"] = {key: getattr(camera, key) for key in _NEEDED}
    return statements_from_tables(tables, f"profile {sensor.value}")


def _find_unstated(stated: Statements) -> list[Problem]:
    problems = []
    if stated.value("depth_unit_m") is None:
        line = "depth_unit_m = ?  # metres per stored step: 0.001 for mm, 0.0002 for TUM"
        problems.append(Problem("the unit of the depth is not stated", "recording", (line,)))
    if stated.value("registered") is None and not stated.value("depth_only"):
        line = "registered = ?  # true: colour and depth share one pixel grid"
        problems.append(Problem("whether colour and depth are registered is not stated", "recording", (line,)))
    return problems


def _camera_problems(stated: Statements, table: str, kind: str, sizes: Sequence[Size]) -> list[Problem]:
    missing = [key for key in _NEEDED if f"{table}.{key}" not in stated.merged]
    if missing:
        known = dict(zip(("width", "height"), sizes[0], strict=True)) if sizes else {}
        lines = tuple(
            f"{key} = {known.get(key, '?')}" + (f"  # {_MEANING[key]}" if key in _MEANING else "") for key in missing
        )
        what = "are not stated" if len(missing) == len(_NEEDED) else f"lack {', '.join(missing)}"
        if len(sizes) > 1:
            what += f" (and they are {_pixels(sizes)}: cut out of the sensor's picture?)"
        elif table == "intrinsics" and _NOMINAL in stated.depth_sizes and stated.value("sensor") is None:
            what += ' (sensor = "kinect-v1" would supply nominal ones)'
        return [Problem(f"the intrinsics of the {kind} pictures {what}", table, lines)]
    camera = _camera(stated, table)
    if sizes and (camera.width, camera.height) not in sizes:
        return [
            Problem(
                f"the {kind} pictures are {_pixels(sizes)}, but [{table}] is for {camera.width}x{camera.height} "
                f"({stated.origins()[table]})"
            )
        ]
    return []


def _transform_problems(stated: Statements) -> list[Problem]:
    needed = {
        "rotation": "rotation = [[?, ?, ?], [?, ?, ?], [?, ?, ?]]  # colour camera from depth camera",
        "translation_m": "translation_m = [?, ?, ?]  # metres",
    }
    lines = tuple(line for key, line in needed.items() if f"color_from_depth.{key}" not in stated.merged)
    says = "how the colour camera stands to the depth camera is not stated"
    return [Problem(says, "color_from_depth", lines)] if lines else []


def _camera(stated: Statements, table: str) -> Intrinsics:
    numbers = {key: stated.merged[f"{table}.{key}"].value for key in _NEEDED}
    distortion = stated.merged.get(f"{table}.distortion", Statement((), "")).value
    return Intrinsics(**numbers, distortion=tuple(distortion))


def _find_sizes(source: FrameSource) -> tuple[tuple[Size, ...], tuple[Size, ...]]:
    names = [source.frame_name(index) for index in range(len(source))]

    def list_sizes(has: Callable[[FrameName], str | None], size_of: Callable[[int], Size]) -> tuple[Size, ...]:
        having = [index for index, name in enumerate(names) if has(name)]
        sizes: dict[Size, int] = {}
        for index in pick_evenly(having, _LOOKED_AT):
            try:
                size = size_of(index)
            except (RawFrameError, OSError):
                continue  # the frame will be rejected when it is read
            sizes[size] = sizes.get(size, 0) + 1
        return tuple(sorted(sizes, key=lambda size: (-sizes[size], size)))

    return list_sizes(lambda name: name.depth, source.depth_size), list_sizes(
        lambda name: name.color, source.color_size
    )


def pick_evenly(items: Sequence[int], most: int) -> list[int]:
    """Take at most `most` items, evenly spaced, with the first and the last."""
    if len(items) <= most:
        return list(items)
    return [items[round(place * (len(items) - 1) / (most - 1))] for place in range(most)]


def _pixels(sizes: Sequence[Size]) -> str:
    shown = " and ".join(f"{width}x{height}" for width, height in sizes[:2])
    return shown + (" and others" if len(sizes) > 2 else "")
