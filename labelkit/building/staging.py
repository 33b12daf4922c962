"""`.build/`: the folder in which a dataset is made ready before any of it is seen.

    plan.json                 the facts that all its shards have in common
    <key>.h5                  the shard of a finished job, if it has one
    <key>.parquet             its frames' rows, and the shard's hash: with this file the job is done
    labels.parquet README.md croissant.json places.json manifest.sha256 manifest.json
                              the whole dataset; with the manifest, the last of them, it is committed

Once it is committed, its files are moved to their places: the old manifest goes first, the new one comes
last. If a build is killed on the way, the next build first moves the rest.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from labelkit.building.plan import Job
from labelkit.dataset.answers import CardAnswers
from labelkit.dataset.card import CARD_COLUMNS, card_files
from labelkit.dataset.dataset import Dataset
from labelkit.dataset.manifest import (
    BUILD_NAME,
    CARD_NAME,
    CROISSANT_NAME,
    MANIFEST_HASH_NAME,
    MANIFEST_NAME,
    AlignmentEntry,
    FileEntry,
    Manifest,
    entry_from_content,
    read_manifest,
    write_manifest,
)
from labelkit.dataset.table import TABLE_NAME, read_own_table, table_of, write_table
from labelkit.errors import DatasetError, OutputExistsError
from labelkit.files import PART_SUFFIX, flush_to_disk, make_folder, move, remove, sha256_of, write_bytes, write_text

SHARDS_NAME = "shards"

_PLAN, _PLACES = "plan.json", "places.json"

_PART = re.compile(r"[0-9a-f]{32}\.h5")
_SHARD = re.compile(rf"{SHARDS_NAME}/[a-z0-9-]+\.h5")


@dataclass(frozen=True)
class FinishedJob:
    """What became of a job's frames.

    Attributes:
        shard: None if no frame became a sample.
        contents: hash of what its pictures held when they were read.
        alignment: of its recording, if this job measured it: the first one does.
    """

    rows: pa.Table
    shard: FileEntry | None
    contents: str
    alignment: AlignmentEntry | None = None


class Stage:
    """The parts of a build, kept in a folder so that a build which was killed goes on from them."""

    def __init__(self, out: Path) -> None:
        """Use `.build/` in the dataset's folder.

        Raises:
            OutputExistsError: in the place of one of our folders is a link, which would lead out of the dataset.
        """
        self.out = out
        self.folder = out / BUILD_NAME
        for path in (self.folder, out / SHARDS_NAME):
            if path.is_symlink():
                raise OutputExistsError(f"{path}: is a link, which is not followed; remove it or choose another --out")

    def change_answers(self, answers: CardAnswers) -> None:
        """Give a finished dataset other answers on its card; killed at any step, `publish` finishes it.

        Raises:
            OutputExistsError: a build was begun here.
            DatasetError: no dataset, or its label table was changed.
            OutputError: no space or no permission; the same call goes on from there.
        """
        if self.plan() is not None:
            raise OutputExistsError(
                f"{self.out}: a build was begun here and did not end; run the same build-dataset again first"
            )
        manifest = read_manifest(self.out)
        Dataset(self.out, manifest).check_hashes([TABLE_NAME])
        self.clear()  # what a change left that was killed before it was committed
        make_folder(self.folder)
        self.commit(manifest.model_copy(update={"answers": answers}), [])
        self.publish()

    def plan(self) -> dict[str, Any] | None:
        """Read what `begin` noted; None if nothing has begun."""
        path = self.folder / _PLAN
        return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None

    def begin(self, plan: Mapping[str, Any], *, alone: bool = True) -> None:
        """Note what is being built.

        Args:
            alone: no other process adds parts now: sweep up what a killed one left half-written.
        """
        make_folder(self.folder)
        flush_to_disk(self.out)
        for path in self.folder.glob(f".*{PART_SUFFIX}") if alone else ():
            remove(path)
        write_text(self.folder / _PLAN, json.dumps(plan, sort_keys=True))

    def add(
        self,
        job: Job,
        shard: bytes | None,
        rows: Sequence[Mapping[str, Any]],
        contents: str,
        alignment: AlignmentEntry | None = None,
    ) -> None:
        """Keep a finished job: its shard first, then its rows.

        Args:
            contents: hash of its pictures, taken before they were read.
            alignment: of its recording, if the job measured it.

        Raises:
            OutputError: no space or no permission; the job counts as not done.
        """
        entry = None
        if shard is not None:
            entry = entry_from_content(shard)
            write_bytes(self._shard(job), shard)
        stated = {
            "shard": entry.model_dump_json() if entry else "",
            "contents": contents,
            "alignment": alignment.model_dump_json() if alignment else "",
        }
        sink = io.BytesIO()
        pq.write_table(table_of(rows).replace_schema_metadata(stated), sink)
        write_bytes(self._rows(job), sink.getvalue())

    def part(self, job: Job) -> FinishedJob | None:
        """Read a finished job; None if it did not finish."""
        path = self._rows(job)
        if not path.exists():
            return None
        table = read_own_table(path)
        shard, contents, alignment = (table.schema.metadata[key] for key in (b"shard", b"contents", b"alignment"))
        return FinishedJob(
            table.replace_schema_metadata(None),
            FileEntry.model_validate_json(shard) if shard else None,
            contents.decode(),
            AlignmentEntry.model_validate_json(alignment) if alignment else None,
        )

    def began(self, job: Job) -> bool:
        """Whether there is a finished job, of these pictures or of what they were before."""
        return self._rows(job).exists()

    def holds(self, job: Job, contents: str) -> bool:
        """Whether a job is finished, its pictures hold what they held, and its shard is what it was."""
        part = self.part(job)
        if part is None or part.contents != contents:
            return False
        if part.shard is None:
            return True
        shard = self._shard(job)
        return shard.is_file() and sha256_of(shard) == part.shard.sha256

    def write_table(self, tables: Iterable[pa.Table]) -> FileEntry:
        """Write the label table from the rows of all jobs, in the order of the plan."""
        write_table(self.folder / TABLE_NAME, tables)
        return FileEntry.of(self.folder / TABLE_NAME)

    def commit(self, manifest: Manifest, jobs: Iterable[Job]) -> Manifest:
        """Write what is still missing; from here on the dataset is made, and only has to be moved.

        Args:
            manifest: all of it but the entries of the card.
            jobs: those whose shards are here; none if only the card changes.
        Returns:
            The whole manifest.
        """
        files = dict(manifest.files)
        staged = self.folder / TABLE_NAME
        path = staged if staged.exists() else self.out / TABLE_NAME
        table = read_own_table(path, CARD_COLUMNS)
        for name, content in card_files(manifest, table).items():
            write_bytes(self.folder / name, content)
            files[name] = FileEntry.of(self.folder / name)
        manifest = manifest.model_copy(update={"files": dict(sorted(files.items()))})
        places = {self._shard(job).name: job.shard for job in jobs}
        outdated = [name for name in self._files_there() if name not in files and _SHARD.fullmatch(name)]
        write_text(self.folder / _PLACES, json.dumps({"move": places, "remove": outdated}))
        write_manifest(self.folder, manifest)
        return manifest

    def publish(self) -> None:
        """Move a committed dataset to its place, or the rest of it; without one, do nothing but sweep up."""
        for path in self.out.glob(f".*{PART_SUFFIX}"):
            remove(path)  # of a process that was killed
        if not (self.folder / MANIFEST_NAME).exists():
            return
        to_move, to_remove = self._places()
        remove(self.out / MANIFEST_NAME)
        flush_to_disk(self.out)
        make_folder(self.out / SHARDS_NAME)
        for staged, name in to_move.items():
            self._move(staged, name)
        for name in to_remove:
            remove(self.out / name)
        flush_to_disk(self.out / SHARDS_NAME)
        for name in (TABLE_NAME, CARD_NAME, CROISSANT_NAME, MANIFEST_HASH_NAME):
            self._move(name, name)
        flush_to_disk(self.out)
        self._move(MANIFEST_NAME, MANIFEST_NAME)
        flush_to_disk(self.out)
        self.clear()

    def clear(self) -> None:
        """Remove all parts."""
        remove(self.folder)

    def _move(self, staged: str, name: str) -> None:
        if (self.folder / staged).exists():  # else it was moved before
            move(self.folder / staged, self.out / name)

    def _places(self) -> tuple[dict[str, str], list[str]]:
        """Read which files move where, and which go; none of them outside this dataset, even if the file was forged."""
        places = json.loads((self.folder / _PLACES).read_text(encoding="utf-8"))
        to_move, to_remove = dict(places["move"]), list(places["remove"])
        if not all(map(_SHARD.fullmatch, [*to_move.values(), *to_remove])) or not all(map(_PART.fullmatch, to_move)):
            raise DatasetError(f"{self.folder / _PLACES}: names files that are no shards; remove {self.folder}")
        return to_move, to_remove

    def _files_there(self) -> list[str]:
        try:
            return list(read_manifest(self.out).files)
        except DatasetError:
            return []

    def _shard(self, job: Job) -> Path:
        return self.folder / f"{job.key}.h5"

    def _rows(self, job: Job) -> Path:
        return self.folder / f"{job.key}.parquet"
