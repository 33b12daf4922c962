"""One trial of a search: train, validate, and leave the test alone."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from labelkit.curation.splits import FrameSplit, Split
from labelkit.dataset.dataset import Dataset, open_dataset
from labelkit.deploy.timing import measure_latency
from labelkit.errors import RunError, SearchError, SettingsError, TooLargeError, TrainingError
from labelkit.evaluation.measures import constant_deg, measure
from labelkit.files import make_folder, remove
from labelkit.keras import keras
from labelkit.models.cost import cost_digest, multiply_adds
from labelkit.runs.arrays import write_weights
from labelkit.runs.folder import BEST, CHECKPOINT, LAST, read_state, write_json, write_state
from labelkit.runs.plan import write_plan
from labelkit.settings import TrainSettings, TuneSettings
from labelkit.training.collapse import COLLAPSED
from labelkit.training.epochs import Epoch, best_of, read_history
from labelkit.training.load import weights_of
from labelkit.training.samples import Samples, Sides, read_samples, take_sides
from labelkit.training.trainer import fit_run
from labelkit.tuning.folder import Terms
from labelkit.tuning.space import SHAPING, structures_of
from labelkit.tuning.trial import Drawn, Measured, Outcome
from labelkit.workflows.one_run import build_network, name_versions, split_samples

log = logging.getLogger(__name__)

_STATUS = "trial"  # of a run whose test nobody has touched
# Next to the structures' folders: one network is timed at a time, and equal ones once.
_TIMING, _TIMES = "timing.lock", "timings.json"


class _CollapsedError(Exception):
    """The network is no better than a constant answer."""


def terms_of(data: Dataset, samples: Samples, settings: TrainSettings) -> Terms:
    """Make the terms by which all trials on a dataset are measured."""
    sides = take_sides(samples, split_samples(samples, settings))
    true_deg = sides.validation.centred_deg
    constant = np.broadcast_to(constant_deg(sides.train.centred_deg), true_deg.shape)
    return Terms(data.manifest.digest(), str(data.path), measure(true_deg, constant).cmae_deg)


@dataclass(frozen=True)
class TrainTrial:
    """Trains a trial's network; an objective of `labelkit.tuning`."""

    dataset: Path
    terms: Terms
    grace: int
    latency: bool

    def __call__(self, drawn: Drawn, on_epoch: Callable[[int, float], None], /) -> Measured:
        """Train, or go on from the checkpoint that another process left.

        Raises:
            DatasetError: the dataset is not readable any more.
            SearchError: it has changed since the search began.
            OutputError: no space or permission.
        """
        data, split, sides = self._data(drawn.settings)
        try:
            model, precision = build_network(drawn.settings)
        except SettingsError as error:
            return Measured("impossible", why=str(error))
        outcome, why = self._train(drawn, data, split, sides, model, precision, on_epoch)
        measured = Measured(
            outcome,
            why=why,
            parameters=model.count_params(),
            multiply_adds=multiply_adds(model),
            **_measure_reached(drawn),
        )
        if self.latency and outcome != "impossible":
            measured = replace(measured, latency_ms=_latency_ms(drawn.folder, model))
        _tidy(drawn.folder)
        return measured

    def _data(self, settings: TrainSettings) -> tuple[Dataset, Split | FrameSplit, Sides]:
        """Read the samples; those of the test are always left out."""
        data = open_dataset(self.dataset)
        if data.manifest.digest() != self.terms.dataset_sha256:
            raise SearchError(f"{self.dataset}: has changed since the search began; search again under another --out")
        samples = read_samples(data)
        split = split_samples(samples, settings)
        sides = take_sides(samples, split)
        return data, split, replace(sides, test=sides.test.at(np.zeros(len(sides.test), bool)))

    def _train(
        self,
        drawn: Drawn,
        data: Dataset,
        split: Split | FrameSplit,
        sides: Sides,
        model: keras.Model,
        precision: str,
        on_epoch: Callable[[int, float], None],
    ) -> tuple[Outcome, str]:
        """Train, and say what came of it and why."""
        floor = COLLAPSED * self.terms.constant_cmae_deg

        def watch(epoch: Epoch, best: Epoch, _: int) -> None:
            on_epoch(epoch.epoch, epoch.cmae_deg)
            if epoch.epoch >= self.grace and best.cmae_deg > floor:
                raise _CollapsedError(
                    f"a validation CMAE of {best.cmae_deg:.2f} at best in {epoch.epoch} epochs; a constant answer "
                    f"has {self.terms.constant_cmae_deg:.2f}"
                )

        make_folder(drawn.folder)
        if not (drawn.folder / CHECKPOINT).is_file():
            write_plan(
                drawn.folder, drawn.settings, split, data.path, self.terms.dataset_sha256, name_versions(precision)
            )
        try:
            history = fit_run(drawn.folder, model, sides, drawn.settings, on_step=lambda: None, on_epoch=watch)
        except _CollapsedError as error:
            return "collapsed", str(error)
        except TooLargeError as error:
            return "impossible", str(error)
        except TrainingError as error:
            return "diverged", str(error)
        best = min(epoch.cmae_deg for epoch in history)
        if best > floor:
            return "collapsed", f"a validation CMAE of {best:.2f} at best"
        return "learned", ""


def _measure_reached(drawn: Drawn) -> dict[str, Any]:
    """Read how far a training came."""
    epochs = int(read_state(drawn.folder)["epochs"])
    if not epochs:
        return {}
    history = read_history(drawn.folder, epochs)
    best = best_of(history)
    return {
        "cmae_deg": best.cmae_deg,
        "epochs": epochs,
        "best_epoch": best.epoch,
        "seconds": sum(epoch.seconds for epoch in history),
    }


def _latency_ms(run: Path, model: keras.Model) -> float | None:
    """Time the network of a run in a process of its own, while no other of the search is timed; None if that fails.

    A network that costs the same as one that was timed before gets its time: two measurements would differ by noise.
    A search of a night must not end because a busy machine took too long for one network.
    """
    times, digest = run.parents[1] / _TIMES, cost_digest(model)
    if not (run / BEST).is_file():
        write_weights(run / BEST, weights_of(model))
    try:
        with FileLock(run.parents[1] / _TIMING):
            known = _read_times(times)
            if digest not in known:
                known[digest] = measure_latency(run).median_ms
                write_json(times, known)
            return known[digest]
    except RunError as error:
        log.warning("%s", error)
        return None


def _read_times(path: Path) -> dict[str, float]:
    """Read the times of the networks that were timed; none if the file is missing or damaged."""
    try:
        return {str(digest): float(ms) for digest, ms in json.loads(path.read_text(encoding="utf-8")).items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def _tidy(run: Path) -> None:
    """Keep the record of a trial's run, not its weights: they would fill a disk, and can be trained again."""
    state = read_state(run)
    write_state(run, _STATUS, epochs=state["epochs"])
    for name in (BEST, LAST, CHECKPOINT):
        remove(run / name)


def check_networks(settings: TuneSettings, say: Callable[[int], None]) -> None:
    """Build the networks at the corners of every structure's ranges; for a process of its own.

    Args:
        say: called with the number of networks that are built.
    Raises:
        SettingsError: one cannot be built; names its structure and values.
    """
    n_built = 0
    for structure in structures_of(settings):
        for values in structure.corners(SHAPING):
            try:
                build_network(structure.settings(values))
            except SettingsError as error:
                drawn = ", ".join(f"{key} {value}" for key, value in values.items() if key in SHAPING)
                raise SettingsError(
                    f"structure {structure.name}: its ranges hold a network that cannot be built ({drawn}): {error}"
                ) from None
            n_built += 1
            say(n_built)
