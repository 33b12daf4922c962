from __future__ import annotations

import pickle

import numpy as np
import pytest

import labelkit
from labelkit.dataset.schema import FIELDS
from labelkit.errors import DatasetError
from tests.datasets import make_dataset


@pytest.fixture
def folder(tmp_path):
    return make_dataset(tmp_path / "set", participants=3, samples=5)


def test_gathering_in_any_order_gives_the_samples_asked_for(folder):
    dataset = labelkit.open_dataset(folder)
    order = np.array([14, 0, 7, 7, 3])
    for name in ("rgb128", "view_normal", "row"):
        one_by_one = np.stack([dataset[int(i)][name] for i in order])
        np.testing.assert_array_equal(dataset.gather(name, order), one_by_one)
    assert len(np.unique(dataset.rows)) == len(dataset) == 15


def test_a_sample_has_every_field_of_the_schema(folder):
    sample = labelkit.open_dataset(folder)[-1]
    assert {name: value.shape for name, value in sample.items()} == {field.name: field.tail for field in FIELDS}


def test_participants_are_those_of_the_table_row_a_sample_names(folder):
    dataset = labelkit.open_dataset(folder)
    table = dataset.table().to_pylist()
    for i, row in enumerate(dataset.rows):
        assert table[row]["participant"] == dataset.participants[i]
        assert table[row]["view_azimuth"] == pytest.approx(dataset[i]["view_azimuth"], abs=1e-4)


def test_an_index_beyond_the_end_is_an_error_so_that_iteration_stops(folder):
    dataset = labelkit.open_dataset(folder)
    with pytest.raises(IndexError, match="sample 15 of 15"):
        dataset[15]
    assert sum(1 for _ in dataset) == 15


def test_a_pickled_dataset_reads_the_same(folder):
    dataset = labelkit.open_dataset(folder)
    dataset.column("azimuth")
    again = pickle.loads(pickle.dumps(dataset))
    np.testing.assert_array_equal(again.column("azimuth"), dataset.column("azimuth"))


def test_an_empty_dataset_opens_and_is_empty(tmp_path):
    dataset = labelkit.open_dataset(make_dataset(tmp_path / "set", participants=2, samples=0))
    assert len(dataset) == 0
    assert len(dataset.participants) == 0
    assert dataset.table().num_rows == 2


@pytest.mark.parametrize("name", ["shards/p02-0000.h5", "labels.parquet"])
def test_one_changed_bit_is_found(folder, name):
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(DatasetError, match=rf"{name.split('/')[-1]}: changed"):
        labelkit.open_dataset(folder).check_hashes()


def test_an_unchanged_dataset_passes_its_hashes(folder):
    labelkit.open_dataset(folder).check_hashes()


def test_a_changed_manifest_a_missing_one_and_no_folder_are_told_apart(folder, tmp_path):
    with pytest.raises(DatasetError, match=r"no such dataset folder; make one with: labelkit build-dataset"):
        labelkit.open_dataset(tmp_path / "none")
    (tmp_path / "other").mkdir()
    with pytest.raises(DatasetError, match="not a dataset"):
        labelkit.open_dataset(tmp_path / "other")
    (folder / "manifest.json").write_text((folder / "manifest.json").read_text().replace("p01", "p99"))
    with pytest.raises(DatasetError, match=r"does not match manifest\.sha256"):
        labelkit.open_dataset(folder)
    (folder / "manifest.json").unlink()
    with pytest.raises(DatasetError, match="unfinished"):
        labelkit.open_dataset(folder)


def test_a_shard_that_was_cut_or_removed_is_named(folder):
    path = folder / "shards/p01-0000.h5"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(DatasetError, match=r"p01-0000\.h5: of another size"):
        labelkit.open_dataset(folder).column("row")
    path.unlink()
    with pytest.raises(DatasetError, match=r"p01-0000\.h5: cannot be opened \(No such file"):
        labelkit.open_dataset(folder).column("row")
