"""Make recordings of simulated hands, with the exact truth of each frame."""

from __future__ import annotations

import os
import shutil
import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from labelkit.errors import OutputExistsError
from labelkit.files import PART_SUFFIX, make_folder, remove, translate_os_errors, write_text
from labelkit.processes import Progress, run_jobs
from labelkit.progress import open_bar
from labelkit.records import Handedness
from labelkit.settings import RecordSettings, SimulateSettings, as_toml, load_settings, settings_of
from labelkit.simulator.recorder import record
from labelkit.simulator.truth import TruthRow, as_csv
from labelkit.sources.follow import GameArrow
from labelkit.sources.simulated import open_simulated
from labelkit.workflows.record import Recorded, record_from

SETTINGS_FILE = "simulate.toml"  # says which folders are ours to overwrite


@dataclass(frozen=True)
class Simulated:
    """What a simulation wrote."""

    out: Path
    raw: Path
    truth: Path
    participants: int
    frames: int
    seconds: float


def simulate(
    out: Path | str,
    settings: SimulateSettings | None = None,
    *,
    overwrite: bool = False,
    quiet: bool = False,
    **keywords: Any,
) -> Simulated:
    """Write OUT/raw/<participant>/, OUT/truth.csv and OUT/simulate.toml, all of them or none.

    Args:
        out: folder; other files in it stay as they are.
        settings: what to record; the defaults if None.
        overwrite: replace what an earlier simulation wrote there.
        quiet: show no progress.
        keywords: single settings, as of `SimulateSettings`; they win over `settings`.
    Raises:
        OutputExistsError: OUT holds recordings already.
        OutputError: no space or no permission.
    """
    settings = settings_of(SimulateSettings, settings, keywords)
    out, started = Path(out), time.monotonic()
    old = _old_names(out, overwrite)
    make_folder(out)
    staging = out / f".simulate.{os.getpid()}{PART_SUFFIX}"
    try:
        make_folder(staging / "raw")
        rows = _record_all(staging, settings, quiet)
        write_text(staging / "truth.csv", as_csv(rows))
        # the number of workers changes no byte of the result, this file included
        write_text(staging / SETTINGS_FILE, as_toml(settings.model_copy(update={"workers": 0})))
        with translate_os_errors(out):
            for name in old:
                remove(out / name)
            _move_in(staging, out)
    finally:
        shutil.rmtree(staging, ignore_errors=True)
    return Simulated(
        out=out,
        raw=out / "raw",
        truth=out / "truth.csv",
        participants=settings.participants,
        frames=len(rows),
        seconds=time.monotonic() - started,
    )


def simulate_live(
    raw: Path | str,
    settings: SimulateSettings | None = None,
    *,
    participant: str = "p01",
    session: str = "",
    handedness: Handedness = "right",
    fps: float = 15.0,
    seconds: float = 0.0,
    follow: str | None = None,
    quiet: bool = True,
    **keywords: Any,
) -> Recorded:
    """Simulate a sensor in real time: frames of one participant appear in RAW/<participant>[/<session>].

    Args:
        raw: the folder of recordings; made if it is not there.
        settings: participants, frames, with_masks and workers are not used.
        participant, session, handedness, fps, seconds: as of `RecordSettings`.
        follow: the address of a painting game, whose arrow the participant follows until its map is full; without
            one, the hand turns about freely.
        quiet: show no progress.
        keywords: single settings, as of `SimulateSettings`; they win over `settings`.
    Raises:
        OutputExistsError: there is such a recording; none is ever overwritten.
        SensorError: the game is not there, or has gone.
        OutputError: no space or no permission; what was recorded until then is complete.
    """
    settings = settings_of(SimulateSettings, settings, keywords)
    wanted = RecordSettings(
        participant=participant, session=session, handedness=handedness, fps=fps, seconds=seconds, source="simulated"
    )
    source = partial(
        open_simulated,
        seed=settings.seed,
        reach_deg=settings.reach_deg,
        curl=settings.curl,
        correlated=settings.correlated_noise,
        people=settings.subjects == "people",
        hands=settings.hands,
        room=None if settings.room == "any" else settings.room,
    )
    if follow is None:
        return record_from(source, Path(raw), wanted, quiet=quiet)
    with GameArrow(follow) as arrow:
        led = partial(source, lead=arrow.goal)
        return record_from(led, Path(raw), wanted, until=lambda: arrow.done, quiet=quiet)


def _old_names(out: Path, overwrite: bool) -> list[str]:
    """List what an earlier simulation left in `out`, or refuse to touch it."""
    present = [name for name in ("raw", "truth.csv", "truth", SETTINGS_FILE) if (out / name).exists()]
    if not present:
        return []
    if not (out / SETTINGS_FILE).is_file():
        raise OutputExistsError(
            f"{out / present[0]} exists and labelkit simulate did not write it ({SETTINGS_FILE} is not next to "
            "it); choose another OUT"
        )
    if not overwrite:
        raise OutputExistsError(
            f"{out / present[0]} exists; choose another OUT, or replace the earlier simulation with --overwrite"
        )
    earlier = load_settings(SimulateSettings, config=out / SETTINGS_FILE, environment={})
    people = [f"raw/{_participant_name(index)}" for index in range(earlier.participants)]
    return [*people, "truth.csv", "truth", SETTINGS_FILE]


def _participant_name(index: int) -> str:
    return f"p{index + 1:02d}"


def _move_in(staging: Path, out: Path) -> None:
    """Move the finished result in; truth.csv last, so that its presence says that all is there."""
    for name in (SETTINGS_FILE, "truth"):
        if (staging / name).exists():
            (staging / name).replace(out / name)
    (out / "raw").mkdir(exist_ok=True)
    for recording in sorted((staging / "raw").iterdir()):
        recording.replace(out / "raw" / recording.name)
    (staging / "truth.csv").replace(out / "truth.csv")


def _record_all(staging: Path, settings: SimulateSettings, quiet: bool) -> list[TruthRow]:
    record = partial(_record, staging, settings)
    total = settings.participants * settings.frames
    with open_bar(quiet=quiet, total=total, desc="simulate", unit=" frames") as bar:
        parts = run_jobs(
            record, range(settings.participants), settings.workers, lambda done, _: bar.update(done - bar.n)
        )
    return [row for part in parts for row in part]


def _record(staging: Path, settings: SimulateSettings, index: int, progress: Progress) -> list[TruthRow]:
    return record(
        staging / "raw",
        seed=settings.seed,
        index=index,
        frames=settings.frames,
        reach_deg=settings.reach_deg,
        curl=settings.curl,
        correlated=settings.correlated_noise,
        people=settings.subjects == "people",
        hands=settings.hands,
        room=None if settings.room == "any" else settings.room,
        masks=staging / "truth" if settings.with_masks else None,
        on_frame=lambda: progress(True),
    )
