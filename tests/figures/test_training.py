from __future__ import annotations

import numpy as np
import pytest

from labelkit.figures.training import Curves, curves_figure, histograms_figure, strip_picture
from labelkit.runs.histograms import Histogram


def histogram(values):
    counts = np.histogram(values, 32)[0]
    return Histogram(
        float(np.mean(values)), float(np.std(values)), float(np.min(values)), float(np.max(values)), counts
    )


def test_curves_show_the_epoch_that_was_kept():
    run = Curves("run", np.array([0.3, 0.2, 0.1]), np.array([15.0, 9.0, 11.0]), 19.0, 2)
    loss, error = curves_figure([run]).axes
    assert loss.lines[0].get_xydata().tolist() == [[1, 0.3], [2, 0.2], [3, 0.1]]
    (star,) = [line for line in error.lines if line.get_marker() == "*" and len(line.get_xdata())]
    assert star.get_xydata().tolist() == [[2, 9.0]]
    assert "run" in [text.get_text() for text in error.get_legend().get_texts()]


def test_epochs_are_counted_in_whole_numbers():
    run = Curves("run", np.array([0.3, 0.2]), np.array([15.0, 9.0]), 19.0, 2)
    assert all(tick == int(tick) for axes in curves_figure([run]).axes for tick in axes.get_xticks())


def test_a_negative_loss_is_not_cut_off():
    run = Curves("run", np.array([0.3, -0.2]), np.array([15.0, 9.0]), 19.0, 2)
    assert curves_figure([run]).axes[0].get_ylim()[0] < -0.2


def test_histograms_of_all_epochs_share_one_scale():
    picture, low, high = strip_picture([histogram([0.0, 0.0, 1.0]), histogram([9.0, 10.0, 10.0])])
    assert (low, high) == (0.0, 10.0)
    assert picture[:, 0].argmax() == 0
    assert picture[:, 1].argmax() == len(picture) - 1


def test_a_drift_of_the_values_is_seen_as_one():
    rng = np.random.default_rng(0)
    picture, low, high = strip_picture([histogram(rng.normal(-epoch, 1.0, 2000)) for epoch in range(5)])
    middles = low + (picture.argmax(axis=0) + 0.5) / len(picture) * (high - low)
    assert middles == pytest.approx([0, -1, -2, -3, -4], abs=0.5)


def test_values_that_are_all_alike_are_one_line():
    same = Histogram(0.0, 0.0, 0.0, 0.0, np.array([500] + [0] * 31))
    picture, low, high = strip_picture([same, same])
    assert low < 0 < high
    assert picture.sum(axis=0).tolist() == [1, 1]


def test_no_more_than_200_epochs_are_drawn():
    assert strip_picture([histogram([0.0, 1.0])] * 1001)[0].shape[1] <= 200


def test_groups_of_unlike_sizes_stand_side_by_side():
    groups = {"kernels": {"a": [histogram([0.0, 1.0])]}, "biases": {}, "activations": {"a": [], "b": []}}
    groups["activations"] = {name: [histogram([0.0, 1.0])] for name in "ab"}
    assert len(histograms_figure(groups).axes) == 3 + 3  # headings and strips
