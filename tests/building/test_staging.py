"""What lies in a strange dataset's folder cannot make a build write, move or remove anything outside it."""

from __future__ import annotations

import json

import pytest

from labelkit.building.build import build
from labelkit.errors import DatasetError, OutputExistsError
from tests.building.conftest import TINY, silent, write_recording
from tests.building.steps import BEFORE, watched

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture
def raw(tmp_path):
    raw = tmp_path / "raw"
    write_recording(raw / "p01", "h")
    return raw


@pytest.mark.parametrize("name", [".build", "shards"])
def test_a_link_in_the_place_of_a_folder_is_refused(raw, tmp_path, name):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (elsewhere / "mine.h5").write_text("mine")
    (tmp_path / "d").mkdir()
    (tmp_path / "d" / name).symlink_to(elsewhere)
    for overwrite in (False, True):
        with pytest.raises(OutputExistsError, match=rf"d/{name}: is a link, which is not followed"):
            build(raw, tmp_path / "d", TINY, overwrite=overwrite, report=silent)
    assert [path.name for path in elsewhere.iterdir()] == ["mine.h5"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda places: places["remove"].append("../precious.h5"),
        lambda places: places["remove"].append("shards/../../precious.h5"),
        lambda places: places["move"].update({"../../precious.h5": "shards/p01-0000.h5"}),
        lambda places: places["move"].update({next(iter(places["move"])): "../precious.h5"}),
        lambda places: places["move"].update({next(iter(places["move"])): "/precious.h5"}),
    ],
)
def test_a_commit_that_names_files_outside_the_dataset_is_refused(raw, tmp_path, spoil):
    out, precious = tmp_path / "d", tmp_path / "precious.h5"
    precious.write_text("mine")
    with pytest.raises(KeyboardInterrupt):
        stop_when_committed(raw, out)
    path = out / ".build" / "places.json"
    places = json.loads(path.read_text())
    spoil(places)
    path.write_text(json.dumps(places))
    with pytest.raises(DatasetError, match=r"places\.json: names files that are no shards"):
        build(raw, out, TINY, report=silent)
    assert precious.read_text() == "mine"
    assert not (out / "manifest.json").exists()


def stop_when_committed(raw, out):
    def stop(number, moment):
        if moment == BEFORE and (out / ".build" / "manifest.json").exists():
            raise KeyboardInterrupt

    with watched(out, stop):
        build(raw, out, TINY, report=silent)
