"""A training as figures: its curves, and what became of its weights and activations."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from labelkit.figures.layout import FAINT, INK, MINUS, MISSING, RUN_COLORS, STILL, clear_axes, count_along, panel
from labelkit.figures.saving import house_style
from labelkit.records import FloatArray
from labelkit.runs.histograms import Histogram, Histograms
from labelkit.training.collapse import Signs
from labelkit.training.guard_record import GuardRecord
from labelkit.wording import printable

# Of the histograms, a strip for each tensor: classes of values, epochs shown, and inches.
_BINS, _LONGEST = 48, 200
_NAME, _WIDE, _TALL, _UNDER, _GAP, _TOP = 1.6, 2.0, 0.42, 0.12, 0.5, 0.5


@dataclass(frozen=True, eq=False)
class Curves:
    """How a training went, an entry an epoch.

    Attributes:
        name: of the run.
        loss: on the training samples, in the loss's own unit.
        cmae_deg: on validation.
        constant_cmae_deg: of the constant predictor on validation.
        best: epochs from 1: the one whose weights were kept.
    """

    name: str
    loss: Sequence[float]
    cmae_deg: Sequence[float]
    constant_cmae_deg: float
    best: int


def curves_figure(runs: Sequence[Curves]) -> Figure:
    """Draw loss and validation error over the epochs, for one or two runs."""
    with house_style():
        figure = Figure(figsize=(9.4, 3.4), facecolor="white")
        loss, error = panel(figure, 0.7, 0.35, 3.5, 2.5), panel(figure, 5.2, 0.35, 4.0, 2.5)
        loss.set_title("Training loss", fontsize=10, color=INK, pad=8)
        error.set_title("Validation CMAE, degrees", fontsize=10, color=INK, pad=8)
        for run, color in zip(runs, RUN_COLORS, strict=False):
            epochs = np.arange(1, len(run.loss) + 1)
            alone = "o" if len(epochs) == 1 else ""
            loss.plot(epochs, run.loss, color=color, linewidth=1.4, marker=alone)
            error.plot(epochs, run.cmae_deg, color=color, linewidth=1.4, marker=alone, label=run.name)
            error.axhline(run.constant_cmae_deg, color=color, linewidth=1.0, linestyle=(0, (4, 2)), zorder=1)
            error.plot(
                run.best, run.cmae_deg[run.best - 1],
                marker="*", markersize=11, color=color, markeredgecolor="white", markeredgewidth=0.8, linestyle="",
            )  # fmt: skip
        error.plot([], [], color=STILL, linewidth=1.0, linestyle=(0, (4, 2)), label="constant predictor")
        error.plot([], [], color=STILL, marker="*", markersize=9, linestyle="", label="kept")
        error.set_ylim(bottom=0)
        if min(min(run.loss) for run in runs) >= 0:
            loss.set_ylim(bottom=0)
        error.legend(fontsize=8.5, frameon=False, labelcolor=INK)
        for axes in (loss, error):
            count_along(axes, "epoch")
            clear_axes(axes)
    return figure


def signs_figure(journals: Mapping[str, GuardRecord]) -> Figure:
    """Draw what the guards of one or two runs watched: spread of the predictions, silent units, gradients.

    Args:
        journals: name of the run -> its journal, at least one epoch. Upright lines stand where something was done.
    """
    with house_style():
        figure = Figure(figsize=(9.4, 2.7), facecolor="white")
        shown: Mapping[str, Callable[[Signs], float]] = {
            "Spread of predictions over that of labels": lambda signs: signs.spread,
            "Silent units of the worst layer, share": lambda signs: signs.silent,
            "Norm of the gradients": lambda signs: signs.gradient_norm,
        }
        for number, (title, read) in enumerate(shown.items()):
            axes = panel(figure, 0.5 + 3.05 * number, 0.35, 2.5, 1.8)
            axes.set_title(title, fontsize=9, color=INK, pad=8)
            for (name, journal), color in zip(journals.items(), RUN_COLORS, strict=False):
                epochs = [signs.epoch for signs in journal.signs]
                alone = "o" if len(epochs) == 1 else ""
                axes.plot(
                    epochs, [read(signs) for signs in journal.signs], color=color, lw=1.4, marker=alone, label=name
                )
                for event in journal.events:
                    axes.axvline(event.epoch + 0.5, color=color, linewidth=1.0, linestyle=(0, (1, 1.5)), zorder=1)
            axes.set_ylim(bottom=0)
            count_along(axes, "epoch")
            clear_axes(axes)
        if len(journals) == 2:
            figure.axes[0].legend(fontsize=8.5, frameon=False, labelcolor=INK)
    return figure


def histograms_figure(groups: Mapping[str, Histograms]) -> Figure:
    """Draw the histograms of tensors over the epochs as strips: epochs from left to right, values upward.

    Args:
        groups: heading of a column, such as "kernels" -> name of the tensor -> its histograms.
    """
    tallest = max(len(tensors) for tensors in groups.values())
    with house_style():
        figure = Figure(
            figsize=(0.2 + len(groups) * (_NAME + _WIDE + _GAP), _TOP + tallest * (_TALL + _UNDER) + 0.35),
            facecolor="white",
        )
        for column, (heading, tensors) in enumerate(groups.items()):
            left = 0.1 + column * (_NAME + _WIDE + _GAP)
            words = panel(figure, left, 0.0, _NAME + _WIDE, _TOP)
            words.set_axis_off()
            words.text(_NAME / (_NAME + _WIDE), 0.5, heading, fontsize=11, fontweight="bold", color=INK, va="center")
            for row, (name, histograms) in enumerate(tensors.items()):
                axes = panel(figure, left + _NAME, _TOP + row * (_TALL + _UNDER), _WIDE, _TALL)
                _draw_strip(axes, printable(name, 26), histograms)
                if row == len(tensors) - 1:
                    axes.set_xticks(sorted({1, len(histograms)}))
                    axes.set_xlabel("epoch", fontsize=7.5, color=INK, labelpad=1)
    return figure


def _draw_strip(axes: Axes, name: str, histograms: Sequence[Histogram]) -> None:
    picture, low, high = strip_picture(histograms)
    extent = (0.5, len(histograms) + 0.5, low, high)
    axes.imshow(picture, extent=extent, origin="lower", aspect="auto", interpolation="nearest", cmap="Blues")
    if low < 0 < high:
        axes.axhline(0, color=MISSING, linewidth=0.6)
    axes.set_xticks([])
    axes.yaxis.tick_right()
    axes.set_yticks([low, high], [f"{end:.3g}".replace("-", MINUS) for end in (low, high)])
    axes.tick_params(labelsize=6.5, colors=INK, length=2, pad=1)
    axes.spines[:].set(color=FAINT, linewidth=0.6)
    axes.text(-0.04, 0.5, name, transform=axes.transAxes, ha="right", va="center", fontsize=7.5, color=INK)


def strip_picture(histograms: Sequence[Histogram]) -> tuple[FloatArray, float, float]:
    """Bring a tensor's histograms to one scale of values.

    Returns:
        (bins, epochs): the root of the density at each value, as a share of the epoch's largest, so that thin
        tails are seen too; and the scale's ends.
        Of more than 200 epochs, every so many are shown.
    """
    shown = histograms[:: -(-len(histograms) // _LONGEST)]
    low, high = min(each.low for each in shown), max(each.high for each in shown)
    if high <= low:
        low, high = low - 0.5, high + 0.5
    edges = np.linspace(low, high, _BINS + 1)
    picture = np.stack([_density(each, edges) for each in shown], axis=-1)
    return np.sqrt(picture / np.maximum(picture.max(axis=0), 1e-12)), low, high


def _density(histogram: Histogram, edges: FloatArray) -> FloatArray:
    """Count values (bins,) between other edges, as if they lay evenly within the histogram's own bins."""
    if histogram.high <= histogram.low:
        return np.histogram([histogram.low], edges)[0].astype(np.float64)
    below = np.concatenate([[0.0], np.cumsum(histogram.counts)])
    own = np.linspace(histogram.low, histogram.high, len(below))
    return np.diff(np.interp(edges, own, below))
