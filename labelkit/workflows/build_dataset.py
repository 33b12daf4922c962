"""Recordings in, dataset out."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from labelkit.building.build import Part, build, build_part
from labelkit.building.plan import make_plan
from labelkit.curation.alignment import describe_misfit
from labelkit.errors import SettingsError
from labelkit.progress import open_bar
from labelkit.recordings import find_recordings
from labelkit.records import Reason
from labelkit.settings import BuildSettings, settings_of

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class BuildResult:
    """What `build_dataset` made."""

    out: str
    frames: int
    samples: int
    rejected: dict[str, int]  # reason -> frames
    participants: int  # that have samples
    shards: int
    rejected_share: float  # of the frames that were not excluded
    too_many_rejected: bool  # more than settings.max_rejected
    frames_done_now: int  # the others were finished by an earlier run
    seconds: float
    workers: int


@dataclass(frozen=True)
class PartResult:
    """What a part of a build did; the dataset is made once all parts are built.

    Attributes:
        shards, frames: of this part.
        frames_done_now: the others were built before.
    """

    out: str
    part: str
    shards: int
    frames: int
    frames_done_now: int
    seconds: float
    workers: int


@dataclass(frozen=True)
class BuildPlan:
    """What `build_dataset` would do."""

    out: str
    recordings: int
    participants: int
    frames: int
    shards: int  # at most: a range of frames without a sample leaves none


def build_dataset(
    raw: Path | str,
    out: Path | str = "dataset",
    settings: BuildSettings | None = None,
    *,
    overwrite: bool = False,
    retry_rejected: bool = False,
    pseudonyms: Path | str | None = None,
    commit: bool = False,
    quiet: bool = True,
    **keywords: Any,
) -> BuildResult:
    """Turn the recordings below `raw` into a labelled dataset, finish one that was interrupted, or extend one.

    Args:
        overwrite: build everything again; the old dataset (and nothing else) is replaced at the end.
        retry_rejected: build those shards again in which frames could not be read or crashed a worker.
        pseudonyms: a file of random ids to use in place of names of people, folders and files; made where
            there is none, and kept outside the dataset.
        commit: build nothing, but put together the parts that `build_dataset_part` built.
        quiet: show no progress bar.
        keywords: single settings, as of `BuildSettings`; they win over `settings`.
    Raises:
        RecordingError: `raw` is missing, empty, or holds what no reader recognises.
        OutputExistsError: `out` holds a dataset made with other settings, or of a recording that is gone.
        DatasetError: `commit` finds that a part is not built; says which.
        OutputError: no space or permission; the same call goes on from there.
        KeyboardInterrupt: says that the same call goes on from there.
    """
    settings = settings_of(BuildSettings, settings, keywords)
    with _show_progress(out, quiet=quiet) as report:
        outcome = build(
            Path(raw),
            Path(out),
            settings,
            overwrite=overwrite,
            retry_rejected=retry_rejected,
            pseudonyms=None if pseudonyms is None else Path(pseudonyms),
            commit=commit,
            report=report,
        )
    manifest = outcome.manifest
    for recording in manifest.recordings:
        if recording.alignment and (misfit := describe_misfit(recording.alignment.fit, recording.alignment.shift_px)):
            log.warning("%s: %s", recording.name, misfit)
    asked_for = manifest.frames - manifest.rejected.get(Reason.EXCLUDED, 0)
    rejected_share = 1.0 - manifest.samples / asked_for if asked_for else 0.0
    return BuildResult(
        out=str(out),
        frames=manifest.frames,
        samples=manifest.samples,
        rejected=manifest.rejected,
        participants=sum(entry.samples > 0 for entry in manifest.participants.values()),
        shards=sum(name.startswith("shards/") for name in manifest.files),
        rejected_share=rejected_share,
        too_many_rejected=rejected_share > settings.max_rejected,
        frames_done_now=outcome.frames_done_now,
        seconds=outcome.seconds,
        workers=outcome.workers,
    )


def build_dataset_part(
    raw: Path | str,
    out: Path | str = "dataset",
    part: str = "1/1",
    settings: BuildSettings | None = None,
    *,
    pseudonyms: Path | str | None = None,
    quiet: bool = True,
    **keywords: Any,
) -> PartResult:
    """Build one of several parts of a dataset, which other processes and machines may build at the same time.

    Every part is given the same recordings, `out` and settings. Once all parts are built, `build_dataset` with `commit`
    makes the dataset of them. A part that was killed, or is built twice, does no harm.

    Args:
        part: number and number of parts, such as "3/10".
        pseudonyms, quiet, keywords: as of `build_dataset`.
    Raises:
        SettingsError: `part` is not of that form.
        what `build_dataset` raises.
    """
    settings = settings_of(BuildSettings, settings, keywords)
    chosen = part_from_text(part)
    with _show_progress(out, quiet=quiet) as report:
        outcome = build_part(
            Path(raw),
            Path(out),
            settings,
            chosen,
            pseudonyms=None if pseudonyms is None else Path(pseudonyms),
            report=report,
        )
    return PartResult(
        out=str(out),
        part=str(chosen),
        shards=outcome.jobs,
        frames=outcome.frames,
        frames_done_now=outcome.frames_done_now,
        seconds=outcome.seconds,
        workers=outcome.workers,
    )


def part_from_text(text: str) -> Part:
    """Read a part as users write it, "3/10".

    Raises:
        SettingsError: it is not of that form.
    """
    found = re.fullmatch(r"(\d{1,6})/(\d{1,6})", text, re.ASCII)
    if found and 1 <= int(found[1]) <= int(found[2]):
        return Part(int(found[1]), int(found[2]))
    raise SettingsError(f"part {text!r} is not a number and the number of parts, such as 3/10")


@contextmanager
def _show_progress(out: Path | str, *, quiet: bool) -> Iterator[Callable[[int, int, int], None]]:
    """Show a bar; say after Ctrl-C that the same command goes on."""
    with open_bar(quiet=quiet, desc="build", unit="frame", dynamic_ncols=True) as bar:

        def report(done: int, samples: int, total: int) -> None:
            bar.total = total
            bar.set_postfix_str(f"rejected {done - samples}", refresh=False)
            bar.update(done - bar.n)

        try:
            yield report
        except KeyboardInterrupt:
            raise KeyboardInterrupt(
                f"interrupted; {out} keeps the shards that are done; go on with the same command"
            ) from None


def plan_dataset(raw: Path | str, out: Path | str = "dataset", settings: BuildSettings | None = None) -> BuildPlan:
    """Say what `build_dataset` would do, without writing anything."""
    settings = settings or BuildSettings()
    recordings = find_recordings(Path(raw), max_gap_s=settings.max_gap_s, exclude=settings.exclude)
    plan = make_plan(Path(raw), recordings, settings)
    participants = {recording.participant for recording in recordings}
    return BuildPlan(str(out), len(recordings), len(participants), plan.frames, len(plan.jobs))
