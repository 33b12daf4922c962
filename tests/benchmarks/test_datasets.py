"""The datasets that benchmarks make up are ones that the program reads."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

import labelkit
from labelkit.dataset.dataset import open_dataset

BENCHMARKS = Path(labelkit.__file__).parents[1] / "benchmarks"


@pytest.fixture
def script(request, monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    yield importlib.import_module(request.param)
    sys.modules.pop(request.param)


@pytest.mark.parametrize("script", ["input"], indirect=True)
def test_the_pictures_that_batches_are_gathered_from(script, tmp_path):
    dataset = open_dataset(script.make_dataset(tmp_path / "dataset", script.SHARD + 3))
    assert len(dataset) == script.SHARD + 3
    assert len(script.samples_of(dataset)) == len(dataset)
    assert dataset[script.SHARD]["rgb128"].std() > 50  # the second shard's first: noise


@pytest.mark.parametrize("script", ["coverage"], indirect=True)
@pytest.mark.parametrize("with_pictures", [False, True])
def test_the_labels_and_pictures_that_are_mapped_and_reported(script, tmp_path, with_pictures):
    script.make_dataset(tmp_path / "dataset", 90, 3, with_pictures=with_pictures)
    dataset = open_dataset(tmp_path / "dataset")
    whole = labelkit.coverage(dataset).whole
    assert whole.distinct + whole.repeats == 90
    if with_pictures:
        assert {len(dataset[k]["rgb64"]) for k in (0, 45, 89)} == {64}
