"""Take a participant out of a finished dataset, as if it had never held them.

First, all files that change are prepared in `.withdraw/`, with the manifest last. From this moment the
withdrawal will be finished: the old manifest and the participant's shards are deleted, and the new files
are moved into place, again with the manifest last. If the process is killed, the next withdrawal finishes
this first. The other participants' shards are not touched, since a shard does not depend on other
participants.
"""

from __future__ import annotations

import hashlib
import json
import re
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labelkit.dataset.card import card_files, report_path
from labelkit.dataset.lock import LOCK_NAME
from labelkit.dataset.log import LOG_NAME, restart_log
from labelkit.dataset.manifest import (
    BUILD_NAME,
    CARD_NAME,
    CROISSANT_NAME,
    MANIFEST_HASH_NAME,
    MANIFEST_NAME,
    MOST_MANIFEST_BYTES,
    WITHDRAWAL_NAME,
    FileEntry,
    Manifest,
    describe_difference,
    describe_unfinished_withdrawal,
    entry_from_content,
    parse_manifest,
    read_manifest,
    write_manifest,
)
from labelkit.dataset.reading import open_plain_file, read_at_most
from labelkit.dataset.schema import slug
from labelkit.dataset.table import SAMPLE, TABLE_NAME, read_open_table, table_bytes
from labelkit.errors import DatasetError, RecordingError
from labelkit.files import PART_SUFFIX, flush_to_disk, make_folder, remove, translate_os_errors, write_bytes
from labelkit.records import fold_name
from labelkit.traces import find_traces, pattern_from_names
from labelkit.wording import shell_command

RECORD_NAME = "withdrawn.json"

_MOST_RECORD_BYTES = 2**20
_Hex = Annotated[str, Field(pattern=r"\A(?:[0-9a-f]{2})+\z", max_length=64)]


@dataclass(frozen=True)
class Holdings:
    """What a dataset holds of a participant.

    Attributes:
        spellings: the participant's names in it: one, unless it holds the name in several spellings.
        shards: relative to the dataset.
        files: in its folder but not part of the dataset: pictures and pages of any person, and files that hold
            the participant's name; also the report next to the folder.
    """

    spellings: tuple[str, ...]
    recordings: tuple[str, ...]
    frames: int
    samples: int
    shards: tuple[str, ...]
    bytes: int
    files: tuple[str, ...]


class _Record(BaseModel):
    """withdrawn.json: the withdrawn participants, hashed so that only those who know a name can check it."""

    model_config = ConfigDict(frozen=True, strict=True, extra="forbid")

    schema_: Literal["labelkit-withdrawn/1"] = "labelkit-withdrawn/1"
    salt: _Hex
    withdrawn: tuple[_Hex, ...] = Field((), strict=False)  # sorted, so that the order gives nothing away


def find_holdings(folder: Path, participant: str) -> Holdings | None:
    """List what a dataset holds of a participant, in all spellings of the name; None if it holds nothing.

    Raises:
        DatasetError: no dataset, or an unfinished or changed one.
    """
    manifest = read_manifest(folder)
    spellings = tuple(find_spellings(manifest.participants, participant))
    if not spellings:
        return None
    entries = [manifest.participants[name] for name in spellings]
    shards = pc.unique(_rows_of(_read_table(folder, manifest), spellings)["shard"].drop_null()).to_pylist()
    recordings = [recording.name for recording in manifest.recordings if recording.participant in spellings]
    own = {*manifest.files, MANIFEST_NAME, MANIFEST_HASH_NAME, LOG_NAME, LOCK_NAME, WITHDRAWAL_NAME}
    page = [f"../{report_path(folder).name}"] if report_path(folder).exists() else []
    return Holdings(
        spellings=spellings,
        recordings=tuple(recordings),
        frames=sum(entry.frames for entry in entries),
        samples=sum(entry.samples for entry in entries),
        shards=tuple(shards),
        bytes=sum(manifest.files[name].bytes for name in shards),
        files=(*find_traces(folder, pattern_from_participant(spellings, recordings), leave=own), *page),
    )


def find_spellings(names: Iterable[str], participant: str) -> list[str]:
    """List the names that are the participant's but for capital letters and Unicode's form, sorted."""
    return sorted(name for name in names if fold_name(name) == fold_name(participant))


def pattern_from_participant(spellings: Iterable[str], recordings: Iterable[str] = ()) -> re.Pattern[bytes]:
    """Make a pattern that finds all names of a participant in a dataset."""
    return pattern_from_names({spelled for name in spellings for spelled in (name, slug(name))} | set(recordings))


def withdraw_participant(folder: Path, participant: str) -> None:
    """Take out a participant; the dataset must hold them.

    Raises:
        DatasetError: as `find_holdings`.
        OutputError: no space or permission; calling again continues.
    """
    manifest = read_manifest(folder)
    there = find_holdings(folder, participant)
    assert there is not None, "the caller checked it"
    for name in there.files:
        with translate_os_errors(folder / name):
            (folder / name).unlink(missing_ok=True)
    _stage(folder, participant, manifest, there)
    finish_withdrawal(folder)


def _entries(made: dict[str, bytes]) -> dict[str, FileEntry]:
    return {name: entry_from_content(content) for name, content in made.items()}


def _stage(folder: Path, participant: str, manifest: Manifest, there: Holdings) -> None:
    stage = folder / WITHDRAWAL_NAME
    remove(stage)
    make_folder(stage)
    table = _rows_of(
        _read_table(folder, manifest), [name for name in manifest.participants if name not in there.spellings]
    )
    manifest = _drop_participant(manifest, there.spellings, table)
    made = {TABLE_NAME: table_bytes([table]), RECORD_NAME: _add_to_record(_read_record(folder), participant)}
    shards = {name: entry for name, entry in manifest.files.items() if name.startswith("shards/")}
    kept = {name: entry for name, entry in shards.items() if name not in there.shards}
    manifest = manifest.model_copy(update={"files": kept | _entries(made)})
    made |= card_files(manifest, table)
    for name, content in made.items():
        write_bytes(stage / name, content)
    write_manifest(stage, manifest.model_copy(update={"files": dict(sorted((kept | _entries(made)).items()))}))
    flush_to_disk(folder)


def _rows_of(table: pa.Table, participants: Collection[str]) -> pa.Table:
    return table.filter(pc.is_in(table["participant"], pa.array(participants, pa.string())))


def _drop_participant(manifest: Manifest, spellings: Collection[str], table: pa.Table) -> Manifest:
    reasons = {pair["values"]: pair["counts"] for pair in table["reason"].drop_null().value_counts().to_pylist()}
    return manifest.model_copy(
        update={
            "frames": table.num_rows,
            "samples": table.filter(pc.equal(table["status"], SAMPLE)).num_rows,
            "rejected": dict(sorted(reasons.items())),
            "participants": {name: entry for name, entry in manifest.participants.items() if name not in spellings},
            "recordings": [entry for entry in manifest.recordings if entry.participant not in spellings],
        }
    )


def finish_withdrawal(folder: Path) -> bool:
    """Move the prepared files of a withdrawal into place, or the rest of them; say whether there were any."""
    stage = folder / WITHDRAWAL_NAME
    if not (stage / MANIFEST_NAME).exists():
        remove(stage)  # left by a withdrawal that was killed before its manifest was written, or at the very end
        return False
    manifest = parse_manifest(read_at_most(stage, MANIFEST_NAME, MOST_MANIFEST_BYTES), stage / MANIFEST_NAME)
    with translate_os_errors(folder):
        (folder / MANIFEST_NAME).unlink(missing_ok=True)
        for path in folder.glob(f".*{PART_SUFFIX}"):  # left by a process that was killed
            path.unlink()
        flush_to_disk(folder)
        for path in sorted((folder / "shards").iterdir()):
            if f"shards/{path.name}" not in manifest.files and not path.is_dir():
                path.unlink()
        flush_to_disk(folder / "shards")
        remove(folder / BUILD_NAME)
        restart_log(folder, "a participant was withdrawn, and the log of before with them")
        for name in (TABLE_NAME, CARD_NAME, CROISSANT_NAME, RECORD_NAME, MANIFEST_HASH_NAME, MANIFEST_NAME):
            if (stage / name).exists():  # otherwise it was moved before
                (stage / name).replace(folder / name)
            flush_to_disk(folder)
        remove(stage)
    return True


def _read_table(folder: Path, manifest: Manifest) -> pa.Table:
    path = folder / TABLE_NAME
    try:
        with open_plain_file(folder, TABLE_NAME) as file:
            if says := describe_difference(file, manifest.files[TABLE_NAME]):
                raise DatasetError(f"{path}: {says}; see {shell_command('verify', folder)}")
            file.seek(0)
            return read_open_table(file, path)
    except (OSError, KeyError) as error:
        raise DatasetError(f"{path}: cannot be read ({error}); see {shell_command('verify', folder)}") from None


def is_withdrawn(folder: Path, participant: str) -> bool:
    """Whether a participant was withdrawn from the folder, in any spelling of the name."""
    record = _read_record(folder)
    return record is not None and _hash(record.salt, participant) in record.withdrawn


def refuse_withdrawn(folder: Path, participants: Iterable[str]) -> None:
    """Refuse to build into a folder from which one of the participants was withdrawn.

    Raises:
        RecordingError: one was withdrawn.
        DatasetError: a withdrawal was interrupted.
    """
    if (folder / WITHDRAWAL_NAME / MANIFEST_NAME).exists():
        raise DatasetError(describe_unfinished_withdrawal(folder))
    record = _read_record(folder)
    for participant in sorted(set(participants)) if record else ():
        if record and _hash(record.salt, participant) in record.withdrawn:
            raise RecordingError(
                f"{participant!r} was withdrawn from {folder}, but RAW still holds their recordings; "
                "take the recordings out of RAW"
            )


def record_entry(folder: Path) -> dict[str, FileEntry]:
    """Make the manifest's entry of withdrawn.json, if the file exists."""
    try:
        content = read_at_most(folder, RECORD_NAME, _MOST_RECORD_BYTES)
    except FileNotFoundError:
        return {}
    return {RECORD_NAME: entry_from_content(content)}


def _read_record(folder: Path) -> _Record | None:
    try:
        return _Record.model_validate(json.loads(read_at_most(folder, RECORD_NAME, _MOST_RECORD_BYTES)))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, ValidationError, RecursionError):
        raise DatasetError(
            f"{folder / RECORD_NAME}: not a readable list of withdrawn participants; restore it from a copy"
        ) from None


def _add_to_record(record: _Record | None, participant: str) -> bytes:
    record = record or _Record(salt=secrets.token_hex(16))
    withdrawn = {*record.withdrawn, _hash(record.salt, participant)}
    content = record.model_copy(update={"withdrawn": tuple(sorted(withdrawn))}).model_dump(mode="json")
    return (json.dumps(content, indent=1) + "\n").encode()


def _hash(salt: str, participant: str) -> str:
    """Hash a name slowly (16 MiB and about 50 ms), so that trying many names takes long.

    The cost is fixed here and not read from the file, which a stranger could have changed. There is one salt per
    folder, so that a build hashes each participant once.
    """
    name = fold_name(participant).encode("utf-8", "surrogateescape")
    return hashlib.scrypt(name, salt=bytes.fromhex(salt), n=2**14, r=8, p=1, dklen=32).hex()
