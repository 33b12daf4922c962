"""The training loop: steps, validation after each epoch, checkpoints, early stopping."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import keras
import numpy as np

from labelkit.errors import TrainingError
from labelkit.evaluation.measures import measure
from labelkit.records import FloatArray
from labelkit.runs import BEST, HISTORY, LAST, RUNNING, write_rows, write_state, write_weights
from labelkit.settings import TrainSettings
from labelkit.training.batches import Batches, gather_pictures, prefetched
from labelkit.training.load import weights_of
from labelkit.training.samples import Samples, Sides

# Predicting keeps every activation of a batch: 64 samples take about 70 MB in the widest layer.
_PREDICT_BATCH = 64


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training samples did.

    Attributes:
        epoch: counted from 1.
        loss: mean over the epoch's training samples, in the loss's own unit (radians for MAE).
        mae_azimuth_deg, mae_elevation_deg, cmae_deg: on validation, after the epoch.
        learning_rate: at the epoch's end.
        seconds: of the steps, without the validation.
    """

    epoch: int
    loss: float
    mae_azimuth_deg: float
    mae_elevation_deg: float
    cmae_deg: float
    learning_rate: float
    seconds: float
    samples_per_s: float


def fit_run(
    run: Path,
    model: keras.Model,
    sides: Sides,
    settings: TrainSettings,
    *,
    on_step: Callable[[], None],
    on_epoch: Callable[[Epoch, Epoch], None],
) -> list[Epoch]:
    """Train a network, keeping its weights after the best epoch and after the last in the run folder.

    Stops after `settings.epochs`, or when the validation CMAE has not fallen for `settings.patience`.

    Args:
        on_step: called after each step.
        on_epoch: called with each epoch, and the best so far, once its weights are on the disk.
    Returns:
        All epochs; the best is the first of those with the smallest cmae_deg.
    Raises:
        TrainingError: the loss is no number any more.
        OutputError: a checkpoint cannot be written; the one before stays.
    """
    history: list[Epoch] = []
    for epoch in epochs_of(model, sides, settings, on_step):
        history.append(epoch)
        best = best_of(history)
        if best is epoch:
            write_weights(run / BEST, weights_of(model))
        write_weights(run / LAST, weights_of(model))
        write_rows(run / HISTORY, [asdict(each) for each in history])
        write_state(run, RUNNING, epochs=epoch.epoch, best_epoch=best.epoch)
        on_epoch(epoch, best)
        if epoch.epoch - best.epoch >= settings.patience:
            break
    return history


def best_of(history: list[Epoch]) -> Epoch:
    """Find the epoch with the smallest validation CMAE, the first of equals."""
    return min(history, key=lambda epoch: epoch.cmae_deg)


def epochs_of(
    model: keras.Model, sides: Sides, settings: TrainSettings, on_step: Callable[[], None]
) -> Iterator[Epoch]:
    """Train, and yield after each epoch. The arguments are those of `fit_run`."""
    optimizer = keras.optimizers.Adam(settings.learning_rate)
    model.compile(optimizer=optimizer, loss="mean_absolute_error")
    train, targets_rad = sides.train, np.deg2rad(sides.train.centred_deg)
    for epoch in range(1, settings.epochs + 1):
        batches = Batches(
            train.source,
            train.indices,
            targets_rad,
            batch_size=settings.batch_size,
            seed=settings.seed,
            epoch=epoch,
            augment=settings.augment,
        )
        start, total_loss = time.perf_counter(), 0.0
        for number, (pictures, angles_rad) in enumerate(prefetched(batches)):
            done = (epoch - 1 + number / len(batches)) / settings.epochs
            optimizer.learning_rate = settings.learning_rate * falling(done)
            loss = float(model.train_on_batch(pictures, angles_rad))
            if not math.isfinite(loss):
                raise TrainingError(
                    f"the loss became {loss:g} in epoch {epoch}, step {number + 1} of {len(batches)}; "
                    f"train again with a smaller --learning-rate (it was {settings.learning_rate:g})"
                )
            total_loss += loss * len(angles_rad)
            on_step()
        seconds = time.perf_counter() - start
        errors = measure(sides.validation.centred_deg, predict_deg(model, sides.validation))
        yield Epoch(
            epoch=epoch,
            loss=total_loss / len(train),
            mae_azimuth_deg=errors.mae_azimuth_deg,
            mae_elevation_deg=errors.mae_elevation_deg,
            cmae_deg=errors.cmae_deg,
            learning_rate=float(optimizer.learning_rate),
            seconds=seconds,
            samples_per_s=len(train) / seconds,
        )


def falling(done: float) -> float:
    """Find the learning rate's factor when a share `done` (0..1) of the steps is done: half a cosine, 1 to 0.

    Source: Loshchilov & Hutter 2017, SGDR, without restarts.
    """
    return 0.5 * (1.0 + math.cos(math.pi * done))


def predict_deg(model: keras.Model, samples: Samples) -> FloatArray:
    """Predict samples in their order: (n, 2) centred azimuth and elevation, degrees, view frame."""
    starts = range(0, len(samples), _PREDICT_BATCH)
    batches = (gather_pictures(samples.source, samples.indices[k : k + _PREDICT_BATCH]) for k in starts)
    return np.rad2deg(np.concatenate([model.predict_on_batch(batch) for batch in batches]).astype(np.float64))
