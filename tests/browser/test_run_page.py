from __future__ import annotations

import pytest

from labelkit.report.run_page import run_page
from tests.browser.pictures import white_share
from tests.report.results import result

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"
RUNS = [result("first", sd=True, people=("p01", HOSTILE)), result(HOSTILE, noise=4.0, people=("p01", HOSTILE))]


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    path.write_bytes(run_page(RUNS))
    return path


def test_a_run_s_page_shows_all_its_pictures_and_no_name_is_more_than_text(opened, path):
    tab = opened(path)
    figures = tab.locator(".plate img")
    assert figures.count() == 12  # shares; 2 scatters; 2 maps; 2 of drift; uncertainty; curves; guard; 2 of histograms
    assert all(image.evaluate("each => each.complete && each.naturalWidth > 0") for image in figures.all())
    best = sum(len(run.test.best()) for run in RUNS)
    assert tab.locator(".tile").count() == 2 * 24 + best
    assert best > 2
    assert tab.locator("h1").inner_text() == f"Runs first and {HOSTILE}"
    assert tab.locator("img[src=x]").count() == 0


@pytest.mark.parametrize("width", [1280, 390])
def test_no_word_of_a_run_s_page_leaves_the_window(opened, path, width):
    tab = opened(path, viewport={"width": width, "height": 900})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_the_truth_is_told_from_the_prediction_on_each_crop(opened, path):
    tile = opened(path).locator(".tile").first
    ends = {style: tile.locator(f".arrow.{style} circle").evaluate("e => getComputedStyle(e).fill") for style in
            ("label", "guess")}  # fmt: skip
    assert ends["label"] != ends["guess"]
    assert tile.locator(".arrow.guess line").evaluate("e => getComputedStyle(e).strokeDasharray") != "none"


def test_the_error_map_and_the_drift_are_above_the_fold(opened, tmp_path):
    path = tmp_path / "one.html"
    path.write_bytes(run_page(RUNS[:1]))
    tab = opened(path, viewport={"width": 1280, "height": 800})
    for picture in tab.locator(".plates img").all():
        box = picture.bounding_box()
        assert box["y"] + box["height"] <= 800
        assert box["height"] > 350


def test_on_a_telephone_captions_of_tables_are_read_without_scrolling_and_rows_are_one_line(opened, path):
    tab = opened(path, viewport={"width": 390, "height": 844})
    words = tab.locator("caption span").all()
    assert len(words) > 3
    assert max(each.evaluate("e => e.getBoundingClientRect().right") for each in words) <= 390
    heights = tab.locator(".measures tbody tr").evaluate_all("rows => rows.map((row) => row.offsetHeight)")
    assert len(set(heights)) == 1


def test_in_the_dark_no_picture_stands_on_white(opened, path):
    tab = opened(path, color_scheme="dark")
    shares = [white_share(figure.screenshot()) for figure in tab.locator(".plate img").all()]
    assert max(shares) < 0.05
    tab = opened(path, color_scheme="light")
    assert white_share(tab.locator(".plate img").first.screenshot()) > 0.3


def test_on_a_telephone_pictures_keep_the_size_of_their_words_and_say_that_they_scroll(opened, path):
    tab = opened(path, viewport={"width": 390, "height": 844})
    for box in tab.locator(".plate .scroll").all():
        shown, own = box.locator("img").evaluate("e => [e.getBoundingClientRect().width, e.naturalWidth]")
        assert shown == pytest.approx(own, abs=1)  # 9 points are 12 pixels
        hint = box.locator("xpath=preceding-sibling::p[@class='hint']")
        assert hint.is_visible() == (shown > 358)
