from __future__ import annotations

import numpy as np
import pytest
from markupsafe import Markup

from labelkit.report.page import Column, Section, Shown, page, table
from labelkit.report.tiles import NormalArrow, tile, tiles

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    rows = [[f"p{k}", k * 7 % 60, Shown(f"{k} %", k / 100) if k % 5 else None] for k in range(60)]
    rows[30][0] = HOSTILE
    columns = [Column("participant"), Column("samples", numeric=True), Column("full", numeric=True)]
    body = table(columns, rows, caption="By participant", shown=20)
    body += tiles(
        [tile(np.full((64, 64, 3), 90, np.uint8), [NormalArrow(np.array([0.6, -0.4]))], alt="a hand", caption="p1")]
    )
    sections = [Section("Balance", body), Section("Else", Markup("<p>Nothing.</p>"))]
    path = tmp_path_factory.mktemp("page") / "page.html"
    path.write_bytes(page(f"A set of {HOSTILE}", sections, lead="lead"))
    return path


def column(tab, number):
    return tab.locator(f"tbody tr:not([hidden]) td:nth-child({number})").all_inner_texts()


def test_names_stay_text_and_nothing_of_them_runs(opened, path):
    tab = opened(path)
    tab.get_by_label("Filter").fill("onerror")
    assert column(tab, 1) == [HOSTILE]
    assert tab.locator("img").count() == 0
    assert tab.locator("h1").inner_text() == f"A set of {HOSTILE}"


def test_a_heading_that_is_pressed_sorts_by_numbers_up_then_down_and_dashes_last(opened, path):
    tab = opened(path)
    heading = tab.get_by_role("button", name="samples")
    heading.click()
    assert column(tab, 2) == [str(k) for k in range(20)]
    heading.click()
    assert column(tab, 2) == [str(59 - k) for k in range(20)]
    assert tab.locator("th").nth(1).get_attribute("aria-sort") == "descending"
    tab.get_by_role("button", name="full").click()
    tab.get_by_role("button", name="Show all").click()
    assert column(tab, 3)[0] == "1 %"
    assert column(tab, 3)[-12:] == ["–"] * 12  # noqa: RUF001


def test_names_with_numbers_in_them_sort_as_people_count(opened, path):
    tab = opened(path)
    tab.get_by_role("button", name="participant").click()
    assert column(tab, 1)[1:4] == ["p0", "p1", "p2"]
    assert column(tab, 1)[0] == HOSTILE


def test_a_filter_searches_all_rows_and_escape_clears_it(opened, path):
    tab = opened(path)
    assert len(column(tab, 1)) == 20
    tab.get_by_label("Filter").fill("p5 55")
    assert column(tab, 1) == ["p55"]
    tab.keyboard.press("Escape")
    assert len(column(tab, 1)) == 20


def test_all_of_it_can_be_done_from_the_keyboard(opened, path):
    tab = opened(path)
    tab.keyboard.press("Tab")
    assert tab.evaluate("document.activeElement.className") == "skip"
    for _ in range(20):
        tab.keyboard.press("Tab")
        if tab.evaluate("document.activeElement.textContent") == "samples":
            break
    tab.keyboard.press("Enter")
    assert column(tab, 2)[:3] == ["0", "1", "2"]
    outline = tab.evaluate("getComputedStyle(document.activeElement).outlineWidth")
    assert outline == "3px"


def test_light_and_dark_follow_the_reader_and_print_is_light(opened, path):
    grounds = {}
    for scheme in ("light", "dark"):
        tab = opened(path, color_scheme=scheme)
        grounds[scheme] = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    tab.emulate_media(media="print")
    grounds["print"] = tab.evaluate("getComputedStyle(document.body).backgroundColor")
    assert grounds == {"light": "rgb(255, 255, 255)", "dark": "rgb(20, 23, 28)", "print": "rgb(255, 255, 255)"}
    assert not tab.locator(".controls").is_visible()


@pytest.mark.parametrize("width", [320, 1200])
def test_the_page_never_scrolls_sideways(opened, path, width):
    tab = opened(path, viewport={"width": width, "height": 700})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width
