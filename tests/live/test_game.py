from __future__ import annotations

import shutil

import pytest

import labelkit
from labelkit.live.advice import ADVICE
from labelkit.records import Reason
from labelkit.settings import BuildSettings
from tests.live.conftest import COARSE, Table, begin, counts_of, put


def assert_counts_as_the_build_does(table, out):
    """Build the dataset and compare the game with its coverage map, participant by participant, cell by cell."""
    labelkit.build_dataset(table.raw, out, table.build.model_copy(update={"workers": 1, "shard_frames": 8}))
    built = labelkit.coverage(out, COARSE)
    played = table.game.coverage()
    assert list(played) == list(built.participants)
    assert {name: counts_of(one) for name, one in played.items()} == {
        name: counts_of(one) for name, one in built.participants.items()
    }
    assert table.state()["samples"] == built.whole.samples > 0


def test_what_the_game_counted_is_what_the_dataset_holds_cell_by_cell(simulated, raw, tmp_path):
    """Frames come one by one, in two takes and out of turn, some of them damaged; left hands too."""
    table = Table(raw)
    for person in ("p01", "p02"):
        color, depth = (sorted((simulated / person / kind).iterdir()) for kind in ("rgb", "depth"))
        for take, frames in (("a", range(10)), ("b", range(10, 16))):
            folder = raw / person / take
            for kind in ("rgb", "depth"):
                (folder / kind).mkdir(parents=True)
            shutil.copy(simulated / person / "recording.toml", folder)
            for k in frames:
                files = [folder / "depth" / depth[k].name, folder / "rgb" / color[k].name]
                for source, file in zip((depth[k], color[k]), files, strict=True):
                    file.write_bytes(source.read_bytes()[: -2000 if k == 5 else None])
                table.write(*files)
                if k % 4:
                    table.game.step()  # of the others, the newer are labelled first
    table.label_all()
    table.clock.now += 5.0
    table.label_all()
    state = table.state()
    assert (state["frames"], state["skipped"], state["earlier"]) == (32, 0, 0)
    assert state["mirrored"]
    assert_counts_as_the_build_does(table, tmp_path / "dataset")


def test_plain_pairs_without_time_stamps_count_as_the_build_counts_them(raw, tmp_path):
    table = Table(raw, build=BuildSettings(exclude=("p01/depth/d_004*",)))
    begin(raw / "p01")
    for k, what in enumerate("heehhhheh"):
        table.write(*put(raw / "p01", k, what))
        table.label_all()
    assert_counts_as_the_build_does(table, tmp_path / "dataset")


def test_a_half_written_picture_is_waited_for_and_nothing_is_said_of_it(raw):
    table = Table(raw)
    depth, color = put(begin(raw / "p01"), 0)
    whole = {file: file.read_bytes() for file in (depth, color)}
    color.unlink()
    for size in (1, 700, len(whole[depth]) - 1):
        depth.write_bytes(whole[depth][:size])
        table.write(depth)
        table.label_all()
        assert table.state()["rejected"] is None
    depth.write_bytes(whole[depth])
    table.write(depth)
    table.label_all()
    color.write_bytes(whole[color][:-100])
    table.write(color)
    table.game.step()
    assert (table.state()["rejected"], table.state()["samples"]) == (None, 0)
    color.write_bytes(whole[color])
    table.write(color)
    table.label_all()
    assert (table.state()["rejected"], table.state()["samples"], table.state()["frames"]) == (None, 1, 1)


@pytest.mark.parametrize(("lost", "code"), [("color", "missing-pair"), ("half", "decode")])
def test_a_picture_that_stands_still_though_it_is_not_whole_is_rejected_after_a_second(raw, lost, code):
    table = Table(raw)
    depth, color = put(begin(raw / "p01"), 0)
    table.write(depth, color)
    table.label_all()
    depth, color = put(raw / "p01", 1)
    if lost == "color":
        color.unlink()
    else:
        depth.write_bytes(depth.read_bytes()[:700])
    written = [file for file in (depth, color) if file.exists()]
    table.write(*written)
    table.game.step()
    table.clock.now += 0.9
    table.write(*written)  # to be told of them again is no reason to hurry
    table.game.step()
    assert table.state()["rejected"] is None
    table.clock.now += 0.2
    table.label_all()
    state = table.state()
    assert state["rejected"]["code"] == code
    assert state["rejected"]["advice"] == ADVICE[Reason(code)] == state["words"]
    assert "picture" in state["rejected"]["detail"]


def test_a_colour_that_comes_late_makes_a_sample_of_what_was_rejected(raw):
    table = Table(raw)
    table.write(*put(begin(raw / "p01"), 0, "e"))
    table.label_all()
    depth, color = put(raw / "p01", 1)
    content = color.read_bytes()
    color.unlink()
    table.write(depth)
    table.game.step()
    table.clock.now += 2.0
    table.label_all()
    assert table.state()["rejected"]["code"] == "missing-pair"
    color.write_bytes(content)
    table.write(color)
    table.label_all()
    assert (table.state()["rejected"], table.state()["samples"], table.state()["frames"]) == (None, 1, 2)


def test_when_frames_come_too_fast_the_newest_is_labelled_first_and_all_are_counted(raw):
    table = Table(raw)
    table.write(*put(begin(raw / "p01"), 0, "e"))
    table.label_all()
    for k in range(1, 9):
        files = put(raw / "p01", k, "h" if k == 8 else "e")
        for _ in range(2):  # a file may be told of more than once
            table.write(*files)
    table.game.step()
    state = table.state()
    assert state["hand"] is not None  # the newest alone shows a hand
    assert (state["skipped"], state["samples"]) == (7, 1)
    table.label_all()
    state = table.state()
    assert state["hand"] is None or state["rejected"] is None  # older frames move nothing
    assert (state["skipped"], state["samples"], state["frames"]) == (0, 1, 9)
