"""manifest.json: the contents of a finished dataset. It is written last, so a dataset with one is complete."""

from __future__ import annotations

import hashlib
import json
import os
from io import BufferedReader
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from labelkit.dataset.answers import CardAnswers
from labelkit.dataset.reading import read_at_most
from labelkit.dataset.schema import SCHEMA
from labelkit.errors import DatasetError
from labelkit.files import sha256_of, write_bytes
from labelkit.wording import samples_of, shell_command

MANIFEST_NAME, MANIFEST_HASH_NAME = "manifest.json", "manifest.sha256"

CARD_NAME, CROISSANT_NAME = "README.md", "croissant.json"

BUILD_NAME = ".build"  # the folder in which a build, or a change of the card, prepares the files
WITHDRAWAL_NAME = ".withdraw"  # the folder in which a withdrawal prepares the files

# 10 million frames are 40,000 shards, of 150 bytes each in the list of files.
MOST_MANIFEST_BYTES, MOST_HASH_BYTES = 256 * 2**20, 1024

# Names that a manifest may hold: files in the folder or one level below, not hidden, with no path to elsewhere.
FileName = Annotated[str, Field(pattern=r"\A(?:[A-Za-z0-9_-][A-Za-z0-9._-]*/)?[A-Za-z0-9_-][A-Za-z0-9._-]*\z")]

Count = Annotated[int, Field(ge=0)]

_CARD = {CARD_NAME, CROISSANT_NAME}  # no training reads them


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Entry):
    """A file of the dataset."""

    bytes: Count
    sha256: Annotated[str, Field(pattern=r"\A[0-9a-f]{64}\z")]

    @classmethod
    def of(cls, path: Path) -> FileEntry:
        """Hash a file."""
        return cls(bytes=path.stat().st_size, sha256=sha256_of(path))


def entry_from_content(content: bytes) -> FileEntry:
    """Hash the content of a file."""
    return FileEntry(bytes=len(content), sha256=hashlib.sha256(content).hexdigest())


class ParticipantEntry(_Entry):
    """What the dataset holds of one participant."""

    frames: Count
    samples: Count


class AlignmentEntry(_Entry):
    """How the depth of a recording lies on its colour (docs/alignment.md)."""

    fit: str
    frames: Count
    shift_px: tuple[int, int] | None


class RecordingEntry(_Entry):
    """One recording: where its metadata come from, and how many of its frames became samples."""

    name: str
    participant: str
    layout: str
    sensor: str | None
    handedness: str
    simulated: bool = False  # no person was recorded
    frames: Count
    samples: Count
    inputs_sha256: str
    contents: tuple[str, ...] = ()  # hashes of the pictures, one for each range of frames that is built as a whole
    stated: dict[str, str]
    alignment: AlignmentEntry | None = None


class Manifest(_Entry):
    """The table of contents of a dataset. It holds no time of day and no name of a machine."""

    schema_: str = SCHEMA
    labelkit: str
    versions: dict[str, str]
    settings: dict[str, Any]
    settings_digest: str
    pseudonymous: bool = False  # participants, recordings and frames have random ids instead of names
    answers: CardAnswers = CardAnswers()  # what people state about the dataset, for its card
    frames: Count
    samples: Count
    rejected: dict[str, Count]
    participants: dict[str, ParticipantEntry]
    recordings: list[RecordingEntry]
    files: dict[FileName, FileEntry]

    def samples_of_whom(self) -> str:
        """Count the samples, the participants who have some, and those who have none, in words."""
        return samples_of([entry.samples for entry in self.participants.values()])

    def digest(self) -> str:
        """SHA-256 of all that a training uses: the names and hashes of the shards and the label table.

        It names the dataset. It stays as it is when only the card changes, so that runs and searches still find theirs.
        """
        used = {name: entry.sha256 for name, entry in self.files.items() if name not in _CARD}
        return hashlib.sha256(json.dumps(used, sort_keys=True).encode()).hexdigest()


def _encode(manifest: Manifest) -> bytes:
    return (json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.sha256, and then manifest.json as the last file of a build."""
    content = _encode(manifest)
    write_bytes(folder / MANIFEST_HASH_NAME, hash_line(content))
    write_bytes(folder / MANIFEST_NAME, content)


def read_manifest(folder: Path) -> Manifest:
    """Read a finished dataset's manifest.

    Raises:
        DatasetError: no dataset, an unfinished one, another version, or a changed manifest.
    """
    try:
        content = read_at_most(folder, MANIFEST_NAME, MOST_MANIFEST_BYTES)
        stated = read_at_most(folder, MANIFEST_HASH_NAME, MOST_HASH_BYTES)
    except OSError as error:
        raise DatasetError(_explain_missing(folder, error)) from None
    if stated != hash_line(content):
        raise DatasetError(
            f"{folder / MANIFEST_NAME}: does not match {MANIFEST_HASH_NAME}: one of them was changed; build again"
        )
    return parse_manifest(content, folder / MANIFEST_NAME)


def hash_line(content: bytes) -> bytes:
    """Write the content of manifest.sha256 for a manifest of this content; `sha256sum -c` can read it."""
    return f"{hashlib.sha256(content).hexdigest()}  {MANIFEST_NAME}\n".encode()


def parse_manifest(content: bytes, path: Path) -> Manifest:
    """Parse the content of a manifest; `path` is for messages.

    Raises:
        DatasetError: it is not a manifest of this version.
    """
    try:
        fields = json.loads(content)
        schema = fields.get("schema_")
        if schema == SCHEMA:
            return Manifest.model_validate(fields)
    except (ValueError, AttributeError, ValidationError, RecursionError):
        raise DatasetError(f"{path}: not a manifest of this version; build the dataset again") from None
    raise DatasetError(f"{path}: schema {schema!r}, this version of labelkit reads {SCHEMA!r}; build the dataset again")


def describe_difference(file: BufferedReader, entry: FileEntry) -> str | None:
    """Say how an open file differs from its entry in the manifest; None if it does not."""
    size = os.fstat(file.fileno()).st_size
    if size != entry.bytes:
        return f"is {size:,} bytes, the manifest says {entry.bytes:,}"
    if hashlib.file_digest(file, "sha256").hexdigest() != entry.sha256:
        return "has another SHA-256 than the manifest says"
    return None


def _explain_missing(folder: Path, error: OSError) -> str:
    build = shell_command("build-dataset", "RAW", "--out", folder)
    if not folder.is_dir():
        return f"{folder}: no such dataset folder; make one with: {build}"
    if not isinstance(error, FileNotFoundError):
        return f"{folder / (error.filename or '')}: cannot be read ({error.strerror})"
    if (folder / WITHDRAWAL_NAME / MANIFEST_NAME).exists():
        return describe_unfinished_withdrawal(folder)
    if (folder / BUILD_NAME / MANIFEST_NAME).exists():  # all of it is made, and only has to be moved
        return f"{folder}: an unfinished dataset (no {MANIFEST_NAME}); finish it with: {shell_command('card', folder)}"
    if (folder / BUILD_NAME).is_dir() or (folder / "shards").is_dir():
        return f"{folder}: an unfinished dataset (no {MANIFEST_NAME}); run the same build-dataset again to finish it"
    return f"{folder}: not a dataset (no {MANIFEST_NAME}); make one with: {build}"


def describe_unfinished_withdrawal(folder: Path) -> str:
    """Say that a withdrawal was interrupted, and how to finish it."""
    finish = shell_command("withdraw", folder, "PARTICIPANT", "--yes")
    return f"{folder}: a withdrawal did not end here; finish it with: {finish}"
