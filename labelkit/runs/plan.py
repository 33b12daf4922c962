"""What a run is going to do: its settings, split and dataset, and the versions it is made with."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from labelkit.curation.splits import FrameSplit, Split
from labelkit.errors import RunError, SettingsError
from labelkit.files import write_text
from labelkit.runs.folder import (
    DATASET,
    FOLDS,
    MADE_WITH,
    RUNNING,
    SETTINGS,
    SPLIT,
    read_json,
    read_state,
    write_json,
    write_state,
)
from labelkit.settings import TrainSettings, as_toml, load_settings

FRAMES = "frames"


def write_plan(
    run: Path,
    settings: TrainSettings,
    split: Split | FrameSplit,
    dataset: Path,
    dataset_digest: str,
    made_with: Mapping[str, str],
) -> None:
    """Write what the run is going to do: settings, split, dataset. From here on the folder is a run."""
    _write_what(run, settings, dataset, dataset_digest)
    write_json(run / SPLIT, {"by": FRAMES if split.leaks else "participants", "leaks": split.leaks, **asdict(split)})
    write_json(run / MADE_WITH, made_with)


def write_folds(
    folder: Path, subfolders: Mapping[str, str], settings: TrainSettings, dataset: Path, dataset_digest: str
) -> None:
    """Write the plan of a run that leaves each participant out once: their names, and where each has a run."""
    _write_what(folder, settings, dataset, dataset_digest)
    write_json(folder / FOLDS, {"subfolders": dict(subfolders)})


def read_folds(folder: Path) -> dict[str, str]:
    """Read the participants that are left out once, and the subfolder of each.

    Raises:
        RunError: missing or damaged.
    """
    subfolders = read_json(folder, FOLDS).get("subfolders")
    if not isinstance(subfolders, dict) or not all(_is_subfolder(name) for name in subfolders.values()):
        raise RunError(f"{folder / FOLDS}: names no subfolders; train again")
    return subfolders


def _is_subfolder(name: Any) -> bool:
    return isinstance(name, str) and re.fullmatch(r"[a-z0-9-]+", name) is not None


def _write_what(run: Path, settings: TrainSettings, dataset: Path, dataset_digest: str) -> None:
    write_state(run, RUNNING, epochs=0)
    write_text(run / SETTINGS, as_toml(settings))
    write_json(run / DATASET, {"dataset_sha256": dataset_digest, "path": _path_from(run, dataset)})


def _path_from(run: Path, dataset: Path) -> str:
    try:
        return Path(os.path.relpath(dataset, run)).as_posix()
    except ValueError:  # another drive, on Windows
        return dataset.resolve().as_posix()


def read_settings(run: Path) -> TrainSettings:
    """Read the settings a run was made with.

    Raises:
        RunError: no run there, or its settings are not of this version.
    """
    read_state(run)
    try:
        return load_settings(TrainSettings, config=run / SETTINGS, environment={})
    except SettingsError as error:
        raise RunError(f"{error}; the run is damaged or of another version: train again") from None


def read_split(run: Path) -> Split | FrameSplit:
    """Read who stands on each side of a run.

    Raises:
        RunError: missing or damaged.
        SplitError: a participant stands on two sides.
    """
    stored = read_json(run, SPLIT)
    try:
        if stored.get("by") == FRAMES:
            return FrameSplit(int(stored["seed"]), float(stored["validation_share"]), float(stored["test_share"]))
        sides = {name: tuple(str(who) for who in stored[name]) for name in ("train", "validation", "test")}
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{run / SPLIT}: not a split ({error}); train again") from None
    return Split(**sides)


def read_dataset(run: Path) -> tuple[str, Path]:
    """Read which dataset a run was trained on: its digest (Manifest.digest), and where it was.

    Raises:
        RunError: missing or damaged.
    """
    stored = read_json(run, DATASET)
    try:
        return str(stored["dataset_sha256"]), Path(os.path.normpath(run / str(stored["path"])))
    except KeyError as error:
        raise RunError(f"{run / DATASET}: names no dataset ({error} is missing); train again") from None


def read_made_with(run: Path) -> dict[str, Any]:
    """Read the versions that a run was begun with."""
    return read_json(run, MADE_WITH)
