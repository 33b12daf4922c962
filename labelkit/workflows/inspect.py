"""What each recording below a folder is, and why it cannot be read."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby, pairwise
from pathlib import Path
from typing import Any

import numpy as np

from labelkit.curation.alignment import Alignment, describe_misfit
from labelkit.errors import RawFrameError
from labelkit.files import write_text
from labelkit.labelling.checks import DARKEST
from labelkit.labelling.label import explain_frame
from labelkit.labelling.options import LabelOptions
from labelkit.recordings.alignment import measure_alignment
from labelkit.recordings.discover import Candidate, lines_from_problems, survey
from labelkit.recordings.reader import FrameSource, PictureSource
from labelkit.recordings.recording import describe_wrong_values, metres_from_stored
from labelkit.recordings.settle import Statements, pick_evenly
from labelkit.recordings.sidecar import FILE_NAME
from labelkit.records import ColorImage, FloatArray, Frame, Reason, Recording, Rejection, Unreadable
from labelkit.settings import BuildSettings, InspectSettings, settings_of

_WHITE = 255  # stands for colour where there is none
# Of a picture, within range_m: a hand at 1.5 m is 0.5 % of a Kinect's.
_LEAST_IN_RANGE = 0.001
_LOOKED_AT = 5  # frames that are decoded to see their depth and colour: 60 ms per recording

_GAP = 3.0  # times the usual time between frames; less is a picture or two that the sensor dropped

# Programs that stretch each picture to its largest value leave that value in every one of them.
_STRETCHED = (2**8 - 1, 2**15 - 1, 2**16 - 2)

# Skin of every tone returns more red light than blue. On so many hands, blue exceeds red by this factor only if the two
# are swapped, or under gloves or coloured light.
_LEAST_HANDS = 3
_BLUER = 1.1
# The middle of a crop shows the palm.
_PALM = (slice(52, 76), slice(52, 76))


@dataclass(frozen=True)
class DepthSeen:
    """The depth of a few frames. In metres if the unit is stated, else as stored."""

    frames: int
    unreadable: int
    nearest: float  # 1st percentile
    median: float
    farthest: float  # 99th percentile
    holes: float  # share of the pixels


@dataclass(frozen=True, eq=False)
class _Seen:
    """One frame that was looked at.

    Attributes:
        depth: (H, W) in the stored unit.
        brightest: the largest value of the colour picture, 0..255.
        bluer: median blue of the hand's skin, relative to its red; NaN if no hand was found.
    """

    depth: FloatArray
    brightest: int
    bluer: float


@dataclass(frozen=True)
class Pace:
    """The time stamps of a recording, seconds."""

    duration_s: float
    usual_s: float  # between two frames
    gaps: int  # more than three times the usual
    longest_s: float


@dataclass(frozen=True)
class RecordingReport:
    """What one recording is. A fact is None if nothing states it."""

    name: str
    layout: str | None
    frames: int
    pairs: int
    without_color: int
    without_depth: int
    participant: str | None
    handedness: str | None
    sensor: str | None
    depth_unit_m: float | None
    registered: bool | None
    range_m: tuple[float, float] | None
    intrinsics: dict[str, Any]
    color_intrinsics: dict[str, Any]
    depth_size: tuple[int, int] | None
    color_size: tuple[int, int] | None
    stated: dict[str, str]  # key -> where its value came from
    depth: DepthSeen | None
    alignment: Alignment | None  # None if it cannot be read yet
    pace: Pace | None
    notes: tuple[str, ...]
    problems: tuple[str, ...]
    add_to: str  # the recording.toml that lacks `add`
    add: str


@dataclass(frozen=True)
class Doubt:
    """What is not certain about who is who."""

    says: str
    add_to: str  # the recording.toml in which one of the lines `add` settles it
    add: str


@dataclass(frozen=True)
class Inspection:
    """What `inspect` found."""

    raw: str
    recordings: tuple[RecordingReport, ...]
    frames: int
    participants: int
    people: dict[str, int]  # participant -> recordings
    doubts: tuple[Doubt, ...]
    unread: tuple[str, ...]  # for each format that is not read: its files and the way out
    problems: int  # those of the recordings, and the doubts
    drafted: tuple[str, ...]  # recording.toml files written
    kept: tuple[str, ...]  # those already there, and left as they are


def inspect(
    raw: Path | str, settings: InspectSettings | None = None, *, write: bool = False, **keywords: Any
) -> Inspection:
    """Say what each recording below `raw` is, and which file states each fact.

    Args:
        write: draft a recording.toml if facts are missing; one that is there is never changed.
        keywords: single settings, as of `InspectSettings`; they win over `settings`.
    Raises:
        RecordingError: `raw` is missing, or holds nothing that can be a recording.
        OutputError: a draft cannot be written.
    """
    settings = settings_of(InspectSettings, settings, keywords)
    raw = Path(raw)
    found = survey(raw, max_gap_s=settings.max_gap_s)
    reports = tuple(_report(candidate, raw) for candidate in found.candidates)
    doubts = tuple(Doubt(doubt.says, str(raw / FILE_NAME), lines_from_problems([doubt])) for doubt in found.doubts())
    drafted, kept = _draft_all(found.candidates, raw, in_doubt=bool(doubts)) if write else ((), ())
    people = Counter(report.participant for report in reports if report.participant)
    return Inspection(
        raw=str(raw),
        recordings=reports,
        frames=sum(report.frames for report in reports),
        participants=len(people),
        people=dict(sorted(people.items())),
        doubts=doubts,
        unread=tuple(files.describe() for files in found.unread),
        problems=sum(len(report.problems) for report in reports) + len(doubts),
        drafted=drafted,
        kept=kept,
    )


def _report(candidate: Candidate, raw: Path) -> RecordingReport:
    source, stated = candidate.source, candidate.stated
    names = [source.frame_name(index) for index in range(len(source))] if source else []
    depth_only = bool(stated and stated.value("depth_only"))
    paired = [i for i, name in enumerate(names) if name.depth and (name.color or depth_only)]
    looked_at, unreadable = _look(candidate, paired)
    alignment = measure_alignment(candidate.recording, paired) if candidate.recording and not depth_only else None
    misfit = describe_misfit(alignment.fit, alignment.shift_px) if alignment else None
    add = lines_from_problems(candidate.problems)

    def value(key: str) -> Any:
        return stated.value(key) if stated else None

    return RecordingReport(
        name=candidate.name,
        layout=candidate.layout,
        frames=len(names),
        pairs=len(paired),
        without_color=0 if depth_only else sum(name.color is None for name in names),
        without_depth=sum(name.depth is None for name in names),
        participant=value("participant"),
        handedness=value("handedness"),
        sensor=value("sensor"),
        depth_unit_m=value("depth_unit_m"),
        registered=value("registered"),
        range_m=tuple(value("range_m")) if stated else None,
        intrinsics=_table(stated, "intrinsics"),
        color_intrinsics=_table(stated, "color_intrinsics"),
        depth_size=stated.depth_sizes[0] if stated and stated.depth_sizes else None,
        color_size=stated.color_sizes[0] if stated and stated.color_sizes else None,
        stated=stated.origins() if stated else {},
        depth=_depth_seen([seen.depth for seen in looked_at], len(unreadable), value("depth_unit_m") or 1.0),
        alignment=alignment,
        pace=_pace([name.stamp for name in names if math.isfinite(name.stamp)]),
        notes=(
            *candidate.notes,
            *_find_repeats(source),
            *(_some_unreadable(unreadable) if looked_at else ()),
            *_find_blue_skin(looked_at),
            *(_find_out_of_range(looked_at, candidate.recording) if candidate.recording else ()),
        ),
        problems=(
            *(problem.says for problem in candidate.problems),
            *(_some_unreadable(unreadable) if not looked_at else ()),
            *_find_stretched([seen.depth for seen in looked_at]),
            *_find_dark(looked_at),
            *(["no depth picture has a colour picture"] if source and not paired else []),
            *([misfit] if misfit else []),
        ),
        add_to=str(_sidecar_path(candidate, raw)) if add else "",
        add=add,
    )


def _look(candidate: Candidate, paired: Sequence[int]) -> tuple[list[_Seen], list[str]]:
    """Look at a few frames; and say why some cannot be read."""
    seen: list[_Seen] = []
    unreadable: list[str] = []
    for index in pick_evenly(paired, _LOOKED_AT):
        looked_at = _look_at(candidate, index)
        if isinstance(looked_at, str):
            assert candidate.source, "only a recording with a source has frames"
            unreadable.append(f"{candidate.source.frame_name(index).key}: {looked_at}")
        elif looked_at:
            seen.append(looked_at)
    return seen, unreadable


def _look_at(candidate: Candidate, index: int) -> _Seen | str | None:
    """Read a frame, or say why that fails; None if it repeats another. Without a unit, no hand is looked for."""
    recording, source = candidate.recording, candidate.source
    assert source, "only a recording with a source has frames"
    try:
        if recording is None:
            stored = source.read_depth(index)
            wrong = describe_wrong_values(stored, None)
            brightest = int(source.read_color(index).max()) if source.frame_name(index).color else _WHITE
            return wrong or _Seen(metres_from_stored(stored, 1.0), brightest, math.nan)
        frame = recording[index]
        if isinstance(frame, Unreadable):
            return None if frame.reason is Reason.DUPLICATE else frame.detail
        if frame.read_color is None:
            return _Seen(frame.depth_m / recording.depth_unit_m, _WHITE, math.nan)
        color = frame.read_color()
        return _Seen(frame.depth_m / recording.depth_unit_m, int(color.max()), _how_blue(frame, color, recording))
    except RawFrameError as error:
        return str(error) if recording else f"the picture {error}"
    except OSError as error:
        return str(error.strerror)


def _how_blue(frame: Frame, color: ColorImage, recording: Recording) -> float:
    """Compare the median blue of the frame's hand with its red; NaN if it shows none."""
    sample = explain_frame(
        replace(frame, read_color=lambda: color),
        recording.calibration,
        handedness=recording.handedness,
        range_m=recording.range_m,
        sensor=recording.sensor,
        rng=np.random.default_rng(0),
        options=LabelOptions.from_settings(BuildSettings()),
    ).outcome
    if isinstance(sample, Rejection):
        return math.nan
    red, _, blue = np.median(sample.rgb[0][_PALM].reshape(-1, 3), axis=0)
    return float(blue / max(red, 1.0))


def _depth_seen(looked_at: Sequence[FloatArray], unreadable: int, unit_m: float) -> DepthSeen | None:
    if not looked_at:
        return None
    depth = np.concatenate([stored.ravel() for stored in looked_at])
    valid = depth[np.isfinite(depth)] * unit_m
    near, median, far = np.percentile(valid, (1, 50, 99)).tolist() if valid.size else (0.0, 0.0, 0.0)
    return DepthSeen(len(looked_at), unreadable, near, median, far, 1.0 - valid.size / depth.size)


def _some_unreadable(unreadable: Sequence[str]) -> list[str]:
    if not unreadable:
        return []
    return [f"of the frames looked at, {len(unreadable)} cannot be read: {unreadable[0]}"]


def _find_repeats(source: FrameSource | None) -> list[str]:
    """Note the frames that a stream which hung stored again."""
    if not isinstance(source, PictureSource):
        return []
    repeats = [(index, kind) for index in range(len(source)) if (kind := source.find_repeat(index))]
    if not repeats:
        return []
    first, kind = repeats[0]
    name = source.frame_name(first)
    return [
        f"{len(repeats)} frames repeat a picture byte for byte, as if the sensor hung, and will be rejected "
        f"(the first: {name.depth if kind == 'depth' else name.color})"
    ]


def _find_stretched(looked_at: Sequence[FloatArray]) -> list[str]:
    largest = {round(float(np.nanmax(stored))) for stored in looked_at if np.isfinite(stored).any()}
    if len(looked_at) < 2 or len(largest) > 1 or not largest & set(_STRETCHED):
        return []
    return [
        f"the largest value of every depth picture is {largest.pop()}: the program that saved them stretched "
        "each to its own scale, so their unit cannot be recovered; record again, or leave this folder out"
    ]


def _find_dark(looked_at: Sequence[_Seen]) -> list[str]:
    if not looked_at or max(seen.brightest for seen in looked_at) >= DARKEST:
        return []
    return [
        f"the brightest value of every colour picture looked at is {max(seen.brightest for seen in looked_at)} of 255: "
        "they are black, or 16-bit pictures that hold 8 to 12 bits; save them scaled to the full range"
    ]


def _find_blue_skin(looked_at: Sequence[_Seen]) -> list[str]:
    bluer = [seen.bluer for seen in looked_at if math.isfinite(seen.bluer)]
    if len(bluer) < _LEAST_HANDS or min(bluer) < _BLUER:
        return []
    return [
        f"the skin of all {len(bluer)} hands looked at is bluer than red ({min(bluer):.1f} times and more): red and "
        "blue are swapped in these pictures, unless the light or a glove is blue"
    ]


def _find_out_of_range(looked_at: Sequence[_Seen], recording: Recording) -> list[str]:
    near_m, far_m = recording.range_m
    depth_m = [seen.depth * recording.depth_unit_m for seen in looked_at]
    if not any(np.isfinite(depth).any() for depth in depth_m):
        return []
    if any(np.mean((depth >= near_m) & (depth <= far_m)) >= _LEAST_IN_RANGE for depth in depth_m):
        return []
    return [
        f"in no frame looked at is anything within {near_m:g} to {far_m:g} m, where a hand may be (range_m), so none "
        f"will be found; is depth_unit_m = {recording.depth_unit_m:g} right?"
    ]


def _pace(stamps: Sequence[float]) -> Pace | None:
    if len(stamps) < 2:
        return None
    steps = sorted(later - earlier for earlier, later in pairwise(stamps) if later >= earlier)  # else a restart
    if not steps:
        return None
    usual = steps[len(steps) // 2]
    gaps = sum(step > _GAP * usual for step in steps) if usual > 0 else 0
    return Pace(sum(steps), usual, gaps, steps[-1])


def _table(stated: Statements | None, table: str) -> dict[str, Any]:
    if stated is None:
        return {}
    return {key.split(".")[1]: about.value for key, about in stated.merged.items() if key.startswith(f"{table}.")}


def _sidecar_path(candidate: Candidate, raw: Path) -> Path:
    return raw / candidate.folder.relative_to(raw.resolve()) / FILE_NAME


def _draft_all(
    candidates: Sequence[Candidate], raw: Path, *, in_doubt: bool
) -> tuple[tuple[str, ...], tuple[str, ...]]:
    drafted, kept = [], []
    lacking = [candidate for candidate in candidates if any(problem.lines for problem in candidate.problems)]
    for folder, (candidate, *_) in groupby(lacking, key=lambda candidate: candidate.folder):  # clips share one folder
        path = _sidecar_path(candidate, raw)
        if path.exists():
            kept.append(str(path))
        else:
            write_text(folder / path.name, _draft(candidate, in_doubt=in_doubt))
            drafted.append(str(path))
    return tuple(drafted), tuple(kept)


def _draft(candidate: Candidate, *, in_doubt: bool) -> str:
    """Write what is known as it is, and what is not, such as who is who `in_doubt`, as comments to fill in."""
    tables: dict[str, list[str]] = {"recording": []}
    if candidate.layout and candidate.stated:
        participant = candidate.stated.value("participant").replace("\\", "\\\\").replace('"', '\\"')
        tables["recording"] = [
            f'# participant = "{participant}"?' if in_doubt else f'participant = "{participant}"',
            f'# handedness = "{candidate.stated.value("handedness")}"  # right | left',
            '# sensor = "kinect-v1"  # kinect-v1 kinect-v2 azure-kinect realsense structured-light tof',
            f'layout = "{candidate.layout}"',
        ]
    for problem in candidate.problems:
        if problem.lines:
            tables.setdefault(problem.table, []).extend(
                f"# {line}" if "?" in line.split("#")[0] else line for line in problem.lines
            )
    blocks = ["\n".join((f"[{table}]", *lines)) for table, lines in tables.items() if lines]
    head = "# Drafted by labelkit inspect --write. Replace each ? and take the # off the line."
    return "\n\n".join((head, *blocks)) + "\n"
