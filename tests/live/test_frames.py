from __future__ import annotations

import math
import os
import shutil

from labelkit.live import game as module
from labelkit.live.label_cache import LabelCache
from labelkit.live.tally import Label, Tally
from labelkit.records import Reason
from tests.live.conftest import COARSE, Table, begin, counts_of, put


def test_pictures_that_are_listed_after_they_were_written_are_taken_then(simulated, raw):
    """As `labelkit record` writes them."""
    whole, folder = simulated / "p01", raw / "p01"
    shutil.copytree(whole, folder)
    lists = [folder / "depth.txt", folder / "rgb.txt"]
    lines = {file: file.read_text().splitlines(keepends=True) for file in lists}
    late = [folder / lines[file][-1].split()[1] for file in lists]
    for file, picture in zip(lists, late, strict=True):
        file.write_text("".join(lines[file][:-1]))
        picture.unlink()
    table = Table(raw)
    assert table.state()["frames"] == 15
    for picture in late:
        shutil.copy(whole / picture.relative_to(folder), picture)
        assert not table.game.hear([picture.resolve()])
    for file in lists:
        file.write_text("".join(lines[file]))
        assert not table.game.hear([file.resolve()])
    assert table.state()["frames"] == 16


def test_frames_that_were_labelled_out_of_turn_count_as_they_were_recorded(raw, monkeypatch):
    # the last two lie in neighbouring cells, too near to each other for both to count
    labels = [Label(reason=Reason.NO_HAND), Label(view_deg=(90.4, 92.0)), Label(view_deg=(89.6, 92.0))]
    monkeypatch.setattr(module, "label_of", lambda recording, name, outcome: labels[int(name.depth[-5])])
    table = Table(raw)
    table.write(*put(begin(raw / "p01"), 0))
    table.label_all()
    table.game.coverage()
    for k in (1, 2):
        table.write(*put(raw / "p01", k))
    table.label_all()
    expected = Tally(COARSE)
    expected.recount([math.nan] * 3, labels)
    assert counts_of(table.game.coverage()["p01"]) == counts_of(expected.coverage)


def test_a_file_that_is_reported_again_is_labelled_once_and_one_that_changed_again(raw, monkeypatch):
    labelled = []
    outcome_of = module.outcome_of
    monkeypatch.setattr(module, "outcome_of", lambda *of: labelled.append(of[1]) or outcome_of(*of))
    table = Table(raw)
    depth, color = put(begin(raw / "p01"), 0)
    for _ in range(3):
        table.write(depth, color)
        table.label_all()
    assert labelled == [0]
    put(raw / "p01", 0, "e")
    os.utime(depth, ns=(1, 1))
    table.write(depth)
    table.label_all()
    assert labelled == [0, 0]
    assert table.state()["samples"] == 0


def test_a_file_that_changed_in_its_place_is_labelled_again_with_the_same_size_and_time(raw):
    table = Table(raw)
    depth, color = put(begin(raw / "p01"), 0)
    table.write(depth, color)
    table.label_all()
    assert table.state()["samples"] == 1
    before = {file: file.stat() for file in (depth, color)}
    put(raw / "p01", 0, "e")
    depth.write_bytes(depth.read_bytes().ljust(before[depth].st_size, b"\0"))
    for file, state in before.items():
        assert file.stat().st_size == state.st_size
        os.utime(file, ns=(state.st_atime_ns, state.st_mtime_ns))
    table.write(depth)
    table.label_all()
    assert table.state()["samples"] == 0


def test_what_is_deleted_counts_no_more_and_what_is_stated_otherwise_is_labelled_again(raw):
    table = Table(raw)
    for person in ("p01", "p02"):
        table.write(*put(begin(raw / person), 0))
    table.label_all()
    assert [one["samples"] for one in table.state()["participants"]] == [1, 1]
    (row, column), *_ = zip(*table.game.coverage()["p01"].counts.nonzero(), strict=True)
    shutil.rmtree(raw / "p02")
    sidecar = raw / "p01" / "recording.toml"
    sidecar.write_text(sidecar.read_text().replace('"right"', '"left"'))
    table.write(raw / "p02" / "depth" / "d_000.png", sidecar)
    table.label_all()
    played = table.game.coverage()
    assert list(played) == ["p01"]
    side = table.game.cells.side
    assert played["p01"].counts[row, side - 1 - column] == 1  # mirrored


def test_a_picture_that_is_deleted_is_no_frame_any_more(raw):
    table = Table(raw)
    for k in range(2):
        files = put(begin(raw / "p01") if k == 0 else raw / "p01", k)
        table.write(*files)
        table.label_all()
    for file in files:
        file.unlink()
    table.write(*(file.resolve() for file in files))
    table.label_all()
    state = table.state()
    assert (state["frames"], state["samples"], state["rejected"]) == (1, 1, None)


def test_a_restart_labels_nothing_again_and_a_kill_costs_at_most_the_last_line(raw, tmp_path, monkeypatch):
    file = tmp_path / "labels.jsonl"
    table = Table(raw, cache=LabelCache(file))
    begin(raw / "p01")
    for k, what in enumerate("hehh"):
        table.write(*put(raw / "p01", k, what))
        table.label_all()
    before = {name: counts_of(one) for name, one in table.game.coverage().items()}
    with file.open("ab") as journal:
        journal.write(b'["a line that was cut')  # killed here: the file was never closed
    labelled = []
    monkeypatch.setattr(module, "outcome_of", lambda *of: labelled.append(of[1]))
    again = Table(raw, cache=LabelCache(file))
    again.label_all()
    assert labelled == []
    assert {name: counts_of(one) for name, one in again.game.coverage().items()} == before
    assert again.state()["participant"] == "p01"


def test_a_picture_that_a_look_found_already_is_a_new_one_when_it_is_written(raw):
    files = put(begin(raw / "p01"), 0, "e")
    table = Table(raw)
    assert (table.state()["skipped"], table.state()["earlier"]) == (0, 1)
    table.write(*files)
    assert (table.state()["skipped"], table.state()["earlier"]) == (1, 0)
    table.label_all()
    assert table.state()["rejected"]["code"] == Reason.NO_HAND.value
    assert (table.state()["skipped"], table.state()["earlier"]) == (0, 0)


def test_a_link_that_leads_out_of_the_folder_is_not_followed(raw, tmp_path):
    table = Table(raw)
    table.write(*put(begin(raw / "p01"), 0))
    outside = begin(tmp_path / "outside")
    depth, color = put(outside, 1)
    for file, kind in ((depth, "depth"), (color, "color")):
        (raw / "p01" / kind / file.name).symlink_to(file)
    table.game.hear([raw.resolve() / "p01" / "depth" / depth.name, raw.resolve() / "p01" / "color" / color.name])
    table.label_all()
    assert table.state()["frames"] == 1
