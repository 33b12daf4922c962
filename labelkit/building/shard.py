"""One job: read a range of frames, label them, collect the samples into a shard and the rows of the table."""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import labelkit
from labelkit.building.plan import Job
from labelkit.dataset.schema import COLOR_FIELDS, DEPTH_FIELDS, FIELDS, TABLE_FIELDS
from labelkit.dataset.shards import shard_bytes
from labelkit.dataset.table import REJECTED, SAMPLE
from labelkit.errors import MissingExtraError
from labelkit.labelling.label import Explanation, explain_frame
from labelkit.labelling.options import LabelOptions
from labelkit.records import Frame, FrameName, Reason, Recording, Rejection, Sample, Unreadable
from labelkit.settings import BuildSettings

Row = dict[str, Any]

_PACKAGE = Path(labelkit.__file__).parent


def build_shard(
    recording: Recording, job: Job, settings: BuildSettings, progress: Callable[[bool], None]
) -> tuple[bytes | None, list[Row]]:
    """Label a job's frames.

    Args:
        progress: called once a frame with whether it became a sample.
    Returns:
        The shard's bytes (None if no frame became a sample) and one table row for every frame.
    """
    samples: list[tuple[Sample, int, float]] = []
    rows: list[Row] = []
    for index in range(job.start, job.stop):
        name = recording.frame_name(index)
        outcome = _outcome(recording, job, index, settings)
        row = row_of(recording, name, outcome)
        if isinstance(outcome, Sample):
            row |= {"shard": job.shard, "index": len(samples)}
            samples.append((outcome, index, name.stamp))
        rows.append(row)
        progress(isinstance(outcome, Sample))
    if not samples:
        return None, rows
    attributes = {
        "participant": recording.participant,
        "recordings": recording.name,
        "settings_digest": settings.digest(),
    }
    return shard_bytes(collect_columns(recording, samples), attributes), rows


def _outcome(recording: Recording, job: Job, index: int, settings: BuildSettings) -> Sample | Rejection:
    if index in job.excluded:
        return Rejection(Reason.EXCLUDED, "left out by --exclude")
    if index in job.crashed:
        return Rejection(Reason.WORKER_CRASH, "twice, the process that labelled it died")
    return outcome_of(recording, index, settings)


def outcome_of(recording: Recording, index: int, settings: BuildSettings) -> Sample | Rejection:
    """Read and label a frame; one at which the code fails is rejected."""
    try:
        return explain_one(recording[index], recording, index, settings).outcome
    except MissingExtraError:
        raise
    except Exception as error:
        return Rejection(Reason.WORKER_CRASH, f"{type(error).__name__} in {_where(error)}")


def _where(error: Exception) -> str:
    """Say which line of ours failed; without its folder, as the label table is the same on every machine."""
    called = ((Path(call.filename), call.lineno) for call in traceback.extract_tb(error.__traceback__))
    ours = [
        f"{file.relative_to(_PACKAGE).as_posix()}, line {line}" for file, line in called if _PACKAGE in file.parents
    ]
    return ours[-1]


def explain_one(frame: Frame | Unreadable, recording: Recording, index: int, settings: BuildSettings) -> Explanation:
    """Label a frame that was read as number `index` of a recording, and say how."""
    if isinstance(frame, Unreadable):
        return Explanation(Rejection(frame.reason, frame.detail))
    return explain_frame(
        frame,
        recording.calibration,
        handedness=recording.handedness,
        range_m=recording.range_m,
        sensor=recording.sensor,
        rng=frame_rng(settings.seed, recording.name, recording.frame_name(index).key),
        options=LabelOptions.from_settings(settings),
    )


def frame_rng(seed: int, recording: str, frame: str) -> np.random.Generator:
    """Make a frame's own generator, so that its label depends on no other frame, worker or order."""
    words = hashlib.sha256(f"{recording}\0{frame}".encode()).digest()[:16]
    return np.random.default_rng([seed, int.from_bytes(words, "big")])


def row_of(recording: Recording, name: FrameName, outcome: Sample | Rejection) -> Row:
    """Say what the label table holds of a frame, but for the place of its sample."""
    return {**_origin(recording, name), **_what_became(outcome)}


def _origin(recording: Recording, name: FrameName) -> Row:
    return {
        "participant": recording.participant,
        "recording": recording.name,
        "frame": name.key,
        "color_frame": name.color,
        "stamp": name.stamp if np.isfinite(name.stamp) else None,
        "unit_stated": recording.stated.get("depth_unit_m"),
        "intrinsics_stated": recording.stated.get("intrinsics"),
        "registered_stated": recording.stated.get("registered"),
    }


def _what_became(outcome: Sample | Rejection) -> Row:
    if isinstance(outcome, Rejection):
        return {"status": REJECTED, "reason": outcome.reason.value, "detail": outcome.detail}
    row: Row = {"status": SAMPLE}
    for field in TABLE_FIELDS:
        assert field.read is not None, f"{field.name} stands in the table but no sample has it"
        row |= zip(field.columns, np.ravel(field.read(outcome)).tolist(), strict=True)
    return row


def collect_columns(recording: Recording, samples: Sequence[tuple[Sample, int, float]]) -> dict[str, NDArray[Any]]:
    """Stack samples, each with its number in the recording and its time stamp, into a shard's columns."""
    color = recording.calibration.color
    all_with_depth = all(sample.depth_mm is not None for sample, _, _ in samples)
    all_with_color = all(sample.rgb for sample, _, _ in samples)
    of_frames = {
        "intrinsics": np.tile([color.fx, color.fy, color.cx, color.cy], (len(samples), 1)),
        "row": np.array([row for _, row, _ in samples]),
        "stamp": np.array([stamp for _, _, stamp in samples]),
    }
    return of_frames | {
        field.name: np.stack([field.read(sample) for sample, _, _ in samples])
        for field in (*FIELDS, *(DEPTH_FIELDS if all_with_depth else ()))
        if field.read is not None and (all_with_color or field not in COLOR_FIELDS)
    }
