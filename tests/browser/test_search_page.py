from __future__ import annotations

import pytest

from labelkit.settings import TuneSettings
from labelkit.tuning.folder import Terms, begin_search
from tests.browser.pictures import white_share
from tests.report.test_search_page import RANGES, errs, page_of

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    folder = tmp_path_factory.mktemp("page")
    structures = [{"name": f"stages-{stages}-of-a-name-as-long-as-can-be", "stages": stages} for stages in (1, 2)]
    asked = {"max_trials": 12, "best_of": 8, "ranges": RANGES, "structures": structures}
    search = begin_search(folder / "s", TuneSettings.model_validate(asked), Terms("a" * 64, "<i>dataset", 19.0))
    while claim := search.take():
        claim.run(errs)
    (folder / "report.html").write_text(page_of(search))
    return folder / "report.html"


def test_a_search_s_page_shows_its_pictures_and_sorts_its_trials(opened, path):
    tab = opened(path)
    figures = tab.locator(".plate img")
    assert figures.count() == 4
    assert all(image.evaluate("each => each.complete && each.naturalWidth > 0") for image in figures.all())
    trials = tab.locator("table", has=tab.locator("caption", has_text="Every finished trial"))
    assert trials.locator("tbody tr").count() == 24


@pytest.mark.parametrize("width", [1280, 390])
def test_no_word_of_a_search_s_page_leaves_the_window(opened, path, width):
    tab = opened(path, viewport={"width": width, "height": 900})
    assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_in_the_dark_no_picture_stands_on_white(opened, path):
    tab = opened(path, color_scheme="dark")
    shots = [figure.screenshot() for figure in tab.locator(".plate img").all()]
    assert max(map(white_share, shots)) < 0.05
    assert min(white_share(shot, above=200) for shot in shots) > 0.001  # and its words are light
