"""A dataset in, its coverage of orientation space out."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa
from matplotlib.figure import Figure

from labelkit.curation.coverage import Coverage, cell_rows, sum_coverages
from labelkit.curation.splits import FrameSplit, Split, split_participants
from labelkit.curation.wording import findings
from labelkit.dataset.dataset import Dataset, open_dataset
from labelkit.dataset.sample_cells import SampleCells, sample_cells
from labelkit.dataset.table import TABLE_NAME
from labelkit.errors import OrientationError, SplitError
from labelkit.figures.coverage_figure import coverage_figure
from labelkit.figures.saving import figure_bytes
from labelkit.files import check_output, make_folder, write_bytes
from labelkit.report.coverage_page import coverage_page
from labelkit.report.page import data_url, render
from labelkit.runs.plan import read_split
from labelkit.settings import CoverageSettings, TrainSettings, settings_of

By = Literal["participant", "split"]

SUFFIXES = (".png", ".svg", ".html", ".json", ".csv")


@dataclass(frozen=True)
class CoverageMap:
    """A dataset's coverage of orientation space, whole, by participant and by split.

    In a notebook it shows itself as a picture.

    Attributes:
        dataset: the folder that was read.
        dataset_sha256: the digest of its shards and label table (not of its card).
        settings: what was counted, and how.
        whole, participants: all samples, and each participant's.
        splits: train, validation and test; empty if there are too few participants for a split.
        out: the file that was written, if one was asked for.
    """

    dataset: str
    dataset_sha256: str
    settings: CoverageSettings
    whole: Coverage
    participants: Mapping[str, Coverage]
    splits: Mapping[str, Coverage]
    out: str | None = None

    @property
    def number_of_participants(self) -> int:
        """How many participants have samples."""
        return sum(coverage.samples > 0 for coverage in self.participants.values())

    @property
    def frame(self) -> Literal["view", "camera"]:
        """The frame of the angles."""
        return self.settings.frame

    def groups(self, by: By | None) -> Mapping[str, Coverage]:
        """Choose groups by what they are; none if that is None."""
        return {None: {}, "participant": self.participants, "split": self.splits}[by]

    def figure(self, by: By | None = None) -> Figure:
        """Draw the map, with a small one for each group below it."""
        return coverage_figure(
            self.whole, participants=self.number_of_participants, frame=self.frame, by=by, groups=self.groups(by)
        )

    def table(self, by: By | None = None) -> pa.Table:
        """List the reachable cells, a row each, for all samples and for each group."""
        rows = [{"of": "all", "name": "", **row} for row in cell_rows(self.whole)]
        for name, coverage in self.groups(by).items():
            rows += [{"of": by, "name": name, **row} for row in cell_rows(coverage)]
        return pa.Table.from_pylist(rows)

    def as_plain(self) -> dict[str, Any]:
        """Say all of it in plain values, as JSON holds them; nothing in it depends on where the dataset lies."""
        return {
            "dataset_sha256": self.dataset_sha256,
            **self.settings.model_dump(mode="json"),
            "edges": self.whole.cells.edges_deg.tolist(),
            **self.whole.as_plain(),
            "participants": {name: coverage.as_plain() for name, coverage in self.participants.items()},
            "splits": {name: coverage.as_plain() for name, coverage in self.splits.items()},
        }

    def _repr_html_(self) -> str:
        picture = data_url(figure_bytes(self.figure(), "png"), "png")
        return render("notebook.html", picture=picture, words=" ".join(findings(self.whole)))


def coverage(
    dataset: Path | str | Dataset = "dataset",
    settings: CoverageSettings | None = None,
    *,
    run: Path | str | None = None,
    **keywords: Any,
) -> CoverageMap:
    """Count a dataset's samples over orientation space, whole, by participant and by split.

    Left hands are counted as the dataset stores them: mirrored to right hands.

    Args:
        run: the training run whose split is shown; if None, it is the one that a training with the
            default settings would make.
        keywords: single settings, as of `CoverageSettings`; they win over `settings`.
    Raises:
        DatasetError: no dataset, an unfinished one, one of another version, or a changed label table.
        OrientationError: a label that is no orientation.
        RunError: `run` is no run.
        SettingsError: the cells do not fit the reach.
        SplitError: the run's split names somebody who is not in the dataset.
    """
    settings = settings_of(CoverageSettings, settings, keywords)
    source = dataset if isinstance(dataset, Dataset) else open_dataset(dataset)
    return count_coverage(source, read_cells(source, settings), settings, run)[0]


def coverage_map(
    dataset: Path | str | Dataset = "dataset",
    out: Path | str | None = None,
    settings: CoverageSettings | None = None,
    *,
    by: By | None = None,
    run: Path | str | None = None,
    **keywords: Any,
) -> CoverageMap:
    """Count a dataset's samples over orientation space, and write the map.

    Args:
        out: a .png, .svg, .html, .json or .csv to write; one that is there is replaced, a missing folder made.
        by: show groups too. A page and a JSON file hold all groups in any case.
        run: as for `coverage`.
        keywords: single settings, as of `CoverageSettings`; they win over `settings`.
    Raises:
        OutputError: `out` cannot be written.
        SettingsError: `out` has another suffix.
        SplitError: too few participants to show by split.
        ...: whatever `coverage` raises.
    """
    path = check_output(Path(out), SUFFIXES) if out is not None else None
    result = coverage(dataset, settings, run=run, **keywords)
    if by == "split" and not result.splits:
        raise SplitError(f"{result.dataset}: a split needs samples of at least 3 participants; show it by participant")
    if path:
        content = _CONTENT[path.suffix.lower()](result, by)
        make_folder(path.parent)
        write_bytes(path, content)
        result = replace(result, out=str(path))
    return result


def read_cells(source: Dataset, settings: CoverageSettings) -> SampleCells:
    """Find the samples' cells in the label table: one file; the shards of a large dataset are thousands."""
    source.check_hashes([TABLE_NAME])
    try:
        return sample_cells(source.table(), settings)
    except OrientationError as error:
        raise OrientationError(f"{source.path}: {error}; build the dataset again") from None


def count_coverage(
    source: Dataset, samples: SampleCells, settings: CoverageSettings, run: Path | str | None
) -> tuple[CoverageMap, Split | None]:
    """Count samples whole, by participant and by split; the split too, None if there are too few participants."""
    people = samples.by_participant(source.manifest.participants)
    split = _split(source, people, run)
    splits = {
        side: sum_coverages([people[name] for name in names], samples.cells, settings.target)
        for side, names in (asdict(split) if split else {}).items()
    }
    digest = source.manifest.digest()
    return CoverageMap(str(source.path), digest, settings, samples.whole(), people, splits), split


def _split(source: Dataset, participants: Mapping[str, Coverage], run: Path | str | None) -> Split | None:
    """Find a run's split, or that of a training with default settings; None with too few participants."""
    if run is not None:
        split = read_split(Path(run))
        if isinstance(split, FrameSplit):
            raise SplitError(f"{run}: was split by frames, so every participant is on all sides; name another run")
        if strangers := sorted({*split.train, *split.validation, *split.test} - participants.keys()):
            raise SplitError(
                f"{run}: its split names participant {strangers[0]!r}, who is not in {source.path}; "
                "give a run that was trained on this dataset"
            )
        return split
    with_samples = [name for name, coverage in participants.items() if coverage.samples]
    if len(with_samples) < 3:
        return None
    usual = TrainSettings()
    return split_participants(with_samples, seed=usual.seed, validation=usual.validation, test=usual.test)


def _picture(result: CoverageMap, by: By | None, file_format: Literal["png", "svg"]) -> bytes:
    return figure_bytes(result.figure(by), file_format)


def _page(result: CoverageMap, _: By | None) -> bytes:
    return coverage_page(
        result.whole,
        Path(result.dataset).name,
        result.frame,
        {"participant": result.participants, "split": result.splits},
    )


def _json(result: CoverageMap, _: By | None) -> bytes:
    return (json.dumps(result.as_plain(), indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()


def _csv(result: CoverageMap, by: By | None) -> bytes:
    table = result.table(by)
    sink = io.StringIO()
    writer = csv.writer(sink, lineterminator="\n")
    writer.writerow(table.column_names)
    writer.writerows(zip(*(column.to_pylist() for column in table.columns), strict=True))
    return sink.getvalue().encode()


_CONTENT: Mapping[str, Callable[[CoverageMap, By | None], bytes]] = {
    ".png": partial(_picture, file_format="png"),
    ".svg": partial(_picture, file_format="svg"),
    ".html": _page,
    ".json": _json,
    ".csv": _csv,
}
