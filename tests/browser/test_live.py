"""The painting game in a browser: real frames, a real folder, the server as it runs."""

from __future__ import annotations

import re
import shutil
import threading
import time
from contextlib import contextmanager

import pytest

from labelkit.live.advice import ADVICE
from labelkit.live.game import Game
from labelkit.live.server import LiveServer, map_of
from labelkit.live.watching import GameThread
from labelkit.records import Reason
from labelkit.settings import BuildSettings, CoverageSettings
from tests.golden.make import RAW
from tests.live.conftest import begin, put

pytestmark = pytest.mark.browser

SETTINGS = CoverageSettings(cell_deg=10.0, target=1)
HOSTILE = "<img src=x onerror=alert(1)>"


class Sitting:
    """A game that is served: what `labelkit play` runs."""

    def __init__(self, raw, *, pictures=False, port=0):
        build = BuildSettings()
        self.raw = raw
        self.game = Game(raw, SETTINGS, build)
        self.game_thread = GameThread(self.game, build)
        self.server = LiveServer(port, map_of(self.game.cells, 1, pictures=pictures), show_pictures=pictures)
        self.game_thread.publish = self.publish
        self.state = {}
        self.server_thread = threading.Thread(target=self.server.serve, daemon=True)
        self.game_thread.start()
        self.server_thread.start()

    def publish(self, state):
        self.state = state
        self.server.put(state, self.game.picture())

    def hang_up(self):
        """Cut all lines, as a laptop's are when it wakes."""
        server = self.server._server
        for connection in list(server.server_state.connections):
            self.server._loop.call_soon_threadsafe(connection.transport.abort)

    def end(self):
        self.game_thread.stop()
        self.server.stop()
        self.server_thread.join(10)
        assert self.game_thread.failure is None


@pytest.fixture
def sitting(tmp_path):
    sittings = []

    def begin_one(raw=None, **how):
        raw = raw or tmp_path / "raw"
        raw.mkdir(exist_ok=True)
        sittings.append(Sitting(raw, **how))
        return sittings[-1]

    yield begin_one
    for one in sittings:
        one.end()


@pytest.fixture
def visited(chromium):
    """Open an address of this machine; any complaint of the browser's but those that are expected fails the test."""
    complaints, contexts, expected = [], [], []

    def visit(url, *, expect=(), **how):
        context = chromium.new_context(**how)
        context.set_default_timeout(60_000)
        contexts.append(context)
        expected.extend(expect)
        tab = context.new_page()
        tab.on("console", lambda message: complaints.append(message.text))
        tab.on("pageerror", lambda error: complaints.append(str(error)))
        tab.on("dialog", lambda dialog: complaints.append(dialog.message))
        tab.goto(url)
        return tab

    yield visit
    for context in contexts:
        context.close()
    assert [words for words in complaints if not any(re.search(one, words) for one in expected)] == []


def painted(tab):
    return tab.locator("#cells .l4").count()


def wait_for(tab, condition):
    """Wait for a condition; Playwright's own way to wait needs eval, which the page's policy forbids."""
    deadline = time.monotonic() + 60
    while not tab.evaluate(condition):
        assert time.monotonic() < deadline, condition
        tab.wait_for_timeout(30)


def place_of(tab, selector):
    box = tab.locator(selector).bounding_box()
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def tell(one, **changes):
    """Have the page told a state that no recording need bring about; over an empty folder it stays."""
    one.server.put({**one.state, **changes}, lambda: None)


@contextmanager
def frozen(tab):
    """A tab that the system has put to sleep."""
    session = tab.context.new_cdp_session(tab)
    session.send("Page.setWebLifecycleState", {"state": "frozen"})
    yield
    session.send("Page.setWebLifecycleState", {"state": "active"})


def test_the_map_fills_the_dot_moves_and_the_arrow_points_at_the_gap_that_the_words_name(sitting, visited):
    one = sitting()
    tab = visited(one.server.url)
    wait_for(tab, "document.getElementById('words').textContent === 'Waiting for the first picture.'")
    assert (painted(tab), tab.locator("#hand").is_visible()) == (0, False)
    put(begin(one.raw / "p01"), 0)
    wait_for(tab, "document.querySelectorAll('#cells .l4').length === 1")
    assert tab.locator("#person").inner_text() == "p01"
    tab.wait_for_timeout(300)  # the dot glides
    first = place_of(tab, "#hand")
    put(begin(one.raw / "p02", like=RAW / "p02"), 0)  # the same pictures as a left hand's
    wait_for(tab, "document.getElementById('person').textContent === 'p02'")
    tab.wait_for_timeout(300)
    # A mirror shows the same pictures of either hand at the same side.
    assert place_of(tab, "#hand") == pytest.approx(first, abs=2)
    state = one.state
    (hand_x, hand_y), (goal_x, goal_y) = place_of(tab, "#hand"), place_of(tab, "#goal .dot")
    words = tab.locator("#words").inner_text()
    assert words.lower().rstrip(".") == state["words"]
    assert ("right" in words) == (goal_x - hand_x > 10)
    assert ("left" in words) == (hand_x - goal_x > 10)
    assert ("down" in words) == (goal_y - hand_y > 10)
    assert ("up" in words) == (hand_y - goal_y > 10)


def test_the_screens_right_is_the_participants_right(sitting, visited):
    """The golden hand's normal points to one side of the picture; a participant has that side opposite."""
    one = sitting()
    tab = visited(one.server.url)
    put(begin(one.raw / "p01"), 0)
    wait_for(tab, "document.querySelectorAll('#cells .l4').length === 1")
    azimuth = one.state["trail"][-1][0]
    middle = place_of(tab, "#rim")[0]
    assert abs(azimuth) > 2
    assert (place_of(tab, "#hand")[0] < middle) == (azimuth > 0)


def test_the_arrow_lies_between_hand_and_goal_and_goes_where_they_touch(sitting, visited):
    one = sitting()
    tab = visited(one.server.url)
    wait_for(tab, "document.getElementById('words').textContent === 'Waiting for the first picture.'")
    tell(one, hand={"azimuth": -20, "elevation": 0}, goal={"azimuth": 20, "elevation": 10})
    wait_for(tab, "!document.getElementById('arrow').hasAttribute('hidden')")
    tab.wait_for_timeout(300)  # the dot glides
    (hand_x, _), (arrow_x, _), (goal_x, _) = (place_of(tab, selector) for selector in ("#hand", "#arrow", "#goal .dot"))
    assert min(hand_x, goal_x) < arrow_x < max(hand_x, goal_x)
    tell(one, hand={"azimuth": 19, "elevation": 9}, goal={"azimuth": 20, "elevation": 10})
    wait_for(tab, "document.getElementById('arrow').hasAttribute('hidden')")


def test_a_hand_that_is_lost_stays_where_it_was_and_looks_lost(sitting, visited):
    one = sitting()
    tab = visited(one.server.url)
    wait_for(tab, "document.getElementById('words').textContent === 'Waiting for the first picture.'")
    tell(one, hand={"azimuth": 5, "elevation": 5}, trail=[[5, 5]])
    wait_for(tab, "!document.getElementById('hand').hasAttribute('hidden')")
    assert "lost" not in (tab.locator("#hand").get_attribute("class") or "")
    tell(one, hand=None, trail=[[5, 5]])
    wait_for(tab, "document.getElementById('hand').classList.contains('lost')")
    assert tab.locator("#hand").is_visible()


def test_time_share_and_cells_are_those_of_the_state(sitting, visited):
    one = sitting()
    tab = visited(one.server.url)
    wait_for(tab, "document.getElementById('words').textContent === 'Waiting for the first picture.'")
    cells = len(one.state["counts"])
    tell(one, seconds=125.0, collected=0.004, begun_cells=cells // 2, full_cells=cells // 4)
    wait_for(tab, "document.getElementById('timer').textContent === '2:05'")
    assert tab.locator("#collected").inner_text() == "<1 %"
    assert tab.locator("#begun").inner_text() == f"{cells // 2} of {cells}"
    assert tab.locator("#full").inner_text() == str(cells // 4)
    tab.wait_for_timeout(400)  # the bars glide
    bar, begun, full = (tab.locator(part).bounding_box()["width"] for part in ("#bar", "#bar-begun", "#bar-full"))
    assert begun / bar == pytest.approx(0.5, abs=0.02)
    assert full / bar == pytest.approx(0.25, abs=0.02)
    assert tab.locator("#bar").get_attribute("aria-valuenow") == "0"


def test_everybody_is_listed_while_they_are_there_and_who_paints_is_marked(sitting, visited):
    one = sitting()
    tab = visited(one.server.url)
    for person in ("p01", "p02"):
        put(begin(one.raw / person, like=RAW / person), 0)
        wait_for(tab, f"document.getElementById('person').textContent === '{person}'")
    assert tab.locator("#people span").all_inner_texts() == ["p01", "p02"]
    assert tab.locator("#people .now span").all_inner_texts() == ["p02"]
    shutil.rmtree(one.raw / "p01")
    wait_for(tab, "document.getElementById('people').children.length === 1")
    assert tab.locator("#people span").all_inner_texts() == ["p02"]


def test_the_page_says_which_pictures_are_still_to_be_counted_and_no_trouble_where_there_is_none(sitting, visited):
    one = sitting()
    tab = visited(one.server.url)
    wait_for(tab, "document.getElementById('words').textContent === 'Waiting for the first picture.'")
    for waiting, says in (
        ({"skipped": 5, "earlier": 0}, "Too fast: 5 pictures"),
        ({"skipped": 0, "earlier": 7}, "Reading what was here before: 7 pictures"),
        ({"skipped": 0, "earlier": 0, "frames": 9, "samples": 4}, "4 of 9 pictures count."),
    ):
        one.server.put({**one.state, **waiting}, lambda: None)
        wait_for(tab, f"document.getElementById('state').textContent.startsWith('{says}')")
    assert tab.locator("#troubles").get_attribute("hidden") is not None


def test_a_rejected_frame_explains_itself_and_the_next_good_one_ends_it(sitting, visited):
    one = sitting()
    tab = visited(one.server.url)
    wait_for(tab, "document.getElementById('words').textContent === 'Waiting for the first picture.'")
    put(begin(one.raw / "p01"), 0, "e")  # one that was there before the game began is counted and not shown
    wait_for(tab, f"document.getElementById('words').textContent === {ADVICE[Reason.NO_HAND]!r}")
    assert "wrong" in tab.locator("#words").get_attribute("class")
    put(one.raw / "p01", 1)
    wait_for(tab, "!document.getElementById('words').classList.contains('wrong')")


def test_wrong_tokens_and_foreign_hosts_see_nothing(sitting, visited):
    one = sitting()
    base, _, token = one.server.url.partition("?token=")
    refused = ["status of 403", "status of 400"]
    for url in (base, f"{base}?token=wrong", f"{base}state?token={token}"):
        tab = visited(url, expect=refused)
        assert "the token is missing" in tab.locator("body").inner_text()
    tab = visited(one.server.url.replace("127.0.0.1", "evil.localhost"), expect=refused)
    assert "not served" in tab.locator("body").inner_text()
    assert tab.locator("#map").count() == 0


def test_a_page_from_elsewhere_gets_nothing_though_the_browser_has_the_cookie(sitting, visited, tmp_path):
    one, other = sitting(), sitting(tmp_path / "other")
    tab = visited(one.server.url, expect=["status of 403", "CORS", "Content Security Policy", "ERR_FAILED", "fetch"])
    wait_for(tab, "document.getElementById('words').textContent.startsWith('Waiting for the first')")
    tab.goto(other.server.url)  # of another port, so another origin, but to cookies the same site
    answer = tab.evaluate(
        "address => fetch(address, {credentials: 'include'}).then(a => a.status, error => 'nothing')",
        f"http://127.0.0.1:{one.server.port}/state",
    )
    assert answer == "nothing"


def test_the_token_does_not_stay_in_the_address_and_no_script_can_read_it(sitting, visited):
    one = sitting()
    tab = visited(one.server.url)
    wait_for(tab, "location.search === ''")
    assert tab.evaluate("document.cookie") == ""
    token = one.server.url.partition("token=")[2]
    assert token not in tab.content()


def test_hostile_names_stay_text_and_nothing_of_them_runs(sitting, visited):
    one = sitting(pictures=True)
    tab = visited(one.server.url)
    put(begin(one.raw / HOSTILE), 0)
    wait_for(tab, "document.querySelectorAll('#cells .l4').length === 1")
    assert tab.locator("#person").inner_text() == HOSTILE
    assert tab.locator("#people span").all_inner_texts() == [HOSTILE]
    assert tab.locator("img").count() == 1  # the camera's picture, which was asked for
    wait_for(tab, "document.getElementById('picture').naturalWidth === 480")
    begin(one.raw / "<script>alert(2)</script>")
    (one.raw / "<script>alert(2)</script>" / "recording.toml").unlink()
    put(one.raw / "<script>alert(2)</script>", 0)
    wait_for(tab, "document.getElementById('troubles').textContent.includes('<script>alert(2)')")
    assert tab.locator("#troubles script").count() == 0


def test_two_browsers_see_the_same_game(sitting, visited):
    one = sitting()
    tabs = [visited(one.server.url), visited(one.server.url)]
    put(begin(one.raw / "p01"), 0)
    for tab in tabs:
        wait_for(tab, "document.querySelectorAll('#cells .l4').length === 1")
    for tab in tabs:  # the last words of a hand that was seen once: those before them change with time
        wait_for(tab, "document.getElementById('words').textContent === 'Hold your open palm toward the camera.'")


def test_a_reload_in_mid_game_shows_all_of_it_again_and_celebrates_nothing(sitting, visited):
    one = sitting()
    put(begin(one.raw / "p01"), 0, "e")
    tab = visited(one.server.url)
    wait_for(tab, "document.getElementById('person').textContent === 'p01'")
    put(one.raw / "p01", 1)
    wait_for(tab, "document.getElementById('cheer').textContent === 'A cell is full!'")
    tab.reload()
    wait_for(tab, "document.querySelectorAll('#cells .l4').length === 1")
    assert tab.locator("#cheer").inner_text() == ""
    assert tab.locator("#person").inner_text() == "p01"


def test_a_laptop_that_slept_sees_the_whole_state_when_it_wakes(sitting, visited):
    one = sitting()
    tab = visited(one.server.url)
    put(begin(one.raw / "p01"), 0)
    wait_for(tab, "document.getElementById('person').textContent === 'p01'")
    with frozen(tab):
        put(begin(one.raw / "p02", like=RAW / "p02"), 0, "e")
        while one.state["participant"] != "p02":
            tab.wait_for_timeout(100)
    wait_for(tab, "document.getElementById('person').textContent === 'p02'")


def test_a_page_whose_line_was_cut_says_so_and_finds_back_by_itself(sitting, visited):
    one = sitting()
    put(begin(one.raw / "p01"), 0)
    tab = visited(one.server.url, expect=["ERR_INTERNET_DISCONNECTED", "ERR_"])
    wait_for(tab, "document.getElementById('person').textContent === 'p01'")
    tab.context.set_offline(True)
    one.hang_up()
    wait_for(tab, "document.getElementById('state').textContent.startsWith('No word from labelkit')")
    put(begin(one.raw / "p02", like=RAW / "p02"), 0)
    tab.context.set_offline(False)
    wait_for(tab, "document.getElementById('person').textContent === 'p02'")
    assert not tab.locator("#state").inner_text().startswith("No word")


def test_a_cell_that_is_full_is_celebrated_and_calmly_where_that_is_asked_for(sitting, visited):
    one = sitting()
    put(begin(one.raw / "p01"), 0, "e")
    lively, calm = visited(one.server.url), visited(one.server.url, reduced_motion="reduce")
    for tab in (lively, calm):
        wait_for(tab, "document.getElementById('person').textContent === 'p01'")
        tab.evaluate(
            "window.sparks = 0; new MutationObserver(all => all.forEach(one => { sparks += one.addedNodes.length; }))"
            ".observe(document.getElementById('sparks'), {childList: true})"
        )
    put(one.raw / "p01", 1)
    for tab in (lively, calm):
        wait_for(tab, "document.getElementById('cheer').textContent === 'A cell is full!'")
    assert (lively.evaluate("sparks"), calm.evaluate("sparks")) == (1, 0)
    assert calm.evaluate("getComputedStyle(document.getElementById('hand')).transitionDuration") == "0s"


@pytest.mark.parametrize("width", [320, 390, 1280])
def test_the_page_never_scrolls_sideways_and_words_and_map_are_seen_at_once(sitting, visited, width):
    one = sitting()
    tab = visited(one.server.url, viewport={"width": width, "height": 800})
    wait_for(tab, "document.getElementById('words').textContent === 'Waiting for the first picture.'")
    put(begin(one.raw / ("a very long name of a participant " * 5)), 0, "e")
    wait_for(tab, f"document.getElementById('words').textContent === {ADVICE[Reason.NO_HAND]!r}")
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
    for selector in ("#words", "#map"):
        box = tab.locator(selector).bounding_box()
        assert box["y"] + box["height"] <= 800


def test_light_and_dark_follow_the_reader(sitting, visited):
    one = sitting()
    grounds = {
        scheme: visited(one.server.url, color_scheme=scheme).evaluate("getComputedStyle(document.body).backgroundColor")
        for scheme in ("light", "dark")
    }
    assert grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(17, 20, 25)"}


def test_it_is_all_there_for_the_keyboard_and_for_those_who_listen(sitting, visited):
    tab = visited(sitting().server.url)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.id") == "whole"
    assert tab.locator("#words").get_attribute("aria-live") == "polite"
    assert tab.get_by_role("img", name=re.compile("The map")).count() == 1
    tab.keyboard.press("f")
    wait_for(tab, "document.fullscreenElement !== null")
