"""The coverage map as a figure: counts over orientation space, drawn so that it looks like the picture."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import ceil, sqrt

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, PathPatch, Rectangle
from matplotlib.path import Path

from labelkit.cells import Cells
from labelkit.curation.coverage import Coverage, rank_groups
from labelkit.curation.wording import findings, headline
from labelkit.figures.drawn_hand import draw_hand
from labelkit.figures.layout import FAINT, INK, MINUS, MISSING, panel
from labelkit.figures.saving import house_style
from labelkit.figures.shades import Shade, shade_index, shades_for
from labelkit.records import BoolArray
from labelkit.wording import compact, percent, printable

# Inches.
_WIDTH, _MAP, _LEFT, _TOP = 10.0, 7.0, 0.95, 1.75
_BELOW = _TOP + _MAP + 0.7  # where the main map ends
_SMALL_LEFT, _HEADING, _CAPTION = 0.4, 0.5, 0.3
_MIN_COUNT_PT = 5.5  # smaller, a count cannot be read at 1000 pixels


def coverage_figure(
    whole: Coverage,
    *,
    participants: int,
    frame: str,
    by: str | None = None,
    groups: Mapping[str, Coverage] | None = None,
) -> Figure:
    """Draw the coverage map, and small ones of groups below it.

    Args:
        whole: all samples.
        participants: how many took part.
        frame: the angles' frame, view or camera.
        by, groups: what the groups are, and name -> samples of each.
    """
    shown = rank_groups(groups or {})
    with house_style():
        figure = Figure(figsize=(_WIDTH, _BELOW + _groups_height(len(shown))), facecolor="white")
        _draw_title(panel(figure, _LEFT, 0.0, _MAP, _TOP), whole, headline(whole, participants, frame))
        _draw_main(panel(figure, _LEFT, _TOP, _MAP, _MAP), whole)
        _draw_key(panel(figure, _LEFT + _MAP + 0.3, _TOP, _WIDTH - _LEFT - _MAP - 0.4, _MAP), whole)
        if shown:
            _draw_groups(figure, f"By {by}", shown)
    return figure


def _draw_title(axes: Axes, coverage: Coverage, title: str) -> None:
    axes.set_axis_off()
    axes.text(0, 0.81, f"Coverage: {title}", fontsize=14, fontweight="bold", color=INK, va="center")
    for line, text in enumerate(findings(coverage)):
        axes.text(0, 0.64 - 0.13 * line, text, fontsize=9.5, color=INK, va="center")


def _draw_main(axes: Axes, coverage: Coverage) -> None:
    cells = coverage.cells
    _draw_cells(axes, coverage, edge=0.8)
    _mark_empty(axes, coverage)
    _write_counts(axes, coverage)
    for line in (axes.axhline, axes.axvline):
        line(0, color=INK, linewidth=0.8, zorder=2.5)
    limit = _limit_deg(cells)
    for x, y in ((-1, -1), (1, -1), (-1, 1), (1, 1)):
        draw_hand(axes, (0.87 * x * limit, 0.87 * y * limit), 0.2 * limit, 32 * x, 32 * y)
    step = 15 if cells.reach_deg >= 30 else 5
    ticks = np.arange(-(limit // step), limit // step + 1) * step
    signed = [f"{tick:+g}".replace("-", MINUS) if tick else "0" for tick in ticks]
    axes.set_xticks(ticks, signed)
    axes.set_yticks(ticks, signed)
    axes.tick_params(labelsize=9, colors=INK, length=3)
    _name_axes(axes)


def _name_axes(axes: Axes) -> None:
    """Say in words where each axis leads: its ends, and what it is between them."""
    for place, align, text in (
        (0.0, "left", f"← toward the picture's left ({MINUS})"),
        (0.5, "center", "azimuth, degrees"),
        (1.0, "right", "toward the picture's right (+) →"),
    ):
        axes.text(place, -0.06, text, transform=axes.transAxes, ha=align, va="top", fontsize=10, color=INK)
    for place, align, text in (
        (0.0, "bottom", "← toward the picture's bottom (+)"),
        (0.5, "center", "elevation, degrees"),
        (1.0, "top", f"toward the picture's top ({MINUS}) →"),
    ):
        axes.text(
            -0.085, place, text, transform=axes.transAxes, ha="center", va=align, rotation=90, fontsize=10, color=INK
        )


def _draw_cells(axes: Axes, coverage: Coverage, edge: float) -> None:
    """Paint the cells and the disc; y runs downward, as in the picture."""
    cells, shades = coverage.cells, shades_for(coverage.target)
    limit = _limit_deg(cells)
    axes.set(xlim=(-limit, limit), ylim=(limit, -limit), aspect="equal")
    axes.spines[:].set_visible(False)

    index = shade_index(coverage.counts, shades)
    for number, shade in enumerate(shades):
        path = _outlines(cells, index == number)
        axes.add_patch(PathPatch(path, facecolor=shade.look.color, edgecolor="white", linewidth=edge, clip_on=False))
    axes.add_patch(
        Circle((0, 0), cells.reach_deg, facecolor="none", edgecolor=INK, linewidth=edge + 0.2, clip_on=False)
    )


def _limit_deg(cells: Cells) -> float:
    """Find the angle that no reachable cell goes beyond."""
    corners, reachable = np.abs(cells.corner_angles_deg).max(axis=-1), cells.reachable_mask
    return float(max(corners[:-1, :-1][reachable].max(), corners[1:, 1:][reachable].max()))


def _outlines(cells: Cells, mask: BoolArray) -> Path:
    """Outline the marked cells, all in one path: an SVG of it is a third as large as with a path for each."""
    corners = cells.corner_angles_deg
    around = (corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1], corners[:-1, :-1])
    return Path.make_compound_path_from_polys(np.stack([corner[mask] for corner in around], axis=1))


def _mark_empty(axes: Axes, coverage: Coverage) -> None:
    cells = coverage.cells
    side_pt = 72 * _MAP / cells.side
    axes.plot(
        *cells.centre_angles_deg[coverage.empty_mask].T,
        linestyle="",
        marker="x",
        markersize=0.3 * side_pt,
        markeredgewidth=0.04 * side_pt,
        color=MISSING,
    )


def _write_counts(axes: Axes, coverage: Coverage) -> None:
    cells, shades = coverage.cells, shades_for(coverage.target)
    size = min(9.0, 72 * _MAP / cells.side * 0.32)
    if size < _MIN_COUNT_PT:
        return
    index = shade_index(coverage.counts, shades)
    for row, column in zip(*np.nonzero(coverage.counts), strict=True):
        azimuth, elevation = cells.centre_angles_deg[row, column]
        axes.text(
            azimuth,
            elevation,
            compact(int(coverage.counts[row, column])),
            fontsize=size,
            color=shades[index[row, column]].look.ink,
            ha="center",
            va="center_baseline",
        )


def _draw_key(axes: Axes, coverage: Coverage) -> None:
    """Draw the colour bar: from no samples at the bottom to the fullest class on top, the target between."""
    shades = shades_for(coverage.target)
    axes.set(xlim=(0, 1.65), ylim=(7.0, 0))
    axes.set_axis_off()
    axes.text(0, 0.6, "distinct samples\nin a cell", fontsize=10, color=INK)
    tall = 0.42
    place = 0.75
    for shade in reversed(shades):
        axes.add_patch(Rectangle((0, place), 0.42, tall, facecolor=shade.look.color, edgecolor="white"))
        axes.text(0.52, place + tall / 2, _range(shade), fontsize=9, color=INK, va="center")
        place += tall
        if shade.low == coverage.target:
            axes.plot([0, 1.6], [place + 0.04] * 2, color=INK, linewidth=1.4)
            axes.text(0, place + 0.08, f"▲ full: {coverage.target:,} or more", fontsize=9, color=INK, va="top")
            place += 0.36
    axes.add_patch(Rectangle((0.01, place), 0.4, tall, facecolor="white", edgecolor=FAINT))
    axes.plot(0.21, place + tall / 2, marker="x", markersize=8, markeredgewidth=1.1, color=MISSING)
    axes.text(0.52, place + tall / 2, "none", fontsize=9, color=INK, va="center")
    draw_hand(axes, (0.45, 5.6), 0.8, 0, 0)
    axes.text(
        0,
        6.25,
        "a hand at (0, 0):\nits palm faces the\ncamera. Arrows:\nthe palm's normal",
        fontsize=9,
        color=INK,
        va="top",
    )


def _range(shade: Shade) -> str:
    if shade.high is None:
        return f"{shade.low:,} or more"
    return f"{shade.low:,}" if shade.high == shade.low else f"{shade.low:,}–{shade.high:,}"  # noqa: RUF001


def _columns(groups: int) -> int:
    return min(10, max(4, ceil(sqrt(2 * groups))))


def _small_side(groups: int) -> float:
    return (_WIDTH - 2 * _SMALL_LEFT) / _columns(groups)


def _groups_height(groups: int) -> float:
    if not groups:
        return 0.0
    return _HEADING + ceil(groups / _columns(groups)) * (_small_side(groups) + _CAPTION)


def _draw_groups(figure: Figure, title: str, shown: Sequence[tuple[str, Coverage]]) -> None:
    """Draw a small map each, below the main one."""
    heading = panel(figure, _LEFT, _BELOW, _MAP, _HEADING)
    heading.set_axis_off()
    heading.text(0, 0.5, f"{title}: share of cells full, samples", fontsize=12, fontweight="bold", color=INK)
    side = _small_side(len(shown))
    for number, (name, coverage) in enumerate(shown):
        row, column = divmod(number, _columns(len(shown)))
        left, top = _SMALL_LEFT + column * side, _BELOW + _HEADING + _CAPTION + row * (side + _CAPTION)
        axes = panel(figure, left + 0.06 * side, top, 0.88 * side, 0.88 * side)
        _draw_cells(axes, coverage, edge=0.2)
        axes.set_axis_off()
        caption = f"{printable(name, 16)}\n{percent(coverage.filled_share)} full, {compact(coverage.samples)}"
        axes.set_title(caption, fontsize=6.5 if _columns(len(shown)) > 7 else 7.5, color=INK, pad=3)
