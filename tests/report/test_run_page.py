from __future__ import annotations

import re

import numpy as np
import pytest

from labelkit.evaluation.judged_samples import JudgedSamples
from labelkit.report.run_page import group_tensors, run_page
from tests.report.results import histograms, judged, result

SECTIONS = [
    "Result", "Worst", "Best", "Measures", "By participant", "Errors", "Successes and failures", "Training", "Guard",
    "Inside the network", "Settings",
]  # fmt: skip


def text_of(content):
    """Take the markup out of a page."""
    html = content.decode()
    body = html[html.index("<main") :]
    return " ".join(re.sub(r"<[^>]*>", " ", body).split())


def headings(content):
    return re.findall(r'<h2 id="[^"]*">([^<]*)</h2>', content.decode())


@pytest.fixture(scope="module")
def page():
    return run_page([result()])


def test_the_page_of_a_run_has_all_its_parts_and_is_the_same_again(page):
    assert headings(page) == SECTIONS
    assert page == run_page([result()])


def measures_in(content):
    """Read the table of errors and cost: what -> the values of its columns; None -> the columns."""
    table = re.search(r'<table class="measures">(.*?)</table>', content.decode(), re.DOTALL)[1]
    rows = re.findall(r"<tr>(.*?)</tr>", table, re.DOTALL)
    head, *named = [re.findall(r"<t[hd][^>]*>([^<]*)</t[hd]>", row) for row in rows]
    return {None: head[1:]} | {name: values for name, *values in named}


def test_errors_and_cost_stand_in_one_table(page):
    found, test = measures_in(page), judged()
    assert found[None] == ["vanilla, test", "vanilla, validation", "constant predictor, test"]
    assert found["CMAE"][0] == f"{test.measures.cmae_deg:.2f}°"
    assert found["flipped"][0] == f"{100 * test.measures.flip_rate:.1f} %"
    assert found["CMAE"][2] == f"{result().constant.cmae_deg:.2f}°"
    costs = ("parameters", "multiply-adds for a picture", "weights file", "time for a picture, median")
    assert [found[cost][0] for cost in costs] == ["1,676,226", "33,000,000", "6.71 MB", "2.00 ms"]
    assert found["pictures a second"] == ["500", "", ""]


def test_a_latency_that_was_not_measured_is_a_dash():
    found = measures_in(run_page([result(latency_ms=None)]))
    assert found["time for a picture, median"][0] == found["pictures a second"][0] == "–"  # noqa: RUF001


def test_an_honest_run_that_learned_is_not_warned_of(page):
    assert "Mind:" not in text_of(page)


def test_leaking_is_said_where_the_figures_stand():
    assert "LEAKING: vanilla was split by frames" in text_of(run_page([result(leaks=True)]))


def test_a_network_that_says_the_same_of_everything_is_said_to_have_learned_nothing():
    assert "learned almost nothing" in text_of(run_page([result(shrunk=0.0, noise=0.5)]))


def test_uncertainty_is_shown_where_it_was_learned():
    content = run_page([result(sd=True)])
    assert "Uncertainty" in headings(content)
    assert "mean d²" in text_of(content)
    assert re.search(r"± \d", text_of(content))


def test_the_worst_come_first_and_each_shows_truth_and_prediction(page):
    run, html = result(), page.decode()
    worst = html[html.index('id="worst"') : html.index('id="best"')]
    captions = re.findall(r"<p>([\d.]+)° · (p\d+)<br><code>labelkit show dataset (\d+)</code></p>", worst)
    assert [int(row) for *_, row in captions] == run.test.rows[run.test.worst()].tolist()
    assert worst.count('class="arrow label"') == worst.count('class="arrow guess"') == len(captions) == 24


def test_arrows_point_where_truth_and_prediction_do():
    one = JudgedSamples(np.array(["p01"]), np.array([7]), np.array([[30.0, 0.0]]), np.array([[0.0, -30.0]]))
    html = run_page([result(test=one)]).decode()
    tile = html[html.index('class="tile"') :]
    ends = {style: (float(x), float(y)) for style, x, y in re.findall(
        r'<g class="arrow (\w+)"><line x1="50" y1="50" x2="([\d.]+)" y2="([\d.]+)"', tile
    )}  # fmt: skip
    assert ends["label"][0] > 60  # to the right
    assert ends["label"][1] == 50
    assert ends["guess"][0] == 50
    assert ends["guess"][1] < 40  # upward


def test_two_runs_stand_beside_each_other_and_are_compared_on_the_same_samples():
    content = run_page([result("first", noise=8.0), result("second", noise=4.0)])
    text = text_of(content)
    assert re.search(r"On the same 60 samples, second is [\d.]+° nearer to the truth than first", text)
    assert "average with 3 of 3 participants" in text
    assert measures_in(content)[None] == [
        *("first, test", "first, validation", "second, test", "second, validation", "constant predictor, test")
    ]
    assert content.decode().count("<h3>second</h3>") == 2


def test_runs_tested_on_other_samples_are_not_compared_and_have_a_constant_predictor_each():
    content = run_page([result("first"), result("second", seed=3, step=41)])
    assert "first and second were tested on other samples" in text_of(content)
    assert measures_in(content)[None][-2:] == [
        "constant predictor, test of first",
        "constant predictor, test of second",
    ]


def test_a_hostile_name_stays_text():
    name = '"><script>alert(1)</script><img src=x onerror=alert(1)>'
    html = run_page([result(name, people=(name, "b"))]).decode()
    assert "<script>alert" not in html
    assert "<img src=x" not in html
    assert html.count("<script>") == 1


def test_one_sample_and_one_epoch_make_a_page():
    one = JudgedSamples(np.array(["p01"]), np.array([7]), np.zeros((1, 2)), np.zeros((1, 2)))
    assert headings(run_page([result(test=one, epochs=1)])) == SECTIONS


def test_a_run_without_histograms_has_no_section_of_them():
    assert {"Guard", "Inside the network"}.isdisjoint(headings(run_page([result(kept=False)])))


def test_what_the_guard_found_and_did_stands_on_the_page(page):
    quiet, loud = text_of(page), text_of(run_page([result(collapsed=True)]))
    assert "alive and centred before the first step" in quiet
    assert "No collapse was found while it trained" in quiet
    assert "was not fit to train, so weights were levelled on a batch: dense1_leaky spreads over 0.001" in loud
    assert "gradients have vanished (0) went back to the weights of epoch 1, with 0.5 times the learning rate" in loud
    assert "Dotted" not in quiet
    assert "Dotted: something was done." in loud
    both = text_of(run_page([result(), result("other", collapsed=True)]))
    assert "vanilla: all activations were alive" in both
    assert "other was not fit" in both


def test_tensors_are_told_apart_by_the_end_of_their_names():
    groups = group_tensors(histograms())
    assert {heading: list(tensors) for heading, tensors in groups.items()} == {
        "kernels": ["branch128_stage1", "angles_rad"],
        "biases": ["branch128_stage1"],
        "other weights": ["norm.gamma"],
        "activations": ["branch128_leaky"],
    }
