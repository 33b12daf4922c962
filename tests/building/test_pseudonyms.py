"""With --pseudonyms no real name is anywhere in the dataset, and the way back lies outside it."""

from __future__ import annotations

import re
import shutil
import stat
import tomllib

import pytest

from labelkit.building.build import build
from labelkit.dataset.dataset import open_dataset
from labelkit.errors import OutputExistsError, RecordingError
from tests.building.conftest import TINY, content_of, silent, write_recording

pytestmark = pytest.mark.usefixtures("in_this_process")

NAMES = ("Annegret Müller", "annegret", "müller", "muller", "tuesday", "jonathan", "d_000", "c_000")


@pytest.fixture
def raw(tmp_path):
    raw = tmp_path / "raw"
    write_recording(raw / "Annegret Müller" / "Tuesday with Bob", "hd")
    write_recording(raw / "Jonathan", "hc")
    return raw


def test_no_name_of_a_person_folder_or_file_is_in_any_file_of_the_dataset(raw, tmp_path):
    out, table = tmp_path / "d", tmp_path / "keys" / "who.toml"
    build(raw, out, TINY, pseudonyms=table, report=silent)
    files = [path for path in out.rglob("*") if path.is_file()]
    assert len(files) >= 7
    for path in files:
        content = path.relative_to(out).as_posix().encode() + b"\n" + path.read_bytes()
        for name in NAMES:
            assert name.lower().encode() not in content.lower(), (path, name)
    stored = open_dataset(out).table()
    for column in stored.column_names:
        text = " ".join(map(str, stored[column].to_pylist())).lower()
        assert not [name for name in NAMES if name.lower() in text], column


def test_the_table_leads_back_and_only_its_owner_may_read_it(raw, tmp_path):
    out, path = tmp_path / "d", tmp_path / "who.toml"
    build(raw, out, TINY, pseudonyms=path, report=silent)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    table = tomllib.loads(path.read_text())
    assert table["participants"].keys() == {"Annegret Müller", "Jonathan"}
    assert table["recordings"].keys() == {"Annegret Müller/Tuesday with Bob"}
    ann, jones = table["participants"]["Annegret Müller"], table["participants"]["Jonathan"]
    assert all(re.fullmatch("[b-z]{12}", name) for name in (ann, jones))
    rows = open_dataset(out).table().to_pylist()
    session = f"{ann}/{table['recordings']['Annegret Müller/Tuesday with Bob']}"
    assert {(row["participant"], row["recording"]) for row in rows} == {(ann, session), (jones, jones)}
    assert [row["frame"] for row in rows if row["recording"] == jones] == [f"{jones}/000000", f"{jones}/000001"]


def test_ids_are_stable_and_new_people_get_new_ones(raw, tmp_path):
    out, path = tmp_path / "d", tmp_path / "who.toml"
    build(raw, out, TINY, pseudonyms=path, report=silent)
    before, table = content_of(out), tomllib.loads(path.read_text())
    assert build(raw, out, TINY, pseudonyms=path, report=silent).frames_done_now == 0
    assert content_of(out) == before
    write_recording(raw / "Zoe", "h")
    assert build(raw, out, TINY, pseudonyms=path, report=silent).frames_done_now == 1
    after = tomllib.loads(path.read_text())
    assert after["participants"].items() > table["participants"].items()
    build(raw, tmp_path / "e", TINY, pseudonyms=path, report=silent)
    assert content_of(tmp_path / "e") == content_of(out)


def test_forgetting_the_table_is_refused_before_a_name_is_written(raw, tmp_path):
    out = tmp_path / "d"
    build(raw, out, TINY, pseudonyms=tmp_path / "who.toml", report=silent)
    write_recording(raw / "Zoe", "h")
    with pytest.raises(OutputExistsError, match="pseudonymous: True there, False now"):
        build(raw, out, TINY, report=silent)
    assert not [path for path in out.rglob("*") if path.is_file() and b"Zoe" in path.read_bytes()]


def test_another_table_is_refused_as_its_people_would_be_others(raw, tmp_path):
    out = tmp_path / "d"
    build(raw, out, TINY, pseudonyms=tmp_path / "who.toml", report=silent)
    with pytest.raises(OutputExistsError, match="is no longer among the recordings"):
        build(raw, out, TINY, pseudonyms=tmp_path / "other.toml", report=silent)


def test_someone_excluded_by_name_can_be_gone(raw, tmp_path):
    out, path = tmp_path / "d", tmp_path / "who.toml"
    build(raw, out, TINY, pseudonyms=path, report=silent)
    shutil.rmtree(raw / "Jonathan")
    with pytest.raises(OutputExistsError, match="--exclude Jonathan"):
        build(raw, out, TINY, pseudonyms=path, report=silent)
    build(raw, out, TINY.model_copy(update={"exclude": ("Jonathan",)}), pseudonyms=path, report=silent)
    assert len(open_dataset(out).manifest.participants) == 1


@pytest.mark.parametrize("place", ["d/who.toml", "d/keys/who.toml", "link/who.toml"])
def test_a_table_within_the_dataset_is_refused(raw, tmp_path, place):
    (tmp_path / "d").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "d")
    with pytest.raises(RecordingError, match=r"who\.toml: lies in the dataset"):
        build(raw, tmp_path / "d", TINY, pseudonyms=tmp_path / place, report=silent)
    assert not list((tmp_path / "d").iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"\xff",
        b"participants = 3",
        b"[people]\n",
        b'[participants]\n"a" = "Ann"\n',
        b'[participants]\n"a" = 3\n',
        b'[participants]\n"a" = "bcdfghjklmnp"\n"b" = "bcdfghjklmnp"\n',
    ],
)
def test_a_file_that_is_no_table_is_refused_and_left_alone(raw, tmp_path, content):
    path = tmp_path / "who.toml"
    path.write_bytes(content)
    with pytest.raises(RecordingError, match=r"who\.toml: not a table of pseudonyms"):
        build(raw, tmp_path / "d", TINY, pseudonyms=path, report=silent)
    assert path.read_bytes() == content
