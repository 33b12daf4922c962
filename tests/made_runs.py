"""Small run folders that were never trained, for tests that start behind the training."""

from __future__ import annotations

from pathlib import Path

from labelkit.curation.splits import Split, split_participants
from labelkit.dataset.dataset import open_dataset
from labelkit.models import build_model
from labelkit.runs.arrays import write_weights
from labelkit.runs.folder import BEST, FINISHED, LAST, write_state
from labelkit.runs.plan import write_plan
from labelkit.settings import TrainSettings
from labelkit.training.backend import start_keras
from labelkit.training.epochs import Epoch, write_history
from labelkit.training.load import weights_of

SMALL = TrainSettings(filters=5, dense=16, stages=3, epochs=2)


def make_run(folder: Path, dataset: Path | None = None, settings: TrainSettings = SMALL) -> Path:
    """Write a finished run whose network has the weights it begins with, of a dataset or of none that is there."""
    start_keras(settings.seed)
    folder.mkdir(parents=True)
    split, digest = Split(("p01",), ("p02",), ("p03",)), "0" * 64
    if dataset:
        data = open_dataset(dataset)
        split = split_participants(data.participants, seed=0, validation=0.2, test=0.4)
        digest = data.manifest.digest()
    write_plan(folder, settings, split, dataset or folder.parent / "dataset", digest, {})
    weights = weights_of(build_model(settings))
    for name in (BEST, LAST):
        write_weights(folder / name, weights)
    write_history(folder, [Epoch(1, 0.5, 20.0, 18.0, 19.0, 1e-3, 2.0, 100.0)])
    write_state(folder, FINISHED, epochs=1, best_epoch=1)
    return folder
