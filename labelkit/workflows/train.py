"""Dataset in, run out: a trained network and what it can do."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labelkit import __version__
from labelkit.errors import LabelkitError
from labelkit.settings import TrainSettings

if TYPE_CHECKING:
    import keras

    from labelkit.training.samples import Sides

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """What a training made. Errors are of the test, in degrees, view frame.

    Attributes:
        constant_cmae_deg: the CMAE of always saying the median of the training angles.
        cmae_ratio: cmae_deg / constant_cmae_deg; 1 has learned nothing. None where the constant is never wrong.
        samples_per_s: of the training steps.
    """

    run: str
    model: str
    parameters: int
    epochs: int
    best_epoch: int
    train_samples: int
    test_samples: int
    test_participants: tuple[str, ...]
    cmae_deg: float
    constant_cmae_deg: float
    cmae_ratio: float | None
    mae_azimuth_deg: float
    mae_elevation_deg: float
    normal_median_deg: float
    seconds: float
    samples_per_s: float


def train(
    dataset: Path | str = "dataset",
    settings: TrainSettings | None = None,
    *,
    out: Path | str | None = None,
    overwrite: bool = False,
    quiet: bool = False,
) -> TrainResult:
    """Train a network on a dataset, and test it once on participants it has never met.

    Args:
        dataset: a finished dataset.
        settings: what to train and how; the defaults where None.
        out: the run folder; runs/<model>, or the next free number, where None.
        overwrite: replace the run that is in `out`.
        quiet: say nothing while training.
    Raises:
        DatasetError: missing, unfinished, changed, empty, or a label that is no orientation.
        SplitError: too few participants.
        SettingsError: an unknown model, or a network that cannot be built.
        OutputExistsError: `out` is there already.
        TrainingError: the loss is no number any more.
        OutputError: no space or permission.
        KeyboardInterrupt: says where the epochs done so far are.
    """
    from labelkit.dataset.dataset import open_dataset
    from labelkit.labelling.splits import split_participants
    from labelkit.runs import claim_run, write_plan
    from labelkit.training.backend import start_keras
    from labelkit.training.samples import read_samples, take_sides

    settings = settings or TrainSettings()
    started = time.perf_counter()
    data = open_dataset(dataset)
    data.check_hashes()
    log.info("%s: all hashes match its manifest (%.1f s)", dataset, time.perf_counter() - started)
    samples = read_samples(data)
    split = split_participants(
        samples.participants, seed=settings.seed, validation=settings.validation, test=settings.test
    )
    start_keras(settings.seed)
    from labelkit.models import build_model  # behind start_keras, which quiets the import

    model = build_model(settings)
    run = claim_run(settings.model, None if out is None else Path(out), overwrite=overwrite)
    write_plan(run, settings, split, data.path, data.manifest.digest())
    with _state_kept(run):
        report = _train_and_test(run, model, take_sides(samples, split), settings, data.manifest.digest(), quiet)
    test = report["test"]
    return TrainResult(
        run=str(run),
        train_samples=report["train"]["samples"],
        test_samples=test["samples"],
        test_participants=split.test,
        **{key: report[key] for key in ("model", "parameters", "epochs", "best_epoch", "seconds", "samples_per_s")},
        **{key: test[key] for key in ("cmae_deg", "constant_cmae_deg", "cmae_ratio", "normal_median_deg")},
        **{key: test[key] for key in ("mae_azimuth_deg", "mae_elevation_deg")},
    )


@contextlib.contextmanager
def _state_kept(run: Path) -> Iterator[None]:
    """Leave in the run's state how its training ended."""
    from labelkit.runs import FAILED, INTERRUPTED, read_state, write_state

    def ended(status: str, **facts: Any) -> int:
        state = read_state(run) | {"status": status} | facts
        write_state(run, **{key: value for key, value in state.items() if key != "schema"})
        return int(state["epochs"])

    try:
        yield
    except KeyboardInterrupt:
        epochs = ended(INTERRUPTED)
        kept = f"{run} holds the weights of {epochs} finished epochs" if epochs else f"no epoch was finished in {run}"
        raise KeyboardInterrupt(f"interrupted; {kept}") from None
    except LabelkitError as error:
        with contextlib.suppress(OSError):  # the disk may be what failed
            ended(FAILED, error=str(error))
        raise


def _train_and_test(
    run: Path, model: keras.Model, sides: Sides, settings: TrainSettings, dataset_digest: str, quiet: bool
) -> dict[str, Any]:
    import keras
    import numpy as np

    from labelkit.evaluation.measures import constant_deg, measure
    from labelkit.runs import BEST, FINISHED, PREDICTIONS, REPORT, write_json, write_rows, write_state
    from labelkit.training.load import load_weights
    from labelkit.training.progress import shown
    from labelkit.training.report import prediction_rows, side_report
    from labelkit.training.trainer import best_of, fit_run, predict_deg

    started = time.perf_counter()
    constant = constant_deg(sides.train.centred_deg)
    constant_cmae = measure(
        sides.validation.centred_deg, np.broadcast_to(constant, sides.validation.centred_deg.shape)
    ).cmae_deg
    steps = -(-len(sides.train) // settings.batch_size)
    with shown(settings.epochs, steps, constant_cmae, quiet=quiet) as (on_step, on_epoch):
        history = fit_run(run, model, sides, settings, on_step=on_step, on_epoch=on_epoch)
    best = best_of(history)
    load_weights(model, run / BEST)
    measured: dict[str, Any] = {}
    rows: list[dict[str, Any]] = []
    for name, side in (("validation", sides.validation), ("test", sides.test)):
        predicted = predict_deg(model, side)
        measured[name] = side_report(side, predicted, constant)
        rows += prediction_rows(name, side, predicted)
    report = {
        "model": settings.model,
        "parameters": model.count_params(),
        "labelkit": __version__,
        "keras": keras.__version__,
        "backend": keras.config.backend(),
        "dataset_sha256": dataset_digest,
        "epochs": len(history),
        "best_epoch": best.epoch,
        "seconds": time.perf_counter() - started,
        "samples_per_s": sum(epoch.samples_per_s * epoch.seconds for epoch in history)
        / sum(epoch.seconds for epoch in history),
        "constant_deg": {"azimuth": float(constant[0]), "elevation": float(constant[1])},
        "train": {"samples": len(sides.train)},
        **measured,
    }
    write_rows(run / PREDICTIONS, rows)
    write_json(run / REPORT, report)
    write_state(run, FINISHED, epochs=len(history), best_epoch=best.epoch)
    return report
