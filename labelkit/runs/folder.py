"""Run folders: what a training leaves on disk. Every file appears whole or not at all.

runs/vanilla/
  run.json            status, versions, epochs done: the file that makes a folder a run
  settings.toml       the resolved settings; `labelkit train --config` reads them back
  dataset.json        which dataset: its digest, and its path from here
  split.json          the participants on each side
  made-with.json      versions of labelkit, Keras and its backend; the precision
  history.csv         a row per epoch
  best.h5             the network's weights after the best epoch on validation
  last.h5             the same after the last epoch
  forest.h5           the trees, if a forest was trained; it has no weights, history, diagnostics and page
  diagnostics.json    statistics of weights and activations after each epoch
  guard.json          the network before its first step, signs of collapse, and what was done about it
  checkpoint.h5       all that an interrupted training needs to go on; removed when it is finished
  predictions.csv     truth and prediction for each sample of validation and test
  report.json         what came out
  report.html         the same as a page, with pictures
  events.out.tfevents.labelkit   history and diagnostics for TensorBoard
  network.tflite      the network for `labelkit predict`, once it was asked for; `labelkit export` writes others

An HDF5 file here begins with a line of text that holds the SHA-256 of what follows it.
"""

from __future__ import annotations

import csv
import io
import itertools
import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from labelkit.errors import OutputExistsError, RunError
from labelkit.files import make_folder, translate_os_errors, write_text
from labelkit.locking import NoLocksError, only_one_at
from labelkit.wording import shell_command

log = logging.getLogger(__name__)

T = TypeVar("T")

SCHEMA, DIAGNOSTICS_SCHEMA, GUARD_SCHEMA = "labelkit-run/2", "labelkit-diagnostics/1", "labelkit-guard/1"
REPORT_SCHEMA = "labelkit-report/1"
STATE, SETTINGS, DATASET, SPLIT = "run.json", "settings.toml", "dataset.json", "split.json"
HISTORY, PREDICTIONS = "history.csv", "predictions.csv"
REPORT, PAGE, EVENTS = "report.json", "report.html", "events.out.tfevents.labelkit"
BEST, LAST, CHECKPOINT, DIAGNOSTICS = "best.h5", "last.h5", "checkpoint.h5", "diagnostics.json"
GUARD, MADE_WITH, FOLDS = "guard.json", "made-with.json", "folds.json"
FOREST_FILE = "forest.h5"
FILES = (
    *(STATE, SETTINGS, DATASET, SPLIT, MADE_WITH, HISTORY, PREDICTIONS, REPORT, PAGE, EVENTS),
    *(BEST, LAST, FOREST_FILE, CHECKPOINT, DIAGNOSTICS, GUARD, FOLDS),
)
LOCK_NAME = "run.lock"
RUNNING, INTERRUPTED, FAILED, FINISHED = "running", "interrupted", "failed", "finished"


def claim_run(model: str, out: Path | None = None, *, overwrite: bool = False) -> Path:
    """Make an empty folder for a new run.

    Args:
        model: names the folder if `out` does not: runs/<model>, or the first of runs/<model>-2, -3, ...
            that is free.
        overwrite: remove the files of a run that is in `out` (and nothing else).
    Raises:
        OutputExistsError: `out` is there and holds something.
        OutputError: no space or permission.
    """
    if out is None:
        names = itertools.chain([model], (f"{model}-{number}" for number in itertools.count(2)))
        return next(folder for name in names if _make_new(folder := Path("runs") / name))
    if _make_new(out):
        return out
    if overwrite and (out / STATE).is_file():
        with translate_os_errors(out):
            for name in FILES:
                (out / name).unlink(missing_ok=True)
    elif not out.is_dir() or any(out.iterdir()):
        raise OutputExistsError(
            f"{out}: already there; give another --out" + (", or --overwrite" if (out / STATE).is_file() else "")
        )
    return out


def _make_new(folder: Path) -> bool:
    make_folder(folder.parent)
    with translate_os_errors(folder):
        try:
            folder.mkdir()  # of two trainings that start at once, one gets the name
        except FileExistsError:
            return False
    return True


def write_state(run: Path, status: str, **facts: Any) -> None:
    """Say where the run stands: one of RUNNING, INTERRUPTED, FAILED, FINISHED."""
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


def read_state(run: Path) -> dict[str, Any]:
    """Read where a run stands.

    Raises:
        RunError: no run there, or one of another version.
    """
    try:
        state = json.loads((run / STATE).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise RunError(
            f"{run}: not a run (no readable {STATE}); make one with: {shell_command('train', '--out', run)}"
        ) from None
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


def find_runs(folder: Path) -> list[Path]:
    """List a folder that is a run, and the runs below it, each after those below itself; no links are followed.

    Raises:
        RunError: there is none.
    """
    found = sorted((Path(here) for here, _, files in os.walk(folder) if STATE in files), reverse=True)
    if not found:
        raise RunError(f"{folder}: neither a run nor a folder of runs (no {STATE} in it or below)")
    return found


def read_rows(path: Path) -> list[dict[str, str]]:
    """Read the rows of a CSV file that `write_rows` wrote; none if there is no file."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


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


def parse_json(path: Path, schema: str, parse: Callable[[dict[str, Any]], T], fault: str) -> T | None:
    """Read a JSON file of a run that may be missing; None if it is.

    Args:
        schema: the version that is read.
        parse: makes the result of the file's content.
        fault: what a damaged file is called.
    Raises:
        RunError: damaged, or of another version.
    """
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
        if stored["schema"] != schema:
            raise ValueError(f"schema {stored['schema']!r}, this version reads {schema!r}")
        return parse(stored)
    except (OSError, ValueError, KeyError, IndexError, TypeError) as error:
        what = f"no {error}" if isinstance(error, KeyError) else error
        raise RunError(f"{path}: {fault} ({what}); train again, or remove it") from None


@contextmanager
def hold_run(run: Path) -> Iterator[None]:
    """Keep a second training out of a run folder while this one is at work; raises as `only_one_at`.

    On a disk without locks it goes on without: a run folder has a name of its own, and is whole after every epoch.
    """
    with ExitStack() as stack:
        try:
            stack.enter_context(only_one_at(run, LOCK_NAME, "training"))
        except NoLocksError as error:
            log.warning("%s: its disk has no file locks (%s); see that no second training writes there", run, error.why)
        try:
            yield
        finally:
            (run / LOCK_NAME).unlink(missing_ok=True)
