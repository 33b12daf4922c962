"""A dataset follows its recordings: what joins is added, what is excluded is taken out, all else stays as it is."""

from __future__ import annotations

import errno
import os
import shutil

import pytest

from labelkit.building import build as module
from labelkit.building.build import build
from labelkit.dataset.dataset import open_dataset
from labelkit.errors import DatasetError, OutputExistsError, RecordingError
from labelkit.recordings.reader import PictureSource
from tests.building.conftest import TINY, content_of, silent, write_recording

pytestmark = pytest.mark.usefixtures("in_this_process")


@pytest.fixture
def raw(tmp_path):
    raw = tmp_path / "raw"
    write_recording(raw / "p02", "hhh")
    return raw


def excluding(*globs):
    return TINY.model_copy(update={"exclude": globs})


def shards_of(out):
    return {path.name: (path.stat().st_ino, path.stat().st_mtime_ns) for path in (out / "shards").iterdir()}


def fresh(raw, tmp_path, settings=TINY):
    shutil.rmtree(tmp_path / "fresh", ignore_errors=True)
    build(raw, tmp_path / "fresh", settings, report=silent)
    return content_of(tmp_path / "fresh")


def reasons(out):
    return {row["frame"]: row["reason"] for row in open_dataset(out).table().to_pylist()}


def test_recordings_that_join_before_between_and_behind_leave_the_finished_shards_untouched(raw, tmp_path):
    out = tmp_path / "d"
    build(raw, out, TINY, report=silent)
    before = shards_of(out)
    write_recording(raw / "p01", "he")
    write_recording(raw / "p02" / "later", "h")
    write_recording(raw / "p03", "h")
    assert build(raw, out, TINY, report=silent).frames_done_now == 4
    assert before.items() <= shards_of(out).items()
    assert content_of(out) == fresh(raw, tmp_path)
    dataset = open_dataset(out)
    rows = dataset.table().to_pylist()
    for number, row in enumerate(dataset.rows):
        assert dataset.path / rows[row]["shard"] in (out / "shards").iterdir()
        assert rows[row]["azimuth"] == dataset[number]["azimuth"]


def test_excluding_frames_rebuilds_only_their_shards_and_including_them_again_gives_the_first_dataset(raw, tmp_path):
    out = tmp_path / "d"
    write_recording(raw / "p01", "hh")
    build(raw, out, TINY, report=silent)
    first, before = content_of(out), shards_of(out)
    outcome = build(raw, out, excluding("p02/depth/d_002.png", "*/color/c_00[9]*"), report=silent)
    assert outcome.frames_done_now == 1
    assert reasons(out)["p02/depth/d_002.png"] == "excluded"
    assert set(before) - set(shards_of(out)) == {"p02-0001.h5"}
    assert shards_of(out).items() <= before.items()
    build(raw, out, TINY, report=silent)
    assert content_of(out) == first


def test_an_excluded_folder_is_not_read_and_may_be_unreadable_or_gone(raw, tmp_path):
    out = tmp_path / "d"
    write_recording(raw / "p01", "hh")
    build(raw, out, TINY, report=silent)
    for depth in (raw / "p01" / "depth").iterdir():
        depth.write_bytes(b"")
    build(raw, out, excluding("p01"), report=silent)
    assert {reason for frame, reason in reasons(out).items() if frame.startswith("p01/")} == {"excluded"}
    (raw / "p01" / "recording.toml").unlink()
    with pytest.raises(RecordingError, match="the unit of the depth is not stated"):
        build(raw, out, TINY, report=silent)
    build(raw, out, excluding("p01"), report=silent)
    assert not any(frame.startswith("p01/") for frame in reasons(out))
    shutil.rmtree(raw / "p01")
    assert content_of(out) == fresh(raw, tmp_path)


def test_a_recording_that_is_gone_is_refused_by_name_until_it_is_excluded(raw, tmp_path):
    out = tmp_path / "d"
    write_recording(raw / "p01", "h")
    build(raw, out, TINY, report=silent)
    before = content_of(out)
    shutil.rmtree(raw / "p01")
    with pytest.raises(OutputExistsError, match=r"its recording 'p01' is no longer .* --exclude p01"):
        build(raw, out, TINY, report=silent)
    assert content_of(out) == before
    build(raw, out, excluding("p01"), report=silent)
    assert content_of(out) == fresh(raw, tmp_path)


def test_a_recording_that_changed_is_built_again_and_no_other(raw, tmp_path):
    out = tmp_path / "d"
    write_recording(raw / "p01", "hh")
    build(raw, out, TINY, report=silent)
    stated = raw / "p01" / "recording.toml"
    stated.write_text(stated.read_text().replace("fx = 262.5", "fx = 270.0"))
    assert build(raw, out, TINY, report=silent).frames_done_now == 2
    assert content_of(out) == fresh(raw, tmp_path)


def put_in_place(path, content):
    """Change what a file holds, but neither its size nor its times."""
    state = path.stat()
    assert len(content) == state.st_size
    path.write_bytes(content)
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))


@pytest.mark.parametrize("kind", ["color", "depth"])
def test_a_picture_that_changed_in_its_place_is_built_again_with_the_same_size_and_times(raw, tmp_path, kind):
    out = tmp_path / "d"
    write_recording(raw / "p01", "hhhhhh")
    picture = next((raw / "p01" / kind).glob("*_003.*"))
    whole = picture.read_bytes()
    picture.write_bytes(whole[:-40] + bytes(40))  # damaged, of the same size
    build(raw, out, TINY, report=silent)
    first, before = content_of(out), shards_of(out)
    put_in_place(picture, whole)
    # frames 2 and 3, and 4 and 5, since a frame is compared with the two before it
    assert build(raw, out, TINY, report=silent).frames_done_now == 4
    assert content_of(out) == fresh(raw, tmp_path) != first
    assert {name for name, state in shards_of(out).items() if before.get(name) == state} == {
        "p01-0000.h5",
        "p02-0000.h5",
        "p02-0001.h5",
    }
    assert build(raw, out, TINY, report=silent).frames_done_now == 0


def test_a_picture_that_changed_in_its_place_while_the_build_was_down_is_built_again(raw, tmp_path, monkeypatch):
    out = tmp_path / "d"
    with monkeypatch.context() as patch:
        patch.setattr(module, "_finish", fail)
        with pytest.raises(KeyboardInterrupt):
            build(raw, out, TINY, report=silent)
    one, other = (raw / "p02" / "depth" / f"d_00{number}.png" for number in (0, 2))
    put_in_place(one, bytes(one.stat().st_size))
    assert build(raw, out, TINY, report=silent).frames_done_now == 3
    assert other.exists()
    assert reasons(out)["p02/depth/d_000.png"] == "decode"
    assert content_of(out) == fresh(raw, tmp_path)


def fail(*_):
    raise KeyboardInterrupt


def test_a_shard_that_is_missing_from_a_finished_dataset_is_built_again(raw, tmp_path):
    out = tmp_path / "d"
    build(raw, out, TINY, report=silent)
    before = content_of(out)
    (out / "shards" / "p02-0000.h5").unlink()
    assert build(raw, out, TINY, report=silent).frames_done_now == 2
    assert content_of(out) == before


def test_retrying_builds_again_what_could_not_be_read_and_nothing_else(raw, tmp_path, monkeypatch):
    out = tmp_path / "d"
    write_recording(raw / "p01", "he")
    with monkeypatch.context() as patch:
        patch.setattr(PictureSource, "read_depth", refusing(raw / "p02" / "depth" / "d_002.png"))
        build(raw, out, TINY, report=silent)
    assert (reasons(out)["p02/depth/d_002.png"], reasons(out)["p01/depth/d_001.png"]) == ("io", "no-hand")
    before = shards_of(out)
    assert build(raw, out, TINY, report=silent).frames_done_now == 0
    assert build(raw, out, TINY, retry_rejected=True, report=silent).frames_done_now == 1
    assert before.items() <= shards_of(out).items()
    assert content_of(out) == fresh(raw, tmp_path)


def refusing(refused):
    """Read as ever, but for one file that the disk fails to give."""
    read = PictureSource.read_depth

    def read_or_refuse(self, index):
        if self.folder / self.pairs[index].depth == refused:
            raise OSError(errno.EIO, "Input/output error")
        return read(self, index)

    return read_or_refuse


def test_a_build_begun_is_extended_as_a_finished_one_is(raw, tmp_path):
    out = tmp_path / "d"

    def interrupt(done, samples, total):
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        build(raw, out, TINY, report=interrupt)
    write_recording(raw / "p01", "h")
    assert build(raw, out, TINY, report=silent).frames_done_now == 2  # p02's first shard was done
    assert content_of(out) == fresh(raw, tmp_path)


def test_a_label_table_that_was_changed_is_not_built_upon(raw, tmp_path):
    out = tmp_path / "d"
    build(raw, out, TINY, report=silent)
    write_recording(raw / "p01", "h")
    (out / "labels.parquet").write_bytes((out / "labels.parquet").read_bytes()[:-1] + b"!")
    with pytest.raises(DatasetError, match=r"labels\.parquet: missing, or changed since it was built"):
        build(raw, out, TINY, report=silent)
