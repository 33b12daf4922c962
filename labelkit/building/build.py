"""Build a dataset: plan, run the jobs that are not done yet, join their rows, write the manifest last.

While a build runs, its folder holds `.build/`: the plan's facts, and for every finished job the rows
of its frames together with the hash of its shard. A job counts as done once those rows are on disk,
which is after its shard is; so a build that was killed goes on with the first job that is not.
"""

from __future__ import annotations

import io
import json
import shutil
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labelkit import __version__
from labelkit.building.plan import Job, Plan, make_plan
from labelkit.building.shard import build_shard
from labelkit.dataset.card import CARD_NAME, CROISSANT_NAME, card_files
from labelkit.dataset.lock import only_one_at
from labelkit.dataset.log import LOG_NAME, log
from labelkit.dataset.manifest import (
    MANIFEST_HASH_NAME,
    MANIFEST_NAME,
    FileEntry,
    Manifest,
    ParticipantEntry,
    RecordingEntry,
    read_manifest,
    write_manifest,
)
from labelkit.dataset.table import SAMPLE, TABLE_NAME, table_bytes, table_of
from labelkit.dataset.withdrawal import record_entry, refuse_withdrawn
from labelkit.errors import OutputExistsError
from labelkit.files import make_folder, mendable, sha256_of, write_bytes, write_text
from labelkit.processes import run_jobs, worker_count
from labelkit.recordings import find_recordings, open_recording
from labelkit.records import Recording
from labelkit.settings import BuildSettings

WORK_NAME = ".build"

# All that a build ever writes; --overwrite removes these and nothing else.
_OWN = (MANIFEST_NAME, MANIFEST_HASH_NAME, TABLE_NAME, CARD_NAME, CROISSANT_NAME, LOG_NAME, WORK_NAME, "shards")


@dataclass(frozen=True)
class BuildOutcome:
    """What a build did."""

    manifest: Manifest
    frames_done_now: int  # the others were finished by an earlier run
    seconds: float
    workers: int


def build(
    raw: Path,
    out: Path,
    settings: BuildSettings,
    *,
    overwrite: bool = False,
    report: Callable[[int, int, int], None],
) -> BuildOutcome:
    """Build the dataset `out` from the recordings below `raw`, or finish one that was begun.

    Args:
        report: called now and then with the frames done, the samples among them, and all frames.
    Raises:
        RecordingError: `raw` cannot be read as recordings.
        OutputExistsError: `out` holds a dataset made otherwise, or another build is at work there.
        OutputError: no space or permission; what is there can be resumed.
    """
    began = time.monotonic()
    recordings = find_recordings(raw, max_gap_s=settings.max_gap_s)
    plan = make_plan(raw, recordings, settings)
    make_folder(out)
    with only_one_at(out):
        refuse_withdrawn(out, {recording.participant for recording in recordings})
        if overwrite:
            _remove_own(out)
        finished = _finished(out, plan)
        if finished is not None:
            return BuildOutcome(finished, 0, time.monotonic() - began, 1)
        _begin(out, plan)
        todo = [job for job in plan.jobs if _read_part(out, job) is None]
        frames_todo = sum(job.stop - job.start for job in todo)
        before = plan.frames - frames_todo
        run_jobs(
            _Work(raw, out, settings),
            todo,
            settings.workers,
            lambda done, samples: report(done, samples, frames_todo),
        )
        manifest = _finish(out, plan, recordings, settings)
        seconds = time.monotonic() - began
        workers = worker_count(settings.workers, len(todo))
        log(out, f"finished: {plan.frames} frames ({before} from before), {workers} workers, {seconds:.1f} s")
    return BuildOutcome(manifest, frames_todo, seconds, workers)


def _remove_own(out: Path) -> None:
    with mendable(out):
        for name in _OWN:
            path = out / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)


def _finished(out: Path, plan: Plan) -> Manifest | None:
    """Read the manifest of a finished dataset that is just what the plan would make."""
    if not (out / MANIFEST_NAME).exists():
        return None
    manifest = read_manifest(out)
    made = {
        "schema": manifest.schema_,
        "versions": manifest.versions,
        "settings": manifest.settings,
        "recordings": {entry.name: entry.inputs_sha256 for entry in manifest.recordings},
    }
    _refuse_other_facts(out, made, plan.facts, "holds a dataset made")
    return manifest


def _begin(out: Path, plan: Plan) -> None:
    facts = out / WORK_NAME / "plan.json"
    if facts.exists():
        begun = json.loads(facts.read_text(encoding="utf-8"))
        _refuse_other_facts(out, begun, plan.facts, "holds a build begun")
        log(out, "resumed")
        return
    own = [name for name in _OWN if (out / name).exists() and name not in (WORK_NAME, LOG_NAME)]
    if own:
        raise OutputExistsError(f"{out}: holds {own[0]} of something else; choose another --out or give --overwrite")
    make_folder(out / "shards")
    make_folder(facts.parent)
    write_text(facts, json.dumps(plan.facts, sort_keys=True))
    log(out, f"began: {plan.frames} frames in {len(plan.jobs)} shards, labelkit {__version__}")


def _refuse_other_facts(out: Path, made: dict[str, Any], asked: dict[str, Any], what: str) -> None:
    for key, name in (("schema", "schema"), ("settings", "setting"), ("versions", "version of"), ("recordings", "")):
        if made.get(key) == asked[key]:
            continue
        if key == "recordings":
            difference = _changed_recordings(made.get(key, {}), asked[key])
        elif key == "schema":
            difference = f"schema {made.get(key)}, now {asked[key]}"
        else:
            old, new = made.get(key, {}), asked[key]
            first = next(k for k in sorted({*old, *new}) if old.get(k) != new.get(k))
            difference = f"{name} {first.replace('_', '-')}: {old.get(first)!r} there, {new.get(first)!r} now"
        raise OutputExistsError(
            f"{out}: {what} otherwise ({difference}); choose another --out, or --overwrite to build it anew"
        )


def _changed_recordings(old: dict[str, str], new: dict[str, str]) -> str:
    changes = [f"{name} added" for name in sorted(new.keys() - old.keys())]
    changes += [f"{name} gone" for name in sorted(old.keys() - new.keys())]
    changes += [f"{name} changed" for name in sorted(new.keys() & old.keys()) if new[name] != old[name]]
    return "recordings: " + ", ".join(changes[:3]) + (f" and {len(changes) - 3} more" if len(changes) > 3 else "")


@dataclass(frozen=True)
class _Work:
    """A job runner that can be sent to a worker process."""

    raw: Path
    out: Path
    settings: BuildSettings

    def __call__(self, job: Job, progress: Callable[[bool], None], /) -> None:
        recording = _recording(self.raw, job.recording, self.settings.max_gap_s)
        shard, rows = build_shard(recording, job, self.settings, progress)
        if shard is not None:
            write_bytes(self.out / job.shard, shard)
        _write_part(self.out, job, rows)


@cache
def _recording(raw: Path, name: str, max_gap_s: float) -> Recording:
    return open_recording(raw, name, max_gap_s=max_gap_s)


def _part_path(out: Path, job: Job) -> Path:
    return out / WORK_NAME / f"{Path(job.shard).stem}.parquet"


def _write_part(out: Path, job: Job, rows: Sequence[dict[str, Any]]) -> None:
    shard = out / job.shard
    entry = FileEntry(bytes=shard.stat().st_size, sha256=sha256_of(shard)) if shard.exists() else None
    table = table_of(rows).replace_schema_metadata({"shard": entry.model_dump_json() if entry else ""})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    write_bytes(_part_path(out, job), sink.getvalue())


def _read_part(out: Path, job: Job) -> tuple[pa.Table, FileEntry | None] | None:
    """Read what a finished job left, or None where it did not finish or its shard is not what it was."""
    path = _part_path(out, job)
    if not path.exists():
        return None
    table = pq.read_table(path, partitioning=None)
    stated = table.schema.metadata[b"shard"]
    entry = FileEntry.model_validate_json(stated) if stated else None
    shard = out / job.shard
    if entry and not (shard.is_file() and sha256_of(shard) == entry.sha256):
        return None
    return table.replace_schema_metadata(None), entry


def _finish(out: Path, plan: Plan, recordings: Sequence[Recording], settings: BuildSettings) -> Manifest:
    tables, files = [], record_entry(out)
    for job in plan.jobs:
        part = _read_part(out, job)
        assert part is not None, f"{job.shard} vanished while the build ran"
        tables.append(part[0])
        if part[1]:
            files[job.shard] = part[1]
    content = table_bytes(tables)
    write_bytes(out / TABLE_NAME, content)
    files[TABLE_NAME] = _entry(out / TABLE_NAME)
    table = pa.concat_tables(tables)
    manifest = _manifest(plan, recordings, settings, table, files)
    for name, content in card_files(manifest, table).items():
        write_bytes(out / name, content)
        files[name] = _entry(out / name)
    manifest = manifest.model_copy(update={"files": dict(sorted(files.items()))})
    write_manifest(out, manifest)
    shutil.rmtree(out / WORK_NAME)
    return manifest


def _entry(path: Path) -> FileEntry:
    return FileEntry(bytes=path.stat().st_size, sha256=sha256_of(path))


def _manifest(
    plan: Plan, recordings: Sequence[Recording], settings: BuildSettings, table: pa.Table, files: dict[str, FileEntry]
) -> Manifest:
    frames = Counter(table["recording"].to_pylist())
    is_sample = [status == SAMPLE for status in table["status"].to_pylist()]
    samples = Counter(name for name, yes in zip(table["recording"].to_pylist(), is_sample, strict=True) if yes)
    reasons = Counter(reason for reason in table["reason"].to_pylist() if reason)
    participants: dict[str, Counter[str]] = {}
    for recording in recordings:
        counts = participants.setdefault(recording.participant, Counter())
        counts.update(frames=frames[recording.name], samples=samples[recording.name])
    return Manifest(
        labelkit=__version__,
        versions=plan.facts["versions"],
        settings=plan.facts["settings"],
        settings_digest=settings.digest(),
        frames=table.num_rows,
        samples=sum(samples.values()),
        rejected=dict(sorted(reasons.items())),
        participants={
            name: ParticipantEntry(frames=counts["frames"], samples=counts["samples"])
            for name, counts in sorted(participants.items())
        },
        recordings=[
            RecordingEntry(
                name=recording.name,
                participant=recording.participant,
                layout=recording.layout,
                sensor=recording.sensor,
                handedness=recording.handedness,
                frames=frames[recording.name],
                samples=samples[recording.name],
                inputs_sha256=plan.facts["recordings"][recording.name],
                stated=dict(sorted(recording.stated.items())),
            )
            for recording in sorted(recordings, key=lambda r: (r.participant, r.name))
        ],
        files=files,
    )
