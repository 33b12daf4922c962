"""What a build will do, settled before it starts and the same for any number of workers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import cv2
import h5py
import numpy as np
import pyarrow as pa
from isal import isal_zlib

from labelkit import __version__
from labelkit.dataset.schema import SCHEMA, shard_name
from labelkit.errors import RecordingError
from labelkit.processes import usable_cores
from labelkit.recordings import matches, source_path
from labelkit.recordings.pictures import MAX_BYTES
from labelkit.recordings.reader import LOOKED_BACK
from labelkit.records import FrameName, Recording
from labelkit.settings import BuildSettings

_BLOCK_BYTES = 2**20


@dataclass(frozen=True)
class Job:
    """One shard's worth of work: a range of source frames of one recording.

    Attributes:
        key: hash of all that decides the shard's bytes and its frames' rows.
        shard: its name relative to the dataset.
        recording: its name in the dataset.
        place: where the recording lies below RAW.
        number: among the jobs of the recording.
        excluded: frames that are left out because it was asked for.
        crashed: frames that killed the worker that labelled them, twice; found while the build runs.
    """

    key: str
    shard: str
    recording: str
    place: str
    number: int
    start: int
    stop: int
    excluded: frozenset[int] = frozenset()
    crashed: frozenset[int] = frozenset()

    def __len__(self) -> int:
        return self.stop - self.start


@dataclass(frozen=True)
class Plan:
    """All jobs in the order of the label table.

    Attributes:
        facts: what all shards of a dataset have in common: schema, versions, settings.
        recordings: in the order of the label table.
        inputs: the hash of what each recording consists of, by its name.
    """

    jobs: tuple[Job, ...]
    facts: dict[str, Any]
    recordings: tuple[Recording, ...] = field(repr=False)
    inputs: dict[str, str] = field(repr=False)

    @cached_property
    def frames(self) -> int:
        """Source frames the plan covers: the rows of the label table."""
        return sum(len(job) for job in self.jobs)


def make_plan(
    raw: Path, recordings: Sequence[Recording], settings: BuildSettings, *, pseudonymous: bool = False
) -> Plan:
    """Cut recordings into jobs.

    A shard, its name and its key depend on its own frames alone, so that recordings which join or leave
    change no other shard.

    Raises:
        RecordingError: two recordings whose shards would bear one name.
    """
    recordings = sorted(recordings, key=lambda recording: (recording.participant, recording.name))
    _refuse_shared_names(recordings)
    facts = _facts(settings, pseudonymous)
    inputs = {recording.name: inputs_sha256(raw, recording) for recording in recordings}
    jobs = [job for recording in recordings for job in _jobs(recording, facts, inputs[recording.name], settings)]
    return Plan(tuple(jobs), facts, tuple(recordings), inputs)


def _jobs(recording: Recording, facts: dict[str, Any], inputs: str, settings: BuildSettings) -> list[Job]:
    excluded = (
        [index for index in range(len(recording)) if is_excluded(recording.files(index), settings.exclude)]
        if settings.exclude
        else []
    )
    jobs = []
    for number, start in enumerate(range(0, len(recording), settings.shard_frames)):
        stop = min(start + settings.shard_frames, len(recording))
        without = [index for index in excluded if start <= index < stop]
        words = json.dumps([facts, recording.name, inputs, start, stop, without], sort_keys=True)
        jobs.append(
            Job(
                hashlib.sha256(words.encode()).hexdigest()[:32],
                shard_name(recording.participant, recording.name, number),
                recording.name,
                recording.place,
                number,
                start,
                stop,
                frozenset(without),
            )
        )
    return jobs


def is_excluded(files: FrameName, globs: Sequence[str]) -> bool:
    """Whether a source frame is of those that were asked to be left out."""
    return any(matches(name, globs) for name in (files.depth, files.color) if name)


def _refuse_shared_names(recordings: Sequence[Recording]) -> None:
    taken: dict[str, Recording] = {}
    for recording in recordings:
        other = taken.setdefault(shard_name(recording.participant, recording.name, 0), recording)
        if other is not recording:
            raise RecordingError(
                f"recordings {other.name!r} of {other.participant!r} and {recording.name!r} of "
                f"{recording.participant!r} would share their shards' names; rename one of the folders"
            )


def versions() -> dict[str, str]:
    """Versions of everything that decides a dataset's bytes."""
    # Asked of the modules, not of the installer: opencv-python and its headless twin are one module.
    return {"labelkit": __version__, **{module.__name__: module.__version__ for module in (np, cv2, h5py, pa)}}


def _facts(settings: BuildSettings, pseudonymous: bool) -> dict[str, Any]:
    return {
        "schema": SCHEMA,
        "versions": versions(),
        "settings": settings.select_deciding(),
        "pseudonymous": pseudonymous,
    }


def inputs_sha256(raw: Path, recording: Recording) -> str:
    """Hash what a recording consists of: its facts, and its files' names and sizes (`read_contents` hashes content)."""
    digest = hashlib.sha256()
    digest.update(json.dumps(list_facts(recording), sort_keys=True).encode())
    for index in range(len(recording)):
        name = recording.files(index)
        files = [(part, _size(source_path(raw, part))) for part in (name.depth, name.color) if part]
        digest.update(json.dumps([files, repr(name.stamp)]).encode())
    return digest.hexdigest()


def read_contents(raw: Path, recording: Recording, job: Job) -> str:
    """Hash what the pictures of a job hold, and those before it with which they are compared.

    A picture may be changed in its place, with the same size and time. The sum of each file (CRC-32) is enough to see
    that, at a fourteenth of the time of SHA-256.
    """
    sums: dict[str, int] = {}
    for index in range(max(0, job.start - LOOKED_BACK), job.stop):
        if index not in job.excluded:
            name = recording.files(index)
            sums |= {part: _sum_of(source_path(raw, part)) for part in (name.depth, name.color) if part}
    return hashlib.sha256(json.dumps(sums).encode()).hexdigest()[:32]


def read_contents_of(raw: Path, recordings: Iterable[Recording], jobs: Sequence[Job]) -> dict[str, str]:
    """Hash what the pictures of many jobs hold, several jobs at once; the hashes by the key of the job."""
    if not jobs:
        return {}
    named = {recording.name: recording for recording in recordings}
    with ThreadPoolExecutor(min(usable_cores(), len(jobs))) as pool:
        contents = pool.map(lambda job: read_contents(raw, named[job.recording], job), jobs)
        return dict(zip((job.key for job in jobs), contents, strict=True))


def list_facts(recording: Recording) -> list[Any]:
    """List all that decides a recording's labels but its pictures, in plain values."""
    calibration = recording.calibration
    return [
        recording.participant,
        recording.handedness,
        recording.sensor,
        recording.range_m,
        recording.depth_unit_m,
        recording.layout,
        dict(recording.stated),
        repr(calibration.depth),
        repr(calibration.color),
        calibration.color_from_depth.tolist(),
    ]


def _sum_of(path: Path) -> int:
    total = 0
    try:
        if path.stat().st_size > MAX_BYTES:  # it is refused, whatever it holds
            return -1
        with path.open("rb", buffering=0) as file:
            while block := file.read(_BLOCK_BYTES):
                total = isal_zlib.crc32(block, total)
    except OSError:
        return -1
    return total


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except OSError:
        return -1  # listed but not there: the frame will be rejected, and that too is a fact
