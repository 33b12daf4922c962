"""Build a dataset, or bring one up to date: plan, run the jobs that are not done, join their rows, publish.

A job is kept if its key says that nothing which decides its shard has changed: in the stage, where a
build that was killed left it (stage.py), or in the finished dataset that this build extends. The finished
dataset stays whole and readable until everything that follows it is on the disk.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from typing import Any

import cv2
import pyarrow as pa
import pyarrow.compute as pc

from labelkit import __version__
from labelkit.building.plan import Job, Plan, make_plan, read_contents, read_contents_of
from labelkit.building.shard import build_shard
from labelkit.building.staging import SHARDS_NAME, FinishedJob, Stage
from labelkit.dataset.answers import FILE_NAME, CardAnswers, read_answers
from labelkit.dataset.lock import hold_dataset
from labelkit.dataset.log import LOG_NAME, log
from labelkit.dataset.manifest import (
    BUILD_NAME,
    CARD_NAME,
    CROISSANT_NAME,
    MANIFEST_HASH_NAME,
    MANIFEST_NAME,
    AlignmentEntry,
    FileEntry,
    Manifest,
    ParticipantEntry,
    RecordingEntry,
    describe_difference,
    read_manifest,
)
from labelkit.dataset.reading import open_plain_file
from labelkit.dataset.table import SAMPLE, TABLE_NAME, StoredRows
from labelkit.dataset.withdrawal import record_entry, refuse_withdrawn
from labelkit.errors import DatasetError, OutputExistsError
from labelkit.files import make_folder, remove
from labelkit.processes import KILLED, Progress, WorkerDiedError, one_thread, run_jobs, worker_count
from labelkit.recordings import find_recordings, matches, open_recording
from labelkit.recordings.alignment import measure_alignment
from labelkit.recordings.pseudonyms import Pseudonyms, pseudonyms_for
from labelkit.records import Reason, Recording
from labelkit.settings import BuildSettings
from labelkit.wording import number_of

logger = logging.getLogger(__name__)

# All that a build ever writes; --overwrite removes these and nothing else.
_OWN = (MANIFEST_NAME, MANIFEST_HASH_NAME, TABLE_NAME, CARD_NAME, CROISSANT_NAME, BUILD_NAME, SHARDS_NAME)

# What failed may work now: a disk, or memory.
_REPAIRABLE = frozenset({Reason.IO, Reason.DECODE, Reason.WORKER_CRASH})


# How long a part waits for another one that begins at the same time.
_PATIENCE_S = 60.0
_NAMED_PARTS = 8  # in a message


@dataclass(frozen=True)
class Part:
    """A part of a build that many machines share: number 1 to `of`.

    A job belongs to a part by the hash of what it is made from, so that neither the order of the recordings nor which
    of them joined later moves it.
    """

    number: int
    of: int

    def __str__(self) -> str:
        return f"{self.number}/{self.of}"

    def takes(self, job: Job) -> bool:
        """Whether a job is of this part."""
        return int(job.key, 16) % self.of == self.number - 1


@dataclass(frozen=True)
class PartOutcome:
    """What a part of a build did.

    Attributes:
        jobs, frames: of the part; the others were done before.
    """

    jobs: int
    frames: int
    frames_done_now: int
    seconds: float
    workers: int


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
    retry_rejected: bool = False,
    pseudonyms: Path | None = None,
    commit: bool = False,
    report: Callable[[int, int, int], None],
) -> BuildOutcome:
    """Build the dataset `out` from the recordings below `raw`, finish one that was begun, or extend one.

    Args:
        overwrite: build all of it again; what is there is replaced at the end.
        retry_rejected: build again the shards that lack a frame that may be read now.
        pseudonyms: the table of ids to use for participants, recordings and frames in place of their names.
        commit: build nothing: put together what `build_part` built.
        report: called now and then with the frames done, the samples among them, and all frames to do.
    Raises:
        RecordingError: `raw` cannot be read as recordings.
        OutputExistsError: `out` holds a dataset made otherwise, or another build is at work there.
        DatasetError: a withdrawal from `out` did not end, what it extends was changed, or `commit` finds parts missing.
        OutputError: no space or permission; what is there can be resumed.
    """
    began = time.monotonic()
    plan, table = _plan_build(raw, out, settings, pseudonyms)
    make_folder(out)
    with hold_dataset(out):
        stage = _open_stage(out, plan)
        answers = _answer_the_card(raw, out)
        begun = stage.plan()
        previous = _begin(stage, plan, settings, table, overwrite=overwrite, alone=not commit)
        kept = _Kept(raw, stage, plan, plan.jobs, previous, retry_rejected=retry_rejected)
        kept.changes |= previous is not None and previous.manifest.answers != answers
        todo = [job for job in plan.jobs if not kept.holds(job)]
        if previous and not todo and not kept.changes:
            stage.clear()
            return BuildOutcome(previous.manifest, 0, time.monotonic() - began, 1)
        if commit and todo:
            raise DatasetError(_describe_missing(out, todo, plan, begun))
        frames_todo = sum(len(job) for job in todo)
        log(out, f"began: {frames_todo} of {plan.frames} frames to do, labelkit {__version__}")
        run_jobs(
            _Work(raw, out, settings, table),
            todo,
            settings.workers,
            lambda done, samples: report(done, samples, frames_todo),
            leave_out=_without,
        )
        manifest = _finish(stage, plan, kept, settings, answers)
        workers = worker_count(settings.workers, len(todo))
        seconds = time.monotonic() - began
        log(out, f"finished: {plan.frames} frames, {frames_todo} of them now, {workers} workers, {seconds:.1f} s")
    return BuildOutcome(manifest, frames_todo, seconds, workers)


def build_part(
    raw: Path,
    out: Path,
    settings: BuildSettings,
    part: Part,
    *,
    pseudonyms: Path | None = None,
    report: Callable[[int, int, int], None],
) -> PartOutcome:
    """Build a part of the dataset `out`, while other processes and machines may build other parts.

    The dataset is made by `build` with `commit` once all parts are built. A part that was killed, or is run twice, does
    no harm. Arguments and errors are those of `build`.
    """
    began = time.monotonic()
    plan, table = _plan_build(raw, out, settings, pseudonyms)
    make_folder(out)
    with hold_dataset(out, patience_s=_PATIENCE_S):
        stage = _open_stage(out, plan)
        previous = _begin(stage, plan, settings, table, overwrite=False, alone=False, parts=part.of)
        mine = [job for job in plan.jobs if part.takes(job)]
        log(out, f"part {part} began: {len(mine)} of {len(plan.jobs)} shards, labelkit {__version__}")
    kept = _Kept(raw, stage, plan, mine, previous, retry_rejected=False)
    todo = [job for job in mine if not kept.holds(job)]
    frames_todo = sum(len(job) for job in todo)
    run_jobs(
        _Work(raw, out, settings, table),
        todo,
        settings.workers,
        lambda done, samples: report(done, samples, frames_todo),
        leave_out=_without,
    )
    workers = worker_count(settings.workers, len(todo))
    return PartOutcome(len(mine), sum(len(job) for job in mine), frames_todo, time.monotonic() - began, workers)


def _plan_build(
    raw: Path, out: Path, settings: BuildSettings, pseudonyms: Path | None
) -> tuple[Plan, Pseudonyms | None]:
    recordings = find_recordings(raw, max_gap_s=settings.max_gap_s, exclude=settings.exclude)
    table = pseudonyms_for(recordings, pseudonyms, apart_from=out) if pseudonyms else None
    if table:
        recordings = [table.hide(recording) for recording in recordings]
    return make_plan(raw, recordings, settings, pseudonymous=table is not None), table


def _open_stage(out: Path, plan: Plan) -> Stage:
    """Open the stage of a held dataset; finish what was committed before."""
    refuse_withdrawn(out, {recording.participant for recording in plan.recordings})
    stage = Stage(out)
    stage.publish()
    return stage


def _describe_missing(out: Path, todo: Sequence[Job], plan: Plan, begun: Mapping[str, Any] | None) -> str:
    """Say which parts are not whole."""
    says = f"{out}: {len(todo)} of {number_of(len(plan.jobs), 'shard')} are not built"
    of = (begun or {}).get("parts", 0)
    if of:
        parts = [Part(number, of) for number in range(1, of + 1)]
        missing = [str(part) for part in parts if any(part.takes(job) for job in todo)]
        more = f" and {len(missing) - _NAMED_PARTS} more" if len(missing) > _NAMED_PARTS else ""
        says += f"; run --part {', '.join(missing[:_NAMED_PARTS])}{more} again"
    return f"{says}; without --commit, the rest is built here"


def _answer_the_card(raw: Path, out: Path) -> CardAnswers:
    """Keep the answers of the dataset that is there; those in RAW's card.toml go before them.

    Raises:
        SettingsError: card.toml is not as it should be.
    """
    stated = read_answers(raw)
    try:
        known = read_manifest(out).answers
    except DatasetError:
        known = CardAnswers()
    for key, answer in stated.items():
        if (old := getattr(known, key)) not in ("", answer):
            logger.warning("%s: %s: %r becomes %r, as RAW's %s says", out, key, old, answer, FILE_NAME)
    return known.replace(stated)


class _Previous:
    """The finished dataset that is extended."""

    def __init__(self, out: Path, manifest: Manifest) -> None:
        self.out = out
        self.manifest = manifest
        self.recordings = {entry.name: entry for entry in manifest.recordings}
        starts = accumulate((entry.frames for entry in manifest.recordings), initial=0)
        self._first_row = dict(zip(self.recordings, starts, strict=False))

    def is_of(self, job: Job, inputs: str) -> bool:
        """Whether the job is of the same files, whatever they hold now."""
        entry = self.recordings.get(job.recording)
        return entry is not None and entry.inputs_sha256 == inputs and job.number < len(entry.contents)

    def part(self, job: Job, contents: str) -> FinishedJob | None:
        """Give what became of a job's frames; None if it would be of other pictures, or its shard is gone."""
        entry = self.recordings[job.recording]
        first = self._first_row[job.recording]
        rows = self._rows.rows(first + job.start, first + job.stop)
        excluded = pc.equal(rows["reason"], Reason.EXCLUDED.value).to_pylist()
        if job.excluded != {job.start + offset for offset, yes in enumerate(excluded) if yes}:
            return None
        if entry.contents[job.number] != contents:
            return None
        alignment = entry.alignment if job.start == 0 else None
        if rows["shard"].null_count == len(job):
            return FinishedJob(rows, None, contents, alignment)
        shard, path = self.manifest.files.get(job.shard), self.out / job.shard
        there = shard is not None and not path.is_symlink() and path.is_file() and path.stat().st_size == shard.bytes
        return FinishedJob(rows, shard, contents, alignment) if there else None

    @cached_property
    def _rows(self) -> StoredRows:
        path = self.out / TABLE_NAME
        try:
            with open_plain_file(self.out, TABLE_NAME) as file:
                if not describe_difference(file, self.manifest.files[TABLE_NAME]):
                    return StoredRows(file, path)
        except (OSError, KeyError):
            pass
        raise DatasetError(f"{path}: missing, or changed since it was built; give --overwrite to build it again")


class _Kept:
    """The parts that need not be built: in the finished dataset, or in the stage."""

    def __init__(
        self,
        raw: Path,
        stage: Stage,
        plan: Plan,
        jobs: Sequence[Job],
        previous: _Previous | None,
        *,
        retry_rejected: bool,
    ) -> None:
        """Look at jobs of a plan: all, or those of a part."""
        self._stage = stage
        self._plan = plan
        self._previous = previous
        self._retry = retry_rejected
        self.staged: set[str] = set()  # keys of jobs whose part is in the stage
        self.changes = previous is None or set(plan.inputs) != set(previous.recordings)
        may_be_kept = [job for job in jobs if self._is_of_previous(job) or stage.began(job)]
        self._contents = read_contents_of(raw, plan.recordings, may_be_kept)

    def holds(self, job: Job) -> bool:
        """Whether a job is done. One that is not is going to be, in the stage."""
        if self._in_previous(job):
            return True
        self.staged.add(job.key)
        self.changes = True
        return job.key in self._contents and self._stage.holds(job, self._contents[job.key])

    def part(self, job: Job) -> FinishedJob:
        """Read what became of a job, once all are done."""
        part = self._stage.part(job) if job.key in self.staged else self._in_previous(job)
        assert part is not None, f"{job.shard} vanished while the build ran"
        return part

    def _in_previous(self, job: Job) -> FinishedJob | None:
        if self._previous is None or not self._is_of_previous(job):
            return None
        part = self._previous.part(job, self._contents[job.key])
        if part and self._retry and not _REPAIRABLE.isdisjoint(part.rows["reason"].to_pylist()):
            return None
        return part

    def _is_of_previous(self, job: Job) -> bool:
        return self._previous is not None and self._previous.is_of(job, self._plan.inputs[job.recording])


def _begin(
    stage: Stage,
    plan: Plan,
    settings: BuildSettings,
    table: Pseudonyms | None,
    *,
    overwrite: bool,
    alone: bool = True,
    parts: int = 0,
) -> _Previous | None:
    """Refuse what does not fit together; say what there is to extend.

    Args:
        alone: no other process builds parts now.
        parts: how many there are; 0 if this is no part: as many as before.
    """
    out, begun = stage.out, stage.plan()
    if overwrite:
        stage.clear()
        remove(out / LOG_NAME)
        _remove_if_no_dataset(out)
    elif begun:
        _refuse_other_facts(out, begun["facts"], plan.facts, "holds a build begun")
        overwrite = begun["overwrite"]
    previous = None
    if not overwrite and (out / MANIFEST_NAME).exists():
        previous = _Previous(out, read_manifest(out))
        _refuse_other_facts(out, _facts_of(previous.manifest), plan.facts, "holds a dataset made")
        _refuse_vanished(out, previous, plan, settings, table)
    elif not overwrite and (own := [name for name in _OWN if name != BUILD_NAME and (out / name).exists()]):
        raise OutputExistsError(f"{out}: holds {own[0]} of something else; choose another --out or give --overwrite")
    parts = parts or (begun or {}).get("parts", 0)
    stage.begin({"facts": plan.facts, "overwrite": overwrite, "parts": parts}, alone=alone)
    return previous


def _remove_if_no_dataset(out: Path) -> None:
    try:
        read_manifest(out)
    except DatasetError:
        for name in _OWN:
            remove(out / name)


def _facts_of(manifest: Manifest) -> dict[str, Any]:
    return {
        "schema": manifest.schema_,
        "versions": manifest.versions,
        "settings": manifest.settings,
        "pseudonymous": manifest.pseudonymous,
    }


def _refuse_other_facts(out: Path, made: dict[str, Any], asked: dict[str, Any], what: str) -> None:
    for key, name in (("schema", ""), ("settings", "setting "), ("versions", "version of "), ("pseudonymous", "")):
        old, new = made[key], asked[key]
        if old == new:
            continue
        if not isinstance(new, dict):
            old, new = {key: old}, {key: new}
        first = next(k for k in sorted({*old, *new}) if old.get(k) != new.get(k))
        difference = f"{name}{first.replace('_', '-')}: {old.get(first)!r} there, {new.get(first)!r} now"
        raise OutputExistsError(
            f"{out}: {what} otherwise ({difference}); choose another --out, or --overwrite to build it again"
        )


def _refuse_vanished(
    out: Path, previous: _Previous, plan: Plan, settings: BuildSettings, table: Pseudonyms | None
) -> None:
    gone = {
        name: (table.place_of(name) if table else name) or name for name in previous.recordings.keys() - plan.inputs
    }
    gone = {name: place for name, place in gone.items() if not matches(place, settings.exclude)}
    if gone:
        name, place = min(gone.items())
        others = f" and {len(gone) - 1} more" if len(gone) > 1 else ""
        raise OutputExistsError(
            f"{out}: its recording {name!r}{others} is no longer among the recordings; bring it back, "
            f"or take its samples out with --exclude {place}"
        )


@dataclass
class _Work:
    """A job runner that can be sent to a worker process."""

    raw: Path
    out: Path
    settings: BuildSettings
    table: Pseudonyms | None
    _opened: tuple[str, Recording] | None = field(default=None, init=False)  # jobs come recording after recording

    def __call__(self, job: Job, progress: Progress, /) -> None:
        cv2.setNumThreads(1)  # the workers share the cores
        recording = self._open(job.place)
        with one_thread():  # once a job: libraries that are told so at each frame wake and spin their threads
            contents = read_contents(self.raw, recording, job)  # first: what changes now is built again next time
            shard, rows = build_shard(recording, job, self.settings, progress)
            alignment = _measure_alignment(recording, rows) if job.start == 0 else None
            Stage(self.out).add(job, shard, rows, contents, alignment)

    def _open(self, place: str) -> Recording:
        if self._opened is None or self._opened[0] != place:
            recording = open_recording(self.raw, place, max_gap_s=self.settings.max_gap_s)
            self._opened = place, self.table.hide(recording) if self.table else recording
        return self._opened[1]


def _measure_alignment(recording: Recording, rows: Sequence[Mapping[str, Any]]) -> AlignmentEntry:
    """Measure how depth lies on colour in the first frames of a recording that became samples."""
    found = measure_alignment(recording, [index for index, row in enumerate(rows) if row["status"] == SAMPLE])
    shift_px = None if found.shift_px is None else (round(found.shift_px[0]), round(found.shift_px[1]))
    return AlignmentEntry(fit=found.fit, frames=found.frames, shift_px=shift_px)


def _without(job: Job, done: int) -> Job:
    """Leave out the frame at which a job's worker died."""
    if done >= len(job):
        raise WorkerDiedError(KILLED)
    return replace(job, crashed=job.crashed | {job.start + done})


def _finish(stage: Stage, plan: Plan, kept: _Kept, settings: BuildSettings, answers: CardAnswers) -> Manifest:
    counts, files, moved = _Counts(), record_entry(stage.out), []

    def tables() -> Iterator[pa.Table]:
        for job in plan.jobs:
            part = kept.part(job)
            counts.add(job.recording, part)
            if part.shard:
                files[job.shard] = part.shard
                if job.key in kept.staged:
                    moved.append(job)
            yield part.rows

    files[TABLE_NAME] = stage.write_table(tables())
    manifest = stage.commit(_manifest(plan, settings, counts, files, answers), moved)
    stage.publish()
    return manifest


@dataclass
class _Counts:
    """What became of the frames of each recording, and why."""

    frames: Counter[str] = field(default_factory=Counter)
    samples: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    alignments: dict[str, AlignmentEntry] = field(default_factory=dict)
    contents: dict[str, list[str]] = field(default_factory=dict)

    def add(self, recording: str, part: FinishedJob) -> None:
        self.frames[recording] += part.rows.num_rows
        self.samples[recording] += pc.sum(pc.equal(part.rows["status"], SAMPLE)).as_py() or 0
        self.reasons.update(reason for reason in part.rows["reason"].to_pylist() if reason)
        self.contents.setdefault(recording, []).append(part.contents)
        if part.alignment:
            self.alignments[recording] = part.alignment


def _manifest(
    plan: Plan, settings: BuildSettings, counts: _Counts, files: dict[str, FileEntry], answers: CardAnswers
) -> Manifest:
    frames, samples = counts.frames, counts.samples
    participants: dict[str, Counter[str]] = {}
    for recording in plan.recordings:
        of_participant = participants.setdefault(recording.participant, Counter())
        of_participant.update(frames=frames[recording.name], samples=samples[recording.name])
    return Manifest(
        labelkit=__version__,
        versions=plan.facts["versions"],
        settings=plan.facts["settings"],
        settings_digest=settings.digest(),
        pseudonymous=plan.facts["pseudonymous"],
        answers=answers,
        frames=frames.total(),
        samples=samples.total(),
        rejected=dict(sorted(counts.reasons.items())),
        participants={
            name: ParticipantEntry(frames=of_participant["frames"], samples=of_participant["samples"])
            for name, of_participant in sorted(participants.items())
        },
        recordings=[
            RecordingEntry(
                name=recording.name,
                participant=recording.participant,
                layout=recording.layout,
                sensor=recording.sensor,
                handedness=recording.handedness,
                simulated=recording.simulated,
                frames=frames[recording.name],
                samples=samples[recording.name],
                inputs_sha256=plan.inputs[recording.name],
                contents=tuple(counts.contents.get(recording.name, ())),
                stated=dict(sorted(recording.stated.items())),
                alignment=counts.alignments.get(recording.name),
            )
            for recording in plan.recordings
        ],
        files=files,
    )
