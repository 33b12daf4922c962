"""Where and how a network errs, as figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import BoundaryNorm, Colormap, ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Circle
from matplotlib.ticker import FuncFormatter

from labelkit.evaluation.by_cell import CellErrors
from labelkit.evaluation.calibration import NOMINAL, UncertaintyCalibration
from labelkit.evaluation.judged_samples import JudgedSamples
from labelkit.evaluation.measures import FAILURE_DEG, SUCCESS_DEG, normals_apart_deg
from labelkit.figures.drawn_hand import draw_hand
from labelkit.figures.layout import (
    BAND,
    FAINT,
    GROUND,
    INK,
    MINUS,
    NARROW_BAND,
    RUN_COLORS,
    STILL,
    clear_axes,
    panel,
)
from labelkit.figures.saving import house_style
from labelkit.records import FloatArray

# Inches.
_SIDE, _EDGE, _GAP, _TITLE, _FOOT = 4.3, 0.7, 0.9, 0.35, 0.5
_MAP, _KEY = 3.6, 0.6  # side of a map, and the room for its key
_CLASSES = (0.0, 5.0, 10.0, 15.0, 20.0, 30.0, 180.0)  # degrees; the study's success ends at 5, its failure begins at 15
_GRID: dict[str, Any] = {"edgecolors": "white", "linewidth": 0.8}
_MIN_TEXT_PT = 5.0
_SHOWN_POINTS = 4000  # more only make the picture larger


@dataclass(frozen=True, eq=False)
class Answers:
    """What one run's figures are drawn from.

    Attributes:
        name: of the run.
        constant_deg: (2,) what the constant predictor says, centred, degrees.
    """

    name: str
    judged: JudgedSamples
    constant_deg: FloatArray


def error_map_figure(errors: CellErrors) -> Figure:
    """Draw the mean angle between normals in each cell of the truth."""
    with house_style():
        figure = _map_figure(_KEY)
        axes = panel(figure, _EDGE, _TITLE, _MAP, _MAP)
        _title(axes, "Mean angle between normals, degrees; below it, samples")
        _draw_disc(axes, errors)
        limit = float(errors.cells.edges_deg[-1])
        for x, y in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
            draw_hand(axes, (0.87 * x * limit, 0.87 * y * limit), 0.2 * limit, 32 * x, 32 * y)
        _fill_cells(axes, errors)
        _key(panel(figure, _EDGE + _MAP + 0.12, _TITLE + 0.1 * _MAP, 0.13, 0.8 * _MAP))
    return figure


def drift_figure(errors: CellErrors) -> Figure:
    """Draw where predictions drift on average, from each cell of the truth."""
    with house_style():
        figure = _map_figure(0.2)
        axes = panel(figure, _EDGE, _TITLE, _MAP, _MAP)
        _title(axes, "From the cell's truth (dot) to the mean prediction")
        _draw_disc(axes, errors)
        _draw_drift(axes, errors)
    return figure


def _map_figure(right: float) -> Figure:
    return Figure(figsize=(_EDGE + _MAP + right, _TITLE + _MAP + _FOOT), facecolor="white")


def _title(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=10, color=INK, pad=8)


def _draw_disc(axes: Axes, errors: CellErrors) -> None:
    """Draw the axes and the empty cells; y runs downward, as in the picture."""
    cells = errors.cells
    limit = float(cells.edges_deg[-1])
    axes.set(xlim=(-limit, limit), ylim=(limit, -limit), aspect="equal")
    axes.spines[:].set_visible(False)
    empty = np.ma.masked_where(~cells.reachable_mask, np.zeros(cells.reachable_mask.shape))
    axes.pcolormesh(cells.edges_deg, cells.edges_deg, empty, cmap=ListedColormap([GROUND]), **_GRID)
    rim: Any = {"facecolor": "none", "edgecolor": INK, "linewidth": 0.8, "clip_on": False, "zorder": 3}
    axes.add_patch(Circle((0, 0), cells.reach_deg, **rim))
    ticks = np.arange(-(limit // 15), limit // 15 + 1) * 15
    axes.set_xticks(ticks, [_with_sign(tick) for tick in ticks])
    axes.set_yticks(ticks, [_with_sign(tick) for tick in ticks])
    axes.tick_params(labelsize=8, colors=INK, length=3)
    axes.set_xlabel(f"← left ({MINUS}) · azimuth, degrees · right (+) →", fontsize=9, color=INK)
    axes.set_ylabel(f"← bottom (+) · elevation, degrees · top ({MINUS}) →", fontsize=9, color=INK)


def _with_sign(angle: float, _: object = None) -> str:
    return f"{angle:+g}".replace("-", MINUS) if angle else "0"


def _colors() -> tuple[Colormap, BoundaryNorm]:
    colors = colormaps["cividis"]
    return colors, BoundaryNorm(_CLASSES, colors.N)


def _fill_cells(axes: Axes, errors: CellErrors) -> None:
    colors, norm = _colors()
    cells, mean_deg = errors.cells, np.ma.masked_invalid(errors.mean_deg)
    axes.pcolormesh(cells.edges_deg, cells.edges_deg, mean_deg, cmap=colors, norm=norm, **_GRID)
    size = 72 * _MAP / cells.side * 0.33
    if size < _MIN_TEXT_PT:
        return
    for row, column in zip(*np.nonzero(errors.counts), strict=True):
        shade = colors(norm(mean_deg[row, column]))
        ink = "#000000" if np.dot(shade[:3], (0.299, 0.587, 0.114)) > 0.45 else "#ffffff"
        x, y = cells.centres_deg[column], cells.centres_deg[row]
        how: Any = {"color": ink, "ha": "center", "va": "center", "zorder": 4}
        axes.text(x, y - 0.15 * cells.cell_deg, f"{mean_deg[row, column]:.0f}", fontsize=size, **how)
        axes.text(x, y + 0.26 * cells.cell_deg, f"{errors.counts[row, column]}", fontsize=0.7 * size, **how)


def _draw_drift(axes: Axes, errors: CellErrors) -> None:
    cells = errors.cells
    rows, columns = np.nonzero(errors.counts)
    x, y = cells.centres_deg[columns], cells.centres_deg[rows]
    drift = errors.drift_deg[rows, columns]
    axes.quiver(
        x, y, drift[:, 0], drift[:, 1], angles="xy", scale_units="xy", scale=1, color=RUN_COLORS[0],
        width=0.006, zorder=3,
    )  # fmt: skip
    axes.plot(x, y, linestyle="", marker="o", markersize=2.2, color=INK, zorder=4)


def _key(axes: Axes) -> None:
    colors, norm = _colors()
    steps = np.array(_CLASSES[:-1])
    axes.pcolormesh([0, 1], np.arange(len(_CLASSES)), steps[:, None], cmap=colors, norm=norm, **_GRID)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks(np.arange(len(steps)), [f"{edge:g}" for edge in steps])
    axes.tick_params(labelsize=8, colors=INK, length=0)
    axes.spines[:].set_visible(False)


def scatter_figure(judged: JudgedSamples) -> Figure:
    """Draw predicted against true angles: on the line is right, within the band is no failure, level is collapsed."""
    with house_style():
        figure = Figure(figsize=(2 * (_EDGE + _SIDE) + _GAP, _TITLE + _SIDE + _FOOT), facecolor="white")
        for k, angle in enumerate(("azimuth", "elevation")):
            axes = panel(figure, _EDGE + k * (_SIDE + _GAP), _TITLE, _SIDE, _SIDE)
            _title(axes, angle.capitalize())
            _draw_scatter(axes, judged.true_deg[:, k], judged.predicted_deg[:, k], angle)
    return figure


def _draw_scatter(axes: Axes, true_deg: FloatArray, predicted_deg: FloatArray, angle: str) -> None:
    limit = max(50.0, float(np.abs(true_deg).max()) * 1.05)
    ends = np.array([-limit, limit])
    axes.fill_between(ends, ends - FAILURE_DEG, ends + FAILURE_DEG, color=BAND, linewidth=0)
    axes.fill_between(ends, ends - SUCCESS_DEG, ends + SUCCESS_DEG, color=NARROW_BAND, linewidth=0)
    axes.plot(ends, ends, color=INK, linewidth=0.8)
    step = -(-len(true_deg) // _SHOWN_POINTS)
    axes.plot(
        true_deg[::step], np.clip(predicted_deg[::step], -limit, limit),
        linestyle="", marker="o", markersize=2.6, alpha=0.5, color=RUN_COLORS[0], markeredgewidth=0, rasterized=True,
    )  # fmt: skip
    axes.set(xlim=ends, ylim=ends, aspect="equal")
    axes.set_xlabel(f"true {angle}, degrees", fontsize=9, color=INK)
    axes.set_ylabel(f"predicted {angle}, degrees", fontsize=9, color=INK)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(_with_sign))
    axes.tick_params(labelsize=8, colors=INK, length=3)
    axes.spines[:].set(color=FAINT)


def distribution_figure(runs: Sequence[Answers]) -> Figure:
    """Draw the share of the samples under each error, for one or two runs and for the constant predictor."""
    with house_style():
        figure = Figure(figsize=(7.2, 3.4), facecolor="white")
        axes = panel(figure, 0.7, 0.2, 6.3, 2.7)
        for edge in (SUCCESS_DEG, 10.0, FAILURE_DEG):
            axes.axvline(edge, color=FAINT, linewidth=0.8)
        for run, color in zip(runs, RUN_COLORS, strict=False):
            _draw_shares(axes, run.judged.apart_deg, color=color, label=run.name)
        first = runs[0]
        constant = np.broadcast_to(first.constant_deg, first.judged.true_deg.shape)
        still_deg = normals_apart_deg(first.judged.true_deg, constant)
        _draw_shares(axes, still_deg, color=STILL, label="constant predictor", linestyle=(0, (4, 2)))
        axes.set(xlim=(0, 60), ylim=(0, 100))
        axes.set_xlabel("angle between normals, degrees", fontsize=9, color=INK)
        axes.set_ylabel("share of samples under it, %", fontsize=9, color=INK)
        clear_axes(axes)
        axes.legend(fontsize=8.5, frameon=False, labelcolor=INK, loc="lower right")
    return figure


def _draw_shares(axes: Axes, apart_deg: FloatArray, **how: Any) -> None:
    ordered = np.sort(apart_deg)
    if len(ordered) > 1000:
        ordered = np.quantile(ordered, np.linspace(0, 1, 1000))
    axes.plot(ordered, 100 * np.arange(1, len(ordered) + 1) / len(ordered), drawstyle="steps-post", **how)


def calibration_figure(runs: Mapping[str, UncertaintyCalibration]) -> Figure:
    """Draw how many samples lie within their stated bounds, and the error against the stated one."""
    with house_style():
        figure = Figure(figsize=(9.4, 4.2), facecolor="white")
        shares, errors = panel(figure, 0.7, 0.35, 3.3, 3.3), panel(figure, 5.2, 0.35, 3.3, 3.3)
        largest = max(max(*run.bin_sd_deg, *run.bin_error_deg) for run in runs.values()) * 1.08
        _title(shares, "Samples within their bounds, %")
        _title(errors, "Samples grouped by stated uncertainty, degrees")
        shares.plot([0, 100], [0, 100], color=INK, linewidth=0.8)
        errors.plot([0, largest], [0, largest], color=INK, linewidth=0.8)
        for (name, run), color in zip(runs.items(), RUN_COLORS, strict=False):
            shares.plot(100 * np.array(NOMINAL), 100 * np.array(run.observed), marker="o", markersize=3, color=color)
            errors.plot(run.bin_sd_deg, run.bin_error_deg, marker="o", markersize=3.5, color=color, label=name)
        shares.set(xlim=(0, 100), ylim=(0, 100), aspect="equal")
        errors.set(xlim=(0, largest), ylim=(0, largest), aspect="equal")
        shares.set_xlabel("should lie within", fontsize=9, color=INK)
        shares.set_ylabel("do lie within", fontsize=9, color=INK)
        errors.set_xlabel("stated (one standard deviation)", fontsize=9, color=INK)
        errors.set_ylabel("found (root mean square, along one direction)", fontsize=9, color=INK)
        errors.legend(fontsize=8.5, frameon=False, labelcolor=INK)
        for axes in (shares, errors):
            clear_axes(axes)
    return figure
