"""What a build will do, settled before it starts and the same for any number of workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pyarrow as pa

from labelkit import __version__
from labelkit.dataset.schema import SCHEMA, shard_name, slug
from labelkit.errors import RecordingError
from labelkit.recordings import source_path
from labelkit.records import Recording
from labelkit.settings import BuildSettings


@dataclass(frozen=True)
class Job:
    """One shard's worth of work: a range of source frames of one recording."""

    shard: str  # relative to the dataset
    recording: str
    start: int
    stop: int
    first_row: int  # row of frame `start` in labels.parquet


@dataclass(frozen=True)
class Plan:
    """All jobs in the order of the label table, and the facts that must hold when a build is resumed."""

    jobs: tuple[Job, ...]
    facts: dict[str, Any]

    @property
    def frames(self) -> int:
        """Source frames the plan covers: the rows of the label table."""
        return sum(job.stop - job.start for job in self.jobs)


def make_plan(raw: Path, recordings: Sequence[Recording], settings: BuildSettings) -> Plan:
    """Cut recordings into jobs.

    A shard holds frames of one recording only, so that a recording that is added or taken away
    leaves the shards of the others as they are.

    Raises:
        RecordingError: two participants whose shards would bear one name.
    """
    _refuse_shared_slugs({recording.participant for recording in recordings})
    jobs: list[Job] = []
    shards_of: dict[str, int] = {}
    row = 0
    for recording in sorted(recordings, key=lambda r: (r.participant, r.name)):
        for start in range(0, len(recording), settings.shard_frames):
            stop = min(start + settings.shard_frames, len(recording))
            number = shards_of.get(recording.participant, 0)
            shards_of[recording.participant] = number + 1
            jobs.append(Job(shard_name(recording.participant, number), recording.name, start, stop, row))
            row += stop - start
    return Plan(tuple(jobs), _facts(raw, recordings, settings))


def _refuse_shared_slugs(participants: set[str]) -> None:
    taken: dict[str, str] = {}
    for participant in sorted(participants):
        other = taken.setdefault(slug(participant), participant)
        if other != participant:
            raise RecordingError(
                f"participants {other!r} and {participant!r} would share the file name {slug(participant)!r}; "
                "rename one of the folders"
            )


def versions() -> dict[str, str]:
    """Versions of everything that decides a dataset's bytes."""
    # Asked of the modules, not of the installer: opencv-python and its headless twin are one module.
    return {"labelkit": __version__, **{module.__name__: module.__version__ for module in (np, cv2, h5py, pa)}}


def _facts(raw: Path, recordings: Sequence[Recording], settings: BuildSettings) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "versions": versions(),
        "settings": settings.deciding(),
        "recordings": {recording.name: inputs_sha256(raw, recording) for recording in recordings},
    }


def inputs_sha256(raw: Path, recording: Recording) -> str:
    """Hash what a recording consists of: its facts, and its files' names and sizes (not their content)."""
    digest = hashlib.sha256()
    calibration = recording.calibration
    facts = [
        recording.participant,
        recording.handedness,
        recording.sensor,
        recording.range_m,
        recording.depth_unit_m,
        repr(calibration.depth),
        repr(calibration.color),
        calibration.color_from_depth.tolist(),
    ]
    digest.update(json.dumps(facts).encode())
    for index in range(len(recording)):
        name = recording.frame_name(index)
        files = [(part, _size(source_path(raw, part))) for part in (name.depth, name.color) if part]
        digest.update(json.dumps([files, repr(name.stamp)]).encode())
    return digest.hexdigest()


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1  # listed but not there: the frame will be rejected, and that too is a fact
