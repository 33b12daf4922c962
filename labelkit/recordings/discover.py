"""Find the recordings below a folder: walk it, ask the readers, combine the metadata."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from importlib.metadata import entry_points
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from labelkit.errors import MissingExtraError, RawFrameError, RecordingError, nearest
from labelkit.recordings.encodings import ENCODINGS
from labelkit.recordings.folders import COLOR_FOLDERS, DEPTH_FOLDERS
from labelkit.recordings.formats import Format, Unread, count_unread, describe_unread, list_unread
from labelkit.recordings.listing import (
    PICTURE_SUFFIXES,
    folders_in,
    links_out_of,
    matches,
    pictures_in,
    portable_from_name,
    source_path,
)
from labelkit.recordings.participants import (
    Named,
    find_codes,
    find_doubts,
    guess_participant,
    is_guessed,
    settle_participant,
)
from labelkit.recordings.pictures import depth_size
from labelkit.recordings.reader import FrameSource, OtherLayoutError, PictureSource, Problem, Reader
from labelkit.recordings.readers.arrays import open_arrays
from labelkit.recordings.readers.azure_mkv import open_azure_mkv
from labelkit.recordings.readers.clouds import open_clouds
from labelkit.recordings.readers.depth_only import open_depth_only
from labelkit.recordings.readers.fakenect import open_fakenect
from labelkit.recordings.readers.herrera import open_herrera
from labelkit.recordings.readers.pairs import open_pairs
from labelkit.recordings.readers.patterns import open_patterns
from labelkit.recordings.readers.ros import open_ros
from labelkit.recordings.readers.tum import open_tum
from labelkit.recordings.recording import StoredRecording, name_below
from labelkit.recordings.settle import Statements, calibration_of, gather, problems_of
from labelkit.recordings.sidecar import FILE_NAME, PARTICIPANT, Sidecar, combine_sidecars, read_sidecar
from labelkit.recordings.stamp_list import find_unused_lists
from labelkit.records import Recording
from labelkit.wording import shell_command

log = logging.getLogger(__name__)

# Asked in this order; the first reader that recognises a folder reads it. Patterns come first, as a user stated them.
READERS: Mapping[str, Reader] = {
    "patterns": open_patterns,
    "depth-only": open_depth_only,
    "tum": open_tum,
    "pairs": open_pairs,
    "fakenect": open_fakenect,
    "herrera": open_herrera,
    "azure-mkv": open_azure_mkv,
    "ros": open_ros,
    "clouds": open_clouds,
    "arrays": open_arrays,
}

# Their files have names of their own: what a folder of other pictures lacks of them is not worth a line.
_UNMENTIONED = ("depth-only", "fakenect", "herrera", "azure-mkv", "ros", "clouds", "arrays")

READER_GROUP = "labelkit.readers"  # entry points of other packages' readers, which are asked last

DEFAULT_MAX_GAP_S = 0.02  # as BuildSettings.max_gap_s


@dataclass(frozen=True, eq=False)
class Candidate:
    """What may be a recording: the recording, or the problems that keep it from being read.

    Attributes:
        name: relative to RAW, as Recording.name.
        folder: where its recording.toml belongs.
        layout, source, stated: None if no reader could read it.
        problems: empty if and only if there is a `recording`.
        notes: for the user, in words.
    """

    name: str
    folder: Path
    layout: str | None = None
    source: FrameSource | None = None
    stated: Statements | None = None
    recording: Recording | None = None
    problems: tuple[Problem, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class Survey:
    """Everything below a folder that may be a recording.

    Attributes:
        candidates: sorted by name; every picture is part of one, or counted in a note or a problem.
        unread: files in formats that are not read.
    """

    candidates: tuple[Candidate, ...]
    unread: tuple[Unread, ...] = ()

    def doubts(self, exclude: Sequence[str] = ()) -> list[Problem]:
        """Say in which way it is not certain who is who; `exclude` as in `find_recordings`."""
        return find_doubts(
            [
                _name_participant(candidate)
                for candidate in self.candidates
                if candidate.stated and not matches(candidate.name, exclude)
            ]
        )


def find_recordings(raw: Path, *, max_gap_s: float = DEFAULT_MAX_GAP_S, exclude: Sequence[str] = ()) -> list[Recording]:
    """Find all recordings below a folder.

    Args:
        raw: the folder; it may be a recording itself.
        max_gap_s: time between a depth and a colour picture that are one frame, seconds.
        exclude: globs of names; recordings that match are left out if they cannot be read.
    Returns:
        Sorted by name; picklable, and light: no picture has been decoded.
    Raises:
        RecordingError: RAW is missing or empty; no reader recognises a folder; a recording lacks metadata (the
            message ends with the lines to add), or its metadata contradict its pictures; or it is not certain which
            recordings are of one person.
    """
    found = survey(raw, max_gap_s=max_gap_s)
    candidates = found.candidates
    for unread in found.unread:
        log.warning("%s", unread.describe())
    if troubled := [
        candidate for candidate in candidates if candidate.problems and not matches(candidate.name, exclude)
    ]:
        raise RecordingError(describe_problems(troubled[0], raw, others=len(troubled) - 1))
    if doubts := found.doubts(exclude):
        raise RecordingError(describe_doubt(doubts[0], raw))
    for candidate in candidates:
        for note in candidate.notes:
            log.warning("%s: %s", candidate.name, note)
    return [candidate.recording for candidate in candidates if candidate.recording]


def open_recording(raw: Path, name: str, *, max_gap_s: float = DEFAULT_MAX_GAP_S) -> Recording:
    """Open one recording by the name that `find_recordings` gave it, without looking at the others.

    Raises:
        RecordingError: as `find_recordings`; or there is no recording of this name.
    """
    raw = _resolve(raw)
    place = source_path(raw, name)
    for folder in (place, place.parent):  # a clip has no folder of its name, so its parent is tried as well
        if not folder.is_dir() or not folder.resolve().is_relative_to(raw):
            continue
        sidecar = _sidecar_down(raw, raw, folder, _read(raw, raw))
        try:
            candidates = _ask(raw, folder, sidecar, max_gap_s)
        except OtherLayoutError:
            continue
        for candidate in candidates:
            if candidate.name == name and candidate.recording:
                return candidate.recording
            if candidate.name == name:
                raise RecordingError(describe_problems(candidate, raw))
    raise RecordingError(f"{raw}: there is no recording {name!r}")


def survey(raw: Path, *, max_gap_s: float = DEFAULT_MAX_GAP_S) -> Survey:
    """List everything below a folder that may be a recording, with its problems.

    Raises:
        RecordingError: RAW is missing, or holds nothing that could be a recording.
    """
    raw = _resolve(raw)
    places: list[_Place] = []
    candidates: list[Candidate] = []
    taken: set[str] = set()
    for place in _walk(raw):
        places.append(place)
        if place.trouble:
            candidates.append(_describe_trouble(raw, place.folder, place.trouble))
        elif not any(name in taken for name in place.names(raw)):
            try:
                found = _ask(raw, place.folder, place.sidecar, max_gap_s)
            except OtherLayoutError:
                continue
            candidates += found
            taken.update(_pictures_of(raw, found))
    unread = list(_find_unread(raw, places, candidates))
    rest = [(place, place.names(raw) - taken) for place in places]
    candidates = _add_the_rest(raw, candidates, rest, unread, max_gap_s)
    if not candidates:
        tried = ", ".join(sorted(PICTURE_SUFFIXES))
        holds = describe_unread(unread) or f"it holds no picture ({tried})"
        raise RecordingError(f"{raw}: no recording below this folder: {holds}")
    candidates.sort(key=lambda candidate: candidate.name)
    _refuse_same_names(candidates)
    return Survey(tuple(candidates), tuple(count_unread(unread)))


def describe_problems(candidate: Candidate, raw: Path, *, others: int = 0) -> str:
    """Say in one line why a recording cannot be read, and below it the lines to add."""
    says = "; ".join(problem.says for problem in candidate.problems)
    more = f" (and {others} more have problems: see {shell_command('inspect', raw)})" if others else ""
    lines = lines_from_problems(candidate.problems)
    place = raw / candidate.folder.relative_to(raw.resolve()) / FILE_NAME
    cure = f"; add to {place}, or to one in a folder above for all below it:\n\n{lines}" if lines else ""
    return f"{raw if candidate.name == '.' else raw / candidate.name}: {says}{more}{cure}"


def describe_doubt(doubt: Problem, raw: Path) -> str:
    """Say in one line what is not certain about who is who, and below it the lines of which one is to be added."""
    return f"{raw}: {doubt.says} Add to {raw / FILE_NAME} the line that is right:\n\n{lines_from_problems([doubt])}"


def lines_from_problems(problems: Sequence[Problem]) -> str:
    """Collect the lines that recording.toml lacks, under their tables."""
    tables: dict[str, list[str]] = {}
    for problem in problems:
        if problem.lines:
            tables.setdefault(problem.table, []).extend(problem.lines)
    return "\n".join(line for table, lines in tables.items() for line in (f"[{table}]", *lines))


class _Place(NamedTuple):
    """One folder below RAW."""

    folder: Path
    sidecar: Sidecar
    pictures: Sequence[str] = ()
    unread: Sequence[tuple[str, Format]] = ()
    trouble: str | None = None

    def names(self, raw: Path) -> set[str]:
        """Name the pictures relative to RAW."""
        prefix = _name_below(raw, self.folder)
        return {portable_from_name(f"{prefix}/{picture}" if prefix else picture) for picture in self.pictures}


def _walk(raw: Path) -> Iterator[_Place]:
    """Visit RAW and the folders below it, each before the folders in it; follow no links."""
    waiting: list[tuple[Path, Sidecar]] = [(raw, {})]
    while waiting:
        folder, above = waiting.pop()
        try:
            if links := links_out_of(raw, folder):
                raise RecordingError(
                    f"{links[0].name} is a link to {links[0].resolve()}, outside {raw}, and is not followed; "
                    "copy its target, or give a folder above both"
                )
            sidecar = combine_sidecars(above, _read(raw, folder))
            yield _Place(folder, sidecar, pictures_in(folder), list_unread(folder))
            waiting += [(folder / inside, sidecar) for inside in reversed(folders_in(folder))]
        except RecordingError as error:
            yield _Place(folder, above, trouble=str(error))
        except OSError as error:
            yield _Place(folder, above, trouble=f"cannot be opened ({error.strerror})")


def _ask(raw: Path, folder: Path, sidecar: Sidecar, max_gap_s: float) -> list[Candidate]:
    """Ask the readers for the recordings of a folder.

    Raises:
        OtherLayoutError: no reader recognises it; the message says what each one missed.
    """
    readers = _readers()
    if "recording.layout" in sidecar:
        layout = sidecar["recording.layout"].value
        readers = {layout: readers[layout]}
    misses = []
    for layout, reader in readers.items():
        try:
            return [
                _settle(raw, folder, layout, found, sidecar)
                if len(found)
                else _describe_empty(raw, folder, layout, found)
                for found in reader(folder, sidecar, max_gap_s)
            ]
        except OtherLayoutError as miss:
            if layout not in _UNMENTIONED or len(readers) == 1:
                misses.append(f"{layout}: {miss}")
        except (RecordingError, MissingExtraError) as error:
            return [_describe_trouble(raw, folder, str(error), layout)]
        except OSError as error:
            return [
                _describe_trouble(raw, folder, f"{Path(error.filename).name} cannot be read ({error.strerror})", layout)
            ]
    raise OtherLayoutError("; ".join(misses))


def _settle(raw: Path, folder: Path, layout: str, source: FrameSource, sidecar: Sidecar) -> Candidate:
    place = _name_below(raw, folder)
    name = "/".join(part for part in (place, source.clip) if part) or "."
    sidecar = settle_participant(_sidecar_down(raw, folder, source.depth_folder, sidecar), portable_from_name(name))
    source = _with_encoding(source, sidecar)
    stated = gather(source, sidecar, layout=layout, participant=guess_participant(place, raw))
    pictures = source if isinstance(source, PictureSource) else None
    problems = (*problems_of(stated), *getattr(source, "problems", ()))
    unused = find_unused_lists(folder, {"", *pictures.places()}, pictures.lists) if pictures else []
    near_m, far_m = stated.value("range_m")
    return Candidate(
        name=portable_from_name(name),
        folder=folder,
        layout=layout,
        source=source,
        stated=stated,
        problems=problems,
        notes=(*source.notes, *(f"{list_name} is not used" for list_name in unused)),
        recording=None
        if problems
        else StoredRecording(
            source=source,
            folder=place,
            name=portable_from_name(name),
            place=portable_from_name(name),
            layout=layout,
            participant=stated.value("participant"),
            handedness=stated.value("handedness"),
            sensor=stated.value("sensor"),
            simulated=bool(stated.value("simulated")),
            depth_only=bool(stated.value("depth_only")),
            range_m=(near_m, far_m),
            depth_unit_m=stated.value("depth_unit_m"),
            calibration=calibration_of(stated),
            stated=stated.origins(),
        ),
    )


def _with_encoding(source: FrameSource, sidecar: Sidecar) -> FrameSource:
    """Read depth pictures as recording.toml says that they are stored."""
    stated = sidecar.get("recording.depth_stored_as")
    if stated is None:
        return source
    if not isinstance(source, PictureSource):
        raise RecordingError(f"{stated.origin}: depth_stored_as is for depth pictures, and here are none")
    encoding = ENCODINGS[stated.value]
    unit = sidecar.get("recording.depth_unit_m")
    if encoding.unit_m is None:
        return replace(source, depth_reader=encoding.read)
    if unit:
        raise RecordingError(
            f"{unit.origin}: take out depth_unit_m: depth stored as {stated.value} becomes metres itself"
        )
    recording = {**source.metadata.get("recording", {}), "depth_unit_m": encoding.unit_m}
    return replace(source, depth_reader=encoding.read, metadata={**source.metadata, "recording": recording})


def _add_the_rest(
    raw: Path,
    candidates: list[Candidate],
    rest: Sequence[tuple[_Place, set[str]]],
    unread: Sequence[tuple[str, Format]],
    max_gap_s: float,
) -> list[Candidate]:
    """Report the pictures in no recording: in a note on the recording above them, or else as a problem."""
    nearest_first = sorted(candidates, key=lambda candidate: -len(candidate.folder.parts))
    notes: dict[int, list[str]] = {}
    unrecognised: dict[Path, _Place] = {}
    for place, names in rest:
        above = next((f for f in nearest_first if place.folder.is_relative_to(f.folder)), None)
        if names and above is None:
            unrecognised[_find_home(raw, place.folder)] = place
        elif names and above and above.source:
            notes.setdefault(id(above), []).append(f"{len(names)} pictures, such as {min(names)}, are not part of it")
    noted = [replace(f, notes=(*f.notes, *notes.get(id(f), ()))) for f in candidates]
    return noted + [
        _describe_unrecognised(raw, folder, place.sidecar, unread, max_gap_s)
        for folder, place in unrecognised.items()
        if not any(other != folder and folder.is_relative_to(other) for other in unrecognised)
    ]


def _find_home(raw: Path, folder: Path) -> Path:
    """Find the folder of the recording that stray pictures probably belong to: .../p01 for .../p01/rgb."""
    parts = folder.relative_to(raw).parts
    for depth, part in enumerate(parts):
        if part.lower() in (*COLOR_FOLDERS, *DEPTH_FOLDERS):
            return raw.joinpath(*parts[:depth])
    return folder


def _describe_unrecognised(
    raw: Path, folder: Path, sidecar: Sidecar, unread: Sequence[tuple[str, Format]], max_gap_s: float
) -> Candidate:
    try:
        found = _ask(raw, folder, sidecar, max_gap_s)
        assert not found, "no reader recognised it before"
        misses = ""
    except OtherLayoutError as error:
        misses = str(error)
    lines = ('color = ?  # how they are named, such as "{key}_color.jpg"', 'depth = ?  # such as "{key}_depth.png"')
    says = f"holds pictures, but no reader recognises it ({misses})"
    if _is_depth(folder):
        says += "; if all of its pictures are depth, state depth_only = true under [recording]"
    inside = [(name, known) for name, known in unread if source_path(raw, name).is_relative_to(folder)]
    problem = Problem(f"{says}; {describe_unread(inside)}") if inside else Problem(says, "files", lines)
    return Candidate(portable_from_name(_name_below(raw, folder)) or ".", folder, problems=(problem,))


def _is_depth(folder: Path) -> bool:
    """Whether the first picture of a folder is depth by its header."""
    try:
        depth_size(folder / pictures_in(folder)[0])
    except (RawFrameError, OSError, IndexError):
        return False
    return True


def _describe_trouble(raw: Path, folder: Path, says: str, layout: str | None = None) -> Candidate:
    return Candidate(portable_from_name(_name_below(raw, folder)) or ".", folder, layout, problems=(Problem(says),))


def _describe_empty(raw: Path, folder: Path, layout: str, source: FrameSource) -> Candidate:
    """Describe a file that a reader knows and cannot read."""
    place = _name_below(raw, folder)
    name = "/".join(part for part in (place, source.clip) if part) or "."
    problems = tuple(getattr(source, "problems", ())) or (Problem("holds no frame"),)
    return Candidate(portable_from_name(name), folder, layout, problems=problems)


def _name_participant(candidate: Candidate) -> Named:
    assert candidate.stated
    assert candidate.source
    stated, source = candidate.stated.merged[PARTICIPANT], candidate.source
    if not is_guessed(stated):
        return Named(candidate.name, stated.value, guessed=False)
    files = (source.frame_name(index).depth for index in range(len(source)))
    return Named(candidate.name, stated.value, guessed=True, in_files=find_codes(filter(None, files)))


def _find_unread(raw: Path, places: Sequence[_Place], candidates: Sequence[Candidate]) -> Iterator[tuple[str, Format]]:
    """List the files in formats that no recording holds; those in folders of another package's reader are its own."""
    others = [candidate.folder for candidate in candidates if candidate.layout not in (None, *READERS)]
    read_by = {(candidate.folder, candidate.layout) for candidate in candidates}
    for place in places:
        if not any(place.folder.is_relative_to(folder) for folder in others):
            yield from (
                (portable_from_name((place.folder / name).relative_to(raw).as_posix()), known)
                for name, known in place.unread
                if not any((folder, known.layout) in read_by for folder in (place.folder, place.folder.parent))
            )


def _refuse_same_names(candidates: Sequence[Candidate]) -> None:
    for one, other in pairwise(candidates):
        if one.name == other.name and one.recording and other.recording:
            raise RecordingError(
                f"{one.name}: two recordings have this name (in {one.folder} and {other.folder}); rename one"
            )


def _pictures_of(raw: Path, candidates: Sequence[Candidate]) -> Iterator[str]:
    for candidate in candidates:
        if candidate.source is None:
            continue
        place = _name_below(raw, candidate.folder)
        for index in range(len(candidate.source)):
            name = name_below(place, candidate.source.frame_name(index))
            yield from (part for part in (name.depth, name.color) if part)


def _sidecar_down(raw: Path, top: Path, bottom: Path, sidecar: Sidecar) -> Sidecar:
    """Add the recording.toml of the folders below `top`, down to `bottom`; the nearer one wins."""
    for part in bottom.relative_to(top).parts:
        top = top / part
        sidecar = combine_sidecars(sidecar, _read(raw, top))
    return sidecar


def _read(raw: Path, folder: Path) -> Sidecar:
    place = _name_below(raw, folder)
    sidecar = read_sidecar(folder, portable_from_name(f"{place}/{FILE_NAME}" if place else FILE_NAME))
    if "recording.layout" in sidecar and (layout := sidecar["recording.layout"].value) not in _readers():
        raise RecordingError(f"{FILE_NAME}: no layout {layout!r}; {nearest(layout, _readers())}")
    return sidecar


@cache
def _readers() -> Mapping[str, Reader]:
    """List the readers, with those of other packages."""
    readers = dict(READERS)
    for entry in sorted(entry_points(group=READER_GROUP), key=lambda entry: entry.name):
        try:
            readers.setdefault(entry.name, entry.load())
        except Exception as error:
            raise RecordingError(
                f"the reader {entry.name!r} ({entry.value}) cannot be loaded: {error}; repair or uninstall its package"
            ) from error
    return readers


def _name_below(raw: Path, folder: Path) -> str:
    """Name a folder relative to RAW, with forward slashes; "" for RAW itself."""
    return "" if folder == raw else folder.relative_to(raw).as_posix()


def _resolve(raw: Path) -> Path:
    if not raw.exists():
        raise RecordingError(f"{raw}: there is no such folder; give the folder that holds the recordings")
    if not raw.is_dir():
        raise RecordingError(f"{raw}: is a file; give the folder that holds the recordings")
    return raw.resolve()
