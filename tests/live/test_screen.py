from __future__ import annotations

import json
import os
import shutil

import cv2
import numpy as np
import pytest

from labelkit.curation.guidance import next_gap, turn_words
from labelkit.live import game, screen
from labelkit.live.advice import ADVICE
from labelkit.live.server import map_of
from labelkit.live.tally import Label
from labelkit.records import Reason
from labelkit.settings import CoverageSettings
from tests.live.conftest import COARSE, Table, begin, put


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


def test_the_participant_who_is_recorded_now_has_the_map_and_a_new_trail(raw):
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
    monkeypatch.setattr(game, "label_of", lambda recording, name, outcome: labels[int(name.depth[-5])])


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


def test_the_goal_stays_while_the_hand_wanders_and_the_next_participant_has_another(raw, monkeypatch):
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


def test_the_minutes_are_those_of_the_participant_from_stamps_or_at_a_kinects_rate(simulated, raw):
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


def test_the_trail_holds_the_latest_places_and_no_more(raw, monkeypatch):
    places = [(90.0, 90.0 - k) for k in range(screen._TRAIL + 3)]
    shown = iter(places)
    monkeypatch.setattr(game, "outcome_of", lambda *of: None)
    monkeypatch.setattr(game, "label_of", lambda *of: Label(view_deg=next(shown)))
    table = Table(raw)
    begin(raw / "p01")
    for k in range(len(places)):
        table.write(*put(raw / "p01", k))
        table.label_all()
    assert table.state()["trail"] == [[0.0, 90.0 - elevation] for _, elevation in places[3:]]


def test_a_hand_that_rests_brings_samples_but_no_distinct_ones(raw, monkeypatch):
    monkeypatch.setattr(game, "outcome_of", lambda *of: None)
    monkeypatch.setattr(game, "label_of", lambda *of: Label(view_deg=(90.0, 90.0)))
    table = Table(raw)
    begin(raw / "p01")
    for k in range(3):
        table.write(*put(raw / "p01", k))
        table.label_all()
    (person,) = table.state()["participants"]
    assert (person["samples"], person["distinct"]) == (3, 1)


def test_when_all_cells_are_full_it_is_done_and_says_so(raw, monkeypatch):
    corners = iter([(70.0, 70.0), (70.0, 110.0), (110.0, 70.0), (110.0, 110.0)])
    monkeypatch.setattr(game, "label_of", lambda *of: Label(view_deg=next(corners)))
    table = Table(raw, CoverageSettings(cell_deg=45.0, reach_deg=45.0, target=1))
    begin(raw / "p01")
    for k in range(4):
        assert not table.state()["done"]
        table.write(*put(raw / "p01", k))
        table.label_all()
    state = table.state()
    assert (state["done"], state["goal"], state["collected"], state["full_cells"]) == (True, None, 1.0, 4)
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


def test_a_folder_that_is_not_there_yet_is_waited_for_and_is_no_trouble(tmp_path):
    table = Table(tmp_path / "late\x1b")
    for _ in range(2):
        table.look()
        table.clock.now += 5.0
    assert (table.state()["troubles"], table.state()["words"]) == ([], "Waiting for the folder late\\x1b.")


def test_the_first_sample_is_progress(raw):
    table = Table(raw)
    table.write(*put(begin(raw / "p01"), 0))
    table.label_all()
    state = table.state()
    cells = len(state["counts"])
    assert (state["begun_cells"], state["full_cells"]) == (1, 0)
    assert state["collected"] == pytest.approx(1 / (2 * cells))  # of two samples in each cell
    (person,) = state["participants"]
    assert (person["collected"], person["begun_cells"]) == (state["collected"], 1)


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
        red[..., 2] = 200 - k  # OpenCV's order; no copy of the one before
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
