"""One training: from a dataset and settings to a run folder. `train` does one, `leave_one_out` one per participant."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from labelkit import __version__
from labelkit.curation.splits import FrameSplit, Split, split_participants
from labelkit.dataset.dataset import Dataset, open_dataset
from labelkit.errors import LabelkitError, OutputError, RunError
from labelkit.evaluation.measures import constant_deg, measure
from labelkit.files import THEN_AGAIN
from labelkit.interrupts import keep_interrupts
from labelkit.keras import keras
from labelkit.models import build_model
from labelkit.report.run_page import RunResult
from labelkit.runs.folder import (
    BEST,
    CHECKPOINT,
    FAILED,
    FINISHED,
    INTERRUPTED,
    REPORT,
    hold_run,
    read_json,
    read_state,
    write_state,
)
from labelkit.runs.plan import read_dataset, read_made_with, read_settings, read_split, write_plan
from labelkit.settings import FOREST, EvaluateSettings, TrainSettings
from labelkit.training.backend import device, start_keras, versions
from labelkit.training.epoch_lines import show_epochs
from labelkit.training.epochs import Epoch, best_of
from labelkit.training.guard import check_pictures_differ
from labelkit.training.load import TrainedRun, load_weights
from labelkit.training.samples import Samples, Sides, read_samples, take_sides
from labelkit.training.trainer import fit_run
from labelkit.wording import shell_command
from labelkit.workflows.evaluate import assess, keep_page, keep_report
from labelkit.workflows.forest import MADE_WITH as FOREST_MADE_WITH
from labelkit.workflows.forest import train_forest
from labelkit.workflows.hashing import check_all_hashes

log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class TrainOutcome:
    """What trainings came to, on samples that they did not see. Errors in degrees, view frame.

    Attributes:
        constant_cmae_deg: the CMAE of a predictor that always answers the median of the training angles.
        cmae_ratio: cmae_deg / constant_cmae_deg; at 1 the network learned nothing. None if the constant is never wrong.
    """

    run: str
    model: str
    test_samples: int
    cmae_deg: float
    constant_cmae_deg: float
    cmae_ratio: float | None
    mae_azimuth_deg: float
    mae_elevation_deg: float
    normal_median_deg: float
    seconds: float


@dataclass(frozen=True, kw_only=True)
class TrainResult(TrainOutcome):
    """The result of a training.

    Attributes:
        parameters: of a forest, its nodes.
        epochs, best_epoch: 0 for a forest.
        samples_per_s: of the training steps.
        recoveries: how often the guard went back to earlier weights, or started again with new ones.
        leaks: whether single frames were split, so that the errors measure memory too.
    """

    dataset: str
    parameters: int
    epochs: int
    best_epoch: int
    train_samples: int
    test_participants: tuple[str, ...]
    samples_per_s: float
    recoveries: int
    leaks: bool


class Network(NamedTuple):
    """A network with fresh weights, and the precision it computes in."""

    model: keras.Model
    precision: str


def check_dataset(dataset: Path | str, settings: TrainSettings) -> tuple[Dataset, Samples]:
    """Open a dataset, and check its files and labels before anything is made from them."""
    data = open_dataset(dataset)
    check_all_hashes(data)
    samples = read_samples(data)
    data.check_fields(settings.fields)
    return data, samples


def split_samples(samples: Samples, settings: TrainSettings) -> Split | FrameSplit:
    """Split as the settings say."""
    if settings.split == "frames":
        split = FrameSplit(settings.seed_of_split, settings.validation, settings.test)
        split.deal(samples.participants)  # for its check alone
        return split
    return split_participants(
        samples.participants,
        seed=settings.seed_of_split,
        validation=settings.validation,
        test=settings.test,
        hold_out=settings.hold_out,
    )


def prepare_network(settings: TrainSettings) -> Network | None:
    """Build the network that the settings describe; None if they describe a forest."""
    return None if settings.model == FOREST else build_network(settings)


def build_network(settings: TrainSettings) -> Network:
    """Make Keras ready, and build the network that the settings describe."""
    precision = start_keras(settings.seed, settings.precision)
    network = Network(build_model(settings), precision)
    computes = "bfloat16" if precision == "mixed" else precision
    log.info("%s: %s parameters, on %s in %s", settings.model, f"{network.model.count_params():,}", device(), computes)
    return network


def train_new(
    run: Path,
    network: Network | None,
    data: Dataset,
    samples: Samples,
    split: Split | FrameSplit,
    settings: TrainSettings,
    quiet: bool,
) -> TrainResult:
    """Write the plan of a new run into its claimed folder, and train.

    Args:
        network: as `prepare_network` gives it.
    """
    with hold_run(run):
        made_with = FOREST_MADE_WITH if network is None else name_versions(network.precision)
        write_plan(run, settings, split, data.path, data.manifest.digest(), made_with)
        _train_and_report(run, network, take_sides(samples, split), split, settings, quiet)
    return read_result(run)


def go_on(run: Path, samples: Samples, quiet: bool) -> TrainResult:
    """Go on with an interrupted run, on the samples of its dataset.

    Raises:
        RunError: it was begun on another backend.
        what `train` raises.
    """
    settings, split = read_settings(run), read_split(run)
    with hold_run(run):
        network = prepare_network(settings)
        if network is not None:
            _compare(run, name_versions(network.precision))
        _train_and_report(run, network, take_sides(samples, split), split, settings, quiet)
    return read_result(run)


def name_versions(precision: str) -> dict[str, str]:
    """Say which versions and which precision a run is made with."""
    return {"labelkit": __version__, **versions(), "precision": precision}


def _compare(run: Path, now: Mapping[str, str]) -> None:
    """Refuse to go on with another backend; warn if other versions may lead to other weights."""
    before = read_made_with(run)
    if before.get("backend") != now["backend"]:
        raise RunError(
            f"{run}: was begun on the backend {before.get('backend')}, this is {now['backend']}; "
            f"resume it with KERAS_BACKEND={before.get('backend')} in the environment"
        )
    for name, version in now.items():
        if before.get(name) != version:
            log.warning(
                "%s was begun with %s %s, this is %s: its weights may differ from those of a training without a break",
                *(run, name, before.get(name), version),
            )


def read_result(run: Path) -> TrainResult:
    """Read the result of a finished run."""
    report = read_json(run, REPORT)
    test = report["test"]
    return TrainResult(
        run=str(run),
        dataset=str(read_dataset(run)[1]),
        train_samples=report["train"]["samples"],
        test_samples=test["samples"],
        test_participants=tuple(test["participants"]),
        recoveries=sum(event["did"] != "nothing" for event in report["guard"]),
        **{
            key: report[key]
            for key in ("model", "parameters", "epochs", "best_epoch", "seconds", "samples_per_s", "leaks")
        },
        **{key: test[key] for key in ("cmae_deg", "constant_cmae_deg", "cmae_ratio", "normal_median_deg")},
        **{key: test[key] for key in ("mae_azimuth_deg", "mae_elevation_deg")},
    )


@contextlib.contextmanager
def _keep_state(run: Path) -> Iterator[None]:
    """Write into the run's state how its training ended."""

    def write_end(status: str, **facts: Any) -> int:
        state = read_state(run) | {"status": status} | facts
        write_state(run, **{key: value for key, value in state.items() if key != "schema"})
        return int(state["epochs"])

    try:
        yield
    except KeyboardInterrupt:
        epochs = write_end(INTERRUPTED)
        kept = f"{run} holds the weights of {epochs} finished epochs" if epochs else f"no epoch was finished in {run}"
        raise KeyboardInterrupt(f"interrupted; {kept}; go on with: {shell_command('train', '--resume', run)}") from None
    except OutputError as error:
        with contextlib.suppress(OSError):  # the disk is what failed
            write_end(INTERRUPTED)
        raise OutputError(
            f"{str(error).removesuffix(THEN_AGAIN)}, then go on with: {shell_command('train', '--resume', run)}"
        ) from None
    except LabelkitError as error:
        with contextlib.suppress(OSError):  # the disk may be what failed
            write_end(FAILED, error=str(error))
        raise
    except Exception as error:  # a slip of ours: the traceback follows, and the run does not look as if it went on
        with contextlib.suppress(OSError):
            write_end(FAILED, error=f"{type(error).__name__}: {error}")
        raise


def _train_and_report(
    run: Path, network: Network | None, sides: Sides, split: Split | FrameSplit, settings: TrainSettings, quiet: bool
) -> None:
    if network is None:
        with _keep_state(run):
            train_forest(run, sides, split, settings)
        return
    with _keep_state(run), keep_interrupts():
        result, history = _train_and_test(run, network.model, sides, split, settings, quiet)
    if settings.report:  # after the state: the run is complete even if the page fails
        keep_page(result, run, history)


def _train_and_test(
    run: Path, model: keras.Model, sides: Sides, split: Split | FrameSplit, settings: TrainSettings, quiet: bool
) -> tuple[RunResult, list[Epoch]]:
    check_pictures_differ(sides.train, settings)
    constant = constant_deg(sides.train.centred_deg)
    constant_cmae = measure(
        sides.validation.centred_deg, np.broadcast_to(constant, sides.validation.centred_deg.shape)
    ).cmae_deg
    steps = -(-len(sides.train) // settings.batch_size)
    with show_epochs(steps, constant_cmae, quiet=quiet) as (on_step, on_epoch):
        history = fit_run(run, model, sides, settings, on_step=on_step, on_epoch=on_epoch)
    log.info("predicting validation and test with the weights of epoch %d, the best", best_of(history).epoch)
    load_weights(model, run / BEST)
    result = assess(TrainedRun(run, settings, split, model), sides, history, EvaluateSettings())
    keep_report(result, run)
    write_state(run, FINISHED, epochs=len(history), best_epoch=best_of(history).epoch)
    (run / CHECKPOINT).unlink(missing_ok=True)
    return result, history
