from __future__ import annotations

import pytest

from labelkit.workflows.coverage_map import coverage_map
from labelkit.workflows.report import report
from tests.browser.pictures import white_share
from tests.datasets import make_dataset

pytestmark = pytest.mark.browser

HOSTILE = "<img src=x onerror=alert(1)>"


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    return make_dataset(tmp_path_factory.mktemp("browser") / "set", participants=["p01", HOSTILE, "p03"], samples=90)


@pytest.fixture(scope="module")
def counted(dataset):
    """The map as a page, and what it shows."""
    return coverage_map(dataset, dataset.with_name("map.html"))


@pytest.fixture(scope="module")
def page(dataset):
    report(dataset)
    return dataset.with_name("set-report.html")


def readout(tab):
    return tab.locator(".readout").inner_text()


def count_at(coverage, tab):
    """The count of the cell that the readout names, from the data."""
    words = readout(tab).replace("\N{MINUS SIGN}", "-").replace("°", "").replace(",", "").split()
    azimuth, elevation = float(words[1]), float(words[3])
    row, column = (int((angle + 45) // 5) for angle in (elevation, azimuth))
    return int(coverage.counts[row, column])


def test_the_pointer_over_a_cell_says_what_it_holds(opened, dataset, counted):
    tab = opened(dataset.with_name("map.html"))
    for cell in (0, 40, 130, 255):
        tab.locator(f"[data-cell='{cell}'] > path").hover(force=True)
        count = count_at(counted.whole, tab)
        words = f"{count} distinct sample" if count else "no sample"
        assert words in readout(tab)
        assert f"{10 - count} missing" in readout(tab)


def test_arrow_keys_walk_over_the_map_and_stay_on_it(opened, dataset, counted):
    tab = opened(dataset.with_name("map.html"))
    tab.locator(".map").focus()
    tab.keyboard.press("Home")
    assert readout(tab).startswith("Azimuth +2.5°, elevation +2.5° (at the front)")
    tab.keyboard.press("ArrowLeft")
    tab.keyboard.press("ArrowUp")
    assert readout(tab).startswith("Azimuth −2.5°, elevation −2.5°")  # noqa: RUF001
    for _ in range(30):
        tab.keyboard.press("ArrowUp")
    assert readout(tab).startswith("Azimuth −2.5°, elevation −42.5° (up)")  # noqa: RUF001
    tab.keyboard.press("e")
    assert "no sample" in readout(tab)


def test_a_group_that_is_chosen_is_shown_and_its_name_is_text(opened, dataset, counted):
    tab = opened(dataset.with_name("map.html"))
    tab.locator("select").select_option(label=HOSTILE)
    assert tab.locator("h3.title").inner_text() == f"{HOSTILE}: 90 samples, view frame"
    shown = tab.locator(".cells text").all_text_contents()
    own = counted.participants[HOSTILE]
    assert [int(words) for words in shown] == own.counts[own.cells.reachable_mask].tolist()
    assert tab.locator(".cells .none").count() == own.empty_cells
    tab.locator("select").select_option(label="test")
    assert tab.locator("h3.title").inner_text().startswith("test: 90 samples")
    assert tab.locator("img").count() == 0


def test_a_cell_that_is_chosen_shows_its_samples_by_pointer_and_by_key(opened, page):
    tab = opened(page)
    tab.locator(".map").focus()
    for _ in range(40):
        tab.keyboard.press("ArrowRight")
        if "no sample" not in readout(tab):
            break
    tab.keyboard.press("Enter")
    assert tab.locator(".chosen .tile").count() >= 1
    assert "/depth/" in tab.locator(".chosen .tile p").first.inner_text()
    width = tab.locator(".chosen .tile image").first.evaluate("e => e.getBoundingClientRect().width")
    assert width > 50
    tab.keyboard.press("e")
    tab.keyboard.press("Enter")
    assert tab.locator(".chosen").inner_text() == "This cell holds no sample."


def test_the_map_is_above_the_fold_and_the_title_is_the_dataset_s_name(opened, page):
    tab = opened(page, viewport={"width": 1280, "height": 800})
    box = tab.locator(".map").bounding_box()
    assert box["y"] + box["height"] <= 800
    assert box["height"] > 450
    assert tab.locator("h1").inner_text() == "set"


def test_a_cell_that_is_clicked_is_marked_by_a_thin_line_and_its_samples_come_into_view(opened, page):
    tab = opened(page, viewport={"width": 1280, "height": 800}, reduced_motion="reduce")
    assert tab.locator(".mark").get_attribute("d") == ""
    cell = tab.locator(".cells > g:not(.none)").nth(20)
    cell.locator("path").first.click(force=True)
    assert tab.locator(".mark").get_attribute("d") == cell.locator("path").first.get_attribute("d")
    line_px = tab.evaluate("4 * document.querySelector('.map').getScreenCTM().a")
    assert line_px < 3
    assert tab.evaluate("getComputedStyle(document.querySelector('.map')).outlineStyle") == "none"
    box = tab.locator(".chosen").bounding_box()
    assert 0 <= box["y"] < 200
    tab.evaluate("window.scrollTo(0, 0)")
    tab.locator(".cells > g").first.locator("path").first.hover(force=True)  # the pointer goes on, the mark stays
    assert tab.locator(".mark").get_attribute("d") == cell.locator("path").first.get_attribute("d")


def test_on_a_telephone_the_counts_and_the_axes_of_the_map_can_be_read(opened, page):
    tab = opened(page, viewport={"width": 390, "height": 844})
    for words in (".cells g:not(.none) text", ".map .tick"):
        size = tab.locator(words).first.evaluate("e => parseFloat(getComputedStyle(e).fontSize) * e.getScreenCTM().a")
        assert size >= 9
    assert tab.locator(".axes").is_visible()
    assert not tab.locator(".map .name").first.is_visible()


def test_a_table_that_is_wider_than_the_window_says_so(opened, page):
    for width, says in ((390, True), (1280, False)):
        tab = opened(page, viewport={"width": width, "height": 844})
        region = tab.get_by_role("region", name="What each participant brings")
        hint = region.locator("xpath=preceding-sibling::p[@class='hint']")
        assert hint.is_visible() is says
        assert region.evaluate("e => e.scrollWidth > e.clientWidth") is says


def test_in_the_dark_nothing_of_the_map_stands_on_white(opened, page):
    tab = opened(page, color_scheme="dark", viewport={"width": 1280, "height": 800})
    assert white_share(tab.locator(".sheet").screenshot()) < 0.05


def test_hands_can_be_shown_in_the_cells_and_hidden_again(opened, page):
    tab = opened(page)
    button = tab.get_by_role("button", name="Show hands")
    button.click()
    filled = tab.locator(".cells > g:not(.none)").count()
    assert tab.locator(".map image").count() == filled > 50
    assert tab.locator(".map image").first.is_visible()
    assert button.get_attribute("aria-pressed") == "true"
    button.press("Enter")
    assert not tab.locator(".map image").first.is_visible()


def test_names_stay_text_in_the_whole_report(opened, page):
    tab = opened(page)
    assert tab.get_by_role("cell", name=HOSTILE).count() >= 2
    assert tab.locator("img").count() == 0


def test_the_tables_of_the_report_sort(opened, page):
    tab = opened(page)
    table = tab.get_by_role("region", name="What each participant brings")
    table.get_by_role("button", name="participant").click()
    assert table.locator("td:first-child").all_inner_texts() == [HOSTILE, "p01", "p03"]


@pytest.mark.parametrize("width", [320, 800, 1400])
def test_neither_page_scrolls_sideways(opened, dataset, counted, page, width):
    for path in (page, dataset.with_name("map.html")):
        tab = opened(path, viewport={"width": width, "height": 800})
        assert tab.evaluate("document.documentElement.scrollWidth") <= width


def test_printed_it_is_light_and_without_controls_and_the_map_keeps_its_colours(opened, page):
    tab = opened(page, color_scheme="dark")
    tab.emulate_media(media="print", color_scheme="dark")
    assert tab.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not tab.get_by_role("button", name="Show hands").is_visible()
    assert tab.evaluate("getComputedStyle(document.querySelector('.map')).printColorAdjust") == "exact"
    assert len(tab.pdf()) > 50_000
