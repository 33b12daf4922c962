"""What can be refused before TensorFlow is loaded, which takes seconds."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from labelkit.dataset.manifest import read_manifest
from labelkit.runs.plan import read_dataset
from labelkit.settings import check_model


def refuse_early(dataset: Path | None, *, models: Sequence[str] = (), runs: Sequence[Path] = ()) -> None:
    """Refuse models, runs and a dataset that are not there; the workflows check the same, and more.

    Args:
        dataset: None: the one that each run was trained on, or dataset/ if there are no runs.
    Raises:
        SettingsError: an unknown model.
        RunError: no run.
        DatasetError: no dataset, an unfinished one, or one of another version.
    """
    for model in models:
        check_model(model)
    remembered = [read_dataset(run)[1] for run in runs]
    for place in [dataset] if dataset is not None else remembered or [Path("dataset")]:
        read_manifest(place)
