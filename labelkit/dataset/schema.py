"""Schema `labelkit/1`: what shards and the label table hold of a sample. docs/shard-format.md says the same."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass
from itertools import chain
from typing import Any

from labelkit.geometry.orientation import angles_deg_from_normal
from labelkit.records import CONTOUR_POINTS, PYRAMID_SIZES, FloatArray, Sample

SCHEMA = "labelkit/1"


@dataclass(frozen=True)
class Field:
    """One fact of a sample.

    Attributes:
        name: of its dataset in a shard.
        tail: its shape after the sample axis.
        dtype: its type in a shard.
        what: it means; the shard says so too.
        read: takes it from a sample, which may hold none of OPTIONAL_FIELDS; None if it is not the sample's but its
            frame's.
        columns: its columns in labels.parquet, one a component.
        in_shard: whether shards hold it.
    """

    name: str
    tail: tuple[int, ...]
    dtype: str
    what: str
    read: Callable[[Sample], Any] | None
    columns: tuple[str, ...] = ()
    in_shard: bool = True


def _number(name: str, dtype: str, what: str, read: Callable[[Sample], Any], *, in_shard: bool = True) -> Field:
    """Declare a number, which the label table holds too."""
    return Field(name, (), dtype, what, read, (name,), in_shard)


def _azimuth(normal: FloatArray) -> float:
    return float(angles_deg_from_normal(normal)[0])


def _elevation(normal: FloatArray) -> float:
    return float(angles_deg_from_normal(normal)[1])


def _level(pyramid: Callable[[Sample], Any], level: int) -> Callable[[Sample], Any]:
    return lambda sample: pyramid(sample)[level] if pyramid(sample) else None


# Left out of the shards of recordings of depth only.
COLOR_FIELDS = tuple(
    Field(f"rgb{s}", (s, s, 3), "|u1", f"colour crop, RGB, {s} x {s} pixels", _level(lambda x: x.rgb, k))
    for k, s in enumerate(PYRAMID_SIZES)
)

# All that a dataset says of a sample. Shards, columns and rows of labels.parquet, what `labelkit verify` compares
# and docs/shard-format.md follow from this list, in its order.
SAMPLE_FIELDS = (
    *COLOR_FIELDS,
    _number("azimuth", "<f4", "arccos n_x, degrees, camera frame", lambda x: _azimuth(x.normal)),
    _number("elevation", "<f4", "arccos n_y, degrees, camera frame", lambda x: _elevation(x.normal)),
    _number("view_azimuth", "<f4", "arccos n_x, degrees, view frame", lambda x: _azimuth(x.view_normal)),
    _number("view_elevation", "<f4", "arccos n_y, degrees, view frame", lambda x: _elevation(x.view_normal)),
    Field(
        *("normal", (3,), "<f4", "unit normal that faces the camera, camera frame"),
        read=lambda x: x.normal,
        columns=("nx", "ny", "nz"),
    ),
    Field("view_normal", (3,), "<f4", "unit normal that faces the camera, view frame", lambda x: x.view_normal),
    Field(
        *("normal_cov", (2, 2), "<f4", "covariance of the normal's direction in its tangent plane, degrees^2"),
        read=lambda x: x.normal_cov,
    ),
    _number("normal_sd", "<f4", "sqrt(trace(normal_cov) / 2), degrees", lambda x: x.normal_sd_deg),
    _number(
        "in_plane", "<f4", "direction of the fingers in the crop, degrees, 0 up, clockwise", lambda x: x.in_plane_deg
    ),
    _number("plane_rms", "<f4", "rms distance of the inliers from the plane, millimetres", lambda x: x.plane_rms_mm),
    _number("inlier_ratio", "<f4", "share of the region's points that lie on the plane", lambda x: x.inlier_ratio),
    _number("points", "<i4", "points the plane was fitted to", lambda x: x.points),
    _number("distance", "<f4", "distance of the hand from the camera, metres", lambda x: x.distance_m),
    _number(
        *("padded", "<f4", "share of the crop that lies outside the colour picture", lambda x: x.padded),
        in_shard=False,
    ),
    Field("ray", (3,), "<f4", "unit ray through the crop's centre, camera frame", lambda x: x.ray),
    Field("intrinsics", (4,), "<f4", "fx fy cx cy of the colour picture, pixels", None),
    Field("crop", (4,), "<i4", "x y width height of the hand in the colour picture, pixels", lambda x: x.crop),
    Field("row", (), "<i8", "row in labels.parquet, counted from the first row of the sample's recording", None),
    Field("stamp", (), "<f8", "time of the frame as the recording gives it, seconds; NaN if it gives none", None),
    _number(
        "mirrored", "|u1", "1 if a left hand was mirrored to a right one (picture and label)", lambda x: x.mirrored
    ),
)

FIELDS = tuple(field for field in SAMPLE_FIELDS if field.in_shard)
TABLE_FIELDS = tuple(field for field in SAMPLE_FIELDS if field.columns)

DEPTH_FIELDS = tuple(
    Field(
        *(f"depth{s}", (s, s), "<u2", f"depth crop, millimetres, 0 where nothing was seen, {s} x {s} pixels"),
        read=_level(lambda x: x.depth_mm, k),
    )
    for k, s in enumerate(PYRAMID_SIZES)
)

CONTOUR_FIELDS = (
    Field(
        *("contour", (CONTOUR_POINTS,), "<f4"),
        *("distance of the hand's outline from the wrist, clockwise, relative to the largest", lambda x: x.contour),
    ),
)

# What shards hold only if it was asked for: by the option of `labelkit build-dataset`.
OPTIONAL_FIELDS = {"--with-depth": DEPTH_FIELDS, "--with-contour": CONTOUR_FIELDS}

ALL_FIELDS = {field.name: field for field in (*FIELDS, *chain(*OPTIONAL_FIELDS.values()))}

CONVENTIONS = (
    "camera frame: x right, y down, z forward, metres, of the colour camera; integer pixels are pixel centres; "
    "the normal faces the camera (n . p < 0 for points p on the plane); azimuth = arccos n_x, "
    "elevation = arccos n_y, degrees; view frame: turned by the minimal rotation that takes the ray through the "
    "crop's centre to z; where mirrored = 1, picture, normals and ray are those of the mirrored hand"
)


def slug(participant: str) -> str:
    """Name a participant in file names: [a-z0-9-]; it does not depend on the other participants.

    A name that is its own slug stays as it is; any other gets six digits of its hash appended, so
    that "Ann" and "ann" stay apart without looking at each other.
    """
    plain = unicodedata.normalize("NFKD", participant).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9]+", "-", plain)[:40].strip("-")
    if plain and plain == participant:
        return plain
    digits = _hash_digits(participant, 6)
    return f"{plain}-{digits}" if plain else f"x-{digits}"


def shard_name(participant: str, recording: str, number: int) -> str:
    """Name a shard relative to its dataset, with forward slashes; the same whatever else is in the dataset.

    Args:
        recording: unless it is named as its participant, digits of its hash stand in the name.
        number: which of the recording's shards.
    """
    digits = "" if recording == participant else f"-{_hash_digits(recording, 8)}"
    return f"shards/{slug(participant)}{digits}-{number:04d}.h5"


def _hash_digits(name: str, n: int) -> str:
    return hashlib.sha256(name.encode("utf-8", "surrogateescape")).hexdigest()[:n]
