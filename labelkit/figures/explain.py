"""One frame explained: what was seen, what was found, and the label, or where it ended."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil, hypot

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.patches import Circle, PathPatch, Rectangle
from matplotlib.path import Path

from labelkit.figures import scene as drawn
from labelkit.figures.layout import FAINT, INK, MISSING, panel
from labelkit.figures.saving import house_style
from labelkit.figures.scene import Scene
from labelkit.geometry.camera import transform_points
from labelkit.geometry.orientation import angles_deg_from_normal, centred_from_label_deg, unit, view_from_camera
from labelkit.imaging.pyramid import grey_from_depth
from labelkit.labelling.palm import Palm
from labelkit.records import ColorImage, FloatArray, Sample
from labelkit.wording import percent, printable

Words = Sequence[tuple[str, Sequence[tuple[str, str]]]]  # heading -> lines of (what, value)

REACH_DEG = 45.0  # the study's disc

# Inches. Two pictures and a close-up above; residuals, pyramid and disc below; then the words.
_WIDTH, _MARGIN, _GAP = 12.0, 0.3, 0.3
_TITLE, _TALL, _UNDER, _TITLES, _LINE = 1.05, 2.95, 0.72, 0.25, 0.2
_WIDE = (_WIDTH - 2 * _MARGIN - 2 * _GAP - _TALL) / 2
_THIRD = (_WIDTH - 2 * _MARGIN - 2 * _GAP) / 3
_VALUE = 35  # characters of a value, printed next to its name
_NEAR_DEG = 5.0  # half the side of the disc's magnifier: one cell of the coverage map to either side


@dataclass(frozen=True, eq=False)
class Explained:
    """What the figure says.

    Attributes:
        title, verdict: its two headlines.
        words: the numbers, under headings.
        plain_cut: whether the crop is a plain cut-out, which shows the camera frame's orientation.
    """

    title: str
    verdict: str
    words: Words
    scene: Scene
    plain_cut: bool = False


def explain_stored_figure(explained: Explained) -> Figure:
    """Draw a sample as a dataset stores it: its crops, its label, and its source picture if there is one."""
    scene = explained.scene
    top, words = _TITLE + _TITLES, _wrap_words(explained.words)
    words_top = top + _TALL + _UNDER
    with house_style():
        figure = _blank_figure(words_top, words, explained)
        if scene.color is not None:
            _draw_color(panel(figure, _MARGIN, top, _WIDE, _TALL), scene)
        if scene.sample:
            left = _MARGIN + _WIDE + _GAP if scene.color is not None else _MARGIN
            _draw_pyramid(panel(figure, left, top, _THIRD, _TALL), explained)
            _draw_orientation(panel(figure, _WIDTH - _MARGIN - _TALL, top, _TALL, _TALL), scene)
    return figure


def explain_figure(explained: Explained) -> Figure:
    """Draw a frame, what was found in it, and its label or why it has none."""
    scene = explained.scene
    row = _TALL + _UNDER
    words_top = _TITLE + row + (row + _TITLES if scene.palm else 0.0)
    words = _wrap_words(explained.words)
    with house_style():
        figure = _blank_figure(words_top, words, explained)
        _draw_color(panel(figure, _MARGIN, _TITLE, _WIDE, _TALL), scene)
        _draw_depth(figure, _MARGIN + _WIDE + _GAP, scene)
        _draw_close_up(panel(figure, _WIDTH - _MARGIN - _TALL, _TITLE, _TALL, _TALL), scene)
        if scene.palm:
            top = _TITLE + row + _TITLES
            _draw_residuals(figure, _MARGIN, top, scene, scene.palm)
            _draw_pyramid(panel(figure, _MARGIN + _THIRD + _GAP, top, _THIRD, _TALL), explained)
            _draw_orientation(panel(figure, _WIDTH - _MARGIN - _TALL, top, _TALL, _TALL), scene)
    return figure


def _wrap_words(words: Words) -> list[tuple[str, list[tuple[str, str]]]]:
    return [(heading, _rows(lines)) for heading, lines in words]


def _blank_figure(words_top: float, words: list[tuple[str, list[tuple[str, str]]]], explained: Explained) -> Figure:
    """Make a figure with its title, and its words below `words_top`."""
    below = _LINE * (1.4 + max(len(rows) for _, rows in words)) + _MARGIN
    figure = Figure(figsize=(_WIDTH, words_top + below), facecolor="white")
    _draw_title(panel(figure, _MARGIN, 0, _WIDTH - 2 * _MARGIN, _TITLE), explained)
    for number, (heading, rows) in enumerate(words):
        axes = panel(figure, _MARGIN + number * (_THIRD + _GAP), words_top, _THIRD, below)
        axes.set(xlim=(0, _THIRD), ylim=(below / _LINE, 0))
        _draw_words(axes, heading, rows)
    return figure


def _draw_title(axes: Axes, explained: Explained) -> None:
    axes.set_axis_off()
    color = INK if explained.scene.sample else MISSING
    axes.text(0, 0.67, _cut_beginning(explained.title, 80), fontsize=14, fontweight="bold", color=INK, va="center")
    axes.text(0, 0.4, printable(explained.verdict, 135), fontsize=11.5, color=color, va="center")


def _draw_heading(axes: Axes, text: str) -> None:
    axes.set_title(text, fontsize=10, color=INK, loc="left", pad=4)


def _draw_absence(axes: Axes, heading: str, why: str) -> None:
    """Leave a panel empty, and say why."""
    axes.set(xticks=[], yticks=[], facecolor="#f1f3f6")
    axes.spines[:].set(color=FAINT, linewidth=0.8)
    _draw_heading(axes, heading)
    axes.text(0.5, 0.5, why, transform=axes.transAxes, ha="center", va="center", fontsize=9.5, color="#5a6270")


def _draw_color(axes: Axes, scene: Scene) -> None:
    canvas = scene.color_canvas
    if canvas is None or scene.color is None:
        _draw_absence(axes, "Colour", "no colour picture could be read")
        return
    drawn.draw_picture(axes, scene.color)
    scene.draw_box(axes)
    if not scene.sample:
        scene.draw_hand(axes, canvas)
        scene.draw_parts(axes, canvas)
    _draw_heading(axes, f"Colour, {_size(scene.color)}")
    if scene.parts:
        drawn.key(axes, [("part", "looked at: see Fit")], ncols=1)
    if scene.hand:
        drawn.key(axes, [("hand", "box of the hand" if scene.sample else "hand")], ncols=1)


def _size(image: FloatArray | ColorImage) -> str:
    return f"{image.shape[1]} x {image.shape[0]} pixels"


def _draw_depth(figure: Figure, left: float, scene: Scene) -> None:
    axes = panel(figure, left, _TITLE, _WIDE, _TALL)
    if scene.depth_m is None or scene.depth_canvas is None:
        _draw_absence(axes, "Depth", "no depth picture could be read")
        return
    shown = drawn.draw_depth(axes, scene.depth_m)
    scene.draw_hand(axes, scene.depth_canvas)
    scene.draw_parts(axes, scene.depth_canvas)
    holes = float(np.mean(~np.isfinite(scene.depth_m)))
    _draw_heading(axes, f"Depth, {_size(scene.depth_m)}, {percent(holes)} of them empty")
    if holes < 1:
        _bar(figure, shown, left + 0.05, _TITLE + _TALL + 0.12, 0.52 * _WIDE, "metres")
    legend = [("no depth", "empty"), *([("hand", "hand")] if scene.hand else [])]
    legend += [("part", "looked at")] if scene.parts else []
    under = panel(figure, left, _TITLE + _TALL, _WIDE, _UNDER)  # of the panel, however narrow the picture
    under.set_axis_off()
    drawn.key(under, legend, ncols=1, right=True, above=1.0)


def _bar(figure: Figure, shown: AxesImage, left: float, top: float, width: float, label: str) -> None:
    bar_axes = panel(figure, left, top, width, 0.11)
    bar = figure.colorbar(shown, cax=bar_axes, orientation="horizontal")
    bar.outline.set(edgecolor=FAINT, linewidth=0.8)
    bar_axes.tick_params(labelsize=8.5, colors=INK, length=2.5, pad=2)
    bar_axes.set_xlabel(label, fontsize=8.5, color=INK, labelpad=1)


def _draw_close_up(axes: Axes, scene: Scene) -> None:
    canvas = scene.color_canvas or scene.depth_canvas
    if canvas is None or scene.hand is None:
        _draw_absence(axes, "Hand, palm, normal", "no hand to show")
        return
    window = scene.window(canvas)
    if scene.color is not None:
        drawn.draw_picture(axes, scene.color, window)
    elif scene.depth_m is not None:
        drawn.draw_depth(axes, scene.depth_m, window)
    for draw in (scene.draw_palm, scene.draw_plane, scene.draw_hand, scene.draw_fingers, scene.draw_normal):
        draw(axes, canvas)
    _draw_heading(axes, "Hand, palm, normal" if scene.palm else "Hand: no palm was found on it")
    if scene.palm:
        normal = "normal, 2 sd" if scene.sample else "normal"
        keys = [
            ("hand", "hand"),
            ("palm", "palm"),
            ("plane", "plane, 12 cm"),
            ("normal", normal),
            ("fingers", "fingers"),
        ]
        drawn.key(axes, keys, ncols=3)
    else:
        drawn.key(axes, [("hand", "hand")], ncols=1)


def _draw_residuals(figure: Figure, left: float, top: float, scene: Scene, palm: Palm) -> None:
    axes = panel(figure, left, top, _TALL, _TALL)
    rms_mm = palm.fit.rms_m * 1000
    scale_mm = next((scale for scale in (2, 5, 10, 20) if 2.5 * rms_mm <= scale), 50)
    shown = drawn.draw_residuals(axes, scene, scale_mm)
    _draw_heading(axes, f"Palm against plane, rms {rms_mm:.1f} mm")
    _bar(figure, shown, left + 0.05, top + _TALL + 0.12, 0.58 * _TALL, "mm off the plane, + nearer")
    drawn.key(axes, [("outlier", "outliers"), ("rest", "not palm")], ncols=1, right=True)


def _draw_pyramid(axes: Axes, explained: Explained) -> None:
    sample = explained.scene.sample
    if sample is None:
        _draw_absence(axes, "Crop", "no crop: the frame was rejected")
        return
    _draw_heading(axes, "Crop as stored: 128, 64, 32 pixels" + (", mirrored" if sample.mirrored else ""))
    draw_pyramid(axes, sample)
    normal = sample.normal if explained.plain_cut else sample.view_normal
    drawn.draw_arrow(axes, np.array([63.5, 63.5]), 63.5 + 55 * normal[:2], drawn.NORMAL)
    frame = "camera frame: a plain cut-out" if explained.plain_cut else "view frame"
    drawn.key(axes, [("normal", f"normal, {frame}")], ncols=1)


def draw_pyramid(axes: Axes, sample: Sample) -> None:
    """Show the pyramid's levels side by side, a pixel of each as large as of the others."""
    places = ((0, 0), (134, 0), (134, 70))
    for image, (x, y) in zip(sample.rgb or map(grey_from_depth, sample.depth_mm or ()), places, strict=True):
        size = len(image)
        axes.imshow(image, extent=(x - 0.5, x + size - 0.5, y + size - 0.5, y - 0.5), interpolation="nearest")
    axes.set(xlim=(-0.5, 197.5), ylim=(127.5, -0.5), aspect="equal", anchor="N")
    axes.set_axis_off()


def _draw_orientation(axes: Axes, scene: Scene) -> None:
    angles = _angles(scene)
    limit = max(REACH_DEG + 7, min(90.0, 10 * ceil(hypot(*angles) / 10 + 0.3)))
    draw_disc(axes, limit)
    _draw_heading(axes, "Orientation, view frame, centred")
    if scene.sample is None:
        axes.plot(*angles, marker="o", markersize=8, markerfacecolor="white", markeredgecolor=MISSING, linestyle="")
        axes.text(0.5, -0.03, "not a label: the frame was rejected", transform=axes.transAxes, ha="center", va="top",
                  fontsize=8.5, color=MISSING)  # fmt: skip
        return
    axes.plot(*angles, marker="o", markersize=7, color=drawn.NORMAL, linestyle="", markeredgecolor="white", zorder=4)
    _magnify(axes, scene.sample, angles)


def _angles(scene: Scene) -> FloatArray:
    """Find the normal's centred angles in the view frame: the sample's, else those the palm would have had."""
    if scene.sample:
        return centred_from_label_deg(angles_deg_from_normal(scene.sample.view_normal))
    assert scene.palm is not None
    middle = transform_points(scene.calibration.color_from_depth, scene.palm.middle[None])[0]
    normal = scene.calibration.color_from_depth[:3, :3] @ scene.palm.fit.plane.normal
    return centred_from_label_deg(angles_deg_from_normal(view_from_camera(unit(middle)) @ normal))


def draw_disc(axes: Axes, limit: float, *, words: bool = True) -> None:
    """Draw orientation space: the disc within reach, y downward as in the picture; with rings and directions."""
    axes.set(xlim=(-limit, limit), ylim=(limit, -limit), aspect="equal", anchor="N", xticks=[], yticks=[])
    axes.spines[:].set_visible(False)
    axes.add_patch(Circle((0, 0), REACH_DEG, facecolor="#e9edf2", edgecolor="none"))
    axes.add_patch(Circle((0, 0), REACH_DEG, facecolor="none", edgecolor=INK, linewidth=1.0, zorder=2.5))
    if not words:
        return
    for radius in (15, 30, 45):
        axes.add_patch(Circle((0, 0), radius, facecolor="none", edgecolor="white", linewidth=1.2))
        axes.text(radius - 1, -1, f"{radius}", fontsize=7.5, color="#5a6270", ha="right", va="bottom")
    axes.plot([-REACH_DEG, REACH_DEG], [0, 0], color="white", linewidth=1.2)
    axes.plot([0, 0], [-REACH_DEG, REACH_DEG], color="white", linewidth=1.2)
    out = REACH_DEG + 1.5
    axes.text(-out, 0, "left", ha="right", va="center", rotation=90, fontsize=8.5, color=INK)
    axes.text(out, 0, "right", ha="left", va="center", rotation=270, fontsize=8.5, color=INK)
    axes.text(0, -out, "up", ha="center", va="bottom", fontsize=8.5, color=INK)
    axes.text(0, out, "down", ha="center", va="top", fontsize=8.5, color=INK)


def _magnify(axes: Axes, sample: Sample, angles: FloatArray) -> None:
    """Show the label's surroundings enlarged next to the disc, with the ellipses of 1 and 2 standard deviations."""
    x, y = angles
    right = x > 0
    corner = (x - _NEAR_DEG, y - _NEAR_DEG)
    axes.add_patch(
        Rectangle(corner, 2 * _NEAR_DEG, 2 * _NEAR_DEG, facecolor="none", edgecolor=INK, linewidth=0.8, zorder=3)
    )
    near = axes.inset_axes((0.7 if right else 0.0, -0.2, 0.3, 0.3), zorder=4)
    near.set(xlim=(x - _NEAR_DEG, x + _NEAR_DEG), ylim=(y + _NEAR_DEG, y - _NEAR_DEG), xticks=[], yticks=[])
    near.spines[:].set(color=INK, linewidth=0.8)
    for deviations, alpha in ((2.0, 0.25), (1.0, 0.45)):
        rim = drawn.view_angles(sample, drawn.directions_within(sample, deviations))
        near.add_patch(PathPatch(Path(rim), facecolor=drawn.NORMAL, alpha=alpha, edgecolor="none"))
    near.plot(x, y, marker="+", markersize=6, color=INK)
    axes.text(
        0.67 if right else 0.33, -0.15, f"enlarged: {2 * _NEAR_DEG:g} degrees,\n1 and 2 sd of the label",
        transform=axes.transAxes, fontsize=8.5, color=INK, ha="right" if right else "left", va="center",
    )  # fmt: skip


def _rows(lines: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Break long values into several rows; very long ones lose their beginning."""
    rows: list[tuple[str, str]] = []
    for what, value in lines:
        parts = textwrap.wrap(_cut_beginning(value, 4 * _VALUE), _VALUE, break_on_hyphens=False) or [""]
        rows += zip((what, *[""] * (len(parts) - 1)), parts, strict=True)
    return rows


def _draw_words(axes: Axes, heading: str, rows: Sequence[tuple[str, str]]) -> None:
    axes.set_axis_off()
    axes.text(0, 0.5, heading, fontsize=10, fontweight="bold", color=INK, va="center")
    for row, (what, value) in enumerate(rows):
        axes.text(0, row + 1.6, what, fontsize=9, color="#5a6270", va="center")
        axes.text(1.2, row + 1.6, value, fontsize=9, color=INK, va="center")


def _cut_beginning(name: str, limit: int) -> str:
    """Cut a name at its beginning: what tells one frame from the next is at its end."""
    plain = printable(name, 4096)
    return plain if len(plain) <= limit else f"…{plain[1 - limit :]}"
