"""The training loop: steps, validation after each epoch, early stopping, checkpoints, and going on from one."""

from __future__ import annotations

import contextlib
import logging
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np

from labelkit.errors import TooLargeError, TrainingError, is_out_of_memory
from labelkit.evaluation.measures import measure
from labelkit.keras import keras
from labelkit.runs.arrays import Arrays, Weights, read_arrays, write_arrays, write_weights
from labelkit.runs.folder import BEST, CHECKPOINT, LAST, RUNNING, write_state
from labelkit.settings import TrainSettings
from labelkit.training.augment import Augmentation
from labelkit.training.batches import Batches, prefetch
from labelkit.training.collapse import Event, in_words
from labelkit.training.diagnostics import Diagnostics
from labelkit.training.epochs import Epoch, best_of, read_history, write_history
from labelkit.training.guard import Guard, begin, begin_again, guard_of
from labelkit.training.guard_record import GuardRecord, write_journal
from labelkit.training.load import put_weights, weights_of
from labelkit.training.predict import predict
from labelkit.training.samples import Samples, Sides
from labelkit.training.step import Stepper

log = logging.getLogger(__name__)

_BEST = "best."  # marks the best weights among the arrays of a checkpoint


def fit_run(
    run: Path,
    model: keras.Model,
    sides: Sides,
    settings: TrainSettings,
    *,
    on_step: Callable[[], None],
    on_epoch: Callable[[Epoch, Epoch, int], None],
) -> list[Epoch]:
    """Train a network, or go on from the run folder's checkpoint.

    Stops after `settings.epochs`, or when the validation CMAE has not fallen for `settings.patience`. When
    a step does not fit into memory, training goes on from the last checkpoint with each batch in twice
    as many parts. If the network collapses, the guard goes back to the best weights, begins with others, or goes on
    with these, for as many epochs again.

    Args:
        run: weights after the best epoch and the last, history, diagnostics, checkpoints and what the guard saw
            are kept here.
        on_step: called after each step.
        on_epoch: called with each epoch, the best so far and how many there will be at most, once its weights are on
            the disk.
    Returns:
        All epochs; the best is the first of those with the smallest cmae_deg.
    Raises:
        TrainingError: the loss is NaN or infinite and the guard has no tries left; TooLargeError: not even one sample
            fits into memory.
        RunError: the checkpoint is damaged or of another network.
        OutputError: a checkpoint cannot be written; the one before stays.
    """
    if not (run / CHECKPOINT).is_file():
        start = begin(model, sides.train, settings)
        if start:
            write_journal(run, GuardRecord(start))
        Training(run, Stepper(model, settings), Progress(), settings, []).save()
    parts = 1
    while True:
        training = restore_training(run, model, settings, parts)
        try:
            return training.fit(sides, on_step, on_epoch)
        except _MemoryFullError:
            parts = 2 * training.progress.parts
            if training.progress.parts >= settings.batch_size:
                raise TooLargeError(
                    f"{run}: not even one sample a step fits into memory; choose a smaller network "
                    "(fewer --filters, --dense or --resolutions, or --join average)"
                ) from None
            log.warning(
                "a step did not fit into memory; from the last checkpoint on, each batch of %d goes in %d parts",
                settings.batch_size,
                parts,
            )


@dataclass
class Progress:
    """How far a training has come.

    Attributes:
        epoch: the present one, counted from 1.
        step: steps of it that are done.
        parts: how many parts each batch is cut into.
        dropout: what the settings' dropout is multiplied by.
        loss, largest_loss: of those steps: the sum over their samples, and the largest of a step.
        learning_rate: of the last step.
        seconds, waited_s: as an Epoch has them, so far.
        events: of the guard, so far.
    """

    epoch: int = 1
    step: int = 0
    parts: int = 1
    dropout: float = 1.0
    loss: float = 0.0
    largest_loss: float = -math.inf
    learning_rate: float = 0.0
    seconds: float = 0.0
    waited_s: float = 0.0
    events: int = 0

    def arrays(self) -> dict[str, Any]:
        """Write it as arrays without dimensions, int64 or float64."""
        return {f"progress.{each.name}": np.array(getattr(self, each.name)) for each in fields(self)}

    @classmethod
    def of(cls, arrays: Arrays) -> Progress:
        """Read it back."""
        return cls(**{each.name: arrays[f"progress.{each.name}"].item() for each in fields(cls)})


def restore_training(run: Path, model: keras.Model, settings: TrainSettings, least_parts: int = 1) -> Training:
    """Restore a training from its run's checkpoint.

    Raises:
        RunError: the checkpoint is damaged or of another network, or the history does not reach it.
    """
    stepper = Stepper(model, settings)
    best = {_BEST + name: values for name, values in weights_of(model).items()}
    known = {**stepper.state(), **Progress().arrays(), **best}
    arrays = read_arrays(run / CHECKPOINT, {name: (values.shape, values.dtype.name) for name, values in known.items()})
    progress = Progress.of(arrays)
    progress.parts = max(progress.parts, least_parts)
    if (progress.parts, progress.dropout) != (1, 1.0):
        stepper = Stepper(model, settings, progress.parts, progress.dropout)
    stepper.restore(arrays)
    training = Training(run, stepper, progress, settings, read_history(run, progress.epoch - 1))
    if training.history:
        training.best_weights = {name.removeprefix(_BEST): arrays[name] for name in best}
        write_weights(run / BEST, training.best_weights)
        write_history(run, training.history)
    return training


class Training:
    """A training in a run folder."""

    def __init__(
        self, run: Path, stepper: Stepper, progress: Progress, settings: TrainSettings, history: list[Epoch]
    ) -> None:
        self.run = run
        self.stepper = stepper
        self.progress = progress
        self.settings = settings
        self.history = history
        self.best_weights: Weights = weights_of(stepper.model)
        self.guard: Guard | None = None
        self._saved_at = time.monotonic()

    def save(self) -> None:
        """Write a checkpoint: all that the next steps depend on, and the best weights so far, in one file."""
        best = {_BEST + name: values for name, values in self.best_weights.items()}
        write_arrays(self.run / CHECKPOINT, {**self.stepper.state(), **self.progress.arrays(), **best})
        self._saved_at = time.monotonic()

    def fit(
        self, sides: Sides, on_step: Callable[[], None], on_epoch: Callable[[Epoch, Epoch, int], None]
    ) -> list[Epoch]:
        """Train to the end. As `fit_run`."""
        model, settings, done = self.stepper.model, self.settings, len(self.history)
        if settings.diagnostics:
            diagnostics = Diagnostics(self.run, model, sides.validation, settings, done)
        if settings.guard:
            self.guard = guard_of(self.run, model, sides, settings, done, self.progress.events)
        for _ in range(self.progress.step):
            on_step()  # those of the epoch that were done before
        while not self._is_at_end():
            try:
                self._finish_steps(sides.train, on_step)
                epoch, best = self._close_epoch(sides)
            except _NoNumberError as error:
                self._recover(str(error), sides)
                continue
            if settings.diagnostics:
                diagnostics.take(epoch.epoch)
            on_epoch(epoch, best, self._earlier_epochs + settings.epochs)
            if self.guard and (event := self.guard.judge()):
                self._act(event, sides)
        self.save()  # so that a process killed after this does not train again
        return self.history

    def _recover(self, what: str, sides: Sides) -> None:
        """Let the guard act on a number that is NaN or infinite, and do the epoch again; raise if it cannot."""
        event = self.guard.judge_no_number(self.progress.epoch, what) if self.guard else None
        if event is None or event.did == "nothing":
            raise TrainingError(
                f"{what}; train again with a smaller --learning-rate (it was {self.settings.learning_rate:g})"
            )
        self._act(event, sides)

    def _act(self, event: Event, sides: Sides) -> None:
        """Do what the guard decided, and keep it at once: the next steps depend on it."""
        log.warning("%s", in_words(event))
        if event.did == "went-back":
            put_weights(self.stepper.model, self.best_weights)
        if event.did == "began-again":
            begin_again(self.stepper.model, sides.train, self.settings, event.draw)
        now = self.progress
        self.stepper = Stepper(self.stepper.model, self.settings, now.parts, event.dropout)
        self.progress = Progress(now.epoch, parts=now.parts, dropout=event.dropout, events=now.events + 1)
        self.save()

    @property
    def _earlier_epochs(self) -> int:
        return self.guard.journal.earlier_epochs if self.guard else 0

    def _is_at_end(self) -> bool:
        since = max((best_of(self.history).epoch if self.history else 0), self.guard.journal.since if self.guard else 0)
        done = len(self.history)
        return done - since >= self.settings.patience or done - self._earlier_epochs >= self.settings.epochs

    def _finish_steps(self, train: Samples, on_step: Callable[[], None]) -> None:
        now, settings = self.progress, self.settings
        rate = settings.learning_rate * (self.guard.journal.rate if self.guard else 1.0)
        batches = Batches(
            train.source,
            settings.fields,
            train.indices,
            np.deg2rad(train.centred_deg),
            batch_size=settings.batch_size,
            seed=settings.seed,
            epoch=now.epoch,
            balanced=settings.sampling == "balanced",
            augment=Augmentation(settings.turn_deg, settings.noise, settings.blur) if settings.augment else None,
        )
        with contextlib.closing(prefetch(batches, start=now.step)) as coming:
            began = time.perf_counter()
            for pictures, angles_rad in coming:
                here = time.perf_counter()
                done = (now.epoch - 1 - self._earlier_epochs + now.step / len(batches)) / settings.epochs
                now.learning_rate = rate * (cosine_factor(done) if settings.schedule == "cosine" else 1.0)
                try:
                    loss = self.stepper.step(pictures, angles_rad, now.learning_rate)
                except Exception as error:
                    if is_out_of_memory(error):
                        raise _MemoryFullError from None
                    raise
                if not math.isfinite(loss):
                    raise _NoNumberError(
                        f"the loss became {loss:g} in epoch {now.epoch}, step {now.step + 1} of {len(batches)}"
                    )
                now.loss += loss * len(angles_rad)
                now.largest_loss = max(now.largest_loss, loss)
                now.step += 1
                now.waited_s += here - began
                now.seconds += time.perf_counter() - began
                on_step()
                if time.monotonic() - self._saved_at >= settings.checkpoint_s:
                    self.save()
                began = time.perf_counter()

    def _close_epoch(self, sides: Sides) -> tuple[Epoch, Epoch]:
        """Validate, and put the epoch and its weights on the disk; return it and the best so far."""
        now, model, n = self.progress, self.stepper.model, len(sides.train)
        predicted_deg = predict(model, self.settings, sides.validation).centred_deg
        errors = measure(sides.validation.centred_deg, predicted_deg)
        if not math.isfinite(errors.cmae_deg):
            raise _NoNumberError(f"the network answers {errors.cmae_deg:g} after epoch {now.epoch}")
        gradient_norm = self.stepper.gradient_norm()
        if not math.isfinite(gradient_norm):
            raise _NoNumberError(f"the norm of the gradients became {gradient_norm:g} in epoch {now.epoch}")
        epoch = Epoch(
            epoch=now.epoch,
            loss=now.loss / n,
            mae_azimuth_deg=errors.mae_azimuth_deg,
            mae_elevation_deg=errors.mae_elevation_deg,
            cmae_deg=errors.cmae_deg,
            learning_rate=now.learning_rate,
            seconds=now.seconds,
            samples_per_s=n / now.seconds,
            waited_s=now.waited_s,
        )
        self.history.append(epoch)
        best, weights = best_of(self.history), weights_of(model)
        if best is epoch:
            self.best_weights = weights
            write_weights(self.run / BEST, weights)
        write_weights(self.run / LAST, weights)
        write_state(self.run, RUNNING, epochs=epoch.epoch, best_epoch=best.epoch)
        write_history(self.run, self.history)
        if self.guard:
            self.guard.look(epoch, predicted_deg, now.largest_loss, gradient_norm)
        self.progress = Progress(epoch.epoch + 1, parts=now.parts, dropout=now.dropout, events=now.events)
        return epoch, best


class _NoNumberError(Exception):
    """A loss or an answer is NaN or infinite; the text says which and where."""


class _MemoryFullError(Exception):
    """A step did not fit into memory."""


def cosine_factor(done: float) -> float:
    """Find the learning rate's factor when a share `done` (0..1) of the steps is done: half a cosine, 1 to 0.

    Source: Loshchilov & Hutter 2017, SGDR, without restarts.
    """
    return 0.5 * (1.0 + math.cos(math.pi * done))
