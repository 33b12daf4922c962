"""The folder of a search: its trials, who runs which, and how many there may be.

    searches/vanilla/
      search.json     what is searched, on which dataset, by what measure: the file that makes a folder a search
      journal.log     Optuna's storage: a study for each structure
      search.lock     held while a trial is taken or its result is written
      claims/         a lock for each running trial, held by the process that runs it
      trials/         a run folder for each trial, without weights

Any number of processes, on all machines that share the folder, take trials from it. A trial is made under the lock,
so there are never more than asked for. The system opens the lock of a trial when its process ends, also when it is
killed; the next process takes the same trial up again, from its last checkpoint.
"""

from __future__ import annotations

import hashlib
import importlib.util
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any

import optuna
from filelock import FileLock, Timeout
from optuna.samplers import BaseSampler, GPSampler, RandomSampler, TPESampler
from optuna.trial import FrozenTrial, TrialState

from labelkit import __version__
from labelkit.errors import MissingExtraError, OutputExistsError, SearchError
from labelkit.files import make_folder, translate_os_errors, write_text
from labelkit.settings import TrainSettings, TuneSettings
from labelkit.tuning.space import Structure, structures_of
from labelkit.tuning.storage import open_storage
from labelkit.tuning.trial import Drawn, Measured, Objective, Trial

SCHEMA = "labelkit-search/1"
SEARCH, JOURNAL, LOCK, CLAIMS, TRIALS = "search.json", "journal.log", "search.lock", "claims", "trials"

# After so many deaths of a trial's process, with no epoch between them, the trial itself is the cause.
MOST_DEATHS = 5

_POLL_S = 0.02  # between looks at the lock


@dataclass(frozen=True)
class Terms:
    """What all trials are measured by.

    Attributes:
        dataset_sha256: its digest (Manifest.digest).
        dataset: its path, for people.
        constant_cmae_deg: validation CMAE of the constant predictor. The sampler gets it as the error of a trial that
            did not learn: such a network is worth no more, and the number is on the scale of all others.
    """

    dataset_sha256: str
    dataset: str
    constant_cmae_deg: float


def begin_search(folder: Path, settings: TuneSettings, terms: Terms) -> Search:
    """Begin a search in a new folder, or go on with the one that is there.

    Raises:
        SearchError: the folder's search is another, or its dataset has changed since.
        OutputExistsError: the folder holds something else.
        MissingExtraError: the sampler needs torch.
        OutputError: no space or permission.
    """
    check_sampler(settings)
    structures = structures_of(settings)
    make_folder(folder)
    if not (folder / SEARCH).is_file() and any(map(_is_foreign, folder.iterdir())):
        raise OutputExistsError(f"{folder}: holds something that is no search; give another --out")
    with _hold_lock(folder):
        if (folder / SEARCH).is_file():
            _compare(folder, settings, terms)
        else:
            content = {
                "schema": SCHEMA,
                "labelkit": __version__,
                **asdict(terms),
                "settings": settings.select_deciding(),
            }
            write_text(folder / SEARCH, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        search = Search(folder, settings)
        for structure in structures:
            make_folder(folder / TRIALS / structure.name)
            optuna.create_study(
                storage=search.storage,
                study_name=structure.name,
                directions=[optuna.study.StudyDirection.MINIMIZE for _ in settings.objectives.split(",")],
                load_if_exists=True,
            )
        make_folder(folder / CLAIMS)
    return search


def check_sampler(settings: TuneSettings) -> None:
    """Refuse a sampler whose library is not installed.

    Raises:
        MissingExtraError: the Gaussian process needs torch.
    """
    if settings.sampler == "gp" and importlib.util.find_spec("torch") is None:
        raise MissingExtraError('the sampler gp needs torch, which is not installed: pip install "labelkit-rgbd[gp]"')


def _is_foreign(path: Path) -> bool:
    """Whether a file belongs to no search, not even to one that another process begins at this moment."""
    return path.name not in (SEARCH, LOCK, CLAIMS, TRIALS) and not path.name.startswith((JOURNAL, f".{SEARCH}."))


def _compare(folder: Path, settings: TuneSettings, terms: Terms) -> None:
    before, then = _read(folder), settings.select_deciding()
    for key, value in then.items():
        if before["settings"].get(key) != value:
            raise SearchError(
                f"{folder}: holds another search, with {key} {_short(before['settings'].get(key))}; this one has "
                f"{_short(value)}; give another --out, or the settings it began with ({folder / SEARCH})"
            )
    if before["dataset_sha256"] != terms.dataset_sha256:
        raise SearchError(
            f"{folder}: began on the dataset {before['dataset_sha256'][:12]}, {terms.dataset} has "
            f"{terms.dataset_sha256[:12]}: errors on changed data do not compare; give another --out for a new search"
        )


def _short(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False)
    return said if len(said) < 60 else f"{said[:57]}..."


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / SEARCH).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SearchError(f"{folder}: not a search (no readable {SEARCH}: {error})") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise SearchError(
            f"{folder / SEARCH}: not a search of this version ({SCHEMA}); begin a new search in another folder"
        )
    return content


@contextmanager
def _hold_lock(folder: Path) -> Iterator[None]:
    with translate_os_errors(folder), FileLock(folder / LOCK, poll_interval=_POLL_S):
        yield


class Search:
    """A search in its folder."""

    def __init__(self, folder: Path, settings: TuneSettings) -> None:
        """Open it with the settings that it began with; `begin_search` checks them."""
        self.folder = folder
        self.settings = settings
        self.structures = structures_of(settings)
        self.storage = open_storage(folder / JOURNAL)

    @cached_property
    def terms(self) -> Terms:
        """What all trials are measured by."""
        content = _read(self.folder)
        return Terms(content["dataset_sha256"], content["dataset"], float(content["constant_cmae_deg"]))

    @property
    def asked(self) -> int:
        """Trials of all structures together."""
        return self.settings.max_trials * len(self.structures)

    def study_of(self, structure: Structure, sampler: BaseSampler | None = None) -> optuna.Study:
        """Give a structure's study, as Optuna knows it."""
        return optuna.load_study(study_name=structure.name, storage=self.storage, sampler=sampler)

    def trials(self) -> list[Trial]:
        """List the finished trials, structure by structure."""
        return [
            _trial_of(structure, each, self._seed(structure, each.number))
            for structure in self.structures
            for each in self._trials(structure)
            if each.state.is_finished()
        ]

    def _trials(self, structure: Structure) -> Sequence[FrozenTrial]:
        return self.study_of(structure).get_trials(deepcopy=False)

    def is_finished(self) -> bool:
        """Whether all trials that were asked for are."""
        return all(
            sum(each.state.is_finished() for each in self._trials(structure)) >= self.settings.max_trials
            for structure in self.structures
        )

    def count_available(self) -> int:
        """Count the trials that may be taken: those that are not made yet, and those whose process has ended."""
        with _hold_lock(self.folder):
            new = sum(max(0, self.settings.max_trials - len(self._trials(each))) for each in self.structures)
            return new + len(self._find_abandoned())

    def take(self) -> Claim | None:
        """Take a trial: first one whose process has ended, then a new one of the structure with the fewest.

        Returns:
            None if all are made, and each is finished or runs in another process.
        """
        with _hold_lock(self.folder):
            if abandoned := self._find_abandoned():
                return self._claim(*abandoned[0])
            structure = self._structure_for_new()
            if structure is None:
                return None
            number = len(self._trials(structure))
            claim = self._lock_of(structure, number)
            claim.acquire()  # first, so that the trial never looks abandoned
            self.storage.create_new_trial(self.storage.get_study_id_from_name(structure.name))
            return self._claim(structure, number, claim)

    def _structure_for_new(self) -> Structure | None:
        fewest = min(self.structures, key=lambda structure: len(self._trials(structure)))
        return fewest if len(self._trials(fewest)) < self.settings.max_trials else None

    def _find_abandoned(self) -> list[tuple[Structure, int]]:
        return [
            (structure, trial.number)
            for structure in self.structures
            for trial in self._trials(structure)
            if trial.state == TrialState.RUNNING and self._is_open(structure, trial.number)
        ]

    def _is_open(self, structure: Structure, number: int) -> bool:
        lock = self._lock_of(structure, number)
        try:
            with lock.acquire(timeout=0):
                return True
        except Timeout:
            return False

    def _lock_of(self, structure: Structure, number: int) -> FileLock:
        return FileLock(self.folder / CLAIMS / f"{structure.name}-{number}.lock")

    def _sampler(self, structure: Structure, number: int) -> BaseSampler:
        """Make the sampler of one trial: what it proposes depends only on the earlier trials."""
        seed = self._seed(structure, number)
        match self.settings.sampler:
            case "tpe":
                return TPESampler(seed=seed)  # with constant liar, and all parameters together
            case "gp":
                return GPSampler(seed=seed)
            case "random":
                return RandomSampler(seed=seed)

    def _seed(self, structure: Structure, number: int) -> int:
        key = f"{self.settings.seed}\0{structure.name}\0{number}"
        return int.from_bytes(hashlib.sha256(key.encode()).digest()[:4])

    def _claim(self, structure: Structure, number: int, lock: FileLock | None = None) -> Claim:
        if lock is None:
            lock = self._lock_of(structure, number)
            lock.acquire()
        study = self.study_of(structure, self._sampler(structure, number))
        trial = optuna.Trial(study, self._trials(structure)[number]._trial_id)
        values = structure.draw(lambda parameter: parameter.suggest(trial))  # Optuna keeps what is drawn already
        seed = self._seed(structure, number)
        settings = trial_settings(structure, values, self.settings, seed)
        folder = self.folder / TRIALS / structure.name / f"{number:04d}"
        return Claim(self, structure, lock, Drawn(structure.name, number, seed, values, settings, folder))

    def finish(self, claim: Claim, measured: Measured) -> None:
        """Write the result of a trial, and release it."""
        with _hold_lock(self.folder):
            self._tell(claim.structure, claim.drawn.number, measured)
            claim.lock.release()
            Path(claim.lock.lock_file).unlink(missing_ok=True)  # nobody claims a finished trial

    def mark_death(self, structure_name: str, number: int) -> None:
        """Count that a trial's process was killed; a trial that kills every process ends as lost."""
        structure = next(each for each in self.structures if each.name == structure_name)
        with _hold_lock(self.folder):
            trial = self._trials(structure)[number]
            if trial.state.is_finished() or not self._is_open(structure, number):
                return
            epochs = len(trial.intermediate_values)
            deaths, after = trial.user_attrs.get(_DEATHS, (0, epochs))
            deaths = deaths + 1 if after == epochs else 1
            self.storage.set_trial_user_attr(trial._trial_id, _DEATHS, [deaths, epochs])
            if deaths >= MOST_DEATHS:
                why = f"its process was killed {deaths} times without an epoch between; out of memory?"
                self._tell(structure, number, Measured("lost", epochs=epochs, why=why))

    def _tell(self, structure: Structure, number: int, measured: Measured) -> None:
        study = self.study_of(structure)
        trial_id = study.get_trials(deepcopy=False)[number]._trial_id
        for key, value in asdict(measured).items():
            self.storage.set_trial_user_attr(trial_id, key, value)
        study.tell(number, self._values_for_sampler(measured))

    def _values_for_sampler(self, measured: Measured) -> list[float]:
        """Give the sampler its values; a trial that did not learn counts as the constant predictor."""
        learned = measured.outcome == "learned" and measured.cmae_deg is not None
        values = [measured.cmae_deg if learned else self.terms.constant_cmae_deg]
        if self.settings.objectives == "cmae,latency":
            values.append(measured.latency_ms if measured.latency_ms is not None else _SLOWEST_MS)
        return values  # type: ignore[return-value]


def trial_settings(structure: Structure, values: Mapping[str, Any], settings: TuneSettings, seed: int) -> TrainSettings:
    """Make the settings of a trial's training; all trials of a search split the people alike."""
    split_seed = structure.fixed.get("split_seed", settings.seed)
    return structure.settings(values, seed=seed, split_seed=split_seed, diagnostics=False, report=False)


_DEATHS = "deaths"
_SLOWEST_MS = 1000.0  # for a network that could not be timed: slower than all that could


@dataclass(frozen=True, eq=False)
class Claim:
    """A trial that only this process runs, as long as the process lives."""

    search: Search
    structure: Structure
    lock: FileLock
    drawn: Drawn

    def run(self, objective: Objective) -> None:
        """Run it and write its result."""
        self.search.finish(self, objective(self.drawn, self._report))

    def _report(self, epoch: int, cmae_deg: float) -> None:
        study = self.search.study_of(self.structure)
        trial = study.get_trials(deepcopy=False)[self.drawn.number]
        self.search.storage.set_trial_intermediate_value(trial._trial_id, epoch, cmae_deg)


def _trial_of(structure: Structure, trial: FrozenTrial, seed: int) -> Trial:
    attributes = {field.name: trial.user_attrs[field.name] for field in fields(Measured)}
    return Trial(structure.name, trial.number, seed, dict(trial.params), Measured(**attributes))
