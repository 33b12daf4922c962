from __future__ import annotations

import dataclasses
import re
import shlex
import shutil

import numpy as np
import pytest

from labelkit.dataset.dataset import open_dataset
from labelkit.errors import DatasetError, SettingsError
from labelkit.evaluation.judged_samples import JudgedSamples
from labelkit.imaging.segment import Hand
from labelkit.labelling import label
from labelkit.report.run_page import RunResult, _tile
from labelkit.settings import BuildSettings
from labelkit.workflows.build_dataset import build_dataset
from labelkit.workflows.show import explain, show, show_row
from tests.golden.make import RAW


@pytest.mark.parametrize("settings", [BuildSettings(), BuildSettings(seed=5, crop="box", region="hand")])
def test_what_is_shown_is_to_the_bit_what_a_build_stores(tmp_path, settings):
    build_dataset(RAW, tmp_path / "dataset", settings)
    rows = open_dataset(tmp_path / "dataset").table().to_pylist()
    assert rows
    for stored in rows:
        shown = show(RAW, stored["frame"], tmp_path / "x.svg", settings)
        assert shown.row
        for key, value in shown.row.items():
            assert stored[key] == (np.float32(value) if isinstance(value, float) else value), key


def test_the_picture_is_the_same_each_time(tmp_path):
    for name in ("a", "b"):
        show(RAW, "p01:1", tmp_path / f"{name}.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()


def test_recordings_are_not_touched(tmp_path):
    raw = tmp_path / "raw"
    shutil.copytree(RAW, raw)
    before = {path: path.stat() for path in raw.rglob("*")}
    show(raw, "p01:1", tmp_path / "x.png")
    assert {path: path.stat().st_mtime_ns for path in raw.rglob("*")} == {
        path: about.st_mtime_ns for path, about in before.items()
    }


def test_a_hand_without_a_pixel_is_no_hand_to_draw(tmp_path, monkeypatch):
    def empty(depth_m, **_):
        nothing = np.zeros((4, 4), bool)
        return Hand((0, 0), nothing, nothing, np.zeros(2), 0.04, 0.7, np.array([0.0, 1.0]))

    monkeypatch.setattr(label, "find_hand", empty)
    shown = show(RAW, "p01:1", tmp_path / "x.svg")
    assert shown.row["reason"] == "too-few-points"
    assert explain(RAW, "p01:1").scene.hand is None


def test_the_result_is_plain_values(tmp_path):
    import json

    shown = show(RAW, "p02:1", tmp_path / "x.svg")
    assert json.loads(json.dumps(dataclasses.asdict(shown)))["row"]["mirrored"] is True
    assert shown.words()[1][1][-1] == ("mirrored", "yes: left, stored as right")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    out = tmp_path_factory.mktemp("built") / "dataset"
    build_dataset(RAW, out)
    return out


def test_a_stored_row_says_of_its_frame_what_the_frame_itself_says(dataset, tmp_path):
    rows = open_dataset(dataset).table().to_pylist()
    assert {row["status"] for row in rows} == {"sample", "rejected"}
    for number, row in enumerate(rows):
        stored, shown = show_row(dataset, number, tmp_path / "a.svg"), show(RAW, row["frame"], tmp_path / "b.svg")
        assert stored.verdict == shown.verdict
        assert (stored.row["frame"], stored.index, stored.layout, stored.crop) == (
            row["frame"],
            shown.index,
            shown.layout,
            shown.crop,
        )
        assert dict(stored.words()[1][1]) == dict(shown.words()[1][1])
        assert (stored.out is None) == (row["status"] == "rejected")


def test_the_command_of_a_run_s_page_shows_the_sample_of_its_tile(dataset, tmp_path):
    data = open_dataset(dataset)
    numbers = np.arange(len(data))
    angles = np.tile([5.0, 5.0], (len(data), 1))
    judged = JudgedSamples(data.participants, data.rows, angles, angles)
    run = RunResult(
        **{field.name: None for field in dataclasses.fields(RunResult)}
        | {
            "test": judged,
            "crops": dict(zip(data.rows.tolist(), data.gather("rgb128", numbers), strict=True)),
            "dataset": str(dataset),
        }
    )
    for number in numbers:
        (command,) = re.findall("<code>labelkit show (.*?)</code>", _tile(run, int(number)))
        folder, row = shlex.split(command)
        shown = show_row(folder, int(row), tmp_path / "x.svg")
        assert shown.normal_cov == data[int(number)]["normal_cov"].tolist()
        assert shown.row["participant"] == data.participants[number]


def test_with_raw_the_source_picture_is_shown_too(dataset, tmp_path):
    row = int(open_dataset(dataset).rows[0])
    show_row(dataset, row, tmp_path / "without.png")
    show_row(dataset, row, tmp_path / "with.png", raw=RAW)
    assert (tmp_path / "with.png").stat().st_size > 1.2 * (tmp_path / "without.png").stat().st_size


def test_a_row_that_is_not_there_and_a_picture_in_the_dataset_are_refused(dataset, tmp_path):
    with pytest.raises(DatasetError, match="no row 99; its rows are 0 to"):
        show_row(dataset, 99, tmp_path / "x.png")
    with pytest.raises(SettingsError, match="foreign"):
        show_row(dataset, 0, dataset / "x.png")


def test_of_a_frame_without_a_hand_all_that_was_looked_at_is_named_and_outlined(tmp_path):
    shown = show(RAW, "depth_000.png", tmp_path / "x.svg")
    assert shown.row["reason"] == "no-hand"
    assert shown.parts
    for number, part in enumerate(shown.parts, start=1):
        assert any(part["says"] in value for what, value in shown.words()[2][1] if what == f"looked at {number}")
    outlines = explain(RAW, "depth_000.png").scene.parts
    assert all(((part.outline >= -1) & (part.outline <= 640)).all() for part in outlines)
