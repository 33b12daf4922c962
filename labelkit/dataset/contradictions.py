"""What a dataset says twice must be the same twice. Pure: columns and tables in, complaints out."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from labelkit.dataset.manifest import Manifest
from labelkit.dataset.schema import COLOR_FIELDS, DEPTH_FIELDS, TABLE_FIELDS
from labelkit.dataset.table import REJECTED, SAMPLE
from labelkit.geometry.orientation import view_from_camera
from labelkit.imaging.pyramid import color_pyramid, depth_pyramid
from labelkit.records import PYRAMID_SIZES, BoolArray, FloatArray, Reason

Columns = Mapping[str, NDArray[Any]]

_Rule = tuple[str, Any]  # how it is broken, in words, and (n,) the samples that break it

# Directions are computed in float64 and stored in float32: a component is off by 6e-8, an angle by 8e-6 degrees,
# and the rotation into the view frame adds a few of these up.
_DIRECTION = 2e-6
_RELATIVE = 1e-5  # of covariances, whose parts are sums of rounded squares

# Column of labels.parquet -> field of the shard that says the same, and its component.
_SAID_TWICE: Mapping[str, tuple[str, int]] = {"stamp": ("stamp", 0)} | {
    column: (field.name, component)
    for field in TABLE_FIELDS
    if field.in_shard
    for component, column in enumerate(field.columns)
}
_OF_SAMPLES = ("shard", "index", *(column for field in TABLE_FIELDS for column in field.columns))


def in_shard(columns: Columns) -> Iterator[str]:
    """Complain of samples whose fields contradict one another.

    Args:
        columns: field name -> (n, *tail) array, of the schema's types.
    """
    with np.errstate(all="ignore"):
        for says, wrong in _wrong_samples(columns):
            if wrong.any():
                of = f"{np.count_nonzero(wrong)} of {len(wrong)} samples, the first is number {np.argmax(wrong)}"
                yield f"{says} ({of})"


def _wrong_samples(c: Columns) -> Iterator[_Rule]:
    """Yield each rule; NaN breaks any."""
    for name, values in c.items():
        if values.dtype.kind == "f" and name != "stamp":
            yield f"{name} is not finite", ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
    for name in ("normal", "view_normal", "ray"):
        length = np.linalg.norm(_wide(c[name]), axis=1)
        yield f"{name} is not of length 1", ~(np.abs(length - 1) <= _DIRECTION)
    yield from _wrong_directions(c)
    yield from _wrong_covariances(c)
    for says, right in _ranges(c):
        yield says, ~right
    yield from _wrong_pyramids(c)


def _wrong_directions(c: Columns) -> Iterator[_Rule]:
    normal, view_normal, ray = _wide(c["normal"]), _wide(c["view_normal"]), _wide(c["ray"])
    yield "the normal faces away from the camera", ~(np.sum(normal * ray, axis=1) < 0)
    yield "the normal faces away from the camera in the view frame", ~(view_normal[:, 2] < 0)
    for prefix, of in (("", normal), ("view_", view_normal)):
        for component, angle in enumerate(("azimuth", "elevation")):
            cosine = np.cos(np.deg2rad(_wide(c[prefix + angle])))
            yield f"{prefix}{angle} is not that of {prefix}normal", ~(np.abs(cosine - of[:, component]) <= _DIRECTION)
    forward = np.isfinite(ray).all(axis=1) & (ray[:, 2] > 0)
    yield "the ray does not point forward", ~forward
    turned = view_normal.copy()
    for k in np.flatnonzero(forward):
        turned[k] = view_from_camera(ray[k]) @ normal[k]
    turned_right = (np.abs(turned - view_normal) <= 2 * _DIRECTION).all(axis=1)
    yield "view_normal is not normal, turned into the view of the ray", ~turned_right


def _wrong_covariances(c: Columns) -> Iterator[_Rule]:
    cov, sd = _wide(c["normal_cov"]), _wide(c["normal_sd"])
    trace = cov[:, 0, 0] + cov[:, 1, 1]
    slack = _RELATIVE * trace
    yield "normal_cov is not symmetric", ~(np.abs(cov[:, 0, 1] - cov[:, 1, 0]) <= slack)
    least = trace / 2 - np.hypot((cov[:, 0, 0] - cov[:, 1, 1]) / 2, cov[:, 0, 1])  # the smaller eigenvalue
    yield "normal_cov is not positive", ~((trace > 0) & (least >= -slack))
    yield "normal_sd is not that of normal_cov", ~(np.abs(sd**2 - trace / 2) <= slack)


def _ranges(c: Columns) -> Iterator[_Rule]:
    for angle in ("azimuth", "elevation", "view_azimuth", "view_elevation"):
        yield f"{angle} is outside 0..180", (c[angle] >= 0) & (c[angle] <= 180)
    yield "in_plane is outside -180..180", np.abs(c["in_plane"]) <= 180
    yield "inlier_ratio is outside 0..1", (c["inlier_ratio"] >= 0) & (c["inlier_ratio"] <= 1)
    yield "plane_rms is negative", c["plane_rms"] >= 0
    yield "points is not positive", c["points"] > 0
    yield "distance is not positive", c["distance"] > 0
    yield "a focal length is not positive", (c["intrinsics"][:, :2] > 0).all(axis=1)
    yield "the crop's width or height is not positive", (c["crop"][:, 2:] > 0).all(axis=1)
    yield "mirrored is neither 0 nor 1", c["mirrored"] <= 1
    if "contour" in c:
        yield "contour is outside 0..1", ((c["contour"] >= 0) & (c["contour"] <= 1)).all(axis=1)
    yield "row does not ascend", np.diff(c["row"], prepend=-1) > 0


def _wrong_pyramids(c: Columns) -> Iterator[_Rule]:
    pyramids: list[tuple[str, Any]] = []
    if any(field.name in c for field in COLOR_FIELDS):
        pyramids.append(("rgb", color_pyramid))
    if any(field.name in c for field in DEPTH_FIELDS):
        pyramids.append(("depth", depth_pyramid))
    for kind, made in pyramids:
        levels = [c[f"{kind}{size}"] for size in PYRAMID_SIZES if f"{kind}{size}" in c]
        if len(levels) < len(PYRAMID_SIZES):
            yield f"a level of the {kind} pyramid is missing", np.ones(len(c["row"]), dtype=bool)
            continue
        wrong = np.zeros((len(levels), len(levels[0])), dtype=bool)
        for k, picture in enumerate(levels[0]):  # one at a time: a shard may hold 100,000
            wrong[:, k] = [not np.array_equal(m, level[k]) for m, level in zip(made(picture), levels, strict=True)]
        for size, differs in zip(PYRAMID_SIZES[1:], wrong[1:], strict=True):
            yield f"{kind}{size} is not {kind}{PYRAMID_SIZES[0]} halved", differs


def _wide(values: NDArray[Any]) -> FloatArray:
    return values.astype(np.float64)


def in_manifest(manifest: Manifest) -> Iterator[str]:
    """Complain of a manifest that contradicts itself."""
    digest = hashlib.sha256(json.dumps(manifest.settings, sort_keys=True).encode()).hexdigest()
    if digest != manifest.settings_digest:
        yield "settings_digest is not that of settings"
    if len({entry.name for entry in manifest.recordings}) < len(manifest.recordings):
        yield "names a recording twice"
    if {entry.participant for entry in manifest.recordings} != manifest.participants.keys():
        yield "its participants are not those of its recordings"


def in_table(table: pa.Table, manifest: Manifest) -> Iterator[str]:
    """Complain of a label table that contradicts itself or the counts of the manifest."""
    status = table["status"]
    is_sample, is_rejected = (_mask(pc.equal(status, kind)) for kind in (SAMPLE, REJECTED))
    yield from _rows("status is neither sample nor rejected", ~(is_sample | is_rejected))
    has_reason = _mask(pc.is_in(table["reason"], value_set=pa.array([reason.value for reason in Reason])))
    yield from _rows("a rejection's reason is not known", is_rejected & ~has_reason)
    yield from _rows("a sample has a reason for being rejected", is_sample & _mask(table["reason"].is_valid()))
    for name in _OF_SAMPLES:
        valid = _mask(table[name].is_valid())
        yield from _rows(f"a sample lacks {name}", is_sample & ~valid)
        yield from _rows(f"a rejection has {name}", is_rejected & valid)
    if (once := pc.count_distinct(table["frame"]).as_py()) != table.num_rows:
        yield f"{table.num_rows - once} frames stand in it more than once, such as {_first_repeated(table['frame'])!r}"
    yield from _find_wrong_counts(table, manifest)


def _find_wrong_counts(table: pa.Table, manifest: Manifest) -> Iterator[str]:
    samples = table.filter(pc.equal(table["status"], SAMPLE))
    if (table.num_rows, samples.num_rows) != (manifest.frames, manifest.samples):
        found, stated = f"{table.num_rows} and {samples.num_rows}", f"{manifest.frames} and {manifest.samples}"
        yield f"frames and samples are {found}, the manifest says {stated}"
    rejected = _count_values(table["reason"])
    if rejected != manifest.rejected:
        yield f"the rejections are {rejected}, the manifest says {manifest.rejected}"
    people = {(entry.participant, entry.name) for entry in manifest.recordings if entry.frames}
    pairs = table.group_by(["participant", "recording"], use_threads=False).aggregate([]).to_pylist()
    if strange := sorted({(pair["participant"], pair["recording"]) for pair in pairs} ^ people):
        yield f"participant {strange[0][0]!r} with recording {strange[0][1]!r} is only in it or in the manifest"
    of_recordings = {entry.name: (entry.frames, entry.samples) for entry in manifest.recordings}
    of_participants = {name: (entry.frames, entry.samples) for name, entry in manifest.participants.items()}
    for column, stated_counts in (("participant", of_participants), ("recording", of_recordings)):
        frames, good = _count_values(table[column]), _count_values(samples[column])
        for name in sorted({*frames, *stated_counts}):
            counts = frames.get(name, 0), good.get(name, 0)
            if stated_counts.get(name) != counts:
                says = "the manifest does not know" if name not in stated_counts else "the manifest says otherwise"
                yield f"{column} {name!r} has {counts[0]} frames and {counts[1]} samples, {says}"


class Rows:
    """The label table, and where in it shards and recordings are named.

    Attributes:
        of_shard: the rows of each shard's samples, ascending.
        first: the first row of each recording.
    """

    def __init__(self, table: pa.Table) -> None:
        self.table = table
        self.of_shard = _rows_by_name(table["shard"])
        self.first = {name: int(rows[0]) for name, rows in _rows_by_name(table["recording"]).items()}


def _rows_by_name(column: pa.ChunkedArray) -> dict[str, NDArray[np.int64]]:
    encoded = column.combine_chunks().dictionary_encode()
    codes = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False)
    order = np.argsort(codes, kind="stable")
    starts = np.searchsorted(codes[order], np.arange(len(encoded.dictionary) + 1))
    return {name: order[starts[k] : starts[k + 1]] for k, name in enumerate(encoded.dictionary.to_pylist())}


def between(columns: Columns, attributes: Mapping[str, str], name: str, rows: Rows) -> Iterator[str]:
    """Complain of a shard that contradicts the label table.

    Args:
        columns, attributes: the shard's.
        name: the shard's, as the table names it.
    """
    mine = rows.of_shard.get(name)
    if mine is None:
        yield "no row of labels.parquet names it"
        return
    here = rows.table.slice(mine[0], mine[-1] - mine[0] + 1).take(mine - mine[0])
    if not np.array_equal(mine - rows.first[here["recording"][0].as_py()], columns["row"]):
        yield "its rows are not those that name it in labels.parquet"
        return
    if here["index"].to_pylist() != list(range(len(mine))):
        yield "its samples are not numbered in labels.parquet as they lie in it"
    for column, attribute in (("participant", "participant"), ("recording", "recordings")):
        if (said := here[column].unique().to_pylist()) != [attributes.get(attribute)]:
            yield f"says {column} {attributes.get(attribute)!r}, labels.parquet says {said[0]!r}"
    yield from _said_otherwise(columns, here, mine)


def _said_otherwise(columns: Columns, here: pa.Table, rows: NDArray[np.int64]) -> Iterator[str]:
    for name, (field, component) in _SAID_TWICE.items():
        values = columns[field].reshape(len(here), -1)[:, component]
        told = np.array([np.nan if value is None else value for value in here[name].to_pylist()], dtype=np.float64)
        # A float32 may have been rounded twice on one of the two ways.
        slack = 2 * np.finfo(np.float32).eps * np.abs(told) if values.dtype == np.float32 else 0.0
        same = (np.abs(told - values) <= slack) | (np.isnan(told) & np.isnan(values.astype(np.float64)))
        if not same.all():
            k = int(np.argmin(same))
            yield (
                f"{name} is not what labels.parquet says ({np.count_nonzero(~same)} of {len(same)} samples; "
                f"number {k} has {values[k]:.6g}, row {rows[k]} has {told[k]:.6g})"
            )


def _mask(values: Any) -> BoolArray:
    return np.asarray(values.to_numpy(), dtype=bool)


def _rows(says: str, wrong: BoolArray) -> Iterator[str]:
    if wrong.any():
        yield f"{says} ({np.count_nonzero(wrong)} rows, the first is row {np.argmax(wrong)})"


def _count_values(column: pa.ChunkedArray) -> dict[str, int]:
    counts = ((pair["values"], pair["counts"]) for pair in column.value_counts().to_pylist())
    return {name: count for name, count in sorted(counts, key=str) if name is not None}


def _first_repeated(column: pa.ChunkedArray) -> str:
    return next(name for name, count in _count_values(column).items() if count > 1)
