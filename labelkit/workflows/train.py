"""Dataset in, run out: a trained network and what it can do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from labelkit.errors import RunError
from labelkit.processes import map_apart
from labelkit.runs.folder import FINISHED, FOLDS, REPORT, SETTINGS, STATE, claim_run, read_json, read_state
from labelkit.runs.plan import read_dataset, read_settings
from labelkit.settings import TrainSettings, settings_of
from labelkit.training.backend import ONE_OF_SEVERAL
from labelkit.training.load import dataset_of
from labelkit.wording import shell_command
from labelkit.workflows.leave_one_out import LeaveOneOutResult, leave_one_out, resume_folds
from labelkit.workflows.one_run import TrainResult, check_dataset, go_on, prepare_network, split_samples, train_new


def train(
    dataset: Path | str | None = None,
    settings: TrainSettings | None = None,
    *,
    out: Path | str | None = None,
    overwrite: bool = False,
    resume: Path | str | None = None,
    quiet: bool = False,
    **keywords: Any,
) -> TrainResult | LeaveOneOutResult:
    """Train a network on a dataset, and test it once on participants it has never seen.

    Args:
        dataset: a finished dataset; if None, dataset/, or the one that `resume` was trained on.
        settings: what to train and how; the defaults if None.
        out: the run folder; if None, runs/<model>, or the next free number.
        overwrite: replace the run that is in `out`.
        resume: go on with this interrupted run; settings, `out` and `overwrite` are ignored then.
        quiet: print nothing while training.
        keywords: single settings, as of `TrainSettings`; they win over `settings`.
    Raises:
        DatasetError: missing, unfinished, changed, empty, without a field that is needed, or a label that is not an
            orientation.
        SplitError: too few participants.
        SettingsError: an unknown model, or a network that cannot be built.
        OutputExistsError: `out` is there already, or another training is at work in it.
        RunError: `resume` is not a run, is finished, of another dataset or version, or damaged.
        TrainingError: the loss is not a number, or a single sample does not fit into memory.
        OutputError: no space or permission.
        KeyboardInterrupt: says which folder holds the epochs done so far.
    """
    settings = settings_of(TrainSettings, settings, keywords)
    if resume is not None:
        run = Path(resume)
        return resume_folds(run, dataset, quiet) if (run / FOLDS).is_file() else _resume(run, dataset, quiet)
    data, samples = check_dataset("dataset" if dataset is None else dataset, settings)
    out = None if out is None else Path(out)
    if settings.split == "leave-one-out":
        return leave_one_out(data, samples, settings, out, overwrite, quiet)
    split, network = split_samples(samples, settings), prepare_network(settings)
    run = claim_run(settings.model, out, overwrite=overwrite)
    return train_new(run, network, data, samples, split, settings, quiet)


def train_once(dataset: Path | str, settings: TrainSettings, out: Path | str, *, quiet: bool = False) -> dict[str, Any]:
    """Train a network, go on if its training was interrupted, or do nothing if it is finished.

    For scripts with many trainings: run again, they go on where they stopped. Returns what `report.json` says.

    Raises:
        RunError: the run in `out` has other settings.
        what `train` raises.
    """
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
    """Do `train_once` for each run, one process per core; yield the reports in the order of the runs.

    Each process uses one thread: small networks train faster side by side than one after the other on many cores.
    """
    work = partial(train_once, dataset, quiet=True)
    yield from map_apart(work, runs.values(), runs, environment=ONE_OF_SEVERAL)


def _resume(run: Path, dataset: Path | str | None, quiet: bool) -> TrainResult:
    settings = read_settings(run)
    if read_state(run)["status"] == FINISHED:
        raise RunError(
            f"{run}: is finished, there is nothing to resume; for a new run with its settings: "
            f"{shell_command('train', read_dataset(run)[1], '--config', run / SETTINGS)}"
        )
    _, samples = check_dataset(dataset_of(run, dataset).path, settings)
    return go_on(run, samples, quiet)
