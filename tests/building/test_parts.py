"""Parts that many machines build: the dataset is that of one build, in whatever order, killed and repeated or not."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time

import pytest

from labelkit.building.build import Part, build, build_part
from labelkit.building.plan import make_plan
from labelkit.building.staging import Stage
from labelkit.dataset.manifest import BUILD_NAME
from labelkit.errors import DatasetError, OutputExistsError, SettingsError
from labelkit.files import write_bytes
from labelkit.recordings import find_recordings
from labelkit.workflows.build_dataset import part_from_text
from tests.building.conftest import TINY, content_of, silent, write_recording
from tests.commands import called, one_error


def built_part(raw, out, number, of, settings=TINY):
    return build_part(raw, out, settings, Part(number, of), report=silent)


@pytest.fixture(scope="module")
def whole(simulated, tmp_path_factory):
    """The dataset of one build: 12 shards."""
    out = tmp_path_factory.mktemp("whole") / "dataset"
    build(simulated, out, TINY, report=silent)
    return out


def test_seven_parts_in_any_order_some_of_them_twice_make_the_same_dataset(simulated, whole, tmp_path):
    order = [*range(1, 8), 2, 5]
    random.Random(0).shuffle(order)
    outcomes = [built_part(simulated, tmp_path / "out", number, 7) for number in order]
    build(simulated, tmp_path / "out", TINY, commit=True, report=silent)
    assert content_of(tmp_path / "out") == content_of(whole)
    assert sum(outcome.frames_done_now for outcome in outcomes) == 24  # a part that is built twice builds nothing


def test_every_job_is_of_one_part_whatever_else_there_is(simulated):
    recordings = find_recordings(simulated, max_gap_s=TINY.max_gap_s, exclude=())
    jobs = make_plan(simulated, recordings, TINY).jobs
    for of in (1, 2, 7):
        owners = [[number for number in range(1, of + 1) if Part(number, of).takes(job)] for job in jobs]
        assert [len(owner) for owner in owners] == [1] * len(jobs)
        fewer = make_plan(simulated, recordings[1:], TINY).jobs
        kept = {job.key: owner for job, owner in zip(jobs, owners, strict=True)}
        assert [[n for n in range(1, of + 1) if Part(n, of).takes(job)] for job in fewer] == [
            kept[job.key] for job in fewer
        ]


@pytest.mark.slow
def test_parts_that_are_killed_and_run_again_make_the_same_dataset(simulated, whole, tmp_path):
    out = tmp_path / "out"

    def start(number):
        words = ["build-dataset", str(simulated), "--out", str(out), "--part", f"{number}/4", "--shard-frames", "2"]
        return subprocess.Popen(
            [sys.executable, "-m", "labelkit", *words, "--workers", "1", "--quiet"], start_new_session=True
        )

    killed = [start(number) for number in (1, 2, 3)]
    end = time.monotonic() + 60
    while time.monotonic() < end and not list((out / BUILD_NAME).glob("*.parquet")):
        time.sleep(0.02)
    for process in killed:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    with pytest.raises(DatasetError, match="shards are not built; run --part "):
        build(simulated, out, TINY, commit=True, report=silent)
    together = [start(number) for number in (4, 3, 2, 1)]
    assert [process.wait(timeout=240) for process in together] == [0] * 4
    build(simulated, out, TINY, commit=True, report=silent)
    assert content_of(out) == content_of(whole)


def test_a_commit_names_the_parts_that_are_missing_and_without_it_the_rest_is_built(simulated, whole, tmp_path):
    out = tmp_path / "out"
    built_part(simulated, out, 1, 3)
    with pytest.raises(DatasetError, match=r"of 12 shards are not built; run --part 2/3, 3/3 again; without --commit"):
        build(simulated, out, TINY, commit=True, report=silent)
    assert not (out / "manifest.json").exists()
    outcome = build(simulated, out, TINY, report=silent)
    assert 0 < outcome.frames_done_now < 24
    assert content_of(out) == content_of(whole)


def test_a_damaged_part_is_built_again(simulated, whole, tmp_path):
    out = tmp_path / "out"
    for number in (1, 2):
        built_part(simulated, out, number, 2)
    shard = next((out / BUILD_NAME).glob("*.h5"))
    write_bytes(shard, shard.read_bytes()[:-1])
    with pytest.raises(DatasetError, match="1 of 12 shards are not built"):
        build(simulated, out, TINY, commit=True, report=silent)
    assert sum(built_part(simulated, out, number, 2).frames_done_now for number in (1, 2)) == 2
    build(simulated, out, TINY, commit=True, report=silent)
    assert content_of(out) == content_of(whole)


def test_a_part_of_other_settings_is_refused_by_the_name_of_the_setting(simulated, tmp_path):
    built_part(simulated, tmp_path / "out", 1, 2)
    other = TINY.model_copy(update={"crop_margin": 0.3})
    with pytest.raises(OutputExistsError, match=r"setting crop-margin: 0\.1 there, 0\.3 now"):
        built_part(simulated, tmp_path / "out", 2, 2, other)


def test_a_part_does_not_sweep_up_what_another_is_writing(simulated, tmp_path):
    out = tmp_path / "out"
    built_part(simulated, out, 1, 2)
    others = out / BUILD_NAME / ".x.h5.part"
    others.write_bytes(b"half")
    built_part(simulated, out, 2, 2)
    assert others.exists()
    build(simulated, out, TINY, commit=True, report=silent)
    assert not (out / BUILD_NAME).exists()


def test_parts_of_a_dataset_that_is_whole_do_nothing_and_the_commit_leaves_nothing(simulated, whole):
    for number in (1, 2):
        assert built_part(simulated, whole, number, 2).frames_done_now == 0
    assert build(simulated, whole, TINY, commit=True, report=silent).frames_done_now == 0
    assert not (whole / BUILD_NAME).exists()


def test_parts_extend_a_dataset(tmp_path):
    raw, out = tmp_path / "raw", tmp_path / "out"
    write_recording(raw / "p01", "hh")
    build(raw, out, TINY, report=silent)
    write_recording(raw / "p02", "hehh")
    assert sum(built_part(raw, out, number, 3).frames_done_now for number in (1, 2, 3)) == 4
    build(raw, out, TINY, commit=True, report=silent)
    build(raw, tmp_path / "at once", TINY, report=silent)
    assert content_of(out) == content_of(tmp_path / "at once")


def test_a_part_does_not_hold_the_lock_while_it_works(simulated, tmp_path, monkeypatch, in_this_process):
    out = tmp_path / "out"
    add = Stage.add

    def add_while_another_begins(self, job, *arguments):
        monkeypatch.setattr(Stage, "add", add)
        built_part(simulated, out, 2, 2)
        return add(self, job, *arguments)

    monkeypatch.setattr(Stage, "add", add_while_another_begins)
    built_part(simulated, out, 1, 2)
    assert build(simulated, out, TINY, commit=True, report=silent).frames_done_now == 0


@pytest.mark.parametrize("text", ["0/3", "4/3", "3", "1/0", "a/b", "1/3/5", "-1/3", "1 / 3", ""])
def test_what_is_no_part_is_refused(text):
    with pytest.raises(SettingsError, match="is not a number and the number of parts, such as 3/10"):
        part_from_text(text)


def test_the_command_line_says_what_comes_next(simulated, tmp_path, capfd):
    words = ("build-dataset", simulated, "--out", tmp_path / "a set", "--shard-frames", 2, "--workers", 1)
    code, out, _ = called(capfd, *words, "--part", "1/1")
    assert code == 0
    assert "part 1/1 is built, 12 shards of 24 frames; 24 of them now" in out
    assert out.rstrip().endswith("--commit")
    code, out, _ = called(capfd, *words, "--commit")
    assert code == 0
    code, _, err = called(capfd, *words, "--part", "1/2", "--overwrite")
    assert code == 2
    assert one_error(err)
    assert "--overwrite with --part 1/2" in err
