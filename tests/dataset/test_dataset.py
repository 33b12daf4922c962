from __future__ import annotations

import io
import os
import pickle
import resource
import subprocess
import sys

import numpy as np
import pytest

import labelkit
from labelkit.dataset.reading import read_at_most
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
        expected = dataset.column(name)[order]
        np.testing.assert_array_equal(dataset.gather(name, order), expected)
        np.testing.assert_array_equal(np.stack([dataset[int(i)][name] for i in order]), expected)
        np.testing.assert_array_equal(dataset[order][name], expected)
    assert len(np.unique(dataset.rows)) == len(dataset) == 15


def test_a_sample_has_every_field_of_the_schema(folder):
    sample = labelkit.open_dataset(folder)[-1]
    assert {name: value.shape for name, value in sample.items()} == {field.name: field.tail for field in FIELDS}


def test_slices_and_lists_give_several_samples_at_once(folder):
    dataset = labelkit.open_dataset(folder)
    rows = dataset.column("row")
    assert dataset[3:9:2]["row"].tolist() == rows[3:9:2].tolist()
    assert dataset[[4, 2]]["row"].tolist() == rows[[4, 2]].tolist()
    assert dataset[[]]["rgb32"].shape == (0, 32, 32, 3)
    with pytest.raises(IndexError, match=r"samples 2\.\.15 of 15"):
        dataset[[2, 15]]


def test_a_sample_holds_only_the_fields_that_were_asked_for(folder):
    dataset = labelkit.open_dataset(folder, ["rgb32", "view_normal"])
    assert list(dataset[0]) == list(pickle.loads(pickle.dumps(dataset))[[1, 2]]) == ["rgb32", "view_normal"]
    assert dataset.gather("row", [0]).shape == (1,)
    with pytest.raises(DatasetError, match="holds no 'depth32'; build it with --with-depth; it has rgb128, rgb64"):
        labelkit.open_dataset(folder, ["depth32"])


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
    labelkit.open_dataset(folder).check_hashes()  # before the change, nothing is found
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(content)
    with pytest.raises(DatasetError, match=rf"{name.split('/')[-1]}: changed"):
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
    with pytest.raises(DatasetError, match=r"p01-0000\.h5: .* size"):
        labelkit.open_dataset(folder).column("row")
    path.unlink()
    with pytest.raises(DatasetError, match=r"p01-0000\.h5: cannot be opened \(No such file"):
        labelkit.open_dataset(folder).column("row")


def test_a_notebook_shows_figures_hands_and_names_as_text(tmp_path):
    names = ["<script>alert(1)</script>", *(f"p{k:02d}" for k in range(24))]
    html = labelkit.open_dataset(make_dataset(tmp_path / "set", participants=names, samples=3))._repr_html_()
    assert "<b>" + str(tmp_path / "set") + "</b>: 75 samples of 25 participants, from 100 source frames" in html
    assert html.count("data:image/jpeg;base64,") == 12
    assert "<script>" not in html
    assert "<td>&lt;script&gt;alert(1)&lt;/script&gt;</td><td>4</td><td>3</td>" in html
    assert "and 5 more" in html


def test_a_notebook_shows_a_dataset_without_a_sample(tmp_path):
    empty = make_dataset(tmp_path / "set", participants=2, samples=0, angles_deg=np.empty((0, 2)))
    assert "0 samples of 2 participants" in labelkit.open_dataset(empty)._repr_html_()


MANY = """
import resource, sys
hard = int(sys.argv[2])
resource.setrlimit(resource.RLIMIT_NOFILE, (64, hard))
import labelkit
print(len(labelkit.open_dataset(sys.argv[1]).column("row")))
"""


def test_more_shards_than_open_files_open_if_the_system_allows_more_and_are_counted_if_not(tmp_path):
    many = make_dataset(tmp_path / "many", participants=100, samples=1)
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    opened = subprocess.run([sys.executable, "-c", MANY, many, str(hard)], capture_output=True, text=True)
    assert opened.stdout == "100\n", opened.stderr
    refused = subprocess.run([sys.executable, "-c", MANY, many, "96"], capture_output=True, text=True)
    line = refused.stderr.splitlines()[-1]
    assert "100 shards" in line
    assert "ulimit -n" in line
    assert "build the dataset again" not in line


def test_a_small_file_is_read_with_little_memory(folder, monkeypatch):
    asked = []

    class Watched(io.FileIO):
        def read(self, size=-1):
            asked.append(size)
            return super().read(size)

    monkeypatch.setattr(os, "fdopen", lambda handle, mode: Watched(handle, mode))
    content = read_at_most(folder, "manifest.json", 1 << 28)
    assert content == (folder / "manifest.json").read_bytes()
    assert max(asked) <= len(content) + 1
