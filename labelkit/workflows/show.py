"""One frame explained: how its label was made, or why it was rejected; or one stored sample, without its recording."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from labelkit.building.shard import explain_one, row_of
from labelkit.dataset.dataset import Batch, Dataset, open_dataset
from labelkit.errors import DatasetError, RawFrameError, SettingsError
from labelkit.figures.explain import Explained, explain_figure, explain_stored_figure
from labelkit.figures.saving import figure_bytes
from labelkit.figures.scene import Scene
from labelkit.files import check_output, make_folder, write_bytes
from labelkit.geometry.orientation import angle_between
from labelkit.imaging.segment import SeenPart, list_parts
from labelkit.labelling.label import Explanation
from labelkit.recordings import find_recordings, source_path
from labelkit.recordings.lookup import find_frame
from labelkit.recordings.pictures import read_color, read_depth
from labelkit.recordings.recording import metres_from_stored
from labelkit.records import (
    PYRAMID_SIZES,
    Calibration,
    ColorImage,
    FloatArray,
    Frame,
    Intrinsics,
    Recording,
    Sample,
    Unreadable,
)
from labelkit.settings import BuildSettings, settings_of

SUFFIXES = (".png", ".svg")

_MOST_PARTS = 8  # of a frame without a hand; the smallest are left out

_LONGEST = 120  # characters of the picture's name; file systems take 255 bytes

# A dataset holds no calibration of whole pictures, and none is needed to draw a box on one.
_NO_CALIBRATION = Calibration(Intrinsics(1, 1, 0, 0, 1, 1), Intrinsics(1, 1, 0, 0, 1, 1))

Words = list[tuple[str, list[tuple[str, str]]]]


@dataclass(frozen=True)
class ShownFrame:
    """What `show` found.

    Attributes:
        row: what the label table holds of the frame (docs/shard-format.md), except its place in a shard.
        index: of the frame in its recording.
        tilt: of the palm against the viewing ray, degrees; None if no palm was found.
        fit: rms_mm, inlier_ratio, points, distance_m of the palm, also of a rejected one; None without a palm.
        crop: x, y, width, height of the hand in the colour picture; None if there is no sample.
        normal_cov: degrees^2; None if there is no sample.
        depth_unit_m, range_m: None for a stored sample.
        parts: what the search looked at if it found no hand: distance_m, area_cm2, and `says`, why it is none.
        out: the picture that was written; None if no picture of the frame could be read.
    """

    row: dict[str, Any]
    index: int
    layout: str
    sensor: str | None
    handedness: str
    depth_unit_m: float | None
    range_m: tuple[float, float] | None
    tilt: float | None
    fit: dict[str, float] | None
    crop: tuple[int, int, int, int] | None
    normal_cov: list[list[float]] | None
    region: str
    parts: tuple[dict[str, Any], ...]
    out: str | None

    @property
    def verdict(self) -> str:
        """The outcome in one line."""
        if self.row["status"] == "rejected":
            return f"rejected: {self.row['reason']}: {self.row['detail']}"
        azimuth, elevation = _format_centred(self.row, "view_")
        return (
            f"sample: azimuth {azimuth}, elevation {elevation} degrees (view frame, centred), "
            f"sd {self.row['normal_sd']:.2f}"
        )

    def words(self) -> Words:
        """All of it in words: lines of (what, value) under three headings."""
        return [
            ("Frame", list(self._about_frame())),
            ("Label", list(self._about_label())),
            ("Fit", list(self._about_fit())),
        ]

    def _about_frame(self) -> Iterator[tuple[str, str]]:
        row = self.row
        yield "participant", row["participant"]
        yield "recording", f"{row['recording']}, frame {self.index} ({self.layout})"
        yield "frame", row["frame"]
        yield "colour", row["color_frame"] or "none"
        yield "sensor", f"{self.sensor or 'not stated'}, {self.handedness} hand"
        unit = "" if self.depth_unit_m is None else f"{self.depth_unit_m:g} m: "
        yield "unit", f"{unit}{row['unit_stated'] or 'not stated'}"
        yield "calibration", row["intrinsics_stated"] or "not stated"
        yield "registered", row["registered_stated"] or "not stated"

    def _about_label(self) -> Iterator[tuple[str, str]]:
        row = self.row
        if row["status"] == "rejected":
            yield "status", "rejected"
            yield "reason", row["reason"]
            yield "detail", row["detail"]
            return
        for frame, prefix in (("view", "view_"), ("camera", "")):
            azimuth, elevation = _format_centred(row, prefix)
            yield f"{frame}, centred", f"azimuth {azimuth}, elevation {elevation}"
            yield "  as stored", f"{row[f'{prefix}azimuth']:.2f}, {row[f'{prefix}elevation']:.2f} degrees"
        yield "normal", f"{row['nx']:+.4f} {row['ny']:+.4f} {row['nz']:+.4f}"
        yield "sd", f"{row['normal_sd']:.2f} degrees"
        yield "fingers", f"{_format_signed(row['in_plane'], 0)} degrees from up, clockwise"
        yield "mirrored", "yes: left, stored as right" if row["mirrored"] else "no"

    def _about_fit(self) -> Iterator[tuple[str, str]]:
        if self.range_m:
            yield "hand within", f"{self.range_m[0]:g} to {self.range_m[1]:g} m"
        for number, part in enumerate(self.parts, start=1):
            yield f"looked at {number}", f"{part['distance_m']:.2f} m, {part['area_cm2']:.0f} cm^2: {part['says']}"
        if self.fit is None:
            yield "plane", "none was fitted"
            return
        yield "region", f"{self.region}, {self.fit['points']} points"
        yield "inliers", f"{self.fit['inlier_ratio']:.1%}"
        yield "rms", f"{self.fit['rms_mm']:.2f} mm off the plane"
        yield "distance", f"{self.fit['distance_m']:.3f} m"
        if self.tilt is not None:
            yield "tilt", f"{self.tilt:.1f} degrees against the ray"
        if self.crop:
            x, y, width, height = self.crop
            yield "box", f"{width} x {height} pixels at ({x}, {y})"
            yield "padded", f"{self.row['padded']:.1%} of the crop"


def show(
    raw: Path | str, frame: str, out: Path | str | None = None, settings: BuildSettings | None = None, **keywords: Any
) -> ShownFrame:
    """Explain one frame of the recordings below `raw`, labelled as a build with these settings labels it.

    Args:
        frame: as labels.parquet names it; or the end of that, if no other frame ends so; or its colour
            picture, likewise; or RECORDING:INDEX.
        out: the picture to write, .png or .svg; by default a .png in the current folder, named after the
            frame. One that is there is replaced.
        keywords: single settings, as of `BuildSettings`; they win over `settings`.
    Raises:
        RecordingError: `raw` holds no readable recording, or `frame` is none or several of its frames.
        SettingsError: `out` has another suffix or lies in `raw`.
        OutputError: `out` cannot be written.
    """
    settings = settings_of(BuildSettings, settings, keywords)
    raw = Path(raw)
    path = _check_picture(Path(out), raw, "count as a frame") if out is not None else None
    found = explain(raw, frame, settings)
    path = path or _check_picture(
        Path(_file_name(found.recording.frame_name(found.index).key)), raw, "count as a frame"
    )
    scene = found.scene
    shown = _describe(found, settings, None if scene.depth_m is None and scene.color is None else path)
    if shown.out:
        make_folder(path.parent)
        write_bytes(path, _picture(shown, scene, path, plain_cut=settings.crop == "box"))
    return shown


def show_row(dataset: Path | str, row: int, out: Path | str | None = None, raw: Path | str | None = None) -> ShownFrame:
    """Explain one row of a dataset's label table from what the dataset stores.

    Args:
        row: its number in labels.parquet, from 0, as the pages and predictions.csv give it.
        out: the picture to write, .png or .svg; by default show-row-ROW.png in the current folder.
        raw: the folder of recordings; its colour picture of the frame is shown too.
    Raises:
        DatasetError: no dataset, or no such row.
        SettingsError: `out` has another suffix or lies in the dataset; or `raw` is given for a dataset with pseudonyms.
        RecordingError: the frame is not in `raw`.
        OutputError: `out` cannot be written.
    """
    data = open_dataset(dataset)
    path = _check_picture(Path(out or f"show-row-{row}.png"), data.path, "be foreign to the dataset")
    table = data.table()
    if not 0 <= row < table.num_rows:
        raise DatasetError(f"{data.path}: has no row {row}; its rows are 0 to {table.num_rows - 1}")
    stored = {key: value for key, value in table.slice(row, 1).to_pylist()[0].items() if value is not None}
    number = next(iter(np.flatnonzero(data.rows == row)), None)
    sample = None if number is None else _sample_from_stored(data[int(number)], stored)
    scene = Scene(
        depth_m=None,
        color=None if raw is None else _source_color(data, Path(raw), stored),
        calibration=_NO_CALIBRATION,
        sample=sample,
    )
    shown = _describe_row(data, stored, row, sample, path if sample or scene.color is not None else None)
    if shown.out:
        explained = Explained(
            stored["frame"],
            shown.verdict,
            shown.words(),
            scene,
            plain_cut=data.manifest.settings.get("crop") == "box",
        )
        make_folder(path.parent)
        write_bytes(
            path, figure_bytes(explain_stored_figure(explained), "png" if path.suffix.lower() == ".png" else "svg")
        )
    return shown


def _sample_from_stored(fields: Batch, row: dict[str, Any]) -> Sample:
    return Sample(
        normal=fields["normal"].astype(np.float64),
        view_normal=fields["view_normal"].astype(np.float64),
        normal_cov=fields["normal_cov"].astype(np.float64),
        in_plane_deg=row["in_plane"],
        plane_rms_mm=row["plane_rms"],
        inlier_ratio=row["inlier_ratio"],
        points=row["points"],
        distance_m=row["distance"],
        ray=fields["ray"].astype(np.float64),
        crop=tuple(fields["crop"].tolist()),
        padded=row["padded"],
        mirrored=row["mirrored"],
        rgb=tuple(fields[f"rgb{size}"] for size in PYRAMID_SIZES if f"rgb{size}" in fields),
        depth_mm=tuple(fields[f"depth{size}"] for size in PYRAMID_SIZES if f"depth{size}" in fields) or None,
    )


def _source_color(data: Dataset, raw: Path, row: dict[str, Any]) -> ColorImage | None:
    if data.manifest.pseudonymous:
        raise SettingsError(
            f"--raw {raw}: {data.path} has pseudonyms, so that its rows do not lead to files; leave --raw out"
        )
    recording, index = find_frame(find_recordings(raw), row["frame"], raw)
    return _color(raw, recording, index, recording[index])


def _describe_row(
    data: Dataset, row: dict[str, Any], number: int, sample: Sample | None, out: Path | None
) -> ShownFrame:
    entries = data.manifest.recordings
    starts = dict(zip((e.name for e in entries), accumulate((e.frames for e in entries), initial=0), strict=False))
    entry = next(entry for entry in entries if entry.name == row["recording"])
    fit = (
        None
        if sample is None
        else {
            "rms_mm": sample.plane_rms_mm,
            "inlier_ratio": sample.inlier_ratio,
            "points": sample.points,
            "distance_m": sample.distance_m,
        }
    )
    return ShownFrame(
        row={"color_frame": None, "unit_stated": None, "intrinsics_stated": None, "registered_stated": None} | row,
        index=number - starts[entry.name],
        layout=entry.layout,
        sensor=entry.sensor,
        handedness=entry.handedness,
        depth_unit_m=None,
        range_m=None,
        tilt=None,
        fit=fit,
        crop=sample.crop if sample else None,
        normal_cov=sample.normal_cov.tolist() if sample else None,
        region=str(data.manifest.settings.get("region", "palm")),
        parts=(),
        out=str(out) if out else None,
    )


@dataclass(frozen=True, eq=False)
class FoundFrame:
    """A frame as it was read and labelled."""

    recording: Recording
    index: int
    explanation: Explanation
    scene: Scene


def explain(raw: Path, frame: str, settings: BuildSettings | None = None) -> FoundFrame:
    """Find, read and label one frame; nothing is written.

    Raises:
        RecordingError: as `show`.
    """
    settings = settings or BuildSettings()
    recording, index = find_frame(find_recordings(raw, max_gap_s=settings.max_gap_s), frame, raw)
    read = recording[index]
    if isinstance(read, Frame) and read.read_color is None:
        settings = settings.model_copy(update={"with_depth": True})
    explanation = explain_one(read, recording, index, settings)
    hand = explanation.hand if explanation.hand and explanation.hand.mask.any() else None
    scene = Scene(
        depth_m=_depth(raw, recording, index) if isinstance(read, Unreadable) else read.depth_m,
        color=_color(raw, recording, index, read),
        calibration=recording.calibration,
        hand=hand,
        palm=explanation.palm,
        sample=explanation.outcome if isinstance(explanation.outcome, Sample) else None,
        parts=_parts(read, recording) if explanation.hand is None else (),
    )
    return FoundFrame(recording, index, explanation, scene)


def _parts(read: Frame | Unreadable, recording: Recording) -> tuple[SeenPart, ...]:
    if isinstance(read, Unreadable):
        return ()
    camera = recording.calibration.depth
    if read.depth_m.shape != (camera.height, camera.width):
        return ()
    parts = list_parts(read.depth_m, focal_px=(camera.fx + camera.fy) / 2, range_m=recording.range_m)
    return tuple(parts[:_MOST_PARTS])


def _describe(found: FoundFrame, settings: BuildSettings, out: Path | None) -> ShownFrame:
    recording, sample = found.recording, found.scene.sample
    return ShownFrame(
        row=row_of(recording, recording.frame_name(found.index), found.explanation.outcome),
        index=found.index,
        layout=recording.layout,
        sensor=recording.sensor,
        handedness=recording.handedness,
        depth_unit_m=recording.depth_unit_m,
        range_m=recording.range_m,
        tilt=_tilt_deg(found.explanation),
        fit=_fit(found.explanation),
        crop=sample.crop if sample else None,
        normal_cov=sample.normal_cov.tolist() if sample else None,
        region=settings.region,
        parts=tuple(
            {"distance_m": part.distance_m, "area_cm2": 1e4 * part.area_m2, "says": part.says}
            for part in found.scene.parts
        ),
        out=str(out) if out else None,
    )


def _picture(shown: ShownFrame, scene: Scene, path: Path, *, plain_cut: bool) -> bytes:
    figure = explain_figure(Explained(shown.row["frame"], shown.verdict, shown.words(), scene, plain_cut=plain_cut))
    return figure_bytes(figure, "png" if path.suffix.lower() == ".png" else "svg")


def _format_centred(row: dict[str, Any], prefix: str) -> tuple[str, str]:
    azimuth, elevation = (_format_signed(90 - row[f"{prefix}{angle}"], 1) for angle in ("azimuth", "elevation"))
    return azimuth, elevation


def _format_signed(number: float, digits: int) -> str:
    return f"{round(number, digits) + 0.0:+.{digits}f}"  # no -0


def _check_picture(out: Path, folder: Path, there_it_would: str) -> Path:
    check_output(out, SUFFIXES)
    if out.resolve().is_relative_to(folder.resolve()):
        raise SettingsError(f"--out {out}: lies in {folder}, where it would {there_it_would}; name a file elsewhere")
    return out


def _file_name(key: str) -> str:
    """Name the picture of a frame: show-p01-depth-0040.png."""
    plain = re.sub(r"[^A-Za-z0-9._]+", "-", key.rpartition(".")[0] or key).strip("-")
    return f"show-{plain[-_LONGEST:].lstrip('-.')}.png"


def _depth(raw: Path, recording: Recording, index: int) -> FloatArray | None:
    """Read the depth of a frame whose pictures are not both usable, if it can be read."""
    name = recording.frame_name(index).depth
    try:
        return metres_from_stored(read_depth(source_path(raw, name)), recording.depth_unit_m) if name else None
    except (RawFrameError, OSError):
        return None


def _color(raw: Path, recording: Recording, index: int, read: Frame | Unreadable) -> ColorImage | None:
    name = recording.frame_name(index).color
    try:
        if isinstance(read, Frame):
            return read.read_color() if read.read_color else None
        return read_color(source_path(raw, name)) if name else None
    except (RawFrameError, OSError):
        return None


def _tilt_deg(explanation: Explanation) -> float | None:
    if explanation.palm is None:
        return None
    return float(np.rad2deg(angle_between(-explanation.palm.middle, explanation.palm.fit.plane.normal)))


def _fit(explanation: Explanation) -> dict[str, float] | None:
    palm = explanation.palm
    if palm is None:
        return None
    return {
        "rms_mm": palm.fit.rms_m * 1000,
        "inlier_ratio": float(palm.fit.inlier_mask.mean()),
        "points": len(palm.points),
        "distance_m": float(np.linalg.norm(palm.middle)),
    }
