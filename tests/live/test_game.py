from __future__ import annotations

import json
import math
import os
import shutil

import cv2
import numpy as np
import pytest

import labelkit
from labelkit.curation.guidance import next_gap, turn_words
from labelkit.live import game as module
from labelkit.live.advice import ADVICE
from labelkit.live.label_cache import LabelCache
from labelkit.live.server import map_of
from labelkit.live.tally import Label, Tally
from labelkit.records import Reason
from labelkit.settings import BuildSettings, CoverageSettings
from tests.live.conftest import COARSE, Table, begin, put


def counted(coverage):
    return coverage.counts.tolist(), coverage.outside, coverage.repeats


def assert_counts_as_the_build_does(table, out):
    """Build the dataset and compare the game with its coverage map, participant by participant, cell by cell."""
    labelkit.build_dataset(table.raw, out, table.build.model_copy(update={"workers": 1, "shard_frames": 8}))
    built = labelkit.coverage(out, COARSE)
    played = table.game.coverage()
    assert list(played) == list(built.participants)
    assert {name: counted(one) for name, one in played.items()} == {
        name: counted(one) for name, one in built.participants.items()
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
        assert not table.game.changed([picture.resolve()])
    for file in lists:
        file.write_text("".join(lines[file]))
        assert not table.game.changed([file.resolve()])
    assert table.state()["frames"] == 16


def test_one_who_is_behind_sees_the_newest_first_and_nothing_is_lost_from_the_count(raw):
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
    assert counted(table.game.coverage()["p01"]) == counted(expected.coverage)


def test_a_file_that_is_reported_again_is_labelled_once_and_one_that_changed_anew(raw, monkeypatch):
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


def test_what_is_deleted_counts_no_more_and_what_is_stated_anew_is_labelled_anew(raw):
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


def test_a_restart_labels_nothing_anew_and_a_kill_costs_at_most_the_last_line(raw, tmp_path, monkeypatch):
    journal = tmp_path / "journal.jsonl"
    table = Table(raw, journal=LabelCache(journal))
    begin(raw / "p01")
    for k, what in enumerate("hehh"):
        table.write(*put(raw / "p01", k, what))
        table.label_all()
    before = {name: counted(one) for name, one in table.game.coverage().items()}
    with journal.open("ab") as file:
        file.write(b'["a line that was cut')  # killed here: the journal was never closed
    labelled = []
    monkeypatch.setattr(module, "outcome_of", lambda *of: labelled.append(of[1]))
    again = Table(raw, journal=LabelCache(journal))
    again.label_all()
    assert labelled == []
    assert {name: counted(one) for name, one in again.game.coverage().items()} == before
    assert again.state()["participant"] == "p01"


def test_a_single_rejected_frame_changes_no_words_and_some_do(raw):
    table = Table(raw)
    table.write(*put(begin(raw / "p01"), 0))
    table.label_all()
    table.clock.now -= 1.0
    words = table.state()["words"]
    table.write(*put(raw / "p01", 1, "e"))
    table.game.step()
    assert table.state()["rejected"]["code"] == "no-hand"
    assert table.state()["words"] == words
    table.clock.now += 0.4
    assert table.state()["words"] == ADVICE[Reason.NO_HAND]


def test_the_hand_leaves_when_nothing_is_seen_of_it_and_the_goal_stays(raw):
    table = Table(raw)
    table.write(*put(begin(raw / "p01"), 0))
    table.game.step()
    goal = table.state()["goal"]
    assert table.state()["hand"] is not None
    table.clock.now += 2.0
    state = table.state()
    assert (state["hand"], state["goal"]) == (None, goal)
    assert state["words"] == "Hold your open palm toward the camera."


def test_whoever_is_recorded_now_has_the_map_and_a_new_trail(raw):
    table = Table(raw, CoverageSettings(cell_deg=10.0, target=1))
    for k in range(3):
        table.write(*put(begin(raw / "p01") if k == 0 else raw / "p01", k))
        table.label_all()
    assert len(table.state()["trail"]) == 3
    table.write(*put(begin(raw / "p02", like=raw / "p01"), 0))
    table.label_all()
    state = table.state()
    assert (state["participant"], len(state["trail"]), sum(state["counts"])) == ("p02", 1, 1)
    assert [one["name"] for one in state["participants"]] == ["p01", "p02"]


def test_another_take_of_the_same_person_goes_on_with_the_trail(raw):
    table = Table(raw)
    for take in ("a", "b"):
        table.write(*put(begin(raw / "p01" / take), 0))
        table.label_all()
    assert len(table.state()["trail"]) == 2


def shown_as(monkeypatch, *views):
    """Let the frames of a recording be seen as these label angles of the view, by their numbers."""
    labels = [Label(camera_deg=(90.0, 90.0), view_deg=view) for view in views]
    monkeypatch.setattr(module, "label_of", lambda recording, name, outcome: labels[int(name.depth[-5])])


def test_the_hand_is_shown_in_centred_angles_and_counted_in_its_own_cell(raw, monkeypatch):
    shown_as(monkeypatch, (75.0, 115.0))
    table = Table(raw)
    table.write(*put(begin(raw / "p01"), 0))
    table.label_all()
    state = table.state()
    assert state["hand"] == {"azimuth": 15.0, "elevation": -25.0}
    cells = map_of(table.game.cells, COARSE.target, pictures=False)["cells"]
    assert [cell["centre"] for cell, count in zip(cells, state["counts"], strict=True) if count] == [[15.0, -25.0]]


def test_a_left_hand_is_told_the_other_side(raw):
    for hand in ("right", "left"):
        table = Table(raw)
        sidecar = begin(raw / hand) / "recording.toml"
        sidecar.write_text(sidecar.read_text().replace('"right"', f'"{hand}"'))
        table.write(sidecar, *put(raw / hand, 0))
        table.label_all()
        state = table.state()
        hand_deg, goal_deg = ((state[of]["azimuth"], state[of]["elevation"]) for of in ("hand", "goal"))
        told, other = (turn_words(hand_deg, goal_deg, mirrored=side == hand) for side in ("left", "right"))
        assert state["words"] == told != other


def test_the_goal_stays_while_the_hand_wanders_and_whoever_is_next_has_one_of_their_own(raw, monkeypatch):
    shown_as(monkeypatch, (90.0, 90.0), (87.0, 87.0), (93.0, 93.0))
    table = Table(raw)
    goals = []
    for k in range(3):
        table.write(*put(begin(raw / "p01") if k == 0 else raw / "p01", k))
        table.label_all()
        goals.append(table.state()["goal"]["cell"])
    assert goals[1:] == [goals[0]] * 2
    table.write(*put(begin(raw / "p02"), 2))
    table.label_all()
    counts = table.game.coverage()["p02"].counts
    theirs = next_gap(counts, table.game.cells, COARSE.target, (-3.0, -3.0))
    assert table.state()["goal"]["cell"] == theirs.cell != goals[0]


def test_the_minutes_are_those_of_who_is_painting_from_stamps_or_at_a_kinects_rate(simulated, raw):
    shutil.copytree(simulated / "p02", raw / "p02")
    begin(raw / "p01")
    for k in range(6):
        put(raw / "p01", k)
    os.utime(raw / "p01" / "depth" / "d_005.png", (2e9, 2e9))
    table = Table(raw)
    state = table.state()
    assert (state["participant"], state["seconds"]) == ("p01", 0.2)  # 6 frames without stamps
    assert (state["skipped"], state["earlier"]) == (0, 22)
    os.utime(raw / "p01" / "depth" / "d_005.png", (1.0, 1.0))
    os.utime(sorted((raw / "p02" / "depth").iterdir())[-1], (2e9, 2e9))
    state = Table(raw).state()
    assert (state["participant"], state["seconds"]) == ("p02", 0.5)  # from the first stamp to the last


def test_a_picture_that_a_look_found_already_is_a_new_one_when_it_is_written(raw):
    files = put(begin(raw / "p01"), 0, "e")
    table = Table(raw)
    assert (table.state()["skipped"], table.state()["earlier"]) == (0, 1)
    table.write(*files)
    assert (table.state()["skipped"], table.state()["earlier"]) == (1, 0)
    table.label_all()
    assert table.state()["rejected"]["code"] == Reason.NO_HAND.value
    assert (table.state()["skipped"], table.state()["earlier"]) == (0, 0)


def test_the_trail_holds_the_latest_places_and_no_more(raw, monkeypatch):
    places = [(90.0, 90.0 - k) for k in range(module._TRAIL + 3)]
    shown = iter(places)
    monkeypatch.setattr(module, "outcome_of", lambda *of: None)
    monkeypatch.setattr(module, "label_of", lambda *of: Label(view_deg=next(shown)))
    table = Table(raw)
    begin(raw / "p01")
    for k in range(len(places)):
        table.write(*put(raw / "p01", k))
        table.label_all()
    assert table.state()["trail"] == [[0.0, 90.0 - elevation] for _, elevation in places[3:]]


def test_a_hand_that_rests_brings_samples_but_no_distinct_ones(raw, monkeypatch):
    monkeypatch.setattr(module, "outcome_of", lambda *of: None)
    monkeypatch.setattr(module, "label_of", lambda *of: Label(view_deg=(90.0, 90.0)))
    table = Table(raw)
    begin(raw / "p01")
    for k in range(3):
        table.write(*put(raw / "p01", k))
        table.label_all()
    (person,) = table.state()["participants"]
    assert (person["samples"], person["distinct"]) == (3, 1)


def test_when_all_cells_are_full_it_is_done_and_says_so(raw, monkeypatch):
    corners = iter([(70.0, 70.0), (70.0, 110.0), (110.0, 70.0), (110.0, 110.0)])
    monkeypatch.setattr(module, "label_of", lambda *of: Label(view_deg=next(corners)))
    table = Table(raw, CoverageSettings(cell_deg=45.0, reach_deg=45.0, target=1))
    begin(raw / "p01")
    for k in range(4):
        assert not table.state()["done"]
        table.write(*put(raw / "p01", k))
        table.label_all()
    state = table.state()
    assert (state["done"], state["goal"], state["filled"], state["full_cells"]) == (True, None, 1.0, 4)
    assert state["words"] == "Every cell is full. Well done!"
    table.clock.now += 5.0  # the hand is gone, and need not come back
    assert table.state()["words"] == state["words"]


def test_what_keeps_a_recording_from_being_read_is_said_with_the_cure_once_it_lasts(raw):
    table = Table(raw)
    begin(raw / "p01")
    sidecar = raw / "p01" / "recording.toml"
    stated = sidecar.read_text()
    sidecar.unlink()
    table.write(*put(raw / "p01", 0))
    assert table.state()["troubles"] == []  # the recorder may be about to write it
    table.clock.now += 2.5
    table.look()
    (trouble,) = table.state()["troubles"]
    assert "depth_unit_m = ?" in trouble
    sidecar.write_text(stated)
    table.write(sidecar)
    table.label_all()
    assert (table.state()["troubles"], table.state()["samples"]) == ([], 1)


def test_an_empty_folder_is_no_trouble_and_one_that_is_gone_is(raw):
    begin(raw / "p01")
    table = Table(raw)
    table.clock.now += 5.0
    table.look()
    assert (table.state()["troubles"], table.state()["words"]) == ([], "Waiting for the first picture.")
    shutil.rmtree(raw)
    for _ in range(2):
        table.look()
        table.clock.now += 5.0
    assert "there is no such folder" in table.state()["troubles"][0]


def test_a_link_that_leads_out_of_the_folder_is_not_followed(raw, tmp_path):
    table = Table(raw)
    table.write(*put(begin(raw / "p01"), 0))
    outside = begin(tmp_path / "outside")
    depth, color = put(outside, 1)
    for file, kind in ((depth, "depth"), (color, "color")):
        (raw / "p01" / kind / file.name).symlink_to(file)
    table.game.changed([raw.resolve() / "p01" / "depth" / depth.name, raw.resolve() / "p01" / "color" / color.name])
    table.label_all()
    assert table.state()["frames"] == 1


def test_the_state_is_json_whatever_files_are_called(raw):
    name = '<img src=x onerror=alert(1)>\n"\udce9'
    table = Table(raw)
    table.write(*put(begin(raw / os.fsdecode(os.fsencode(name))), 0))
    table.label_all()
    state = json.loads(json.dumps(table.state(), allow_nan=False))
    assert state["participant"] == '<img src=x onerror=alert(1)>%0A"%E9'
    assert table.game.picture()()[:2] == b"\xff\xd8"


def test_the_picture_is_the_newest_frames_in_its_own_colours_and_has_another_number_each_time(raw):
    table, numbers = Table(raw), []
    for k in range(2):
        depth, color = put(begin(raw / "p01") if k == 0 else raw / "p01", k)
        red = np.zeros_like(cv2.imread(str(color)))
        red[..., 2] = 200  # OpenCV's order
        cv2.imwrite(str(color), red)
        table.write(depth, color)
        table.label_all()
        numbers.append(table.state()["picture"])
    assert numbers[0] != numbers[1]
    shown = cv2.imdecode(np.frombuffer(table.game.picture()(), np.uint8), cv2.IMREAD_COLOR)
    assert shown.shape[1] == 480
    assert shown.mean(axis=(0, 1)) == pytest.approx([0, 0, 200], abs=5)


def test_the_picture_keeps_its_shape_and_there_is_none_of_a_damaged_one(raw):
    table = Table(raw)
    _, color = put(begin(raw / "p01"), 0)
    table.write(*(raw / "p01").glob("*/*"))
    table.label_all()
    height, width, _ = cv2.imread(str(color)).shape
    picture = table.game.picture()
    seen = cv2.imdecode(np.frombuffer(picture(), np.uint8), cv2.IMREAD_COLOR)
    assert seen.shape[0] / seen.shape[1] == pytest.approx(height / width, abs=1 / seen.shape[1])
    whole = color.read_bytes()
    for left in (100, len(whole) // 2):  # no header, half of the pixels
        color.write_bytes(whole[:left])
        assert picture() is None
