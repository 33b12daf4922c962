from __future__ import annotations

import hashlib
import json
import secrets
import shutil
import subprocess
import sys

import pytest

import labelkit
from labelkit.building.build import build
from labelkit.dataset import withdrawal
from labelkit.dataset.log import log
from labelkit.dataset.schema import slug
from labelkit.dataset.verification import verify_dataset
from labelkit.dataset.withdrawal import (
    find_holdings,
    finish_withdrawal,
    is_withdrawn,
    refuse_withdrawn,
    withdraw_participant,
)
from labelkit.errors import DatasetError, RecordingError
from labelkit.settings import BuildSettings
from tests.datasets import map_shard
from tests.golden.make import RAW as GOLDEN

SETTINGS = BuildSettings(shard_frames=2, workers=1)
ID = f"Zo\u00eb {secrets.token_hex(8)}"
CLIP = secrets.token_hex(8)


def silent(done, samples, total):
    pass


def made(raw, out, **options):
    build(raw, out, SETTINGS, report=silent, **options)
    return out


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    """Three participants; the one in the middle, and all files of theirs, have names of random characters."""
    raw = tmp_path_factory.mktemp("raw") / "raw"
    shutil.copytree(GOLDEN / "p02", raw / "anna")
    shutil.copytree(GOLDEN / "p02", raw / "zoe")
    shutil.copytree(GOLDEN / "p01", raw / ID / CLIP)
    (raw / "recording.toml").write_text('[recording]\nparticipant = "{folder:1}"\n')
    for path in sorted((raw / ID / CLIP).rglob("*.*g")):
        path.rename(path.with_name(f"{CLIP}_{path.stem[-3:]}{path.suffix}"))
    return raw


@pytest.fixture(scope="module")
def built(raw, tmp_path_factory):
    return made(raw, tmp_path_factory.mktemp("built") / "dataset")


@pytest.fixture(scope="module")
def without(raw, tmp_path_factory):
    """What a build makes of the same recordings without that participant's."""
    rest = shutil.copytree(raw, tmp_path_factory.mktemp("rest") / "raw")
    shutil.rmtree(rest / ID)
    return made(rest, tmp_path_factory.mktemp("without") / "dataset")


@pytest.fixture
def folder(built, tmp_path):
    return shutil.copytree(built, tmp_path / "dataset")


def content_of(folder):
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("build.log", ".lock")
    }


def names_of_theirs():
    return [ID, CLIP, slug(ID)]


def pieces_of_their_pictures(folder):
    """Cut 32 bytes with much in them, as no other picture has, out of every crop at every level."""
    for name in find_holdings(folder, ID).shards:
        columns = map_shard(folder / name)
        for level in ("rgb128", "rgb64", "rgb32"):
            for picture in columns[level]:
                content = picture.tobytes()
                pieces = (content[start : start + 32] for start in range(0, len(content) - 32, len(content) // 64))
                yield from (piece for piece in pieces if len(set(piece)) > 12)


def test_the_participant_s_names_and_pictures_are_in_no_byte_of_the_folder(folder):
    (folder / "gallery").mkdir()
    (folder / "gallery" / "thumbnail.png").write_bytes(
        map_shard(folder / find_holdings(folder, ID).shards[0])["rgb64"][0]
    )
    (folder / "notes.md").write_text(f"{ID} was tired")
    (folder / "index.json").write_text(json.dumps({"who": ID}))  # as \\u00eb
    (folder / "kept.md").write_text("all the others were not")
    log(folder, f"{ID} was added")
    needles = [name.encode() for name in names_of_theirs()] + list(pieces_of_their_pictures(folder))
    assert len(needles) > 40
    assert all(
        any(needle in path.read_bytes() for path in folder.rglob("*") if path.is_file()) for needle in needles[2:]
    )
    withdraw_participant(folder, ID)
    for path in folder.rglob("*"):
        relative = path.relative_to(folder).as_posix()
        assert not any(name in relative for name in names_of_theirs())
        assert ID[4:] not in relative
        if path.is_file():
            content = path.read_bytes()
            assert not any(needle in content for needle in [*needles, ID[4:].encode()]), relative
    assert (folder / "kept.md").exists()
    assert not (folder / "gallery" / "thumbnail.png").exists()


def test_what_is_left_is_what_a_build_without_them_makes_byte_for_byte(folder, without):
    withdraw_participant(folder, ID)
    left, expected = content_of(folder), content_of(without)
    record = {"manifest.json", "manifest.sha256", "withdrawn.json"}  # the manifest lists the record
    assert {name: left[name] for name in left if name not in record} == {
        name: expected[name] for name in expected if name not in record
    }
    stated, plain = (json.loads((d / "manifest.json").read_text()) for d in (folder, without))
    assert stated["files"].pop("withdrawn.json")
    assert stated == plain


def test_a_dataset_after_a_withdrawal_verifies_opens_and_can_be_built_on(folder, raw, tmp_path):
    withdraw_participant(folder, ID)
    _, findings = verify_dataset(folder, silent_bytes)
    assert findings == []
    assert set(labelkit.open_dataset(folder).participants) == {"anna", "zoe"}
    rest = shutil.copytree(raw, tmp_path / "rest")
    shutil.rmtree(rest / ID)
    assert build(rest, folder, SETTINGS, report=silent).frames_done_now == 0


def silent_bytes(done, total):
    pass


def test_a_later_build_of_recordings_that_still_hold_them_is_refused(folder, raw):
    withdraw_participant(folder, ID)
    before = content_of(folder)
    for options in ({}, {"overwrite": True}):
        with pytest.raises(RecordingError, match=f"{ID}' was withdrawn from .*out of RAW"):
            made(raw, folder, **options)
    assert content_of(folder) == before


def test_the_record_outlives_a_build_anew(folder, raw, tmp_path):
    withdraw_participant(folder, ID)
    rest = shutil.copytree(raw, tmp_path / "rest")
    shutil.rmtree(rest / ID)
    made(rest, folder, overwrite=True)
    assert verify_dataset(folder, silent_bytes)[1] == []
    assert is_withdrawn(folder, ID)
    with pytest.raises(RecordingError, match="was withdrawn"):
        made(raw, folder)


def test_names_that_differ_only_in_capital_letters_or_in_how_an_accent_is_written_are_one_name(folder):
    for participant in ("zoe", ID):
        withdraw_participant(folder, participant)
    shutil.copy(folder / "withdrawn.json", folder / "before.json")
    record = withdrawal._add_to_record(withdrawal._read_record(folder), "Zo\u00eb")
    (folder / "withdrawn.json").write_bytes(record)
    with pytest.raises(RecordingError, match="was withdrawn"):
        refuse_withdrawn(folder, ["Zoe\u0308"])
    with pytest.raises(RecordingError, match="was withdrawn"):
        refuse_withdrawn(folder, ["ZO\u00cb"])
    refuse_withdrawn(folder, ["Zoa", "anna"])


def test_the_record_tells_neither_names_nor_how_often_or_in_which_order(folder):
    withdraw_participant(folder, "zoe")
    once = json.loads((folder / "withdrawn.json").read_text())
    withdraw_participant(folder, ID)
    twice = json.loads((folder / "withdrawn.json").read_text())
    assert twice["salt"] == once["salt"]
    assert twice["withdrawn"] == sorted(twice["withdrawn"])
    assert len(twice["withdrawn"]) == 2
    assert is_withdrawn(folder, "zoe")
    assert not is_withdrawn(folder, "anna")


def test_everybody_can_be_withdrawn(folder):
    for participant in ("anna", "zoe", ID):
        withdraw_participant(folder, participant)
    manifest, findings = verify_dataset(folder, silent_bytes)
    assert findings == []
    assert (manifest.frames, manifest.samples, manifest.participants) == (0, 0, {})
    assert list((folder / "shards").iterdir()) == []


def test_a_changed_table_is_not_made_good_by_a_withdrawal(folder):
    content = bytearray((folder / "labels.parquet").read_bytes())
    content[100] ^= 1
    (folder / "labels.parquet").write_bytes(content)
    with pytest.raises(DatasetError, match=r"labels\.parquet: has another SHA-256 .*see labelkit verify"):
        withdraw_participant(folder, ID)


def test_a_changed_shard_of_another_stays_a_finding(folder):
    shard = folder / find_holdings(folder, "anna").shards[0]
    content = bytearray(shard.read_bytes())
    content[-1] ^= 1
    shard.write_bytes(content)
    withdraw_participant(folder, ID)
    assert [(finding.fault, finding.file) for finding in verify_dataset(folder, silent_bytes)[1]] == [
        ("changed", shard.relative_to(folder).as_posix())
    ]


KILLED_BEFORE_EACH_STEP = """
import itertools, os, shutil, signal, sys
from pathlib import Path
from labelkit.dataset import withdrawal

built, out, participant = sys.argv[1:]
withdrawal.secrets.token_hex = lambda n: "5a" * n
withdrawal._hash = lambda salt, participant: salt  # the real one takes its time
steps = 0

def number_of(function, last):
    def step(*args, **kwargs):
        global steps
        steps += 1
        if steps == last:
            os.kill(os.getpid(), signal.SIGKILL)
        return function(*args, **kwargs)
    return step

warmed = Path(shutil.copytree(built, f"{out}/warmed"))  # so that not every child has to import and to compile
withdrawal.withdraw_participant(warmed, participant)
shutil.rmtree(warmed)
for last in itertools.count(1):
    folder = Path(shutil.copytree(built, f"{out}/{last:03d}"))
    child = os.fork()
    if not child:
        for name in "open rename replace unlink rmdir mkdir fsync".split():
            setattr(os, name, number_of(getattr(os, name), last))
        withdrawal.withdraw_participant(folder, participant)
        os._exit(0)
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != -signal.SIGKILL:
        break
"""


@pytest.mark.slow
def test_a_withdrawal_that_is_killed_before_any_step_goes_on_to_the_same_bytes(built, fast_path, monkeypatch):
    script = [sys.executable, "-c", KILLED_BEFORE_EACH_STEP, built, fast_path, ID]
    subprocess.run(script, timeout=300, check=True)
    monkeypatch.setattr(withdrawal.secrets, "token_hex", lambda n: "5a" * n)
    monkeypatch.setattr(withdrawal, "_hash", lambda salt, participant: salt)
    *killed, whole = sorted(fast_path.iterdir())  # the last was not killed, for want of steps
    expected = content_of(whole)
    assert "withdrawn.json" in expected
    settled = 0
    for folder in killed:
        if (folder / "manifest.json").exists():
            still_there = ID in labelkit.open_dataset(folder).manifest.participants
        else:
            settled += 1
            still_there = False
            for read in (labelkit.open_dataset, lambda folder: refuse_withdrawn(folder, [])):
                with pytest.raises(DatasetError, match="a withdrawal did not end here; finish it with: labelkit with"):
                    read(folder)
        if not finish_withdrawal(folder) and still_there:
            withdraw_participant(folder, ID)
        assert content_of(folder) == expected, folder
        assert not (folder / ".withdraw").exists()
    assert settled > 5
    assert len(killed) - settled > 20


def test_holdings_name_all_that_will_go(folder):
    (folder / "map.svg").write_text("<svg/>")
    (folder / f"{ID}.txt").write_text("x")
    (folder / "other.txt").write_text(f"x{ID}")  # part of a longer word: somebody else
    there = find_holdings(folder, ID)
    assert (there.frames, there.samples, there.recordings) == (4, 1, (f"{ID}/{CLIP}",))
    assert sorted(there.files) == sorted([f"{ID}.txt", "map.svg"])
    assert there.bytes == sum((folder / name).stat().st_size for name in there.shards)
    assert find_holdings(folder, "nobody") is None
