from __future__ import annotations

import numpy as np

from labelkit.dataset.dataset import open_dataset
from labelkit.dataset.sample_cells import sample_cells
from labelkit.report.shown_samples import ShownSamples, thumbnail
from labelkit.settings import CoverageSettings
from tests.datasets import make_dataset, map_shard


def test_each_crop_and_grey_picture_is_that_of_its_row(tmp_path):
    # "Zoë" comes first in the table, and its shard, named x-... or zoe-..., last in the dataset.
    folder = make_dataset(tmp_path / "set", participants=["Zoë", "a", "b"], samples=4)
    source = open_dataset(folder)
    samples = ShownSamples(source, sample_cells(source.table(), CoverageSettings()), {})
    order = np.array([11, 0, 5, 1])
    crops, grey = samples.crops(order), samples.grey(order)
    rows = [row for row in source.table().to_pylist() if row["status"] == "sample"]
    for number, crop, small in zip(order, crops, grey, strict=True):
        shard = map_shard(folder / rows[number]["shard"])
        np.testing.assert_array_equal(crop, shard["rgb64"][rows[number]["index"]])
        assert abs(small.mean() - (shard["rgb32"][rows[number]["index"]] @ [0.299, 0.587, 0.114]).mean()) < 1
    assert samples.column("frame").tolist() == [row["frame"] for row in rows]


def test_a_thumbnail_keeps_its_picture_s_form():
    assert thumbnail(np.zeros((480, 640, 3), np.uint8), 160).shape == (120, 160, 3)
    assert thumbnail(np.zeros((3, 900, 3), np.uint8), 160).shape == (1, 160, 3)
