"""Where things stand on a figure, in inches, and its colours."""

from __future__ import annotations

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

MINUS = "\N{MINUS SIGN}"
INK, FAINT, MISSING = "#1a1d23", "#c9ced6", "#b3400e"
RUN_COLORS = ("#2f4a86", "#c25a12")  # first run, second run: different for the colour-blind and in grey
STILL = "#6a7280"  # the constant predictor
GROUND, BAND, NARROW_BAND = "#f1f3f6", "#eef0f4", "#dde2ea"  # empty cells; within 15 and within 5 degrees

# What stands for each on a dark page. White lines part cells: there, they are as dark as the page.
ON_DARK = {
    INK: "#e8eaee",
    FAINT: "#4a525f",
    MISSING: "#f59a66",
    RUN_COLORS[0]: "#a9bdf0",
    RUN_COLORS[1]: "#f59a66",
    STILL: "#a5adba",
    GROUND: "#232831",
    BAND: "#1d2229",
    NARROW_BAND: "#2a313c",
    "#00224e": "#1f4a92",  # the darkest blue of cividis
    "#2a8f6d": "#4fc39b",  # structures of a search: green, violet, grey
    "#8a4fa3": "#c592da",
    "#5b6472": "#a5adba",
}
DARK_PAGE = "#14171c"


def panel(figure: Figure, left: float, top: float, width: float, height: float) -> Axes:
    """Add axes at a place given in inches from the figure's top left corner."""
    across, down = figure.get_size_inches()
    return figure.add_axes((left / across, 1 - (top + height) / down, width / across, height / down), facecolor="none")


def clear_axes(axes: Axes) -> None:
    """Leave small ticks and two faint lines, on the left and at the bottom."""
    axes.tick_params(labelsize=8, colors=INK, length=3)
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set(color=FAINT)


def count_along(axes: Axes, what: str) -> None:
    """Name what the axis at the bottom counts, and write whole numbers only: there is no half of an epoch."""
    axes.set_xlabel(what, fontsize=9, color=INK)
    axes.xaxis.set_major_locator(MaxNLocator("auto", integer=True, steps=[1, 2, 5, 10]))
