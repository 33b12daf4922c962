"""manifest.json: what a finished dataset is made of. Written last, so its presence means complete."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from labelkit.dataset.schema import SCHEMA
from labelkit.errors import DatasetError
from labelkit.files import sha256_of, write_bytes

MANIFEST_NAME, MANIFEST_HASH_NAME = "manifest.json", "manifest.sha256"

BUILD_NAME = ".build"  # the folder in which a build makes everything ready


class _Entry(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class FileEntry(_Entry):
    """A file of the dataset."""

    bytes: int
    sha256: str

    @classmethod
    def of(cls, path: Path) -> FileEntry:
        """Hash a file."""
        return cls(bytes=path.stat().st_size, sha256=sha256_of(path))


class ParticipantEntry(_Entry):
    """What the dataset holds of one participant."""

    frames: int
    samples: int


class RecordingEntry(_Entry):
    """One recording: where its facts come from and what became of its frames."""

    name: str
    participant: str
    layout: str
    sensor: str | None
    handedness: str
    frames: int
    samples: int
    inputs_sha256: str
    stated: dict[str, str]


class Manifest(_Entry):
    """A dataset's table of contents; no time of day and no name of a machine is in it."""

    schema_: str = SCHEMA
    labelkit: str
    versions: dict[str, str]
    settings: dict[str, Any]
    settings_digest: str
    pseudonymous: bool = False  # participants, recordings and frames go by ids that lead back to nobody
    frames: int
    samples: int
    rejected: dict[str, int]
    participants: dict[str, ParticipantEntry]
    recordings: list[RecordingEntry]
    files: dict[str, FileEntry]

    def digest(self) -> str:
        """SHA-256 of manifest.json, as manifest.sha256 states it; it names the dataset."""
        return hashlib.sha256(_encoded(self)).hexdigest()


def _encoded(manifest: Manifest) -> bytes:
    return (json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()


def write_manifest(folder: Path, manifest: Manifest) -> None:
    """Write manifest.sha256, then manifest.json: the last file of a build."""
    write_bytes(folder / MANIFEST_HASH_NAME, f"{manifest.digest()}  {MANIFEST_NAME}\n".encode())
    write_bytes(folder / MANIFEST_NAME, _encoded(manifest))


def read_manifest(folder: Path) -> Manifest:
    """Read a finished dataset's manifest.

    Raises:
        DatasetError: no dataset, an unfinished one, one of another version, or a changed manifest.
    """
    path = folder / MANIFEST_NAME
    try:
        content = path.read_bytes()
        stated = (folder / MANIFEST_HASH_NAME).read_text(encoding="ascii").split()[:1]
    except (OSError, UnicodeDecodeError) as error:
        raise DatasetError(_why_none(folder, error)) from None
    if stated != [hashlib.sha256(content).hexdigest()]:
        raise DatasetError(f"{path}: does not match {MANIFEST_HASH_NAME}: one of them was changed; build again")
    try:
        fields = json.loads(content)
        if fields.get("schema_") != SCHEMA:
            raise DatasetError(f"{path}: schema {fields.get('schema_')!r}, this version reads {SCHEMA!r}; build again")
        return Manifest.model_validate(fields)
    except (ValueError, AttributeError, ValidationError) as error:
        if isinstance(error, DatasetError):
            raise
        raise DatasetError(f"{path}: not a manifest of this version; build the dataset again") from None


def _why_none(folder: Path, error: Exception) -> str:
    if not folder.is_dir():
        return f"{folder}: no such dataset folder; make one with: labelkit build-dataset RAW --out {folder}"
    if (folder / BUILD_NAME).is_dir() or (folder / "shards").is_dir():
        return f"{folder}: an unfinished dataset (no {MANIFEST_NAME}); run the same build-dataset again to finish it"
    reason = f" ({error.strerror})" if isinstance(error, PermissionError) else ""
    return f"{folder}: not a dataset (no readable {MANIFEST_NAME}{reason}); make one with: labelkit build-dataset RAW"
