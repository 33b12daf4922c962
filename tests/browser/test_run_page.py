from __future__ import annotations

import pytest

from labelkit.report.run_page import run_page
from tests.report.results import result

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "report.html"
    runs = [result("first", sd=True, people=("p01", HOSTILE)), result(HOSTILE, noise=4.0, people=("p01", HOSTILE))]
    path.write_bytes(run_page(runs))
    return path


def test_a_run_s_page_shows_all_its_pictures_and_no_name_is_more_than_text(opened, path):
    tab = opened(path)
    figures = tab.locator(".plate img")
    assert figures.count() == 10  # shares; 2 scatters; 2 maps; uncertainty; curves; guard; 2 of histograms
    assert all(image.evaluate("each => each.complete && each.naturalWidth > 0") for image in figures.all())
    assert tab.locator(".tile").count() == 4 * 24
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
