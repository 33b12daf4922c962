"""Where things stand on a figure, in inches."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure

MINUS = "\N{MINUS SIGN}"
INK, FAINT, MISSING = "#1a1d23", "#c9ced6", "#b3400e"


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at a place given in inches from the figure's top left corner."""
    across, down = figure.get_size_inches()
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down), facecolor="none")


def clear_axes(axes: Axes) -> None:
    """Leave small ticks and two faint lines, on the left and at the bottom."""
    axes.tick_params(labelsize=8, colors=INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=FAINT)
