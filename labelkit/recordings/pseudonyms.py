"""Stable random ids instead of folder names that are real names.

The table with the names is a separate file (TOML, readable by its owner only) outside the dataset. The
dataset holds neither a person's name nor that of a folder or file.
"""

from __future__ import annotations

import json
import secrets
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from filelock import FileLock

from labelkit.errors import RecordingError
from labelkit.files import make_folder, translate_os_errors, write_bytes
from labelkit.records import Recording

# No vowels, so that no words appear, and no digits, which spreadsheets read as numbers: 51 random bits.
_LETTERS = "bcdfghjklmnpqrstvwxz"
_LENGTH = 12

_HEAD = (
    "# The participants of a dataset made with --pseudonyms. Keep this file apart from the dataset, and safe:\n"
    "# without it, recordings that are added later get new ids."
)


@dataclass(frozen=True)
class Pseudonyms:
    """Random ids of participants, by name, and of recordings, by their place below RAW."""

    participants: dict[str, str] = field(default_factory=dict)
    recordings: dict[str, str] = field(default_factory=dict)

    def hide(self, recording: Recording) -> Recording:
        """Replace a recording's names by its ids, which must be in the table."""
        participant = self.participants[recording.participant]
        if recording.place == recording.participant:
            return recording.under_pseudonyms(participant, participant)
        return recording.under_pseudonyms(participant, f"{participant}/{self.recordings[recording.place]}")

    def place_of(self, name: str) -> str | None:
        """Find the place of a recording below RAW; it may be gone by now."""
        *_, last = name.split("/")
        known = {**self.participants, **self.recordings}
        return next((place for place, pseudonym in known.items() if pseudonym == last), None)


def pseudonyms_for(recordings: Sequence[Recording], path: Path, *, apart_from: Path) -> Pseudonyms:
    """Read the table of pseudonyms, and add ids for new participants and recordings.

    Args:
        path: the table; it is made if it does not exist.
        apart_from: the dataset's folder.
    Raises:
        RecordingError: the table is damaged, or lies within the dataset.
        OutputError: it cannot be written.
    """
    if path.resolve().is_relative_to(apart_from.resolve()):
        raise RecordingError(
            f"{path}: lies in the dataset {apart_from} and would be shared with it; name a file elsewhere"
        )
    make_folder(path.parent)
    with translate_os_errors(path), FileLock(path.with_name(f".{path.name}.lock")):
        there = _read(path) if path.exists() else Pseudonyms()
        table = _extend(there, recordings)
        if table != there:
            write_bytes(path, _as_toml(table).encode(), private=True)
    return table


def _extend(table: Pseudonyms, recordings: Iterable[Recording]) -> Pseudonyms:
    people, places = dict(table.participants), dict(table.recordings)
    for recording in recordings:
        people.setdefault(recording.participant, _new_id())
        if recording.place != recording.participant:
            places.setdefault(recording.place, _new_id())
    return Pseudonyms(people, places)


def _new_id() -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(_LENGTH))


def _read(path: Path) -> Pseudonyms:
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
        table = Pseudonyms(tables.pop("participants", {}), tables.pop("recordings", {}))
        ids = [*table.participants.values(), *table.recordings.values()]
        well_formed = not tables and all(_is_id(value) for value in ids) and len(set(ids)) == len(ids)
    except (tomllib.TOMLDecodeError, UnicodeDecodeError, AttributeError, TypeError):
        well_formed = False
    if not well_formed:
        raise RecordingError(
            f"{path}: not a table of pseudonyms ([participants] and [recordings], each name = its own id of "
            f"{_LENGTH} letters); give the file that an earlier build made, or a name of a new file"
        )
    return table


def _is_id(value: str) -> bool:
    return len(value) == _LENGTH and set(value) <= set(_LETTERS)


def _as_toml(table: Pseudonyms) -> str:
    sections = {"participants": table.participants, "recordings": table.recordings}
    lines = [_HEAD]
    for title, ids in sections.items():
        lines += ["", f"[{title}]", *(f"{_quote(name)} = {_quote(ids[name])}" for name in sorted(ids))]
    return "\n".join(lines) + "\n"


def _quote(text: str) -> str:
    # A JSON string is a TOML string, except for DEL.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
