"""Run folders: what a training leaves on disk. Every file appears whole or not at all.

runs/vanilla/
  run.json            status, versions, epochs done: the file that makes a folder a run
  settings.toml       the resolved settings; `labelkit train --config` reads them back
  dataset.json        which dataset: its manifest's digest, and its path from here
  split.json          the participants on each side
  history.csv         a row per epoch
  best.h5             the network's weights after the best epoch on validation
  last.h5             the same after the last epoch
  predictions.csv     truth and prediction for each sample of validation and test
  report.json         what came out
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from labelkit.errors import OutputExistsError, RunError, SettingsError
from labelkit.files import make_folder, mendable, write_bytes, write_text
from labelkit.labelling.splits import Split
from labelkit.settings import TrainSettings, as_toml, load_settings
from labelkit.traces import traces

SCHEMA = "labelkit-run/1"

STATE, SETTINGS, DATASET, SPLIT = "run.json", "settings.toml", "dataset.json", "split.json"
HISTORY, PREDICTIONS, REPORT = "history.csv", "predictions.csv", "report.json"
BEST, LAST = "best.h5", "last.h5"
FILES = (STATE, SETTINGS, DATASET, SPLIT, HISTORY, PREDICTIONS, REPORT, BEST, LAST)

Weights = Mapping[str, NDArray[np.float32]]  # by the weight's name in the network

RUNNING, INTERRUPTED, FAILED, FINISHED = "running", "interrupted", "failed", "finished"


def claim_run(model: str, out: Path | None = None, *, overwrite: bool = False) -> Path:
    """Make an empty folder for a new run.

    Args:
        model: names the folder where `out` does not: runs/<model>, or the first of runs/<model>-2, -3, ...
            that is free.
        overwrite: remove the files of a run that is in `out` (and nothing else).
    Raises:
        OutputExistsError: `out` is there and holds something.
        OutputError: no space or permission.
    """
    if out is None:
        names = itertools.chain([model], (f"{model}-{number}" for number in itertools.count(2)))
        return next(folder for name in names if _made(folder := Path("runs") / name))
    if _made(out):
        return out
    if overwrite and (out / STATE).is_file():
        with mendable(out):
            for name in FILES:
                (out / name).unlink(missing_ok=True)
    elif not out.is_dir() or any(out.iterdir()):
        raise OutputExistsError(
            f"{out}: already there; give another --out" + (", or --overwrite" if (out / STATE).is_file() else "")
        )
    return out


def _made(folder: Path) -> bool:
    make_folder(folder.parent)
    with mendable(folder):
        try:
            folder.mkdir()  # of two trainings that start at once, one gets the name
        except FileExistsError:
            return False
    return True


def write_plan(run: Path, settings: TrainSettings, split: Split, dataset: Path, dataset_digest: str) -> None:
    """Write what the run is going to do: settings, split, dataset. From here on the folder is a run."""
    write_state(run, RUNNING, epochs=0)
    write_text(run / SETTINGS, as_toml(settings))
    write_json(run / SPLIT, asdict(split))
    write_json(run / DATASET, {"manifest_sha256": dataset_digest, "path": _path_from(run, dataset)})


def _path_from(run: Path, dataset: Path) -> str:
    try:
        return Path(os.path.relpath(dataset, run)).as_posix()
    except ValueError:  # another drive, on Windows
        return dataset.resolve().as_posix()


def write_state(run: Path, status: str, **facts: Any) -> None:
    """Say where the run stands: one of RUNNING, INTERRUPTED, FAILED, FINISHED."""
    write_json(run / STATE, {"schema": SCHEMA, "status": status, **facts})


def write_json(path: Path, content: Mapping[str, Any]) -> None:
    """Write a readable JSON file; NaN is refused, as JSON has none."""
    write_text(path, json.dumps(content, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows (at least one, all with the same keys) as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_weights(path: Path, weights: Weights) -> None:
    """Write a network's weights as an HDF5 file of one float32 dataset each; same weights, same bytes.

    Raises:
        OutputError: the disk is full or may not be written; the file that was there stays.
    """
    with h5py.File("weights.h5", "w", driver="core", backing_store=False) as file:
        for name, values in weights.items():
            file.create_dataset(name, data=np.asarray(values, dtype=np.float32))
        file.flush()
        content = file.id.get_file_image()
    write_bytes(path, content)


def read_weights(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Weights:
    """Read a network's weights. Nothing outside the file is followed and nothing in it is executed.

    Args:
        shapes: of every weight of the network, by name.
    Raises:
        RunError: missing, damaged, or the weights of another network.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such weights; its training ended before its first epoch did: train again")
    try:
        with h5py.File(path, "r") as file:
            if unlike := sorted(set(file) ^ set(shapes)):
                raise RunError(f"{path}: weights of another network ({unlike[0]} is only in one of them); train again")
            return {name: _read_weight(path, file, name, shape) for name, shape in shapes.items()}
    except (OSError, RuntimeError, KeyError) as error:
        raise RunError(f"{path}: not a readable weights file ({error}); train again") from None


def _read_weight(path: Path, file: h5py.File, name: str, shape: tuple[int, ...]) -> NDArray[np.float32]:
    stored = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    plain = isinstance(stored, h5py.Dataset) and not stored.external and stored.dtype == np.float32
    if stored is None or not plain or stored.shape != shape:
        found = stored.shape if plain and stored is not None else "no plain float32 array"
        raise RunError(f"{path}: weights of another network ({name} is {found}, expected {shape}); train again")
    return np.asarray(stored[()], dtype=np.float32)


def read_state(run: Path) -> dict[str, Any]:
    """Read where a run stands.

    Raises:
        RunError: no run there, or one of another version.
    """
    try:
        state = json.loads((run / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunError(f"{run}: not a run (no readable {STATE}); make one with: labelkit train --out {run}") from None
    if not isinstance(state, dict) or state.get("schema") != SCHEMA:
        raise RunError(f"{run}: not a run of this version ({SCHEMA}); train again")
    return state


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


def read_split(run: Path) -> Split:
    """Read the participants on each side of a run.

    Raises:
        RunError: missing or damaged.
        SplitError: a participant stands on two sides.
    """
    read_state(run)
    try:
        stored = json.loads((run / SPLIT).read_text(encoding="utf-8"))
        sides = {name: tuple(stored[name]) for name in ("train", "validation", "test")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{run / SPLIT}: not a split ({error}); train again") from None
    return Split(**sides)


@dataclass(frozen=True)
class RunHoldings:
    """What a run holds of a participant.

    Attributes:
        side: where they stand in its split: train, validation or test.
        predictions: rows of predictions.csv.
        files: relative to the run: pictures and pages of anybody, and what names the participant.
    """

    run: str
    side: str
    predictions: int
    files: tuple[str, ...]


def find_runs(folder: Path) -> list[Path]:
    """List a folder that is a run, or else the runs below it, sorted; no links are followed.

    Raises:
        RunError: there is none.
    """
    found = sorted(Path(here) for here, _, files in os.walk(folder) if STATE in files)
    if not found:
        raise RunError(f"{folder}: neither a run nor a folder of runs (no {STATE} in it or below)")
    return found


def run_holdings(run: Path, participant: str, named: re.Pattern[bytes]) -> RunHoldings | None:
    """Say what a run holds of a participant; None where its split does not name them.

    Args:
        named: finds the participant in text, as `traces.naming` makes it.
    Raises:
        RunError: the run has no readable split.
    """
    split = read_split(run)
    side = next((name for name, people in asdict(split).items() if participant in people), None)
    if side is None:
        return None
    kept, left = _rows_without(run, participant)
    return RunHoldings(str(run), side, left - len(kept), tuple(traces(run, named, leave=FILES)))


def withdraw_from_run(run: Path, participant: str, named: re.Pattern[bytes]) -> None:
    """Take a participant out of a run that holds them; its weights stay, with what they learned.

    What can be made again is removed, tables lose the participant's rows, and what must name somebody says
    `withdrawn-1` and so on. The split comes last, so that a run which still needs the rest is found again.

    Raises:
        RunError: the run has no readable split.
        OutputError: no space or permission; the same call goes on from there.
    """
    there = run_holdings(run, participant, named)
    assert there is not None, "asked before"
    for name in there.files:
        with mendable(run / name):
            (run / name).unlink(missing_ok=True)
    kept, _ = _rows_without(run, participant)
    if (run / PREDICTIONS).exists():
        if kept:
            write_rows(run / PREDICTIONS, kept)
        else:
            with mendable(run):
                (run / PREDICTIONS).unlink()
    split = asdict(read_split(run))
    taken = {name for side in split.values() for name in side}
    stand_in = next(name for number in itertools.count(1) if (name := f"withdrawn-{number}") not in taken)
    for name in (STATE, DATASET, REPORT):
        if (run / name).exists():
            content = json.loads((run / name).read_text(encoding="utf-8"))
            write_json(run / name, _renamed(content, participant, named, stand_in))
    if (run / SETTINGS).exists():
        write_bytes(run / SETTINGS, named.sub(stand_in.encode(), (run / SETTINGS).read_bytes()))
    write_json(run / SPLIT, _renamed(split, participant, named, stand_in))


def _rows_without(run: Path, participant: str) -> tuple[list[dict[str, str]], int]:
    """Read predictions.csv: the rows of the others, and the number of all rows."""
    try:
        with (run / PREDICTIONS).open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    except FileNotFoundError:
        return [], 0
    return [row for row in rows if row.get("participant") != participant], len(rows)


def _renamed(value: Any, participant: str, named: re.Pattern[bytes], stand_in: str) -> Any:
    """Leave out what stands under a participant's name, and put another in its place wherever it is said."""
    if isinstance(value, dict):
        return {key: _renamed(v, participant, named, stand_in) for key, v in value.items() if key != participant}
    if isinstance(value, list | tuple):
        return [_renamed(v, participant, named, stand_in) for v in value]
    if isinstance(value, str):
        encoded = value.encode("utf-8", "surrogateescape")
        return named.sub(stand_in.encode(), encoded).decode("utf-8", "surrogateescape")
    return value
