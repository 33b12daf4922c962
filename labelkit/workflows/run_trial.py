"""One trial of a search: train, validate, and leave the test alone."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelkit.errors import RunError, SearchError, SettingsError, TooLargeError, TrainingError
from labelkit.settings import TrainSettings, TuneSettings

if TYPE_CHECKING:
    import keras

    from labelkit.curation.splits import FrameSplit, Split
    from labelkit.dataset.dataset import Dataset
    from labelkit.training.epochs import Epoch
    from labelkit.training.samples import Samples, Sides
    from labelkit.tuning.folder import Terms
    from labelkit.tuning.trial import Drawn, Measured, Outcome

log = logging.getLogger(__name__)

# One thread a trial: several trials use the cores better than several threads, and sums come out the same for
# every number of trials at a time. And no process may take the memory of a whole GPU.
_ENVIRONMENT = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}
_STATUS = "trial"  # of a run without a test
_TIMING = "timing.lock"  # in the folder of the trials: one network is timed at a time


class _CollapsedError(Exception):
    """The network is no better than the constant predictor."""


def terms_of(data: Dataset, samples: Samples, settings: TrainSettings) -> Terms:
    """Measure the constant predictor, with which all trials on a dataset are compared."""
    import numpy as np

    from labelkit.evaluation.measures import constant_deg, measure
    from labelkit.training.samples import take_sides
    from labelkit.tuning.folder import Terms
    from labelkit.workflows.train import divided

    sides = take_sides(samples, divided(samples, settings))
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
            DatasetError: the dataset can no longer be read.
            SearchError: it has changed since the search began.
            OutputError: no space or permission.
        """
        from labelkit.tuning.trial import Measured
        from labelkit.workflows.train import built

        one_thread_each()
        data, split, sides = self._data(drawn.settings)
        try:
            model, precision = built(drawn.settings)
        except SettingsError as error:
            return Measured("impossible", why=str(error))
        from labelkit.models.cost import multiply_adds

        outcome, why = self._train(drawn, data, split, sides, model, precision, on_epoch)
        measured = Measured(
            outcome,
            why=why,
            parameters=model.count_params(),
            multiply_adds=multiply_adds(model),
            **_read_progress(drawn),
        )
        if self.latency and outcome != "impossible":
            measured = replace(measured, latency_ms=_latency_ms(drawn.folder, model))
        _tidy(drawn.folder)
        return measured

    def _data(self, settings: TrainSettings) -> tuple[Dataset, Split | FrameSplit, Sides]:
        """Read the samples without those of the test."""
        import numpy as np

        from labelkit.dataset.dataset import open_dataset
        from labelkit.training.samples import read_samples, take_sides
        from labelkit.workflows.train import divided

        data = open_dataset(self.dataset)
        if data.manifest.digest() != self.terms.dataset_sha256:
            raise SearchError(
                f"{self.dataset}: has changed since the search began; begin a new search with another --out"
            )
        samples = read_samples(data)
        split = divided(samples, settings)
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
        """Train; return the outcome, and the reason if the network did not learn."""
        from labelkit.files import make_folder
        from labelkit.runs.folder import CHECKPOINT
        from labelkit.runs.plan import write_plan
        from labelkit.training.collapse import COLLAPSED
        from labelkit.training.trainer import fit_run
        from labelkit.workflows.train import made_with

        floor = COLLAPSED * self.terms.constant_cmae_deg

        def watch(epoch: Epoch, best: Epoch, _: int) -> None:
            on_epoch(epoch.epoch, epoch.cmae_deg)
            if epoch.epoch >= self.grace and best.cmae_deg > floor:
                raise _CollapsedError(
                    f"a validation CMAE of {best.cmae_deg:.2f} at best in {epoch.epoch} epochs; the constant predictor "
                    f"has {self.terms.constant_cmae_deg:.2f}"
                )

        make_folder(drawn.folder)
        if not (drawn.folder / CHECKPOINT).is_file():
            write_plan(drawn.folder, drawn.settings, split, data.path, self.terms.dataset_sha256, made_with(precision))
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


def one_thread_each() -> None:
    """Set the libraries below Keras, before they start, to one thread and no log lines."""
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ.pop(
        "TF_CPP_MIN_LOG_LEVEL", None
    )  # set by an earlier start of Keras; it would look like the user's choice


def _read_progress(drawn: Drawn) -> dict[str, Any]:
    """Read how many epochs a training finished, and its best one."""
    from labelkit.runs.folder import read_state
    from labelkit.training.epochs import best_of, read_history

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
    """Time the network of a run in a process of its own, one at a time; None if that fails.

    A search of a whole night must not end because one network could not be timed on a busy machine.
    """
    from filelock import FileLock

    from labelkit.deploy.timing import measure_latency
    from labelkit.runs.arrays import write_weights
    from labelkit.runs.folder import BEST
    from labelkit.training.load import weights_of

    if not (run / BEST).is_file():
        write_weights(run / BEST, weights_of(model))
    try:
        with FileLock(run.parents[1] / _TIMING):
            return measure_latency(run).median_ms
    except RunError as error:
        log.warning("%s", error)
        return None


def _tidy(run: Path) -> None:
    """Remove the weights from a trial's run: many would fill a disk, and they can be trained again."""
    from labelkit.files import remove
    from labelkit.runs.folder import BEST, CHECKPOINT, LAST, read_state, write_state

    state = read_state(run)
    write_state(run, _STATUS, epochs=state["epochs"])
    for name in (BEST, LAST, CHECKPOINT):
        remove(run / name)


def check_networks(settings: TuneSettings, say: Callable[[int], None]) -> None:
    """Build the networks at the corners of every structure's ranges; for a process of its own.

    Args:
        say: gets the number of networks that are built.
    Raises:
        SettingsError: one cannot be built; names its structure and values.
    """
    one_thread_each()
    from labelkit.tuning.space import SHAPING, structures_of
    from labelkit.workflows.train import built

    n_built = 0
    for structure in structures_of(settings):
        for values in structure.corners(SHAPING):
            try:
                built(structure.settings(values))
            except SettingsError as error:
                drawn = ", ".join(f"{key} {value}" for key, value in values.items() if key in SHAPING)
                raise SettingsError(
                    f"structure {structure.name}: its ranges hold a network that cannot be built ({drawn}): {error}"
                ) from None
            n_built += 1
            say(n_built)
