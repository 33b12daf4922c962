"""HDF5 schema `labelkit/1`: what a shard holds. docs/shard-format.md says the same for readers of other tools."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from dataclasses import dataclass

from labelkit.records import PYRAMID_SIZES

SCHEMA = "labelkit/1"


@dataclass(frozen=True)
class Field:
    """One dataset of a shard: its shape behind the sample axis, its type, and what it means."""

    name: str
    tail: tuple[int, ...]
    dtype: str
    what: str


FIELDS: tuple[Field, ...] = (
    *(Field(f"rgb{s}", (s, s, 3), "|u1", f"colour crop, RGB, {s} x {s} pixels") for s in PYRAMID_SIZES),
    Field("azimuth", (), "<f4", "arccos n_x, degrees, camera frame"),
    Field("elevation", (), "<f4", "arccos n_y, degrees, camera frame"),
    Field("view_azimuth", (), "<f4", "arccos n_x, degrees, view frame"),
    Field("view_elevation", (), "<f4", "arccos n_y, degrees, view frame"),
    Field("normal", (3,), "<f4", "unit normal that faces the camera, camera frame"),
    Field("view_normal", (3,), "<f4", "unit normal that faces the camera, view frame"),
    Field("normal_cov", (2, 2), "<f4", "covariance of the normal's direction in its tangent plane, degrees^2"),
    Field("normal_sd", (), "<f4", "sqrt(trace(normal_cov) / 2), degrees"),
    Field("in_plane", (), "<f4", "direction of the fingers in the crop, degrees, 0 up, clockwise"),
    Field("plane_rms", (), "<f4", "rms distance of the inliers from the plane, millimetres"),
    Field("inlier_ratio", (), "<f4", "share of the region's points that lie on the plane"),
    Field("points", (), "<i4", "points the plane was fitted to"),
    Field("distance", (), "<f4", "distance of the hand from the camera, metres"),
    Field("ray", (3,), "<f4", "unit ray through the crop's centre, camera frame"),
    Field("intrinsics", (4,), "<f4", "fx fy cx cy of the colour picture, pixels"),
    Field("crop", (4,), "<i4", "x y width height of the hand in the colour picture, pixels"),
    Field("row", (), "<i8", "row in labels.parquet, counted from the first row of the sample's recording"),
    Field("stamp", (), "<f8", "time of the frame as the recording gives it, seconds; NaN where it gives none"),
    Field("mirrored", (), "|u1", "1 where a left hand was mirrored to a right one (picture and label)"),
)

DEPTH_FIELDS: tuple[Field, ...] = tuple(
    Field(f"depth{s}", (s, s), "<u2", f"depth crop, millimetres, 0 where nothing was seen, {s} x {s} pixels")
    for s in PYRAMID_SIZES
)

ALL_FIELDS = {field.name: field for field in (*FIELDS, *DEPTH_FIELDS)}

CONVENTIONS = (
    "camera frame: x right, y down, z forward, metres, of the colour camera; integer pixels are pixel centres; "
    "the normal faces the camera (n . p < 0 for points p on the plane); azimuth = arccos n_x, "
    "elevation = arccos n_y, degrees; view frame: turned by the minimal rotation that takes the ray through the "
    "crop's centre to z; where mirrored = 1, picture, normals and ray are those of the mirrored hand"
)


def slug(participant: str) -> str:
    """Name a participant in file names: [a-z0-9-], the same whoever else is in the dataset.

    A name that is its own slug stays as it is; any other gets six digits of its hash appended, so
    that "Ann" and "ann" stay apart without looking at each other.
    """
    plain = unicodedata.normalize("NFKD", participant).encode("ascii", "ignore").decode().lower()
    plain = re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40]
    if plain and plain == participant:
        return plain
    digits = hashlib.sha256(participant.encode("utf-8", "surrogateescape")).hexdigest()[:6]
    return f"{plain}-{digits}" if plain else f"x-{digits}"


def shard_name(participant: str, number: int) -> str:
    """Name a shard relative to its dataset, with forward slashes."""
    return f"shards/{slug(participant)}-{number:04d}.h5"
