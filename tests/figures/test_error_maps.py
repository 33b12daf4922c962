from __future__ import annotations

import io
import re

import numpy as np
import pytest
from PIL import Image

from labelkit.cells import Cells
from labelkit.evaluation.by_cell import errors_by_cell
from labelkit.evaluation.calibration import calibrate
from labelkit.evaluation.judged_samples import JudgedSamples
from labelkit.figures.error_maps import (
    Answers,
    calibration_figure,
    distribution_figure,
    drift_figure,
    error_map_figure,
    scatter_figure,
)
from labelkit.figures.saving import figure_bytes


def judged(true, predicted):
    true, predicted = np.asarray(true, float), np.asarray(predicted, float)
    return JudgedSamples(np.full(len(true), "a"), np.arange(len(true)), true, predicted)


def texts_of(svg):
    return re.findall(r"<text[^>]*>([^<]*)</text>", svg.decode())


def place_of(svg, text):
    x, y = re.search(rf'x="([\d.]+)" y="([\d.]+)"[^>]*>{text}<', svg.decode()).groups()
    return float(x), float(y)


def test_errors_stand_where_the_picture_has_them():
    # 41 degrees off up and to the left, twice; 23 off down and to the right, once
    true = [[-25.0, -25.0], [-25.0, -25.0], [25.0, 25.0]]
    errors = errors_by_cell(np.array(true), np.array(true) + np.array([[0, 41], [0, 41], [-23, 0]]), Cells(10, 45))
    svg = figure_bytes(error_map_figure(errors), "svg")
    means = [f"{errors.mean_deg[errors.counts == n].item():.0f}" for n in (2, 1)]
    (left, up), (right, down) = (place_of(svg, mean) for mean in means)
    assert left < right
    assert up < down


def test_drift_is_drawn_to_scale_from_the_cell_s_truth():
    errors = errors_by_cell(np.array([[-25.0, -5.0]]), np.array([[-15.0, -5.0]]), Cells(10, 45))
    figure = drift_figure(errors)
    (quiver,) = [part for part in figure.axes[0].collections if hasattr(part, "U")]
    assert (quiver.X.item(), quiver.Y.item()) == (-25.0, -5.0)
    assert (quiver.U.item(), quiver.V.item()) == (10.0, 0.0)
    assert (quiver.angles, quiver.scale, quiver.scale_units) == ("xy", 1, "xy")
    assert figure.axes[0].yaxis_inverted()


def test_a_small_cell_is_left_without_numbers():
    errors = errors_by_cell(np.array([[1.0, 1.0]]), np.array([[78.0, 1.0]]), Cells(2, 45))
    assert "77" not in texts_of(figure_bytes(error_map_figure(errors), "svg"))


def test_truth_lies_along_and_prediction_up():
    (azimuth, elevation, *_) = scatter_figure(judged([[30.0, -10.0]], [[20.0, 15.0]])).axes
    points = [line.get_xydata()[-1].tolist() for axes in (azimuth, elevation) for line in axes.lines[1:]]
    assert points == [[30.0, 20.0], [-10.0, 15.0]]


def test_a_prediction_out_of_the_picture_is_shown_at_its_edge():
    (azimuth, *_) = scatter_figure(judged([[30.0, 0.0]], [[500.0, 0.0]])).axes
    assert azimuth.lines[1].get_ydata().tolist() == [50.0]


def test_shares_rise_to_all_samples_and_name_the_runs():
    first = Answers("first", judged([[0, 0], [0, 0]], [[5, 0], [10, 0]]), np.array([20.0, 0.0]))
    second = Answers("second", judged([[0, 0], [0, 0]], [[1, 0], [2, 0]]), np.array([20.0, 0.0]))
    figure = distribution_figure([first, second])
    lines = {line.get_label(): line.get_xydata() for line in figure.axes[0].lines}
    assert lines["first"].round(6).tolist() == [[5, 50], [10, 100]]
    assert lines["second"].round(6).tolist() == [[1, 50], [2, 100]]
    assert lines["constant predictor"].round(6).tolist() == [[20, 50], [20, 100]]


def test_a_calibration_is_drawn_as_it_was_measured():
    found = calibrate(np.array([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.5]))
    shares, errors = calibration_figure({"run": found}).axes
    assert shares.lines[1].get_ydata() / 100 == pytest.approx(found.observed)
    assert errors.lines[1].get_xydata().tolist() == np.column_stack([found.bin_sd_deg, found.bin_error_deg]).tolist()


def test_the_same_errors_give_the_same_bytes():
    errors = errors_by_cell(np.array([[1.0, 1.0]]), np.array([[3.0, 1.0]]), Cells(10, 45))
    assert figure_bytes(error_map_figure(errors), "svg") == figure_bytes(error_map_figure(errors), "svg")
    with Image.open(io.BytesIO(figure_bytes(scatter_figure(judged([[1, 1]], [[3, 1]])), "png"))) as image:
        assert image.size[0] > image.size[1]
