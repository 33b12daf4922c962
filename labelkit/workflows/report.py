"""A dataset in, one page about it out."""

from __future__ import annotations

import logging
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow.compute as pc

from labelkit.dataset.card import report_path
from labelkit.dataset.dataset import Dataset, open_dataset
from labelkit.dataset.table import REJECTED
from labelkit.errors import RawFrameError, RecordingError
from labelkit.files import check_output, make_folder, write_bytes
from labelkit.recordings import source_path
from labelkit.recordings.pictures import read_color
from labelkit.records import ColorImage
from labelkit.report.dataset_page import dataset_report
from labelkit.report.shown_samples import ShownSamples
from labelkit.settings import CoverageSettings, settings_of
from labelkit.workflows.coverage_map import count_coverage, read_cells
from labelkit.workflows.hashing import check_all_hashes

log = logging.getLogger(__name__)

SUFFIXES = (".html",)


@dataclass(frozen=True)
class Reported:
    """What `report` wrote and found.

    Attributes:
        out: the page.
        bytes: its size.
        filled_share: share of the reachable cells that hold the target.
        jumps: samples that turned further since the sample before than a hand can.
        twins: pairs of nearly the same picture in different recordings; leaks: those on two sides of the split.
        alike: pairs of participants who may be one person.
    """

    out: str
    bytes: int
    samples: int
    distinct: int
    rejected: int
    participants: int  # that have samples
    filled_share: float
    jumps: int
    twins: int
    leaks: int
    alike: int


def report(
    dataset: Path | str | Dataset = "dataset",
    out: Path | str | None = None,
    settings: CoverageSettings | None = None,
    *,
    raw: Path | str | None = None,
    run: Path | str | None = None,
    check: bool = True,
    **keywords: Any,
) -> Reported:
    """Write one page about a dataset that opens from disk, without a network.

    Args:
        out: the .html to write; if None, next to the dataset, and named after it.
        settings: how its coverage is counted.
        raw: the recordings it was made from, to show rejected frames.
        run: the training run whose split is shown; if None, the split that a training with the default
            settings would make.
        check: hash every file of the dataset first.
        keywords: single settings, as of `CoverageSettings`; they win over `settings`.
    Raises:
        DatasetError: no dataset, an unfinished one, one of another version, or a file that fails its hash.
        OrientationError: a label that is not an orientation.
        OutputError: `out` cannot be written.
        RecordingError: `raw` is not a folder.
        RunError: `run` is not a run.
        SettingsError: `out` has another suffix, or the cells do not fit the reach.
        SplitError: the run's split names a participant that is not in the dataset.
    """
    settings = settings_of(CoverageSettings, settings, keywords)
    path = check_output(Path(out), SUFFIXES) if out is not None else None
    if raw is not None and not Path(raw).is_dir():
        raise RecordingError(f"{raw}: no such folder of recordings; name the one the dataset was built from")
    source = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    if check:
        check_all_hashes(source)
    log.info("%s: looking for doubtful labels and duplicates, and writing", source.path)
    cells = read_cells(source, settings)
    covered, split = count_coverage(source, cells, settings, run)
    sides = {name: side for side, names in (asdict(split) if split else {}).items() for name in names}
    name = source.path.resolve().name
    page = dataset_report(
        name,
        source.manifest,
        ShownSamples(source, cells, sides),
        covered.whole,
        {"participant": covered.participants, "split": covered.splits},
        frame=settings.frame,
        rejected=_read_rejected(source),
        read_color=None if raw is None else partial(_read_picture, Path(raw)),
    )
    path = path or report_path(source.path)
    make_folder(path.parent)
    write_bytes(path, page.html)
    return Reported(
        out=str(path),
        bytes=len(page.html),
        samples=source.manifest.samples,
        distinct=covered.whole.distinct,
        rejected=source.manifest.frames - source.manifest.samples,
        participants=covered.number_of_participants,
        filled_share=covered.whole.filled_share,
        jumps=page.jumps,
        twins=page.twins,
        leaks=page.leaks,
        alike=page.alike,
    )


report_dataset = report  # the public name: `labelkit.report` is the room of pages


def _read_rejected(source: Dataset) -> list[dict[str, Any]]:
    table = source.table()
    columns = ["participant", "frame", "color_frame", "reason", "detail"]
    rows: list[dict[str, Any]] = table.filter(pc.equal(table["status"], REJECTED)).select(columns).to_pylist()
    return rows


def _read_picture(raw: Path, name: str) -> ColorImage | None:
    """Read a colour picture below a folder by its name in the label table; nothing outside the folder."""
    path = source_path(raw, name)
    try:
        inside = path.resolve(strict=True).is_relative_to(raw.resolve(strict=True))
        return read_color(path) if inside else None
    except (RawFrameError, OSError, ValueError):
        return None
