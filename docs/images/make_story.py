"""Draw story.png, the README's picture: from a simulated frame to a sample, as a strip of five small pictures.

labelkit simulate recordings --participants 4 --frames 20 --seed 7
python docs/images/make_story.py recordings/raw p01:5
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle

from labelkit.cells import OUTSIDE, Cells
from labelkit.figures import scene as drawn
from labelkit.figures.explain import draw_disc, draw_pyramid
from labelkit.figures.layout import FAINT, INK, panel
from labelkit.figures.saving import figure_bytes, house_style
from labelkit.figures.scene import Scene, Window
from labelkit.files import write_bytes
from labelkit.geometry.orientation import angles_deg_from_normal, centred_from_label_deg
from labelkit.records import Sample
from labelkit.workflows.show import explain

# Inches; 1400 x 330 pixels at 150 dpi.
_WIDTH, _HEIGHT, _EDGE, _ARROW = 1400 / 150, 330 / 150, 0.17, 0.22
_TALL, _TOP = 1.42, 0.2
_PYRAMID = _TALL * 198 / 128
_ABOUT = 0.6  # of the shorter side of the depth picture
_CAPTIONS = (
    "a depth frame",
    "the hand, its palm",
    "the palm's plane,\nits normal",
    "crops of 128, 64, 32 pixels,\nalong the ray to the hand",
    "its cell of the\ncoverage map",
)


def draw_story(scene: Scene, sample: Sample) -> Figure:
    """Draw depth, hand and palm, plane and normal, crops, and the cell of the coverage map that the sample fills."""
    assert scene.depth_m is not None
    canvas = scene.color_canvas
    assert canvas is not None
    assert scene.color is not None
    free = _WIDTH - 2 * _EDGE - 4 * _ARROW - 4 * _TALL - _PYRAMID
    gap = _ARROW + free / 4
    with house_style():
        figure = Figure(figsize=(_WIDTH, _HEIGHT), facecolor="none")
        _draw_card(panel(figure, 0, 0, _WIDTH, _HEIGHT))
        panels, left = [], _EDGE
        for caption, width in zip(_CAPTIONS, (_TALL, _TALL, _TALL, _PYRAMID, _TALL), strict=True):
            panels.append(panel(figure, left, _TOP, width, _TALL))
            _caption(panels[-1], caption)
            if left > _EDGE:
                _point(panel(figure, left - gap, _TOP, gap, _TALL))
            left += width + gap
        drawn.draw_depth(panels[0], scene.depth_m, _square(scene))
        scene.draw_hand(panels[0], scene.depth_canvas or canvas)
        window = scene.window(canvas)
        for axes in panels[1:3]:
            drawn.draw_picture(axes, scene.color, window)
        scene.draw_palm(panels[1], canvas)
        scene.draw_hand(panels[1], canvas)
        scene.draw_plane(panels[2], canvas)
        scene.draw_normal(panels[2], canvas)
        draw_pyramid(panels[3], sample)
        _draw_cell(panels[4], sample)
    return figure


def _draw_card(axes: Axes) -> None:
    """Lay a white card under all of it: pages are dark too."""
    axes.set(xlim=(0, _WIDTH), ylim=(0, _HEIGHT))
    axes.set_axis_off()
    card = FancyBboxPatch(
        (0.03, 0.03), _WIDTH - 0.06, _HEIGHT - 0.06, boxstyle="round,pad=0,rounding_size=0.1",
        facecolor="white", edgecolor=FAINT, linewidth=0.8,
    )  # fmt: skip
    axes.add_patch(card)


def _caption(axes: Axes, text: str) -> None:
    axes.text(0.5, -0.05, text, transform=axes.transAxes, ha="center", va="top", fontsize=8.5, color=INK)


def _point(axes: Axes) -> None:
    axes.set(xlim=(0, 1), ylim=(0, 1))
    axes.set_axis_off()
    arrow = {"arrowstyle": "-|>", "color": INK, "linewidth": 1.4, "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (0.88, 0.5), (0.12, 0.5), arrowprops=arrow)


def _square(scene: Scene) -> Window:
    """Take a square of the depth picture round the hand, large enough to show some of what is about it."""
    assert scene.depth_m is not None
    assert scene.hand is not None
    size = np.array(scene.depth_m.shape[::-1])
    side = round(_ABOUT * size.min())
    middle = scene.hand.corner + np.array(scene.hand.mask.shape[::-1]) / 2
    left, top = np.clip(middle - side / 2, 0, size - side)
    return left - 0.5, top - 0.5, left + side - 0.5, top + side - 0.5


def _draw_cell(axes: Axes, sample: Sample) -> None:
    cells = Cells()
    draw_disc(axes, cells.reach_deg + 1, words=False)
    for edge in cells.edges_deg:
        ends = np.sqrt(cells.reach_deg**2 - edge**2)
        axes.plot([edge, edge], [-ends, ends], color="white", linewidth=0.7)
        axes.plot([-ends, ends], [edge, edge], color="white", linewidth=0.7)
    azimuth, elevation = centred_from_label_deg(angles_deg_from_normal(sample.view_normal))
    index = int(cells.index_of(azimuth, elevation))
    if index != OUTSIDE:
        row, column = divmod(index, cells.side)
        place = cells.edges_deg[column], cells.edges_deg[row]
        axes.add_patch(Rectangle(place, cells.cell_deg, cells.cell_deg, facecolor=drawn.NORMAL, zorder=3))


if __name__ == "__main__":
    raw, frame = sys.argv[1:]
    scene = explain(Path(raw), frame).scene
    if scene.sample is None:
        sys.exit(f"{frame} has no label")
    write_bytes(Path(__file__).with_name("story.png"), figure_bytes(draw_story(scene, scene.sample), "png"))
