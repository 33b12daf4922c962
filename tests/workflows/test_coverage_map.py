from __future__ import annotations

import csv
import json
from dataclasses import asdict

import numpy as np
import pytest

import labelkit
from labelkit.curation.splits import Split
from labelkit.errors import DatasetError, OrientationError, OutputError, SettingsError, SplitError
from labelkit.settings import CoverageSettings, TrainSettings
from labelkit.workflows.coverage_map import coverage, coverage_map
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
    assert (labelkit.coverage, labelkit.coverage_map) == (coverage, coverage_map)


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


@pytest.mark.parametrize(
    "name", ["map.png", "map.svg", "map.html", "map.json", "map.csv", "MAP.PNG", "new/deep/map.svg"]
)
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
        ("folder.png", OutputError, r"folder\.png: is a folder; name a file in it"),
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


def test_a_still_hand_fills_nothing_and_the_rule_can_be_set(tmp_path):
    still = make_dataset(tmp_path / "still", participants=3, samples=40, angles_deg=np.full((40, 2), 80.0))
    whole = coverage(still, CoverageSettings(target=10)).whole
    assert (whole.samples, whole.distinct, whole.repeats, whole.filled_cells) == (120, 3, 117, 0)
    assert coverage(still, CoverageSettings(target=10, distinct_deg=0)).whole.filled_cells == 1
    assert coverage(still, CoverageSettings(target=10, distinct_s=0)).whole.distinct == 120


def test_the_split_is_that_of_a_default_training_and_its_sides_sum_to_the_whole(tmp_path):
    from labelkit.curation.splits import split_participants

    folder = make_dataset(tmp_path / "dataset", participants=8, samples=6)
    result = coverage(folder)
    usual = TrainSettings()
    split = split_participants(result.participants, seed=usual.seed, validation=usual.validation, test=usual.test)
    assert {side: c.samples for side, c in result.splits.items()} == {
        side: 6 * len(names) for side, names in asdict(split).items()
    }
    np.testing.assert_array_equal(sum(c.counts for c in result.splits.values()), result.whole.counts)


def run_of(folder, split):
    """A run folder as far as its split goes."""
    from labelkit.runs.folder import claim_run
    from labelkit.runs.plan import write_plan

    write_plan(claim_run("vanilla", folder), TrainSettings(), split, folder.parent, "0" * 64, {})
    return folder


def test_a_run_s_own_split_is_shown_where_it_is_named(tmp_path):
    folder = make_dataset(tmp_path / "dataset", participants=4, samples=6)
    run = run_of(tmp_path / "run", Split(("p01", "p03"), ("p04",), ("p02",)))
    result = coverage(folder, run=run)
    np.testing.assert_array_equal(result.splits["test"].counts, result.participants["p02"].counts)
    assert result.splits["train"].samples == 12
    stranger = run_of(tmp_path / "other", Split(("p01", "p03"), ("p04",), ("who",)))
    with pytest.raises(SplitError, match=r"other: its split names participant 'who', who is not in .*dataset"):
        coverage(folder, run=stranger)


def test_too_few_participants_leave_no_split_to_show(tmp_path):
    folder = make_dataset(tmp_path / "dataset", participants=2, samples=4)
    assert coverage(folder).splits == {}
    with pytest.raises(SplitError, match="a split needs samples of at least 3 participants"):
        coverage_map(folder, by="split")


def test_the_csv_lists_every_reachable_cell_of_all_samples_and_of_each_group(dataset, tmp_path):
    coverage_map(dataset, tmp_path / "map.csv", by="participant")
    with (tmp_path / "map.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 256 * 4
    whole = [row for row in rows if row["of"] == "all"]
    assert sum(int(row["distinct"]) for row in whole) == coverage(dataset).whole.counts.sum()
    (front,) = [row for row in whole if (row["azimuth"], row["elevation"]) == ("2.5", "2.5")]
    assert front == {
        "of": "all",
        "name": "",
        "row": "9",
        "column": "9",
        "azimuth": "2.5",
        "elevation": "2.5",
        "region": "at the front",
        "distinct": "6",
        "full": "False",
    }


def test_equal_area_cells_count_the_same_samples_in_other_cells(dataset):
    square, equal = (coverage(dataset, CoverageSettings(cells=cells)).whole for cells in ("square", "equal-area"))
    assert square.distinct == equal.distinct
    assert equal.cells.kind == "equal-area"
    assert not np.array_equal(square.cells.reachable_mask, equal.cells.reachable_mask)


def test_a_label_table_that_fails_its_hash_is_refused(tmp_path):
    folder = make_dataset(tmp_path / "dataset", participants=1, samples=2)
    content = (folder / "labels.parquet").read_bytes()
    (folder / "labels.parquet").write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    with pytest.raises(DatasetError, match=r"labels.parquet: changed since the dataset was built"):
        coverage(folder)


def test_a_notebook_gets_figures_tables_and_a_picture(dataset):
    result = coverage(labelkit.open_dataset(dataset))
    assert type(result.figure("participant")).__name__ == "Figure"
    assert result.table("split").num_rows == 256 * 4
    assert list(result.table().to_pandas().columns[:4]) == ["of", "name", "row", "column"]
    html = result._repr_html_()
    assert 'src="data:image/png;base64,' in html
    assert "reachable cells" in html
    assert "style=" not in html
