"""Small finished datasets whose content is known, for tests that start behind the build."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit import __version__
from labelkit.dataset.manifest import FileEntry, Manifest, ParticipantEntry, RecordingEntry, write_manifest
from labelkit.dataset.reading import open_plain_file
from labelkit.dataset.schema import shard_name
from labelkit.dataset.shards import map_open_shard, shard_bytes
from labelkit.dataset.table import TABLE_NAME, table_bytes, table_of
from labelkit.files import sha256_of
from labelkit.geometry.orientation import angles_deg_from_normal, normal_from_angles_deg
from labelkit.records import CONTOUR_POINTS

SETTINGS = {"region": "palm"}  # what the card of a dataset tells
SETTINGS_DIGEST = hashlib.sha256(json.dumps(SETTINGS).encode()).hexdigest()

_SAID_TWICE = ("normal_sd", "in_plane", "plane_rms", "inlier_ratio", "points", "distance")


def angles_on_disc(n: int, rng: np.random.Generator, reach_deg: float = 45.0) -> NDArray[np.float64]:
    """Draw (n, 2) label angles (azimuth, elevation, degrees) evenly over the disc of centred angles."""
    radius, turn = reach_deg * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    return 90.0 - np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=-1)


def picture_of(angles_deg: NDArray[np.float64], size: int, rng: np.random.Generator) -> NDArray[np.uint8]:
    """Paint a bar whose place shows azimuth and whose brightness shows elevation, with noise."""
    azimuth, elevation = 90.0 - angles_deg
    u = (np.arange(size) + 0.5) / size
    bar = np.exp(-(((u - 0.5 - azimuth / 110.0) / 0.12) ** 2))[None, :] * np.ones((size, 1))
    brightness = 120.0 + 1.8 * elevation * np.array([1.0, 0.6, 0.3])
    picture = 40.0 + bar[..., None] * brightness + rng.normal(0.0, 4.0, (size, size, 3))
    return np.clip(np.round(picture), 0, 255).astype(np.uint8)


def contours_of(angles_deg: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.float64]:
    """Draw contour features (n, 1000) for label angles (n, 2): two waves, each as high as one angle is large."""
    turn = np.linspace(0.0, 2 * np.pi, CONTOUR_POINTS, endpoint=False)
    waves = np.stack([np.sin(turn), np.cos(2 * turn)])
    noise = rng.normal(0.0, 0.005, (len(angles_deg), CONTOUR_POINTS))
    return np.clip(0.5 + (90.0 - angles_deg) @ waves / 200 + noise, 0.0, 1.0)


def halved(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Take exact 2 x 2 means, rounded half up."""
    p = picture.astype(np.uint16)
    return ((p[0::2, 0::2] + p[1::2, 0::2] + p[0::2, 1::2] + p[1::2, 1::2] + 2) // 4).astype(np.uint8)


def columns_of(angles_deg: NDArray[np.float64], first_row: int, rng: np.random.Generator) -> dict[str, NDArray[Any]]:
    """Make a shard's columns for these label angles (n, 2); camera and view frame coincide."""
    n = len(angles_deg)
    rgb128 = np.stack([picture_of(angles, 128, rng) for angles in angles_deg])
    rgb64 = np.stack([halved(picture) for picture in rgb128])
    normals = normal_from_angles_deg(angles_deg)
    return {
        "rgb128": rgb128,
        "rgb64": rgb64,
        "rgb32": np.stack([halved(picture) for picture in rgb64]),
        "azimuth": angles_deg[:, 0],
        "elevation": angles_deg[:, 1],
        "view_azimuth": angles_deg[:, 0],
        "view_elevation": angles_deg[:, 1],
        "normal": normals,
        "view_normal": normals,
        "normal_cov": np.tile(0.25 * np.eye(2), (n, 1, 1)),
        "normal_sd": np.full(n, 0.5),
        "in_plane": np.zeros(n),
        "plane_rms": np.full(n, 2.0),
        "inlier_ratio": np.full(n, 0.9),
        "points": np.full(n, 5000),
        "distance": np.full(n, 0.7),
        "ray": np.tile([0.0, 0.0, 1.0], (n, 1)),
        "intrinsics": np.tile([525.0, 525.0, 319.5, 239.5], (n, 1)),
        "crop": np.tile([256, 176, 128, 128], (n, 1)),
        "row": first_row + np.arange(n),
        "stamp": np.arange(n) / 30.0,
        "mirrored": np.zeros(n),
    }


def make_dataset(
    folder: Path,
    *,
    participants: int | Sequence[str] = 6,
    samples: int = 40,
    seed: int = 0,
    angles_deg: NDArray[np.float64] | None = None,
    labels: Mapping[str, Sequence[Any]] | None = None,
    contours: bool = False,
) -> Path:
    """Write a finished dataset: `samples` samples of each participant and one rejected frame.

    Args:
        participants: how many (p01, p02, ...), or their names.
        angles_deg: (samples, 2) label angles of every participant; drawn evenly from the disc if None.
        labels: column of the label table -> what it says of each participant's samples.
        contours: whether it holds contour features, whose waves follow the angles.
    """
    names = [f"p{k + 1:02d}" for k in range(participants)] if isinstance(participants, int) else list(participants)
    (folder / "shards").mkdir(parents=True)
    files: dict[str, FileEntry] = {}
    rows: list[dict[str, Any]] = []
    for number, name in enumerate(names):
        rng = np.random.default_rng([seed, number])
        angles = angles_on_disc(samples, rng) if angles_deg is None else np.asarray(angles_deg, dtype=np.float64)
        common = {"participant": name, "recording": name, "unit_stated": "recording.toml"}
        shard = shard_name(name, name, 0)
        if len(angles):
            columns = columns_of(angles, 0, rng) | ({"contour": contours_of(angles, rng)} if contours else {})
            says = {"participant": name, "recordings": name, "settings_digest": SETTINGS_DIGEST}
            (folder / shard).write_bytes(shard_bytes(columns, says))
            files[shard] = _entry(folder / shard)
        normals = normal_from_angles_deg(angles)
        rows += [
            {
                **common,
                "frame": f"{name}/depth/{k:05d}.png",
                "color_frame": f"{name}/rgb/{k:05d}.png",
                "stamp": k / 30.0,
                "status": "sample",
                "shard": shard,
                "index": k,
                **dict(zip(("nx", "ny", "nz"), normals[k].tolist(), strict=True)),
                **dict(zip(("azimuth", "elevation"), angles_deg_from_normal(normals[k]).tolist(), strict=True)),
                **dict(zip(("view_azimuth", "view_elevation"), angles[k].tolist(), strict=True)),
                **{key: columns[key][k].item() for key in _SAID_TWICE},
                "padded": 0.0,
                "mirrored": False,
                **{column: values[k] for column, values in (labels or {}).items()},
            }
            for k in range(len(angles))
        ]
        rows.append({**common, "frame": f"{name}/depth/none.png", "status": "rejected", "reason": "no-hand"})
    (folder / TABLE_NAME).write_bytes(table_bytes([table_of(rows)]))
    files[TABLE_NAME] = _entry(folder / TABLE_NAME)
    n = len(rows) - len(names)
    write_manifest(
        folder,
        Manifest(
            labelkit=__version__,
            versions={},
            settings=SETTINGS,
            settings_digest=SETTINGS_DIGEST,
            frames=len(rows),
            samples=n,
            rejected={"no-hand": len(names)},
            participants={
                name: ParticipantEntry(frames=n // len(names) + 1, samples=n // len(names)) for name in names
            },
            recordings=[
                RecordingEntry(
                    name=name,
                    participant=name,
                    layout="tum",
                    sensor="kinect-v1",
                    handedness="right",
                    frames=n // len(names) + 1,
                    samples=n // len(names),
                    inputs_sha256="",
                    stated={},
                )
                for name in names
            ],
            files=dict(sorted(files.items())),
        ),
    )
    return folder


def _entry(path: Path) -> FileEntry:
    return FileEntry(bytes=path.stat().st_size, sha256=sha256_of(path))


def map_shard(path):
    with open_plain_file(path.parent, path.name) as file:
        return map_open_shard(file, path)
