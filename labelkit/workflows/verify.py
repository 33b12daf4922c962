"""Dataset in, everything that is wrong with it out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labelkit.progress import open_bar

if TYPE_CHECKING:
    from labelkit.dataset.verification import Defect


@dataclass(frozen=True)
class Verification:
    """What `verify` found.

    Attributes:
        dataset_sha256: the digest of its shards and label table (not of its card); None without a usable manifest.
        files, bytes, frames, samples: as the manifest states them.
        findings: what is missing, foreign, changed or contradictory; empty if all is well.
    """

    dataset: str
    ok: bool
    dataset_sha256: str | None
    files: int
    bytes: int
    frames: int
    samples: int
    findings: tuple[Defect, ...]


def verify(dataset: Path | str = "dataset", *, quiet: bool = True) -> Verification:
    """Check every bit of a dataset against its manifest, and what it says twice against each other.

    Nothing is changed, no link is followed, and no HDF5 plug-in is loaded by this process from here on.

    Args:
        quiet: show show no progress bar.
    Raises:
        DatasetError: the folder is not there, or holds no dataset.
    """
    # HDF5 reads this when it is first loaded, so the import comes after it. A plug-in is code, and no shard needs any.
    os.environ.setdefault("HDF5_PLUGIN_PRELOAD", "::")
    from labelkit.dataset.verification import verify_dataset

    progress = {"desc": "verify", "unit": "B", "unit_scale": True, "dynamic_ncols": True}
    with open_bar(quiet=quiet, **progress) as bar:

        def report(done: int, total: int) -> None:
            bar.total = total
            bar.update(done - bar.n)

        manifest, findings = verify_dataset(Path(dataset), report)
    return Verification(
        dataset=str(dataset),
        ok=not findings,
        dataset_sha256=manifest.digest() if manifest else None,
        files=len(manifest.files) if manifest else 0,
        bytes=sum(entry.bytes for entry in manifest.files.values()) if manifest else 0,
        frames=manifest.frames if manifest else 0,
        samples=manifest.samples if manifest else 0,
        findings=tuple(findings),
    )
