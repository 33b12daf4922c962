"""Small trainings: most of a test is the time TensorFlow takes to make a step."""

from __future__ import annotations

from labelkit.curation.splits import Split
from labelkit.dataset.dataset import open_dataset
from labelkit.models import build_model
from labelkit.settings import TrainSettings
from labelkit.training.backend import start_keras
from labelkit.training.samples import read_samples, take_sides
from labelkit.training.trainer import fit_run
from tests.datasets import make_dataset


def make_sides(folder, samples):
    """Make a dataset of four participants with so many samples each: two to train on, one to validate, one to test."""
    data = open_dataset(make_dataset(folder / "dataset", participants=4, samples=samples))
    return take_sides(read_samples(data), Split(train=("p01", "p02"), validation=("p03",), test=("p04",)))


def fitted(run, sides, settings, on_step=lambda: None):
    """Train in a run folder, or go on with it; return the network and its history."""
    chosen = TrainSettings(**settings)
    start_keras(chosen.seed)
    model = build_model(chosen)
    return model, fit_run(run, model, sides, chosen, on_step=on_step, on_epoch=lambda *_: None)
