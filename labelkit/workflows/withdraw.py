"""Take a participant out of a dataset, and out of the runs made with it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from labelkit.dataset.lock import hold_dataset
from labelkit.dataset.manifest import BUILD_NAME, read_manifest
from labelkit.dataset.withdrawal import (
    Holdings,
    find_holdings,
    find_spellings,
    finish_withdrawal,
    is_withdrawn,
    pattern_from_participant,
    withdraw_participant,
)
from labelkit.errors import DatasetError, nearest
from labelkit.runs.folder import find_runs
from labelkit.runs.withdrawal import RunHoldings, names_in_run, run_holdings, withdraw_from_run


@dataclass(frozen=True)
class Withdrawal:
    """What was found of a participant, and whether it was removed.

    Attributes:
        participant: as the caller spelled the name.
        spellings: as the dataset and the runs spell it.
        holds: what the dataset holds, or held; None if it held nothing, as after an earlier withdrawal.
        runs: those whose split named the participant; their weights stay.
    """

    dataset: str
    participant: str
    spellings: tuple[str, ...]
    removed: bool
    holds: Holdings | None
    runs: tuple[RunHoldings, ...]


def withdraw(
    dataset: Path | str, participant: str, *, runs: Sequence[Path | str] = (), yes: bool = False
) -> Withdrawal:
    """Say what a dataset and some runs hold of a participant, and remove it if `yes`.

    The dataset is then as if the participant had never been in it, and remembers by a slow salted hash
    that they were withdrawn, so that a later build into its folder refuses their recordings.

    Args:
        participant: as the dataset names them, in any spelling (NFC or NFD, capital letters or not); a pseudonym
            if it was built with pseudonyms.
        runs: run folders, or folders with runs below.
        yes: remove; else nothing is changed.
    Raises:
        DatasetError: no dataset, an unfinished or changed one, or no participant of that name anywhere.
        RunError: a folder without runs, or a run without a readable split.
        OutputExistsError: a build is at work in the dataset's folder.
        OutputError: no space or permission; the same call goes on from there.
    """
    folder = Path(dataset)
    if yes and folder.is_dir():
        with hold_dataset(folder):
            finish_withdrawal(folder)
    there = find_holdings(folder, participant)
    holding = [
        (run, name, named, holds)
        for place in runs
        for run in find_runs(Path(place))
        for name in find_spellings(names_in_run(run), participant)
        if (holds := run_holdings(run, name, named := _pattern_for(name, there)))
    ]
    if there is None and not holding and not is_withdrawn(folder, participant):
        known = nearest(participant, read_manifest(folder).participants)
        parts = folder / BUILD_NAME
        begun = f"; a build that did not end may: finish it, or delete {parts}" if parts.exists() else ""
        raise DatasetError(f"{folder}: holds no participant {participant!r}; {known}{begun}")
    if yes:
        for run, name, named, _ in holding:
            withdraw_from_run(run, name, named)
        if there:
            with hold_dataset(folder):
                withdraw_participant(folder, participant)
    spellings = {*(there.spellings if there else ()), *(name for _, name, _, _ in holding)}
    found = tuple(holds for _, _, _, holds in holding)
    return Withdrawal(str(dataset), participant, tuple(sorted(spellings)), yes, there, found)


def _pattern_for(name: str, there: Holdings | None) -> re.Pattern[bytes]:
    return pattern_from_participant([name], there.recordings if there else ())
