from __future__ import annotations

import json
import re

import numpy as np
import pytest

from labelkit.cells import Cells
from labelkit.curation.coverage import Coverage, coverage_by_group, measure_coverage
from labelkit.figures.shades import shades_for
from labelkit.report.coverage_page import coverage_map, coverage_page, map_style
from tests.report.test_page import Tree


def scattered(cells=None, names=("p01", "p02"), n=3000):
    cells, rng = cells or Cells(), np.random.default_rng(0)
    index = cells.index_of(*rng.normal(0, 18, (2, n)))
    people = coverage_by_group(index, np.array(names)[rng.integers(len(names), size=n)], cells, 10)
    return measure_coverage(index, cells, 10), people


def data_of(html):
    return json.loads(re.search(r'id="coverage-data">(.*?)</script>', html, re.DOTALL)[1])


def test_every_reachable_cell_is_drawn_once_with_its_count_and_shade():
    whole, people = scattered()
    html = coverage_map(whole, "view", {"participant": people})
    drawn = re.findall(r'<g class="(none|s\d)" data-cell="(\d+)"><path d="[^"]+"/><text[^>]*>(\d+)</text>', html)
    counts = whole.counts[whole.cells.reachable_mask]
    assert [int(number) for _, number, _ in drawn] == list(range(256))
    assert [int(count) for _, _, count in drawn] == counts.tolist()
    assert [shade == "none" for shade, _, _ in drawn] == (counts == 0).tolist()
    assert all(int(shade[1]) >= 3 for (shade, _, _), count in zip(drawn, counts, strict=True) if count >= 10)


def test_the_data_holds_every_group_with_its_own_words_and_counts():
    whole, people = scattered(names=("p01", "<b>p02</b>"))
    data = data_of(coverage_map(whole, "view", {"participant": people, "split": {}}))
    groups = {group["name"]: group for group in data["groups"]}
    assert set(groups) == {"all samples", "p01", "<b>p02</b>"}
    assert sum(groups["p01"]["counts"]) + sum(groups["<b>p02</b>"]["counts"]) == sum(groups["all samples"]["counts"])
    assert groups["p01"]["title"] == f"{people['p01'].samples:,} samples, view frame"
    assert data["lows"] == [shade.low for shade in shades_for(10)]
    assert data["angles"][0] == [-12.5, -42.5]


def test_equal_area_cells_are_drawn_where_their_angles_are():
    whole, _ = scattered(Cells(kind="equal-area"))
    html = coverage_map(whole, "view", {})
    paths = re.findall(r'data-cell="\d+"><path d="M([^"]+)z"', html)
    corners = np.array([[[float(v) for v in point.split(",")] for point in path.split("L")] for path in paths])
    azimuth, elevation = whole.cells.centre_angles_deg[whole.cells.reachable_mask].T
    scale = corners[..., 0].max() / whole.cells.corner_angles_deg[whole.cells.side // 2, :, 0].max()
    np.testing.assert_allclose(corners.mean(axis=1) / scale, np.stack([azimuth, elevation], -1), atol=0.3)


def test_the_style_has_the_shades_of_the_target():
    style = map_style(10)
    for number, shade in enumerate(shades_for(10)):
        assert f".s{number} {{ fill: {shade.look.color}; }}" in style


def test_hostile_names_are_text_in_the_page():
    hostile = "</script><script>alert(1)</script>"
    whole, people = scattered(names=("p01", hostile))
    tree = Tree(coverage_page(whole, hostile, "view", {"participant": people}).decode())
    assert [tag for tag, _ in tree.elements].count("script") == 2
    assert hostile in tree.text


@pytest.mark.parametrize("n", [0, 1])
def test_an_empty_set_and_a_single_sample_have_a_page(n):
    whole = measure_coverage(np.full(n, 171), Cells(), 10)
    html = coverage_page(whole, "d", "view", {"participant": {}, "split": {}}).decode()
    assert ("No samples: every cell is empty." in html) is (n == 0)
    assert html.count('<g class="none"') == 256 - n


def test_two_hundred_participants_in_fine_cells_stay_under_4_megabytes():
    cells = Cells(2.0)
    full = Coverage(cells, 10, np.where(cells.reachable_mask, 12, 0), 0)
    people = {f"p{k:03d}": full for k in range(200)}
    assert len(coverage_page(full, "d", "view", {"participant": people})) < 4e6
