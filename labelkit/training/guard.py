"""Checks a network's weights before it trains, and watches it while it trains."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from labelkit.errors import DatasetError, RunError
from labelkit.evaluation.measures import constant_deg, measure
from labelkit.keras import keras
from labelkit.models import build_model
from labelkit.records import FloatArray
from labelkit.runs.folder import GUARD
from labelkit.settings import TrainSettings
from labelkit.training.backend import seed_keras
from labelkit.training.batches import Pictures, epoch_order
from labelkit.training.collapse import Event, Layer, Signs, find_unfit, judge_collapse, judge_no_number
from labelkit.training.diagnostics import is_activation
from labelkit.training.epochs import Epoch
from labelkit.training.guard_record import GuardRecord, Start, read_journal, write_journal
from labelkit.training.load import copy_values, name_of
from labelkit.training.samples import Samples, Sides
from labelkit.training.statistics import learn_statistics

log = logging.getLogger(__name__)

_SAMPLES = 32  # enough to tell a silent unit of a dense layer from one that is active at times
_LEAST = 1e-12  # keeps a division by a spread finite
_ANSWERS = ("angles_rad", "direction", "log_scale")  # as models.head names them
_ANSWER_SPREAD = 0.1  # rad, a quarter of what labels spread over: no answer begins far from the middle of the disc


class Watch:
    """Looks at the activations of a network, always on the same few training samples."""

    def __init__(self, model: keras.Model, train: Samples, settings: TrainSettings) -> None:
        self._model = model
        self._pictures = take_few(train, settings)
        shown = {layer.name: layer.output for layer in model.layers if is_activation(layer)}
        self._activations = keras.Model(model.inputs, shown)

    def layers(self) -> tuple[Layer, ...]:
        """Look at every activation."""
        # Not compiled: that would take longer than all its calls in a run.
        seen = self._activations(self._pictures, training=False)
        return tuple(describe_activation(name, _in_rows(values)) for name, values in seen.items())

    def lowest_bias(self) -> tuple[float, str]:
        """Find the layer whose biases are lowest on average: their mean, and its name."""
        means = [
            (float(copy_values(weight).mean()), name_of(weight).removesuffix(".bias"))
            for weight in self._model.trainable_variables
            if name_of(weight).endswith(".bias") and name_of(weight).removesuffix(".bias") not in _ANSWERS
        ]
        return min(means, default=(0.0, ""))


class Guard:
    """Watches a training: looks at it after each epoch, decides, and writes its record to the run folder."""

    def __init__(self, run: Path, watch: Watch, sides: Sides, settings: TrainSettings, journal: GuardRecord) -> None:
        """Go on after what is in the journal."""
        self.journal = journal
        self._run = run
        self._watch = watch
        self._settings = settings
        self._true_deg = sides.validation.centred_deg
        constant = np.broadcast_to(constant_deg(sides.train.centred_deg), self._true_deg.shape)
        self._constant_deg = measure(self._true_deg, constant).cmae_deg

    def look(self, epoch: Epoch, predicted_deg: FloatArray, largest_loss: float, gradient_norm: float) -> None:
        """Record the signs of an epoch.

        Args:
            predicted_deg: (n, 2) centred angles of the validation samples.
        """
        most = max(self._watch.layers(), key=lambda layer: layer.silent)
        bias, bias_layer = self._watch.lowest_bias()
        signs = Signs(
            epoch=epoch.epoch,
            loss=epoch.loss,
            largest_loss=largest_loss,
            cmae_ratio=epoch.cmae_deg / self._constant_deg if self._constant_deg else 0.0,
            spread=spread_of(predicted_deg, self._true_deg),
            gradient_norm=gradient_norm,
            silent=most.silent,
            silent_layer=most.name,
            bias=bias,
            bias_layer=bias_layer,
        )
        self._keep(replace(self.journal, signs=(*self.journal.signs, signs)))

    def judge(self) -> Event | None:
        """Judge the training after the epoch that was looked at last."""
        journal, settings = self.journal, self._settings
        event = judge_collapse(
            journal.signs,
            journal.events,
            epochs=settings.epochs,
            patience=settings.patience,
            tries=settings.tries,
        )
        if event:
            self._keep(replace(journal, events=(*journal.events, event)))
        return event

    def judge_no_number(self, epoch: int, what: str) -> Event:
        """Decide what to do about a loss or an answer that is NaN or infinite."""
        journal = self.journal
        event = judge_no_number(epoch, what, journal.signs, journal.events, self._settings.tries)
        self._keep(replace(journal, events=(*journal.events, event)))
        return event

    def _keep(self, journal: GuardRecord) -> None:
        self.journal = journal
        write_journal(self._run, journal)


def guard_of(run: Path, model: keras.Model, sides: Sides, settings: TrainSettings, epochs: int, events: int) -> Guard:
    """Open the guard of a run after this many epochs and events.

    Raises:
        RunError: the journal is damaged or does not reach that far.
    """
    journal = read_journal(run)
    if journal is None or len(journal.signs) < epochs or len(journal.events) < events:
        raise RunError(f"{run / GUARD}: lacks some of what the checkpoint has seen; train again")
    return Guard(run, Watch(model, sides.train, settings), sides, settings, journal.of(epochs, events))


def spread_of(predicted_deg: FloatArray, true_deg: FloatArray) -> float:
    """Divide the deviation of predictions (n, 2) by that of the truth; 1 if the truth has none."""
    deviation = true_deg.std(axis=0)
    return float(np.mean(predicted_deg.std(axis=0) / deviation)) if deviation.all() else 1.0


def check_pictures_differ(train: Samples, settings: TrainSettings) -> None:
    """Refuse to train on pictures that are all alike: nothing can be learned from them, and weights cannot be scaled.

    Raises:
        DatasetError: a few training samples, the same for a seed, all hold the same picture.
    """
    pictures = take_few(train, settings)
    if all((values == values[:1]).all() for values in pictures.values()):
        n = len(next(iter(pictures.values())))
        what = "there is a single training sample" if n == 1 else f"all of {n} training samples hold the same picture"
        raise DatasetError(f"{what}, from which nothing can be learned; record hands that move")


def take_few(train: Samples, settings: TrainSettings) -> Pictures:
    """Gather a few training samples, the same for a seed."""
    chosen = epoch_order(len(train), settings.seed, 0)[:_SAMPLES]
    return train.source.gather_fields(settings.fields, train.indices[chosen])


def describe_activation(name: str, values: FloatArray) -> Layer:
    """Summarise the values of an activation.

    Args:
        values: (n, units) for each sample and place.
    """
    mean, deviation = values.mean(axis=0), values.std(axis=0)
    return Layer(
        name=name,
        spread=float(np.sqrt(np.mean(deviation**2))),
        off_centre=float(np.median(np.abs(mean) / np.maximum(deviation, _LEAST))),
        silent=float(np.mean(values.max(axis=0) <= 0)),
    )


def begin(model: keras.Model, train: Samples, settings: TrainSettings) -> Start | None:
    """Make a network ready for its first step: statistics of the dataset, and weights that are fit.

    Returns:
        What the guard found; None if there is no guard.
    """
    if settings.normalisation == "dataset":
        learn_statistics(model, train, settings)
    layers = Watch(model, train, settings).layers() if settings.guard else ()
    wrong = find_unfit(layers)
    levelled = settings.start == "lsuv" or (settings.start == "auto" and bool(wrong))
    if levelled:
        level(model, take_few(train, settings))
        log.info("the weights were levelled on a batch%s", f", as {'; '.join(wrong)}" if wrong else "")
    return Start(layers, wrong, levelled) if settings.guard else None


def begin_again(model: keras.Model, train: Samples, settings: TrainSettings, draw: int) -> None:
    """Give a network the fresh weights of another draw, levelled unless `start` is plain."""

    seed_keras(settings.seed + draw * 1_000_003)  # far from the seeds that people choose side by side
    for variable, fresh in zip(model.weights, build_model(settings).weights, strict=True):
        variable.assign(copy_values(fresh))
    if settings.normalisation == "dataset":
        learn_statistics(model, train, settings)
    if settings.start != "plain":
        level(model, take_few(train, settings))


def level(model: keras.Model, pictures: Pictures) -> None:
    """Scale and shift each layer's weights so that, on these pictures, it gives mean 0 and deviation 1.

    Each unit is centred by its bias, each layer scaled as a whole; the answer gets a small spread. The
    directions of the kernels stay as they were drawn.

    Source: Mishkin & Matas 2016, All you need is a good init (LSUV), without its orthonormal draw.
    """
    for layer in model.layers:
        if not hasattr(layer, "kernel") or layer.name == "log_scale":
            continue
        seen = _in_rows(keras.Model(model.inputs, layer.output)(pictures, training=False))
        target = _ANSWER_SPREAD if layer.name in _ANSWERS else 1.0
        factor = target / max(float(np.sqrt(np.mean(seen.var(axis=0)))), _LEAST)
        layer.kernel.assign(copy_values(layer.kernel) * factor)
        layer.bias.assign((copy_values(layer.bias) - seen.mean(axis=0)) * factor)


def _in_rows(values: keras.KerasTensor) -> FloatArray:
    """Lay out (n, ..., units) as (rows, units), float64."""
    found: NDArray[np.float64] = np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(values, "float32")), np.float64)
    return found.reshape(-1, found.shape[-1])
