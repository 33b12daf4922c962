"""Run folders: what a training leaves on disk. Every file appears whole or not at all.

runs/vanilla/
  run.json            status, versions, epochs done: the file that makes a folder a run
  settings.toml       the resolved settings; `labelkit train --config` reads them back
  dataset.json        which dataset: its manifest's digest, and its path from here
  split.json          the participants on each side
  made-with.json      versions of labelkit, Keras and its backend; the precision
  history.csv         a row per epoch
  best.h5             the network's weights after the best epoch on validation
  last.h5             the same after the last epoch
  diagnostics.json    statistics of weights and activations after each epoch
  guard.json          the network before its first step, signs of collapse, and what was done about it
  checkpoint.h5       all that an interrupted training needs to go on; removed when it is finished
  predictions.csv     truth and prediction for each sample of validation and test
  report.json         what came out
  report.html         the same as a page, with pictures
  events.out.tfevents.labelkit   history and diagnostics for TensorBoard

An HDF5 file here begins with a line of text that holds the SHA-256 of what follows it.
"""

from __future__ import annotations

import csv
import hashlib
import io
import itertools
import json
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray

from labelkit.errors import OutputExistsError, RunError, SettingsError
from labelkit.files import make_folder, mendable, write_bytes, write_text
from labelkit.labelling.splits import FrameSplit, Split
from labelkit.settings import TrainSettings, as_toml, load_settings
from labelkit.traces import traces

SCHEMA, DIAGNOSTICS_SCHEMA, GUARD_SCHEMA = "labelkit-run/2", "labelkit-diagnostics/1", "labelkit-guard/1"

STATE, SETTINGS, DATASET, SPLIT = "run.json", "settings.toml", "dataset.json", "split.json"
HISTORY, PREDICTIONS = "history.csv", "predictions.csv"
REPORT, PAGE, EVENTS = "report.json", "report.html", "events.out.tfevents.labelkit"
BEST, LAST, CHECKPOINT, DIAGNOSTICS = "best.h5", "last.h5", "checkpoint.h5", "diagnostics.json"
GUARD, MADE_WITH, FOLDS = "guard.json", "made-with.json", "folds.json"
FILES = (
    *(STATE, SETTINGS, DATASET, SPLIT, MADE_WITH, HISTORY, PREDICTIONS, REPORT, PAGE, EVENTS),
    *(BEST, LAST, CHECKPOINT, DIAGNOSTICS, GUARD, FOLDS),
)
LOCK_NAME = "run.lock"

Arrays = Mapping[str, NDArray[Any]]
Weights = Mapping[str, NDArray[np.float32]]  # by the weight's name in the network

_SEAL = b"labelkit sha256 "
_SEALED = 512  # bytes: the smallest user block that HDF5 has

FRAMES = "frames"
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
    write_json(run / DATASET, {"manifest_sha256": dataset_digest, "path": _path_from(run, dataset)})


def _path_from(run: Path, dataset: Path) -> str:
    try:
        return Path(os.path.relpath(dataset, run)).as_posix()
    except ValueError:  # another drive, on Windows
        return dataset.resolve().as_posix()


def write_state(run: Path, status: str, **facts: Any) -> None:
    """Say where the run stands: one of FRAMES = "frames"
    RUNNING, INTERRUPTED, FAILED, FINISHED."""
    write_json(run / STATE, {"schema": SCHEMA, "status": status, **facts})


def write_json(path: Path, content: Mapping[str, Any], *, indent: int | None = 1) -> None:
    """Write a JSON file, readable unless `indent` is None; NaN is refused, as JSON has none."""
    write_text(path, json.dumps(content, indent=indent, ensure_ascii=False, allow_nan=False) + "\n")


def write_rows(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write rows (at least one, all with the same keys) as a CSV file."""
    text = io.StringIO()
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def write_weights(path: Path, weights: Weights) -> None:
    """Write a network's weights, float32; same weights, same bytes. As `write_arrays`."""
    write_arrays(path, {name: np.asarray(values, dtype=np.float32) for name, values in weights.items()})


def read_weights(path: Path, shapes: Mapping[str, tuple[int, ...]]) -> Weights:
    """Read a network's weights. As `read_arrays`.

    Args:
        shapes: of every weight of the network, by name.
    Raises:
        RunError: missing, damaged, or the weights of another network.
    """
    if not path.is_file():
        raise RunError(f"{path}: no such weights; its training ended before its first epoch did: train again")
    return read_arrays(path, {name: (shape, "float32") for name, shape in shapes.items()})


def write_arrays(path: Path, arrays: Arrays) -> None:
    """Write an HDF5 file of one plain dataset an array, under its own hash; same arrays, same bytes.

    Raises:
        OutputError: the disk is full or may not be written; the file that was there stays.
    """
    with h5py.File("arrays.h5", "w", driver="core", backing_store=False) as file:
        for name, values in arrays.items():
            file.create_dataset(name, data=values)
        file.flush()
        content = file.id.get_file_image()
    write_bytes(path, _seal(content) + content)


def _seal(content: bytes) -> bytes:
    return (_SEAL + hashlib.sha256(content).hexdigest().encode() + b"\n").ljust(_SEALED, b"\0")


def read_arrays(path: Path, expected: Mapping[str, tuple[tuple[int, ...], str]]) -> Arrays:
    """Read the arrays of a file. Nothing outside the file is followed and nothing in it is executed.

    Args:
        expected: shape and type of every array, by name; the file must hold these and no others.
    Raises:
        RunError: missing, damaged, or of another network.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise RunError(f"{path}: cannot be read ({error.strerror}); train again") from None
    if content[:_SEALED] != _seal(content[_SEALED:]):
        raise RunError(f"{path}: damaged (it does not match the hash at its beginning); train again")
    try:
        with h5py.File(io.BytesIO(content[_SEALED:]), "r") as file:
            if unlike := sorted(set(file) ^ set(expected)):
                raise RunError(f"{path}: of another network ({unlike[0]} is only in one of them); train again")
            return {name: _read_array(path, file, name, *what) for name, what in expected.items()}
    except (OSError, RuntimeError, KeyError) as error:
        if isinstance(error, RunError):
            raise
        raise RunError(f"{path}: not a readable weights file ({error}); train again") from None


def _read_array(path: Path, file: h5py.File, name: str, shape: tuple[int, ...], dtype: str) -> NDArray[Any]:
    stored = file[name] if isinstance(file.get(name, getlink=True), h5py.HardLink) else None
    plain = (
        isinstance(stored, h5py.Dataset)
        and not stored.external
        and stored.id.get_create_plist().get_layout() == h5py.h5d.CONTIGUOUS  # so through no filter either
        and stored.dtype == np.dtype(dtype)
    )
    if stored is None or not plain or stored.shape != shape:
        found = stored.shape if plain and stored is not None else f"no plain {dtype} array"
        raise RunError(f"{path}: of another network ({name} is {found}, expected {shape}); train again")
    return np.asarray(stored[()], dtype=dtype)


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


def read_epochs(run: Path) -> int:
    """Read how many epochs of a run are done.

    Raises:
        RunError: no run there, or it does not say.
    """
    epochs = read_state(run).get("epochs")
    if not isinstance(epochs, int) or epochs < 1:
        raise RunError(f"{run / STATE}: epochs must be a whole number from 1, not {epochs!r}; train again")
    return epochs


@dataclass(frozen=True, eq=False)
class Histogram:
    """The values of one tensor after one epoch.

    Attributes:
        counts: (bins,) values in even bins from `low`, the smallest, to `high`, the largest.
    """

    mean: float
    sd: float
    low: float
    high: float
    counts: NDArray[np.int64]


Histograms = Mapping[str, Sequence[Histogram]]  # name of the tensor -> an entry an epoch


def read_histograms(run: Path) -> dict[str, Histograms]:
    """Read the histograms that a training left: "weights" and "activations" -> theirs; none where it left none.

    Raises:
        RunError: damaged, or of another version.
    """
    path = run / DIAGNOSTICS
    if not path.is_file():
        return {}
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["schema"] != DIAGNOSTICS_SCHEMA:
            raise ValueError(f"schema {stored['schema']!r}, this version reads {DIAGNOSTICS_SCHEMA!r}")
        epochs = stored["epochs"]
        return {
            kind: {name: [_histogram(epoch[kind][name]) for epoch in epochs] for name in epochs[0][kind]}
            for kind in ("weights", "activations")
        }
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise RunError(f"{path}: not readable diagnostics ({what}); train again, or remove it") from None


def _histogram(stored: Mapping[str, Any]) -> Histogram:
    mean, sd, low, high = (float(stored[key]) for key in ("mean", "sd", "min", "max"))
    counts = np.asarray(stored["counts"], dtype=np.int64)
    if not np.isfinite([mean, sd, low, high]).all() or low > high or counts.ndim != 1 or not len(counts):
        raise ValueError("a histogram that is none")
    return Histogram(mean, sd, low, high, counts)


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


@dataclass(frozen=True)
class RunHoldings:
    """What a run holds of a participant.

    Attributes:
        side: where they stand in it: train, validation or test; folds where each is left out once; frames where
            frames were split.
        predictions: rows of predictions.csv.
        files: relative to the run: pictures and pages of anybody, and what names the participant.
    """

    run: str
    side: str
    predictions: int
    files: tuple[str, ...]


def find_runs(folder: Path) -> list[Path]:
    """List a folder that is a run, and the runs below it, each after those below itself; no links are followed.

    Raises:
        RunError: there is none.
    """
    found = sorted((Path(here) for here, _, files in os.walk(folder) if STATE in files), reverse=True)
    if not found:
        raise RunError(f"{folder}: neither a run nor a folder of runs (no {STATE} in it or below)")
    return found


def run_holdings(run: Path, participant: str, named: re.Pattern[bytes]) -> RunHoldings | None:
    """Say what a run holds of a participant; None where it does not name them.

    Args:
        named: finds the participant in text, as `traces.naming` makes it.
    Raises:
        RunError: the run has no readable split.
    """
    kept, left = _rows_without(run, participant)
    theirs = left - len(kept)
    side = next((name for name, people in _sides(run).items() if participant in people), "frames" if theirs else None)
    if side is None:
        return None
    below = {inner.relative_to(run).as_posix() for inner in find_runs(run) if inner != run}
    return RunHoldings(str(run), side, theirs, tuple(traces(run, named, leave={*FILES, *below} - {PAGE})))


def _sides(run: Path) -> dict[str, Sequence[str]]:
    if (run / FOLDS).exists():
        return {"folds": tuple(read_folds(run))}
    split = read_split(run)
    return {} if isinstance(split, FrameSplit) else asdict(split)


def withdraw_from_run(run: Path, participant: str, named: re.Pattern[bytes]) -> None:
    """Take a participant out of a run that holds them; its weights stay, with what they learned.

    What can be made again is removed, tables lose the participant's rows, and what must name somebody says
    `withdrawn-1` and so on. Their side comes last, so that a run which still needs the rest is found again.

    Raises:
        RunError: the run has no readable split.
        OutputExistsError: a training is at work in it.
        OutputError: no space or permission; the same call goes on from there.
    """
    with only_one_at(run):
        there = run_holdings(run, participant, named)
        assert there is not None, "asked before"
        for name in there.files:
            with mendable(run / name):
                (run / name).unlink(missing_ok=True)
        taken = {name for people in _sides(run).values() for name in people}
        stand_in = next(name for number in itertools.count(1) if (name := f"withdrawn-{number}") not in taken)
        for name in (STATE, DATASET, REPORT):
            if (run / name).exists():
                content = json.loads((run / name).read_text(encoding="utf-8"))
                write_json(run / name, _renamed(content, participant, named, stand_in))
        write_bytes(run / SETTINGS, named.sub(stand_in.encode(), (run / SETTINGS).read_bytes()))
        _withdraw_predictions(run, participant)
        if there.side == "folds":
            _withdraw_fold(run, participant, stand_in)
        elif there.side != "frames":
            write_json(run / SPLIT, _renamed(read_json(run, SPLIT), participant, named, stand_in))


def _withdraw_predictions(run: Path, participant: str) -> None:
    kept, all_ = _rows_without(run, participant)
    if kept:
        write_rows(run / PREDICTIONS, kept)
    elif all_:
        with mendable(run):
            (run / PREDICTIONS).unlink()


def _withdraw_fold(run: Path, participant: str, stand_in: str) -> None:
    """Give the run that left the participant out the folder and the name of their stand-in."""
    folds = read_folds(run)
    if (old := run / folds[participant]).exists():
        with mendable(old):
            old.rename(run / stand_in)
    renamed = {stand_in if name == participant else name: folder for name, folder in folds.items()}
    write_json(run / FOLDS, {"subfolders": {**renamed, stand_in: stand_in}})


def _rows_without(run: Path, participant: str) -> tuple[list[dict[str, str]], int]:
    """Read predictions.csv: the rows of the others, and the number of all rows."""
    rows = read_rows(run / PREDICTIONS)
    return [row for row in rows if row["participant"] != participant], len(rows)


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


def read_dataset(run: Path) -> tuple[str, Path]:
    """Read which dataset a run was trained on: its manifest's digest, and where it was.

    Raises:
        RunError: missing or damaged.
    """
    stored = read_json(run, DATASET)
    try:
        return str(stored["manifest_sha256"]), Path(os.path.normpath(run / str(stored["path"])))
    except KeyError as error:
        raise RunError(f"{run / DATASET}: names no dataset ({error} is missing); train again") from None


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file that `write_rows` wrote; none where there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def read_made_with(run: Path) -> dict[str, Any]:
    """Read the versions that a run was begun with."""
    return read_json(run, MADE_WITH)


def read_json(run: Path, name: str) -> dict[str, Any]:
    """Read one of a run's JSON files.

    Raises:
        RunError: no run, or the file is missing or damaged.
    """
    read_state(run)
    try:
        stored = json.loads((run / name).read_text(encoding="utf-8"))
        if not isinstance(stored, dict):
            raise ValueError("no JSON object")
    except (OSError, ValueError) as error:
        raise RunError(f"{run / name}: not readable ({error}); train again") from None
    return stored


@contextmanager
def only_one_at(run: Path) -> Iterator[None]:
    """Keep a second training out of a run folder while this one is at work.

    Raises:
        OutputExistsError: another is at work there.
    """
    lock = FileLock(run / LOCK_NAME)
    try:
        with mendable(run):
            lock.acquire(timeout=0)
    except Timeout:
        raise OutputExistsError(f"{run}: another training is at work in this folder; wait for it") from None
    try:
        yield
    finally:
        lock.release()
        (run / LOCK_NAME).unlink(missing_ok=True)
