from __future__ import annotations

import io
import re
import warnings

import matplotlib
import numpy as np
import pytest
from PIL import Image

from labelkit.cells import Cells
from labelkit.curation.coverage import Coverage, coverage_by_group, measure_coverage
from labelkit.figures.coverage_figure import coverage_figure
from labelkit.figures.saving import figure_bytes

HALF = Cells().side // 2


def covering(counts=None, *, outside=0, cells=None, target=10):
    cells = cells or Cells()
    counts = np.zeros((cells.side, cells.side), int) if counts is None else counts
    return Coverage(cells, target, counts, outside)


def left_half(count):
    counts = np.where(Cells().reachable_mask, count, 0)
    counts[:, HALF:] = 0
    return covering(counts)


def texts_of(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.decode())


def figure_of(whole, groups=None, *, by=None, participants=None):
    participants = len(groups or {}) if participants is None else participants
    return coverage_figure(whole, participants=participants, frame="view", by=by, groups=groups)


def svg_of(whole, groups=None, **how):
    return figure_bytes(figure_of(whole, groups, **how), "svg")


def test_the_svg_holds_every_count_as_text_and_says_what_the_axes_mean():
    texts = texts_of(svg_of(left_half(37)))
    assert texts.count("37") == 128
    assert "Coverage: 4,736 samples of 0 participants, view frame" in texts
    assert "toward the picture's right (+) →" in texts
    assert "← toward the picture's bottom (+)" in texts
    assert any("full: 10 or more" in text for text in texts)


def test_counts_stand_where_the_picture_has_them_negative_elevation_on_top():
    counts = np.zeros((18, 18), int)
    counts[1, 6], counts[15, 12] = 71, 93  # up and to the left; down and to the right
    svg = svg_of(covering(counts)).decode()
    place = {
        n: tuple(float(re.search(rf'{axis}="([\d.]+)"[^>]*>{n}<', svg)[1]) for axis in ("x", " y")) for n in (71, 93)
    }
    assert place[71][0] < place[93][0]
    assert place[71][1] < place[93][1]


def test_exactly_the_empty_reachable_cells_are_crossed_out():
    half, nothing = (svg_of(whole).decode().count("<use") for whole in (left_half(5), covering()))
    full = svg_of(covering(np.where(Cells().reachable_mask, 5, 0))).decode().count("<use")
    assert (half - full, nothing - full) == (128, 256)


@pytest.mark.parametrize("file_format", ["png", "svg"])
def test_the_same_counts_give_the_same_bytes_whatever_matplotlib_is_set_to(file_format):
    groups = {"p01": left_half(3), "p02": covering()}

    def drawn():
        return figure_bytes(figure_of(left_half(12), groups, by="participant"), file_format)

    first = drawn()
    with matplotlib.rc_context({"font.size": 30, "svg.hashsalt": "other", "axes.facecolor": "red"}):
        assert drawn() == first
    for word in (b"Matplotlib", b"matplotlib.org", b"<dc:date>", b"Creation"):
        assert word not in first


def test_drawing_leaves_the_user_s_matplotlib_as_it_was():
    before = dict(matplotlib.rcParams)
    svg_of(left_half(1))
    assert dict(matplotlib.rcParams) == before


def test_the_png_is_1500_pixels_wide_and_tells_left_from_right_in_grey():
    content = figure_bytes(figure_of(left_half(40)), "png")
    picture = np.asarray(Image.open(io.BytesIO(content)).convert("L"), float)
    assert picture.shape[1] == 1500
    left, right = picture[700:800, 400:600].mean(), picture[700:800, 800:1000].mean()
    assert left < 80 < 220 < right


def test_participants_have_their_own_small_maps_and_names_stay_text():
    name = "<b>$x^2$</b> & 手"
    groups = {name: left_half(20), "p02": covering()}
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        svg = svg_of(left_half(20), groups, by="participant")
    texts = texts_of(svg)
    assert "&lt;b&gt;$x^2$&lt;/b&gt; &amp;"[:20] in " ".join(texts)
    assert {"50 % full, 2560", "0 % full, 0"} <= set(texts)
    assert "<b>" not in svg.decode()
    assert name not in " ".join(texts_of(svg_of(left_half(20), participants=2)))


def test_two_hundred_participants_still_draw_on_one_page():
    rng = np.random.default_rng(0)
    cells = Cells(15.0)
    index = cells.index_of(*rng.normal(0, 20, (2, 4000)))
    groups = coverage_by_group(index, np.repeat([f"p{k:03d}" for k in range(200)], 20), cells, 10)
    figure = figure_of(measure_coverage(index, cells, 10), groups, by="participant")
    assert len(figure.axes) == 4 + 200
    boxes = [axes.get_position() for axes in figure.axes]
    assert all(0 <= box.x0 < box.x1 <= 1 and 0 <= box.y0 < box.y1 <= 1 for box in boxes)


@pytest.mark.parametrize(("cell_deg", "reach_deg"), [(2, 60), (7, 45), (45, 45), (3, 4)])
def test_odd_cells_are_drawn_and_small_ones_go_without_numbers(cell_deg, reach_deg):
    cells = Cells(cell_deg, reach_deg)
    texts = texts_of(svg_of(covering(np.where(cells.reachable_mask, 77, 0), cells=cells)))
    assert texts.count("77") == (0 if cell_deg == 2 else cells.reachable_mask.sum())


def test_an_empty_set_is_drawn_and_said_in_words():
    assert "No samples: every cell is empty." in texts_of(svg_of(covering()))
