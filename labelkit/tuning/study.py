"""The folder of a search: its trials, who runs which, and how many there may be.

    studies/vanilla/
      study.json      what is searched, of which dataset, on what terms: the file that makes a folder a search
      journal.log     Optuna's storage: a study for each structure
      study.lock      held while a trial is taken or told
      claims/         a lock for each running trial, held by the process that runs it
      trials/         a run folder for each trial, without weights

Any number of processes, on any machines that share the folder, take trials from it. A trial is made under the lock,
so there are never more than asked for. Its claim falls open when its process ends, however that happens; whoever
comes next takes the same trial up again, at its last checkpoint.
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
from labelkit.errors import MissingExtraError, OutputExistsError, StudyError
from labelkit.files import make_folder, mendable, write_text
from labelkit.settings import TrainSettings, TuneSettings
from labelkit.tuning.space import Structure, structures_of
from labelkit.tuning.storage import open_storage
from labelkit.tuning.trial import Drawn, Measured, Objective, Trial

SCHEMA = "labelkit-study/1"
STUDY, JOURNAL, LOCK, CLAIMS, TRIALS = "study.json", "journal.log", "study.lock", "claims", "trials"

# Deaths of one trial's process without an epoch between them, before the trial itself is blamed.
MOST_DEATHS = 5

_POLL_S = 0.02  # between looks at the lock


@dataclass(frozen=True)
class Terms:
    """What all trials are measured by.

    Attributes:
        dataset_sha256: its manifest's digest.
        dataset: its path, for people.
        constant_cmae_deg: validation CMAE of the constant predictor. It is what the sampler is told of a trial that
            did not learn: no better than saying always the same, and on the scale of all others.
    """

    dataset_sha256: str
    dataset: str
    constant_cmae_deg: float


def begin_study(folder: Path, settings: TuneSettings, terms: Terms) -> Study:
    """Begin a search in a new folder, or go on with the one that is there.

    Raises:
        StudyError: the folder's search is another, or its dataset has changed since.
        OutputExistsError: the folder holds something else.
        MissingExtraError: the sampler needs torch.
        OutputError: no space or permission.
    """
    check_sampler(settings)
    structures = structures_of(settings)
    make_folder(folder)
    if not (folder / STUDY).is_file() and any(map(_is_foreign, folder.iterdir())):
        raise OutputExistsError(f"{folder}: holds something that is no search; give another --out")
    with _locked(folder):
        if (folder / STUDY).is_file():
            _compare(folder, settings, terms)
        else:
            content = {
                "schema": SCHEMA,
                "labelkit": __version__,
                **asdict(terms),
                "settings": settings.select_deciding(),
            }
            write_text(folder / STUDY, json.dumps(content, indent=1, ensure_ascii=False) + "\n")
        study = Study(folder, settings)
        for structure in structures:
            make_folder(folder / TRIALS / structure.name)
            optuna.create_study(
                storage=study.storage,
                study_name=structure.name,
                directions=[optuna.study.StudyDirection.MINIMIZE for _ in settings.objectives.split(",")],
                load_if_exists=True,
            )
        make_folder(folder / CLAIMS)
    return study


def check_sampler(settings: TuneSettings) -> None:
    """Refuse a sampler whose library is not installed.

    Raises:
        MissingExtraError: the Gaussian process needs torch.
    """
    if settings.sampler == "gp" and importlib.util.find_spec("torch") is None:
        raise MissingExtraError('the sampler gp needs torch, which is not installed: pip install "labelkit-rgbd[gp]"')


def _is_foreign(path: Path) -> bool:
    """Whether a file is none of those that another process, which begins the search just now, may have made."""
    return path.name not in (STUDY, LOCK, CLAIMS, TRIALS) and not path.name.startswith((JOURNAL, f".{STUDY}."))


def _compare(folder: Path, settings: TuneSettings, terms: Terms) -> None:
    before, then = _read(folder), settings.select_deciding()
    for key, value in then.items():
        if before["settings"].get(key) != value:
            raise StudyError(
                f"{folder}: holds another search, with {key} {_short(before['settings'].get(key))} where this one has "
                f"{_short(value)}; give another --out, or the settings it was begun with ({folder / STUDY})"
            )
    if before["dataset_sha256"] != terms.dataset_sha256:
        raise StudyError(
            f"{folder}: was begun on the dataset with manifest {before['dataset_sha256'][:12]}, {terms.dataset} has "
            f"{terms.dataset_sha256[:12]}: errors on changed data do not compare; give another --out for a new search"
        )


def _short(value: Any) -> str:
    said = json.dumps(value, ensure_ascii=False)
    return said if len(said) < 60 else f"{said[:57]}..."


def _read(folder: Path) -> dict[str, Any]:
    try:
        content = json.loads((folder / STUDY).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StudyError(f"{folder}: not a search (no readable {STUDY}: {error})") from None
    if not isinstance(content, dict) or content.get("schema") != SCHEMA:
        raise StudyError(f"{folder / STUDY}: not a search of this version ({SCHEMA}); search anew")
    return content


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    with mendable(folder), FileLock(folder / LOCK, poll_interval=_POLL_S):
        yield


class Study:
    """A search that was begun."""

    def __init__(self, folder: Path, settings: TuneSettings) -> None:
        """Open it; the settings are those it was begun with, which `begin_study` checks."""
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
            _finished(structure, each, self._seed(structure, each.number))
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

    def available(self) -> int:
        """Count the trials that may be taken: those not made yet, and those whose process is gone."""
        with _locked(self.folder):
            new = sum(max(0, self.settings.max_trials - len(self._trials(each))) for each in self.structures)
            return new + len(self._abandoned())

    def take(self) -> Claim | None:
        """Take a trial: first one whose process is gone, then a new one of the structure that has fewest.

        Returns:
            None where all are made, and each is finished or under way elsewhere.
        """
        with _locked(self.folder):
            if abandoned := self._abandoned():
                return self._claim(*abandoned[0])
            structure = self._next_new()
            if structure is None:
                return None
            number = len(self._trials(structure))
            claim = self._lock_of(structure, number)
            claim.acquire()  # first, so that nobody takes the trial to be abandoned
            self.storage.create_new_trial(self.storage.get_study_id_from_name(structure.name))
            return self._claim(structure, number, claim)

    def _next_new(self) -> Structure | None:
        fewest = min(self.structures, key=lambda structure: len(self._trials(structure)))
        return fewest if len(self._trials(fewest)) < self.settings.max_trials else None

    def _abandoned(self) -> list[tuple[Structure, int]]:
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
        """Make the sampler of one trial: what it proposes depends on the trials before and on nothing else."""
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
        values = structure.drawn(lambda parameter: parameter.suggest(trial))  # what is drawn already stays
        seed = self._seed(structure, number)
        settings = trial_settings(structure, values, self.settings, seed)
        folder = self.folder / TRIALS / structure.name / f"{number:04d}"
        return Claim(self, structure, lock, Drawn(structure.name, number, seed, values, settings, folder))

    def finish(self, claim: Claim, measured: Measured) -> None:
        """Tell what came of a trial, and let go of it."""
        with _locked(self.folder):
            self._tell(claim.structure, claim.drawn.number, measured)
            claim.lock.release()
            Path(claim.lock.lock_file).unlink(missing_ok=True)  # nobody claims a finished trial

    def mark_death(self, structure_name: str, number: int) -> None:
        """Note that a trial's process was killed; a trial that kills every process ends as lost."""
        structure = next(each for each in self.structures if each.name == structure_name)
        with _locked(self.folder):
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
        study.tell(number, self._told(measured))

    def _told(self, measured: Measured) -> list[float]:
        """Say what the sampler hears: of a trial that did not learn, what the constant predictor would have scored."""
        learned = measured.outcome == "learned" and measured.cmae_deg is not None
        told = [measured.cmae_deg if learned else self.terms.constant_cmae_deg]
        if self.settings.objectives == "cmae,latency":
            told.append(measured.latency_ms if measured.latency_ms is not None else _SLOWEST_MS)
        return told  # type: ignore[return-value]


def trial_settings(structure: Structure, values: Mapping[str, Any], search: TuneSettings, seed: int) -> TrainSettings:
    """Make the settings of a trial's training; all trials of a search split the people alike."""
    split_seed = structure.fixed.get("split_seed", search.seed)
    return structure.settings(values, seed=seed, split_seed=split_seed, diagnostics=False, report=False)


_DEATHS = "deaths"
_SLOWEST_MS = 1000.0  # of a network that could not be timed: slower than any that could


@dataclass(frozen=True, eq=False)
class Claim:
    """A trial that this process runs, and nobody else while it lives."""

    study: Study
    structure: Structure
    lock: FileLock
    drawn: Drawn

    def run(self, objective: Objective) -> None:
        """Run it and tell what came of it."""
        self.study.finish(self, objective(self.drawn, self._report))

    def _report(self, epoch: int, cmae_deg: float) -> None:
        study = self.study.study_of(self.structure)
        trial = study.get_trials(deepcopy=False)[self.drawn.number]
        self.study.storage.set_trial_intermediate_value(trial._trial_id, epoch, cmae_deg)


def _finished(structure: Structure, trial: FrozenTrial, seed: int) -> Trial:
    attributes = {field.name: trial.user_attrs[field.name] for field in fields(Measured)}
    return Trial(structure.name, trial.number, seed, dict(trial.params), Measured(**attributes))
