"""Dataset in, run out: a trained network and what it can do."""

from __future__ import annotations

import contextlib
import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from labelkit import __version__
from labelkit.errors import LabelkitError, OutputError, RunError
from labelkit.files import THEN_AGAIN
from labelkit.interrupts import keep_interrupts
from labelkit.settings import EvaluateSettings, TrainSettings

if TYPE_CHECKING:
    import keras

    from labelkit.curation.splits import FrameSplit, Split
    from labelkit.dataset.dataset import Dataset
    from labelkit.report.run_page import RunResult
    from labelkit.training.epochs import Epoch
    from labelkit.training.samples import Samples, Sides
    from labelkit.workflows.leave_one_out import LeaveOneOutResult

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainResult:
    """What a training made. Errors are of the test, in degrees, view frame.

    Attributes:
        constant_cmae_deg: the CMAE of always saying the median of the training angles.
        cmae_ratio: cmae_deg / constant_cmae_deg; 1 has learned nothing. None where the constant is never wrong.
        samples_per_s: of the training steps.
        recoveries: how often the guard went back to earlier weights or began with others.
        leaks: whether single frames were split, so that the errors measure memory too.
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
    recoveries: int
    leaks: bool


def train(
    dataset: Path | str | None = None,
    settings: TrainSettings | None = None,
    *,
    out: Path | str | None = None,
    overwrite: bool = False,
    resume: Path | str | None = None,
    quiet: bool = False,
) -> TrainResult | LeaveOneOutResult:
    """Train a network on a dataset, and test it once on participants it has never met.

    Args:
        dataset: a finished dataset; where None, dataset/, or the one that `resume` was trained on.
        settings: what to train and how; the defaults where None.
        out: the run folder; runs/<model>, or the next free number, where None.
        overwrite: replace the run that is in `out`.
        resume: go on with this interrupted run; `settings`, `out` and `overwrite` have no say then.
        quiet: say nothing while training.
    Raises:
        DatasetError: missing, unfinished, changed, empty, without a field that is needed, or a label that is no
            orientation.
        SplitError: too few participants.
        SettingsError: an unknown model, or a network that cannot be built.
        OutputExistsError: `out` is there already, or another training is at work in it.
        RunError: what is to be resumed is no run, is finished, of another dataset or version, or damaged.
        TrainingError: the loss is no number any more, or a single sample does not fit into memory.
        OutputError: no space or permission.
        KeyboardInterrupt: says where the epochs done so far are.
    """
    from labelkit.runs.folder import FOLDS, claim_run
    from labelkit.workflows.leave_one_out import leave_one_out, resume_folds

    if resume is not None:
        run = Path(resume)
        return resume_folds(run, dataset, quiet) if (run / FOLDS).is_file() else resume_run(run, dataset, quiet)
    settings = settings or TrainSettings()
    data, samples = checked("dataset" if dataset is None else dataset, settings)
    out = None if out is None else Path(out)
    if settings.split == "leave-one-out":
        return leave_one_out(data, samples, settings, out, overwrite, quiet)
    split, network = divided(samples, settings), built(settings)
    run = claim_run(settings.model, out, overwrite=overwrite)
    return train_planned(run, network, data, samples, split, settings, quiet)


def train_once(dataset: Path | str, settings: TrainSettings, out: Path | str, *, quiet: bool = False) -> dict[str, Any]:
    """Train a network, go on where its training was interrupted, or leave it as it is where it is finished.

    For scripts of many trainings, which then go on where they stopped. Give what `report.json` says of the run.

    Raises:
        RunError: the run in `out` has other settings.
        what `train` raises.
    """
    from labelkit.runs.folder import FINISHED, REPORT, SETTINGS, STATE, read_json, read_state
    from labelkit.runs.plan import read_settings

    run = Path(out)
    if not (run / STATE).is_file():
        train(dataset, settings, out=run, quiet=quiet)
    elif read_settings(run) != settings:
        raise RunError(
            f"{run}: has other settings ({SETTINGS}) than are asked for; remove it, or choose another folder"
        )
    elif read_state(run)["status"] != FINISHED:
        train(dataset, resume=run, quiet=quiet)
    return read_json(run, REPORT)


def train_each(dataset: Path | str, runs: Mapping[Path, TrainSettings]) -> Iterator[dict[str, Any]]:
    """Do `train_once` for each run, in a process for each core; give the reports in their order, as they come.

    Small networks train faster side by side than on many cores each: set OMP_NUM_THREADS, TF_NUM_INTRAOP_THREADS and
    TF_NUM_INTEROP_THREADS to 1 before anything is imported.
    """
    import multiprocessing
    from concurrent.futures import ProcessPoolExecutor

    from labelkit.processes import worker_count

    # "spawn" as TensorFlow has threads
    with ProcessPoolExecutor(worker_count(0, len(runs)), multiprocessing.get_context("spawn")) as pool:
        yield from pool.map(partial(train_once, dataset, quiet=True), runs.values(), runs)


def checked(dataset: Path | str, settings: TrainSettings) -> tuple[Dataset, Samples]:
    """Open a dataset, and check its files and labels before anything is made of them."""
    from labelkit.dataset.dataset import open_dataset
    from labelkit.training.samples import read_samples

    started = time.perf_counter()
    data = open_dataset(dataset)
    data.check_hashes()
    log.info("%s: all hashes match its manifest (%.1f s)", dataset, time.perf_counter() - started)
    samples = read_samples(data)
    data.check_fields(settings.fields)
    return data, samples


def divided(samples: Samples, settings: TrainSettings) -> Split | FrameSplit:
    """Split as the settings say."""
    from labelkit.curation.splits import FrameSplit, split_participants

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


class Network(NamedTuple):
    """A network with fresh weights, and the precision it computes in."""

    model: keras.Model
    precision: str


def built(settings: TrainSettings) -> Network:
    """Start Keras and build the network that the settings describe."""
    from labelkit.training.backend import start_keras

    precision = start_keras(settings.seed, settings.precision)
    from labelkit.models import build_model  # behind start_keras, which quiets the import

    return Network(build_model(settings), precision)


def train_planned(
    run: Path,
    network: Network,
    data: Dataset,
    samples: Samples,
    split: Split | FrameSplit,
    settings: TrainSettings,
    quiet: bool,
) -> TrainResult:
    """Write the plan of a new run into its claimed folder, and train."""
    from labelkit.runs.folder import hold_run
    from labelkit.runs.plan import write_plan
    from labelkit.training.samples import take_sides

    with hold_run(run):
        write_plan(run, settings, split, data.path, data.manifest.digest(), made_with(network.precision))
        _train_and_report(run, network.model, take_sides(samples, split), split, settings, quiet)
    return result_of(run)


def made_with(precision: str) -> dict[str, str]:
    """Say which versions and which precision a run is made with."""
    from labelkit.training.backend import versions

    return {"labelkit": __version__, **versions(), "precision": precision}


def resume_run(run: Path, dataset: Path | str | None, quiet: bool) -> TrainResult:
    """Go on with an interrupted run. As `train`."""
    from labelkit.runs.folder import FINISHED, SETTINGS, hold_run, read_state
    from labelkit.runs.plan import read_settings, read_split
    from labelkit.training.load import dataset_of
    from labelkit.training.samples import take_sides

    settings, split = read_settings(run), read_split(run)
    if read_state(run)["status"] == FINISHED:
        raise RunError(
            f"{run}: is finished, there is nothing to resume; for a new run with its settings: "
            f"labelkit train --config {run / SETTINGS}"
        )
    with hold_run(run):
        _, samples = checked(dataset_of(run, dataset).path, settings)
        network = built(settings)
        _compare(run, made_with(network.precision))
        _train_and_report(run, network.model, take_sides(samples, split), split, settings, quiet)
    return result_of(run)


def _compare(run: Path, now: Mapping[str, str]) -> None:
    """Refuse to go on upon another backend; say where other versions may lead to other weights."""
    from labelkit.runs.plan import read_made_with

    before = read_made_with(run)
    if before.get("backend") != now["backend"]:
        raise RunError(
            f"{run}: was begun on the backend {before.get('backend')}, this is {now['backend']}; "
            f"resume it with KERAS_BACKEND={before.get('backend')} in the environment"
        )
    for name, version in now.items():
        if before.get(name) != version:
            log.warning(
                "%s was begun with %s %s, this is %s: its weights may come out otherwise than without the break",
                *(run, name, before.get(name), version),
            )


def result_of(run: Path) -> TrainResult:
    """Read what a finished run came to."""
    from labelkit.runs.folder import REPORT, read_json

    report = read_json(run, REPORT)
    test = report["test"]
    return TrainResult(
        run=str(run),
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
def _state_kept(run: Path) -> Iterator[None]:
    """Leave in the run's state how its training ended."""
    from labelkit.runs.folder import FAILED, INTERRUPTED, read_state, write_state

    def ended(status: str, **facts: Any) -> int:
        state = read_state(run) | {"status": status} | facts
        write_state(run, **{key: value for key, value in state.items() if key != "schema"})
        return int(state["epochs"])

    try:
        yield
    except KeyboardInterrupt:
        epochs = ended(INTERRUPTED)
        kept = f"{run} holds the weights of {epochs} finished epochs" if epochs else f"no epoch was finished in {run}"
        raise KeyboardInterrupt(f"interrupted; {kept}; go on with: labelkit train --resume {run}") from None
    except OutputError as error:
        with contextlib.suppress(OSError):  # the disk is what failed
            ended(INTERRUPTED)
        raise OutputError(
            f"{str(error).removesuffix(THEN_AGAIN)}, then go on with: labelkit train --resume {run}"
        ) from None
    except LabelkitError as error:
        with contextlib.suppress(OSError):  # the disk may be what failed
            ended(FAILED, error=str(error))
        raise


def _train_and_report(
    run: Path, model: keras.Model, sides: Sides, split: Split | FrameSplit, settings: TrainSettings, quiet: bool
) -> None:
    from labelkit.workflows.evaluate import keep_page

    with _state_kept(run), keep_interrupts():
        result, history = _train_and_test(run, model, sides, split, settings, quiet)
    if settings.report:  # behind the state: whatever becomes of the page, the run is whole
        keep_page(result, run, history)


def _train_and_test(
    run: Path, model: keras.Model, sides: Sides, split: Split | FrameSplit, settings: TrainSettings, quiet: bool
) -> tuple[RunResult, list[Epoch]]:
    import numpy as np

    from labelkit.evaluation.measures import constant_deg, measure
    from labelkit.runs.folder import BEST, CHECKPOINT, FINISHED, write_state
    from labelkit.training.epoch_lines import show_epochs
    from labelkit.training.epochs import best_of
    from labelkit.training.load import TrainedRun, load_weights
    from labelkit.training.trainer import fit_run
    from labelkit.workflows.evaluate import assess, keep_report

    constant = constant_deg(sides.train.centred_deg)
    constant_cmae = measure(
        sides.validation.centred_deg, np.broadcast_to(constant, sides.validation.centred_deg.shape)
    ).cmae_deg
    steps = -(-len(sides.train) // settings.batch_size)
    with show_epochs(steps, constant_cmae, quiet=quiet) as (on_step, on_epoch):
        history = fit_run(run, model, sides, settings, on_step=on_step, on_epoch=on_epoch)
    load_weights(model, run / BEST)
    result = assess(TrainedRun(run, settings, split, model), sides, history, EvaluateSettings())
    keep_report(result, run)
    write_state(run, FINISHED, epochs=len(history), best_epoch=best_of(history).epoch)
    (run / CHECKPOINT).unlink(missing_ok=True)
    return result, history
