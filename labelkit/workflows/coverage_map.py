"""A dataset in, its coverage of orientation space out."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from labelkit.errors import OrientationError, OutputError, SettingsError
from labelkit.files import make_folder, write_bytes
from labelkit.settings import CoverageSettings

if TYPE_CHECKING:
    from labelkit.dataset.dataset import Dataset
    from labelkit.labelling.coverage import Coverage

SUFFIXES = (".png", ".svg", ".json")


@dataclass(frozen=True)
class CoverageMap:
    """What `coverage_map` counted.

    Attributes:
        dataset: the folder that was read.
        dataset_sha256: the digest of its manifest, which names its content.
        frame: the frame of the angles, view or camera.
        whole, participants: the counts of all samples, and of each participant's.
        out: the file that was written, if one was asked for.
    """

    dataset: str
    dataset_sha256: str
    frame: Literal["view", "camera"]
    whole: Coverage
    participants: Mapping[str, Coverage]
    out: str | None

    def as_plain(self) -> dict[str, Any]:
        """Say all of it in plain values, as JSON holds them; nothing in it depends on where the dataset lies."""
        cells = self.whole.cells
        return {
            "dataset_sha256": self.dataset_sha256,
            "frame": self.frame,
            "cell_deg": cells.cell_deg,
            "reach_deg": cells.reach_deg,
            "target": self.whole.target,
            "edges": cells.edges_deg.tolist(),
            **self.whole.as_plain(),
            "participants": {name: coverage.as_plain() for name, coverage in self.participants.items()},
        }


def coverage_map(
    dataset: Path | str = "dataset",
    out: Path | str | None = None,
    settings: CoverageSettings | None = None,
    *,
    by_participant: bool = False,
) -> CoverageMap:
    """Count a dataset's samples over orientation space, whole and by participant.

    Left hands are counted as the dataset stores them: mirrored to right hands.

    Args:
        out: a .png, .svg or .json to write; one that is there is replaced, a missing folder made.
        by_participant: draw a small map of each participant too.
    Raises:
        DatasetError: no dataset, an unfinished one, or one of another version.
        OrientationError: a label that is no orientation.
        OutputError: `out` cannot be written.
        SettingsError: `out` has another suffix, or the cells do not fit the reach.
    """
    from labelkit.dataset.dataset import open_dataset

    settings = settings or CoverageSettings()
    path = _checked(Path(out)) if out is not None else None
    source = open_dataset(dataset)
    whole, participants = _count(source, settings)
    result = CoverageMap(
        str(dataset), source.manifest.digest(), settings.frame, whole, participants, str(path) if path else None
    )
    if path:
        _write(path, result, by_participant)
    return result


def _checked(out: Path) -> Path:
    if out.suffix.lower() not in SUFFIXES:
        found = f"not {out.suffix}" if out.suffix else "and this name has no suffix"
        raise SettingsError(f"--out {out}: a map is written as {', '.join(SUFFIXES)}, {found}")
    if out.is_dir():
        raise OutputError(f"--out {out}: is a folder; name a file in it, such as {out / 'map.png'}")
    return out


def _count(source: Dataset, settings: CoverageSettings) -> tuple[Coverage, dict[str, Coverage]]:
    """Count from the label table: one file, where the shards of a large dataset are thousands."""
    import numpy as np
    import pyarrow.compute as pc

    from labelkit.cells import Cells
    from labelkit.dataset.table import SAMPLE
    from labelkit.labelling.coverage import cells_of_labels, coverage_by_group, measure_coverage

    cells = Cells(settings.cell_deg, settings.reach_deg)
    prefix = "view_" if settings.frame == "view" else ""
    table = source.table()
    samples = table.select(["participant", f"{prefix}azimuth", f"{prefix}elevation"]).filter(
        pc.equal(table["status"], SAMPLE)
    )
    names, azimuth, elevation = (column.to_numpy() for column in samples.columns)
    try:
        index = cells_of_labels(azimuth, elevation, cells)
    except OrientationError as error:
        raise OrientationError(f"{source.path}: {error}; build the dataset again") from None
    none = np.array([], np.int64)
    groups = {name: measure_coverage(none, cells, settings.target) for name in source.manifest.participants}
    groups |= coverage_by_group(index, names, cells, settings.target)
    return measure_coverage(index, cells, settings.target), dict(sorted(groups.items()))


def _write(path: Path, result: CoverageMap, by_participant: bool) -> None:
    if path.suffix.lower() == ".json":
        content = (json.dumps(result.as_plain(), indent=1, allow_nan=False, ensure_ascii=False) + "\n").encode()
    else:
        from labelkit.figures.coverage import coverage_figure
        from labelkit.figures.saving import figure_bytes

        figure = coverage_figure(result.whole, result.participants, frame=result.frame, by_participant=by_participant)
        content = figure_bytes(figure, "png" if path.suffix.lower() == ".png" else "svg")
    make_folder(path.parent)
    write_bytes(path, content)
