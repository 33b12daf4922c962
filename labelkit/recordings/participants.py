"""Which recordings are of one person, as recording.toml states it or as the names of the folders suggest it.

A person who counts as two may stand on both sides of a split, and two who count as one cannot be told apart
again. So names of folders are taken for participants only if they leave no doubt.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from labelkit.errors import RecordingError
from labelkit.recordings.listing import matches, portable_from_name
from labelkit.recordings.reader import Problem
from labelkit.recordings.sidecar import PARTICIPANT, PARTICIPANTS, PLACES, Sidecar, Statement
from labelkit.records import compose_name, fold_name

_FROM_FOLDER, _FROM_RAW = "folder", "name of RAW"  # origins of a participant that nobody states

_SHOWN = 6  # names in a message

# Codes that are given to people, whatever lies below a folder of such a name: p01, P1, subject_2, sub-03.
_PERSON = re.compile(
    r"(?:p|pp|vp|sub|subj|subject|participant|person|pers|user|proband|volunteer|tester|patient|sujet)[-_. ]?\d+", re.I
)
# Letters before a number that mean a gesture, take, run, day or clip. (s may be a session or a subject.)
_PART = re.compile(r"[gtrdc]\d+", re.I)
_DATE = re.compile(r"(?<!\d)(?:(?:19|20)\d\d[-_.]?[01]\d[-_.]?[0-3]\d|[0-3]?\d[-_.][0-3]?\d[-_.](?:19|20)\d\d)")
_NUMBER = re.compile(r"\d+")
# Words in the names of folders that are no person's.
_NO_PERSON = """
    session sessions sess ses take takes trial trials try run runs rec recs record records recording recordings
    sequence seq scene scenes clip clips block part phase round set sets condition cond group groups study experiment
    exp pilot first second third new old backup tmp temp export exports output out input
    day night morning noon afternoon evening week date time
    data dataset datasets raw captures capture train training test testing val validation participants subjects people
    persons users kinect azure realsense sensor camera cam color colour rgb depth image images frames video videos
    lab room office kitchen home indoor outdoor
    hand hands left right gesture gestures pose poses sign signs open closed close fist palm flat point pointing pinch
    thumb thumbs peace victory ok okay grab grasp wave waving stop swipe rotate rotation rotations tilt turn up down
"""

_NO_PERSON_WORDS = frozenset(_NO_PERSON.split())


class Named(NamedTuple):
    """A recording and its participant.

    Attributes:
        name: relative to RAW, as Recording.name.
        guessed: the participant comes from a folder's name.
        in_files: codes such as P1 with which its files' names begin.
    """

    name: str
    participant: str
    guessed: bool
    in_files: tuple[str, ...] = ()


def guess_participant(place: str, raw: Path) -> Statement:
    """Take the participant from the first folder below RAW, or from RAW's name if RAW is the recording."""
    name, origin = (place.split("/")[0], _FROM_FOLDER) if place else (raw.name, _FROM_RAW)
    return Statement(compose_name(portable_from_name(name)), origin)


def is_guessed(stated: Statement) -> bool:
    """Whether nobody states a participant."""
    return stated.origin in (_FROM_FOLDER, _FROM_RAW)


def settle_participant(sidecar: Sidecar, name: str) -> Sidecar:
    """Replace what recording.toml states about participants by the participant of one recording.

    Args:
        name: of the recording, as Recording.name.
    Raises:
        RecordingError: the statement names a folder that the recording has not.
    """
    sidecar = dict(sidecar)
    table = sidecar.pop(PARTICIPANTS, None)
    stated = sidecar.get(PARTICIPANT)
    for glob, participant in (table.value if table else {}).items():
        if matches(compose_name(name), [compose_name(glob)]):
            stated = Statement(participant, table.origin) if table else None
            break
    if stated:
        sidecar[PARTICIPANT] = Statement(compose_name(_fill(stated, name)), stated.origin)
    return sidecar


def _fill(stated: Statement, name: str) -> str:
    folders = [] if name == "." else name.split("/")

    def folder_of(place: re.Match[str]) -> str:
        word, number = place.groups()
        index = {"recording": -1, "parent": -2}.get(word, int(number or 0) - 1)
        if not -len(folders) <= index < len(folders):
            raise RecordingError(
                f"{stated.origin}: participant = {stated.value!r} needs more folders below RAW than {name} has; "
                f"state the participant nearer to it, or under [participants]"
            )
        return folders[index]

    return PLACES.sub(folder_of, stated.value)


def find_doubts(recordings: Sequence[Named]) -> list[Problem]:
    """Say in which way the folders' names leave a doubt about who is who, with the lines that would settle it."""
    guessed = [recording for recording in recordings if recording.guessed]
    says = _doubt_in_folders(guessed) if len(recordings) > 1 else ""
    doubts = [Problem(f"who is who? {says}", "recording", _choices(guessed))] if says else []
    doubts += [_doubt_in_files(recording) for recording in guessed if len(recording.in_files) > 1]
    return doubts + _find_two_spellings(recordings)


def _doubt_in_folders(recordings: Sequence[Named]) -> str:
    """Say why the first folders may not be one for each person; "" if they are."""
    parts = [() if recording.name == "." else tuple(recording.name.split("/")) for recording in recordings]
    first = _distinct(part[0] for part in parts if part)
    second = _distinct(part[1] for part in parts if len(part) > 1)
    if any(r.participant != compose_name(part[0]) for r, part in zip(recordings, parts, strict=True) if part):
        return _doubt_in_clips(first)  # RAW itself is the recording, and these are its clips
    if all(_PERSON.fullmatch(name) for name in first):
        codes = [name for name in second if _PERSON.fullmatch(name)]
        return f"below {_some(first)} are {_some(codes)}" if len(codes) > 1 else ""
    if wrong := [name for name in first if _is_no_person(name, alone=all(len(part) < 2 for part in parts))]:
        return f"the first folders below RAW are {_some(first)}: is {wrong[0]} a person?"
    if shared := _find_shared_code(first):
        return f"{_some(shared)}: one person or several?"
    if len(_depths(parts)) > 1 and _depths(parts)[-1] > 2:  # one session in a folder of its own is no doubt
        shown = (next(r.name for r, p in zip(recordings, parts, strict=True) if len(p) == n) for n in _depths(parts))
        return f"recordings lie at different depths: {', '.join(shown)}"
    people = [name for name in second if not _is_no_person(name, alone=True)]
    if len(first) == 1 and len(people) > 1:
        return f"below {_some(first)} are {_some(people)}"
    above = defaultdict(set)
    for part in parts:
        above[part[1] if len(part) > 1 else ""].add(part[0])
    repeated = [name for name in people if len(above[name]) > 1]
    if repeated:
        return f"{_some(repeated)} below {_some(sorted(above[repeated[0]]))}"
    codes = [name for name in second if _PERSON.fullmatch(name)]
    return f"below {_some(first)} are {_some(codes)}" if codes else ""


def _doubt_in_clips(names: Sequence[str]) -> str:
    people = [name for name in names if _PERSON.fullmatch(name)]
    return f"the clips {_some(people)} are in RAW itself: one person or several?" if len(people) > 1 else ""


def _is_no_person(name: str, *, alone: bool) -> bool:
    """Whether a folder's name is that of a session, gesture, date or store.

    Args:
        alone: a mere number counts too; with folders below it, it is more likely a person's.
    """
    words = re.findall(r"[^\W\d_]+", name.casefold())
    return bool(
        _DATE.search(name)
        or _PART.fullmatch(name)
        or (alone and _NUMBER.fullmatch(name))
        or any(word in _NO_PERSON_WORDS for word in words)
    )


def _find_shared_code(names: Sequence[str]) -> list[str]:
    """Find folders of which the names begin with the same person's code, such as p01-a and p01-b."""
    groups = defaultdict(list)
    for name in names:
        if (code := _PERSON.match(name)) and not name[code.end() :][:1].isalnum():
            groups[code[0].casefold()].append(name)
    return next((group for group in groups.values() if len(group) > 1), [])


def _depths(parts: Iterable[Sequence[str]]) -> list[int]:
    return sorted({len(part) for part in parts})


def _choices(recordings: Sequence[Named]) -> tuple[str, ...]:
    """List the lines that can be stated, each with the participants that it gives."""
    choices: dict[tuple[str, ...], str] = {}
    for template in ("{folder:1}", "{folder:2}", "{recording}", "{parent}"):
        try:
            people = tuple(compose_name(_fill(Statement(template, ""), recording.name)) for recording in recordings)
        except RecordingError:
            continue
        choices.setdefault(people, template)
    likely_first = sorted(choices.items(), key=lambda item: any(_is_no_person(name, alone=True) for name in item[0]))
    lines = [f'participant = "{template}"  # {_count(people)}' for people, template in likely_first]
    if all(len(set(people)) > 1 for people in choices):
        lines.append('participant = "?"  # 1 participant: all of them are of one person, of this name')
    return tuple(lines)


def _count(people: Iterable[str]) -> str:
    names = _distinct(people)
    return f"{len(names)} participant{'s' * (len(names) != 1)}: {_some(names)}"


def _doubt_in_files(recording: Named) -> Problem:
    place = "RAW" if recording.name == "." else recording.name
    return Problem(
        f"who is who? {place} is one recording, but the names of its files begin with {_some(recording.in_files)}: "
        "one person? (If not, move the files of each person to a folder of their own.)",
        "recording",
        (f'participant = "{recording.participant}"  # 1 participant',),
    )


def _find_two_spellings(recordings: Sequence[Named]) -> list[Problem]:
    groups: dict[str, dict[str, str]] = defaultdict(dict)
    for recording in recordings:
        spellings = groups[fold_name(recording.participant)]
        spellings.setdefault(recording.participant, recording.name)
    doubts = []
    for spellings in groups.values():
        if len(spellings) > 1:
            (one, _), (other, place) = list(spellings.items())[:2]
            says = f"who is who? {one!r} and {other!r} differ in capital letters only: one person or two?"
            glob = place.split("/")[0] if any(r.guessed and r.name == place for r in recordings) else place
            doubts.append(
                Problem(
                    says,
                    "participants",
                    (f'"{glob}" = "{one}"  # if they are one', f'"{glob}" = "?"  # if they are two: another name'),
                )
            )
    return doubts


def find_codes(names: Iterable[str]) -> tuple[str, ...]:
    """List the codes of people with which files' names begin: P1 of P1_G1_0_rgb.png."""
    last = (name.rsplit("/", 1)[-1] for name in names)
    found = (code[0] for name in last if (code := _PERSON.match(name)) and name[code.end() :][:1] in ("_", "-"))
    return tuple(_distinct(found))


def _distinct(names: Iterable[str]) -> list[str]:
    return sorted(set(names))


def _some(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
