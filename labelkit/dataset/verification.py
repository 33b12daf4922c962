"""Check a dataset against its manifest and against itself.

A file is hashed first, and read only if its hash is right. Nothing outside the folder is touched: no link
is followed on the way to a file. All defects are reported, not only the first. A manifest that was edited
together with its hash cannot be detected.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from io import BufferedReader
from pathlib import Path
from typing import TypeVar

from labelkit.dataset import contradictions
from labelkit.dataset.lock import LOCK_NAME
from labelkit.dataset.log import LOG_NAME, MOST_LOG_BYTES, find_broken_line
from labelkit.dataset.manifest import (
    BUILD_NAME,
    MANIFEST_HASH_NAME,
    MANIFEST_NAME,
    MOST_HASH_BYTES,
    MOST_MANIFEST_BYTES,
    WITHDRAWAL_NAME,
    FileEntry,
    Manifest,
    describe_difference,
    hash_line,
    parse_manifest,
)
from labelkit.dataset.reading import open_plain_file, read_at_most
from labelkit.dataset.shards import Columns, map_open_shard, read_attributes
from labelkit.dataset.table import TABLE_NAME, read_open_table
from labelkit.errors import DatasetError
from labelkit.wording import shell_command

SHARDS = "shards/"

T = TypeVar("T")

# Not in the manifest: it cannot hold its own hash, and the other files differ from build to build.
_UNLISTED = {MANIFEST_NAME, MANIFEST_HASH_NAME, LOG_NAME, LOCK_NAME}


class Fault(StrEnum):
    """The kinds of defects."""

    MISSING = "missing"
    FOREIGN = "foreign"
    CHANGED = "changed"
    CONTRADICTORY = "contradictory"


@dataclass(frozen=True)
class Defect:
    """One defect and its file, relative to the dataset; unprintable characters in the name are escaped."""

    fault: Fault
    file: str
    says: str

    def __post_init__(self) -> None:
        if not self.file.isprintable():
            object.__setattr__(self, "file", ascii(self.file)[1:-1])


def verify_dataset(folder: Path, report: Callable[[int, int], None]) -> tuple[Manifest | None, list[Defect]]:
    """Find everything that is missing, foreign, changed or contradictory in a dataset.

    Args:
        report: called after each file with the bytes read so far, and all bytes.
    Returns:
        The manifest, or None if it cannot be used, and the defects.
    Raises:
        DatasetError: the folder is missing, or holds no dataset.
    """
    there, findings = _list_files(folder)
    manifest, more = _check_manifest(folder, there)
    findings += more
    if manifest is not None:
        findings += _find_foreign(there, manifest)
        findings += [_contradiction(MANIFEST_NAME, says) for says in contradictions.in_manifest(manifest)]
        findings += _check_files(folder, manifest, there, report)
    if LOG_NAME in there:
        findings += _check_log(folder)
    return manifest, findings


def _list_files(folder: Path) -> tuple[dict[str, int], list[Defect]]:
    """List the plain files below a folder with their sizes; report what is neither a file nor a known folder."""
    there: dict[str, int] = {}
    findings: list[Defect] = []
    waiting = [""]
    while waiting:
        below = waiting.pop()
        try:
            entries = sorted(os.scandir(folder / below), key=lambda entry: entry.name)
        except OSError as error:
            if not below:
                raise DatasetError(
                    f"{folder}: cannot be opened as a dataset folder ({error.strerror}); "
                    f"make one with: {shell_command('build-dataset', 'RAW', '--out', folder)}"
                ) from None
            findings.append(Defect(Fault.CHANGED, below, f"cannot be opened ({error.strerror})"))
            continue
        for entry in entries:
            name = f"{below}/{entry.name}" if below else entry.name
            facts = entry.stat(follow_symlinks=False)
            if stat.S_ISREG(facts.st_mode):
                there[name] = facts.st_size
            elif not stat.S_ISDIR(facts.st_mode):
                kind = "a link, which is not followed" if entry.is_symlink() else "a pipe, socket or device"
                findings.append(Defect(Fault.FOREIGN, name, kind))
            elif f"{name}/" == SHARDS:
                waiting.append(name)
            else:
                findings.append(Defect(Fault.FOREIGN, f"{name}/", _LEFT.get(name, "a folder of something else")))
    return there, findings


_LEFT = {
    BUILD_NAME: "left by an interrupted build or change of the card; run the same command again",
    WITHDRAWAL_NAME: "left by an interrupted withdrawal; run the same withdraw again",
}


def _check_manifest(folder: Path, there: dict[str, int]) -> tuple[Manifest | None, list[Defect]]:
    """Read the manifest even if its hash is wrong, for its list of files; the wrong hash is one defect among others."""
    missing = [name for name in (MANIFEST_NAME, MANIFEST_HASH_NAME) if name not in there]
    if len(missing) == 2 and not any(name.startswith(SHARDS) or name == TABLE_NAME for name in there):
        build = shell_command("build-dataset", "RAW", "--out", folder)
        raise DatasetError(f"{folder}: not a dataset (no {MANIFEST_NAME}); make one with: {build}")
    findings = [Defect(Fault.MISSING, name, "without it the dataset is not finished") for name in missing]
    if MANIFEST_NAME in missing:
        return None, findings
    try:
        content = read_at_most(folder, MANIFEST_NAME, MOST_MANIFEST_BYTES)
        stated = hash_line(content) if missing else read_at_most(folder, MANIFEST_HASH_NAME, MOST_HASH_BYTES)
    except OSError as error:
        return None, [*findings, Defect(Fault.CHANGED, error.filename, f"cannot be read ({error.strerror})")]
    if stated != hash_line(content):
        findings.append(Defect(Fault.CHANGED, MANIFEST_NAME, f"it or {MANIFEST_HASH_NAME}: they do not match"))
    try:
        return parse_manifest(content, Path(MANIFEST_NAME)), findings
    except DatasetError as error:
        return None, [*findings, Defect(Fault.CHANGED, MANIFEST_NAME, _without_name(error, MANIFEST_NAME))]


def _find_foreign(there: dict[str, int], manifest: Manifest) -> Iterator[Defect]:
    for name in there:
        if name not in manifest.files and name not in _UNLISTED:
            left = "left by a process that was killed" if name.endswith(".part") else "the manifest does not name it"
            yield Defect(Fault.FOREIGN, name, left)
    if there.get(LOCK_NAME):
        yield Defect(Fault.CHANGED, LOCK_NAME, "should be empty")


def _check_files(
    folder: Path, manifest: Manifest, there: dict[str, int], report: Callable[[int, int], None]
) -> Iterator[Defect]:
    """Check the table first, since the shards are compared with it, then each other file."""
    rows = None
    done, total = 0, sum(entry.bytes for entry in manifest.files.values())
    for name in sorted(manifest.files, key=lambda name: (name != TABLE_NAME, name)):
        entry = manifest.files[name]
        if name not in there:
            yield Defect(Fault.MISSING, name, "the manifest names it")
        elif name == TABLE_NAME:
            table, findings = _read(folder, name, entry, read_open_table)
            yield from findings
            if table is not None:
                yield from (_contradiction(name, says) for says in contradictions.in_table(table, manifest))
                rows = contradictions.Rows(table)
        elif name.startswith(SHARDS):
            shard, findings = _read(folder, name, entry, lambda *of: (map_open_shard(*of), read_attributes(*of)))
            yield from findings
            if shard is not None:
                yield from (_contradiction(name, says) for says in _check_shard(*shard, name, manifest, rows))
        else:
            yield from find_change(folder, name, entry)
        done += entry.bytes
        report(done, total)
    if TABLE_NAME not in manifest.files:
        yield _contradiction(MANIFEST_NAME, f"does not name {TABLE_NAME}")
    for name in sorted((rows.of_shard if rows else {}).keys() - manifest.files.keys()):
        yield _contradiction(TABLE_NAME, f"names {name!r}, which the manifest does not")


def _check_shard(
    columns: Columns, attributes: dict[str, str], name: str, manifest: Manifest, rows: contradictions.Rows | None
) -> Iterator[str]:
    for key, expected in (("schema", manifest.schema_), ("settings_digest", manifest.settings_digest)):
        if (said := attributes.get(key)) != expected:
            yield f"says {key} {said!r}, the manifest says {expected!r}"
    yield from contradictions.in_shard(columns)
    if rows is not None:
        yield from contradictions.between(columns, attributes, name, rows)


def find_change(folder: Path, name: str, entry: FileEntry) -> list[Defect]:
    """Compare a file with its entry in the manifest; at most one defect."""
    return _read(folder, name, entry, lambda *_: None)[1]


def _read(
    folder: Path, name: str, entry: FileEntry, read: Callable[[BufferedReader, Path], T]
) -> tuple[T | None, list[Defect]]:
    """Hash a file and, if the hash is right, read it; the file stays open in between, so it cannot be exchanged."""
    try:
        with open_plain_file(folder, name) as file:
            if says := describe_difference(file, entry):
                return None, [Defect(Fault.CHANGED, name, says)]
            file.seek(0)
            return read(file, Path(name)), []
    except OSError as error:
        return None, [Defect(Fault.CHANGED, name, f"cannot be read ({error.strerror})")]
    except DatasetError as error:
        return None, [_contradiction(name, _without_name(error, name))]


def _check_log(folder: Path) -> list[Defect]:
    try:
        broken = find_broken_line(read_at_most(folder, LOG_NAME, MOST_LOG_BYTES))
    except OSError as error:
        return [Defect(Fault.CHANGED, LOG_NAME, f"cannot be read ({error.strerror})")]
    return [Defect(Fault.CHANGED, LOG_NAME, f"line {broken} does not match its own hash")] if broken else []


def _contradiction(name: str, says: str) -> Defect:
    return Defect(Fault.CONTRADICTORY, name, says)


def _without_name(error: DatasetError, name: str) -> str:
    return str(error).removeprefix(f"{name}: ")
