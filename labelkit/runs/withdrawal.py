"""Take a participant out of a run folder."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from labelkit.curation.splits import FrameSplit
from labelkit.files import translate_os_errors, write_bytes
from labelkit.runs.folder import (
    DATASET,
    FILES,
    FOLDS,
    PAGE,
    PREDICTIONS,
    REPORT,
    SETTINGS,
    SPLIT,
    STATE,
    find_runs,
    hold_run,
    read_json,
    read_rows,
    write_json,
    write_rows,
)
from labelkit.runs.plan import read_folds, read_split
from labelkit.traces import find_traces


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


def run_holdings(run: Path, participant: str, named: re.Pattern[bytes]) -> RunHoldings | None:
    """Say what a run holds of a participant; None if it does not name them.

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
    return RunHoldings(str(run), side, theirs, tuple(find_traces(run, named, leave={*FILES, *below} - {PAGE})))


def names_in_run(run: Path) -> set[str]:
    """List the participants that a run names: in its split and in its predictions."""
    of_sides = {name for people in _sides(run).values() for name in people}
    return of_sides | {row["participant"] for row in read_rows(run / PREDICTIONS)}


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
    with hold_run(run):
        there = run_holdings(run, participant, named)
        assert there is not None, "asked before"
        for name in there.files:
            with translate_os_errors(run / name):
                (run / name).unlink(missing_ok=True)
        taken = {name for people in _sides(run).values() for name in people}
        stand_in = next(name for number in itertools.count(1) if (name := f"withdrawn-{number}") not in taken)
        for name in (STATE, DATASET, REPORT):
            if (run / name).exists():
                content = json.loads((run / name).read_text(encoding="utf-8"))
                write_json(run / name, _rename(content, participant, named, stand_in))
        write_bytes(run / SETTINGS, named.sub(stand_in.encode(), (run / SETTINGS).read_bytes()))
        _withdraw_predictions(run, participant)
        if there.side == "folds":
            _withdraw_fold(run, participant, stand_in)
        elif there.side != "frames":
            write_json(run / SPLIT, _rename(read_json(run, SPLIT), participant, named, stand_in))


def _withdraw_predictions(run: Path, participant: str) -> None:
    kept, all_ = _rows_without(run, participant)
    if kept:
        write_rows(run / PREDICTIONS, kept)
    elif all_:
        with translate_os_errors(run):
            (run / PREDICTIONS).unlink()


def _withdraw_fold(run: Path, participant: str, stand_in: str) -> None:
    """Give the run that left the participant out the folder and the name of their stand-in."""
    folds = read_folds(run)
    if (old := run / folds[participant]).exists():
        with translate_os_errors(old):
            old.rename(run / stand_in)
    renamed = {stand_in if name == participant else name: folder for name, folder in folds.items()}
    write_json(run / FOLDS, {"subfolders": {**renamed, stand_in: stand_in}})


def _rows_without(run: Path, participant: str) -> tuple[list[dict[str, str]], int]:
    """Read predictions.csv: the rows of the others, and the number of all rows."""
    rows = read_rows(run / PREDICTIONS)
    return [row for row in rows if row["participant"] != participant], len(rows)


def _rename(value: Any, participant: str, named: re.Pattern[bytes], stand_in: str) -> Any:
    """Leave out what stands under a participant's name, and put another in its place wherever it is said."""
    if isinstance(value, dict):
        return {key: _rename(v, participant, named, stand_in) for key, v in value.items() if key != participant}
    if isinstance(value, list | tuple):
        return [_rename(v, participant, named, stand_in) for v in value]
    if isinstance(value, str):
        encoded = value.encode("utf-8", "surrogateescape")
        return named.sub(stand_in.encode(), encoded).decode("utf-8", "surrogateescape")
    return value
