from __future__ import annotations

import json

import numpy as np
import pytest

import labelkit
from labelkit.errors import DatasetError, OrientationError, OutputError, SettingsError
from labelkit.settings import CoverageSettings
from labelkit.workflows.coverage_map import coverage_map
from tests.datasets import make_dataset

ANGLES = 90.0 - np.array([[0.0, 0.0], [2.0, 3.0], [20.0, -30.0], [50.0, 0.0]])


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("coverage") / "dataset", participants=3, samples=4, angles_deg=ANGLES)


def test_a_tiny_dataset_is_counted_as_by_hand(dataset):
    result = coverage_map(dataset, settings=CoverageSettings(target=6))
    assert (result.whole.samples, result.whole.outside, result.whole.filled_cells) == (12, 3, 1)
    assert result.whole.counts[9, 9] == 6
    assert result.whole.counts[3, 12] == 3
    assert {name: coverage.samples for name, coverage in result.participants.items()} == {"p01": 4, "p02": 4, "p03": 4}
    assert result.whole.empty_cells == 254


def test_the_package_offers_it():
    assert labelkit.coverage_map is coverage_map


def test_the_frame_chooses_the_columns(tmp_path, monkeypatch):
    import pyarrow as pa

    from labelkit.dataset.dataset import Dataset

    folder = make_dataset(tmp_path / "dataset", participants=1, samples=2, angles_deg=ANGLES[:2])
    table = Dataset.table

    def turned(self):
        whole = table(self)
        return whole.set_column(
            whole.schema.get_field_index("azimuth"), "azimuth", pa.array([60.0, 60.0, None], pa.float32())
        )

    monkeypatch.setattr(Dataset, "table", turned)
    places = {
        frame: np.argwhere(coverage_map(folder, settings=CoverageSettings(frame=frame)).whole.counts)[:, 1].tolist()
        for frame in ("view", "camera")
    }
    assert places == {"view": [9], "camera": [14]}


def test_a_participant_without_samples_is_not_forgotten(tmp_path):
    folder = make_dataset(tmp_path / "dataset", participants=2, samples=0, angles_deg=np.empty((0, 2)))
    result = coverage_map(folder, tmp_path / "map.svg", by="participant")
    assert (result.whole.samples, list(result.participants)) == (0, ["p01", "p02"])
    assert "every cell is empty" in (tmp_path / "map.svg").read_text()


@pytest.mark.parametrize("name", ["map.png", "map.svg", "map.json", "MAP.PNG", "new/deep/map.svg"])
def test_a_map_is_written_twice_the_same_and_replaces_what_was_there(dataset, tmp_path, name):
    coverage_map(dataset, tmp_path / name)
    first = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(b"old")
    result = coverage_map(dataset, tmp_path / name)
    assert (tmp_path / name).read_bytes() == first
    assert result.out == str(tmp_path / name)
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [(tmp_path / name).name]


def test_the_json_holds_every_figure_and_no_path(dataset, tmp_path):
    coverage_map(dataset, tmp_path / "map.json")
    plain = json.loads((tmp_path / "map.json").read_text(), parse_constant=pytest.fail)
    assert plain["samples"] == 12
    assert plain["edges"] == [float(edge) for edge in range(-45, 46, 5)]
    assert sum(count or 0 for row in plain["counts"] for count in row) + plain["outside"] == 12
    assert len(plain["empty_cells"]) == 254
    assert set(plain["participants"]) == {"p01", "p02", "p03"}
    assert plain["participants"]["p02"]["samples"] == 4
    assert str(dataset) not in (tmp_path / "map.json").read_text()


@pytest.mark.parametrize(
    ("out", "error", "words"),
    [
        ("map.pdf", SettingsError, r"written as .png, .svg, .html, .json, .csv, not .pdf"),
        ("map", SettingsError, "this name has no suffix"),
        ("folder.png", OutputError, r"is a folder; name a file in it, such as .*map.png"),
        ("file/map.png", OutputError, "in the way of a folder"),
    ],
)
def test_an_output_that_cannot_be_is_refused(dataset, tmp_path, out, error, words):
    (tmp_path / "folder.png").mkdir()
    (tmp_path / "file").write_text("")
    with pytest.raises(error, match=words):
        coverage_map(dataset, tmp_path / out)


def test_a_wrong_suffix_is_said_before_the_dataset_is_read(tmp_path):
    with pytest.raises(SettingsError, match="written as"):
        coverage_map(tmp_path / "none", tmp_path / "map.gif")


def test_a_missing_and_an_unfinished_dataset_are_told_apart(tmp_path):
    with pytest.raises(DatasetError, match="no such dataset folder"):
        coverage_map(tmp_path / "none")
    (tmp_path / "half" / "shards").mkdir(parents=True)
    with pytest.raises(DatasetError, match="an unfinished dataset"):
        coverage_map(tmp_path / "half")


def test_a_label_that_is_no_orientation_is_refused_with_the_dataset_s_name(dataset, monkeypatch):
    import pyarrow as pa

    from labelkit.dataset.dataset import Dataset

    table = Dataset(dataset, labelkit.open_dataset(dataset).manifest).table()
    wrong = table.set_column(
        table.schema.get_field_index("view_azimuth"), "view_azimuth", pa.array([5.0] * len(table), pa.float32())
    ).set_column(
        table.schema.get_field_index("view_elevation"), "view_elevation", pa.array([5.0] * len(table), pa.float32())
    )
    monkeypatch.setattr(Dataset, "table", lambda _: wrong)
    with pytest.raises(OrientationError, match=r"dataset: azimuth 5 and elevation 5 degrees are no orientation"):
        coverage_map(dataset)
