"""A search as figures: its history, what its settings do to the error, and error against latency."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure

from labelkit.figures.layout import FAINT, INK, MISSING, RUN_COLORS, STILL, clear_axes, count_along, panel
from labelkit.figures.saving import house_style

# Inches.
_ACROSS, _WIDE, _TALL, _LEFT, _TOP, _FOOT = 3, 2.6, 1.7, 0.6, 0.45, 0.5
_BAR, _NAME = 0.24, 1.5
_LOG_FROM = 10.0  # times: an axis that is shorter than a decade may show no number if it is logarithmic

# Blue is good, as on every page of ours; both ends are seen on light and on dark pages.
_COLORS = LinearSegmentedColormap.from_list("error", ["#2f6fd6", "#8f98a6", "#d39a1e"])
# One for each structure: the marks also differ when printed in grey.
_MARKS = "osD^vP*X<>"
_MARK_COLORS = ("#2f4a86", "#2a8f6d", "#8a4fa3", "#c2911a", "#5b6472", "#3f8fc4")


@dataclass(frozen=True)
class TrialPoint:
    """A finished trial, as the figures need it.

    Attributes:
        number: in its structure, counted from 0.
        error_deg: validation CMAE; None if it did not learn.
        latency_ms: for one picture; None if it did not learn or was not timed.
        values: of the settings that were searched.
    """

    structure: str
    number: int
    error_deg: float | None
    latency_ms: float | None
    values: Mapping[str, Any]


def _with_errors(trials: Sequence[TrialPoint]) -> list[tuple[TrialPoint, float]]:
    return [(trial, trial.error_deg) for trial in trials if trial.error_deg is not None]


def history_figure(trials: Sequence[TrialPoint], structures: Sequence[str], constant_cmae_deg: float) -> Figure:
    """Draw the error of each trial in its order, and the best so far, a panel for each structure.

    Trials that did not learn stand on the line of the constant predictor.
    """
    with house_style():
        across, down = min(_ACROSS, len(structures)), math.ceil(len(structures) / _ACROSS)
        figure = Figure(figsize=(0.1 + across * (_LEFT + _WIDE), down * (_TOP + _TALL + _FOOT)), facecolor="white")
        errors = [error for _, error in _with_errors(trials)]
        low, high = min(errors, default=0.0), max([*errors, constant_cmae_deg])
        for k, name in enumerate(structures):
            left, top = _LEFT + (k % across) * (_LEFT + _WIDE), _TOP + k // across * (_TOP + _TALL + _FOOT)
            axes = panel(figure, left, top, _WIDE, _TALL)
            _draw_history(axes, name, [trial for trial in trials if trial.structure == name], constant_cmae_deg)
            axes.set_ylim(low - 0.06 * (high - low), high + 0.06 * (high - low))
            if k % across == 0:
                axes.set_ylabel("CMAE, degrees", fontsize=8.5, color=INK)
    return figure


def _draw_history(axes: Axes, name: str, trials: Sequence[TrialPoint], constant_cmae_deg: float) -> None:
    failed = [trial.number for trial in trials if trial.error_deg is None]
    numbers, errors = [trial.number for trial, _ in _with_errors(trials)], [error for _, error in _with_errors(trials)]
    axes.axhline(constant_cmae_deg, color=STILL, linewidth=1.0, linestyle=(0, (4, 2)), zorder=1)
    axes.plot(numbers, errors, "o", markersize=4, color=RUN_COLORS[0], alpha=0.7, markeredgewidth=0)
    axes.plot(failed, [constant_cmae_deg] * len(failed), "x", markersize=5, color=MISSING, clip_on=False)
    axes.step(
        numbers, np.minimum.accumulate(errors) if errors else [], where="post", color=RUN_COLORS[1], linewidth=1.4
    )
    axes.set_title(name, fontsize=9.5, color=INK, pad=6)
    count_along(axes, "trial")
    clear_axes(axes)


def importance_figure(importance: Mapping[str, Mapping[str, float]]) -> Figure:
    """Draw how much of the error each setting decides, a panel for each structure.

    Args:
        importance: structure -> setting -> share of 1.
    """
    with house_style():
        rows = max(len(shares) for shares in importance.values())
        across, down = min(_ACROSS, len(importance)), math.ceil(len(importance) / _ACROSS)
        tall = rows * _BAR
        figure = Figure(figsize=(0.1 + across * (_NAME + 1.7), down * (_TOP + tall + 0.35)), facecolor="white")
        for k, (name, shares) in enumerate(importance.items()):
            left, top = _NAME + (k % across) * (_NAME + 1.7), _TOP + k // across * (_TOP + tall + 0.35)
            axes = panel(figure, left, top, 1.5, tall)
            axes.barh(range(len(shares)), list(shares.values()), height=0.65, color=RUN_COLORS[0])
            axes.set_yticks(range(len(shares)), [setting.replace("_", " ") for setting in shares])
            axes.set(xlim=(0, 1), ylim=(rows - 0.5, -0.5))
            axes.set_title(name, fontsize=9.5, color=INK, pad=6)
            clear_axes(axes)
            axes.tick_params(axis="y", length=0)
    return figure


def parallel_figure(trials: Sequence[TrialPoint], log_settings: frozenset[str]) -> Figure:
    """Draw each trial that learned as a line through its settings, coloured by its error; the best lie on top.

    A trial's line is broken at a setting that it did not draw.

    Args:
        trials: at least one that learned.
        log_settings: those that are drawn on a logarithmic axis.
    """
    by_error = sorted(_with_errors(trials), key=lambda pair: -pair[1])
    learned, errors = [trial for trial, _ in by_error], np.array([error for _, error in by_error])
    names = list(dict.fromkeys(name for trial in learned for name in trial.values))
    columns: dict[str, list[Any]] = {"structure": [trial.structure for trial in learned]}
    columns |= {name: [trial.values.get(name) for trial in learned] for name in names}
    if len(set(columns["structure"])) == 1:
        del columns["structure"]
    with house_style():
        wide = max(5.0, 1.35 * (len(columns) - 1))
        figure = Figure(figsize=(wide + 3.2, 3.9), facecolor="white")
        axes = panel(figure, 1.4, 0.75, wide, 2.9)
        axes.set_axis_off()
        axes.set(xlim=(0, max(1, len(columns) - 1)), ylim=(0, 1))
        heights = []
        for x, (name, values) in enumerate(columns.items()):
            heights.append(_axis(axes, x, name, values, name in log_settings))
        scale = Normalize(errors.min(), np.percentile(errors, 75) if len(errors) > 3 else errors.max())
        for k, line in enumerate(np.array(heights).T):
            axes.plot(
                range(len(columns)), line, color=_COLORS(scale(errors[k])), linewidth=1.1, alpha=0.85, clip_on=False
            )
        bar = figure.colorbar(
            ScalarMappable(scale, _COLORS), cax=panel(figure, wide + 2.5, 0.75, 0.13, 2.9), extend="max"
        )
        bar.outline.set_visible(False)
        assert bar.solids is not None  # a bar of colours has them
        bar.solids.set(rasterized=False, edgecolor="face")
        bar.ax.tick_params(labelsize=8, colors=INK, length=3)
        bar.ax.set_title("CMAE", fontsize=8.5, color=INK, pad=8)
    return figure


def _axis(axes: Axes, x: int, name: str, values: Sequence[Any], is_log: bool) -> list[float]:
    """Draw one setting's axis with its ends; return each value's height on it, NaN if there is none."""
    axes.plot([x, x], [0, 1], color=FAINT, linewidth=1.0, zorder=0, clip_on=False)
    axes.text(x, 1.13, name.replace("_", " "), ha="center", fontsize=8.5, color=INK)
    known = [value for value in values if value is not None]
    if any(isinstance(value, str | bool) for value in known):
        order = sorted(set(known), key=str)
        place = {value: (k + 0.5) / len(order) for k, value in enumerate(order)}
        for value, y in place.items():
            side, away = ("right", -0.05) if x == 0 else ("left", 0.05)
            text = axes.text(x + away, y, str(value), fontsize=7.5, color=INK, va="center", ha=side)
            text.set_bbox({"facecolor": "white", "alpha": 0.8, "edgecolor": "none", "pad": 1.0})
        return [place[value] if value is not None else np.nan for value in values]
    numbers = np.array([np.nan if value is None else float(value) for value in values])
    low, high = float(np.nanmin(numbers)), float(np.nanmax(numbers))
    for y, end in ((-0.06, low), (1.04, high)):
        axes.text(x, y, f"{end:.3g}", ha="center", va="center", fontsize=7.5, color=INK)
    if high <= low:
        return [0.5 if value is not None else np.nan for value in values]
    if is_log:
        numbers, low, high = np.log(numbers), math.log(low), math.log(high)
    return list((numbers - low) / (high - low))


def pareto_figure(trials: Sequence[TrialPoint], front: Sequence[TrialPoint]) -> Figure:
    """Draw error against latency of the trials that learned and were timed, and join those that no other beats in both.

    Args:
        front: at least one, fastest first.
    """
    with house_style():
        figure = Figure(figsize=(9.4, 4.2), facecolor="white")
        axes = panel(figure, 0.8, 0.2, 6.2, 3.4)
        timed = [trial for trial in trials if trial.error_deg is not None and trial.latency_ms is not None]
        for k, name in enumerate(dict.fromkeys(trial.structure for trial in trials)):
            own = [trial for trial in timed if trial.structure == name]
            axes.plot(
                *_places(own), _MARKS[k % len(_MARKS)],
                markersize=5, color=_MARK_COLORS[k % len(_MARK_COLORS)], alpha=0.75, markeredgewidth=0, label=name,
            )  # fmt: skip
        axes.step(
            *_places(front), where="post", color=RUN_COLORS[1], linewidth=1.4, zorder=1, label="unbeaten",
        )  # fmt: skip
        times = [float(trial.latency_ms or 0) for trial in timed]
        if max(times) >= _LOG_FROM * min(times):
            axes.set_xscale("log")
            axes.xaxis.set_minor_formatter(lambda value, _: f"{value:g}" if f"{value:e}"[0] in "25" else "")
        axes.set_xlabel("time for a picture, ms, one core", fontsize=9, color=INK)
        axes.set_ylabel("validation CMAE, degrees", fontsize=9, color=INK)
        axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.legend(fontsize=8.5, frameon=False, labelcolor=INK, loc="upper left", bbox_to_anchor=(1.01, 1.02))
        clear_axes(axes)
        axes.tick_params(which="minor", labelsize=8, colors=INK)
    return figure


def _places(trials: Sequence[TrialPoint]) -> tuple[list[float], list[float]]:
    """Give latency and error of trials that have both."""
    return [float(trial.latency_ms or 0) for trial in trials], [float(trial.error_deg or 0) for trial in trials]
