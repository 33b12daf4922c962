"""The coverage map in a page: counts over orientation space, to hover over, to walk through, to choose groups in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from markupsafe import Markup

from labelkit.cells import REGIONS, Cells
from labelkit.curation.coverage import Coverage, rank_groups
from labelkit.curation.wording import findings, headline
from labelkit.figures.drawn_hand import hand_drawing
from labelkit.figures.layout import MINUS
from labelkit.figures.shades import Shade, shade_index, shades_for
from labelkit.records import FloatArray
from labelkit.report.page import TEMPLATES, Section, data_block, glue, page, read_template, render
from labelkit.wording import compact, number_of

Groups = Mapping[str, Mapping[str, Coverage]]  # what they are -> name -> samples of each

SCRIPT = (TEMPLATES / "coverage_map.js").read_text(encoding="utf-8")

_HALF = 450.0  # units from the map's middle to its rim
_TEXT, _DIGIT = 30.0, 0.62  # the largest counts, in these units, and the width of a digit as a share of its height


def coverage_page(whole: Coverage, name: str, frame: str, groups: Groups) -> bytes:
    """Make a page of the coverage map alone.

    Args:
        whole: all samples.
        name: the dataset's.
        frame: the angles' frame, view or camera.
        groups: what can be chosen besides all samples.
    """
    body = coverage_map(whole, frame, groups)
    return page(f"Coverage of {name}", [Section("Map", body)], style=map_style(whole.target), script=SCRIPT)


def coverage_map(whole: Coverage, frame: str, groups: Groups) -> Markup:
    """Draw the map of all samples, with what a page's script needs to show the others.

    The page is to be given `map_style` and `SCRIPT`. The script sends the map's element an event
    `cell`, its `detail` the cell's number among those in reach, when a reader chooses one.
    """
    cells, shades = whole.cells, shades_for(whole.target)
    scale = _HALF / _limit_deg(cells)
    participants = sum(one.samples > 0 for one in groups.get("participant", {}).values())
    chosen = [("", "all samples", whole)]
    chosen += [(kind, name, coverage) for kind, named in groups.items() for name, coverage in rank_groups(named)]
    return render(
        "coverage_map.html",
        title=headline(whole, participants, frame),
        words=[glue(line) for line in findings(whole)],
        target=whole.target,
        cells=_cells(whole, scale, shades),
        groups={kind: list(range(*_span(chosen, kind))) for kind in groups if groups[kind]},
        names=[name for _, name, _ in chosen],
        reach=cells.reach_deg * scale,
        ticks=_ticks(cells, scale),
        text_size=_text_size(whole, scale),
        hands=[_hand(x * 32.0, y * 32.0, (x * 392.0, y * 392.0), 92.0) for x in (-1, 1) for y in (-1, 1)],
        key=[
            {"shade": number, "words": _range(shade), "first_full": shade.low == whole.target}
            for number, shade in reversed(list(enumerate(shades)))
        ],
        front=_hand(0.0, 0.0, (0.0, 0.0), 92.0),
    ) + data_block("coverage-data", _data(chosen, cells, shades, frame))


def map_style(target: int) -> str:
    """Write the map's style, with the shades of its target; on a dark screen, more samples are lighter."""
    shades = list(enumerate(shades_for(target)))
    light = "".join(_shade_rule(number, shade.look.color, shade.look.ink) for number, shade in shades)
    dark = "".join(_shade_rule(number, shade.look.dark, shade.look.dark_ink) for number, shade in shades)
    return f"{read_template('coverage_map.css')}{light}@media screen and (prefers-color-scheme: dark) {{\n{dark}}}\n"


def _shade_rule(number: int, color: str, ink: str) -> str:
    return f".s{number} {{ fill: {color}; }} .s{number} text {{ fill: {ink}; }}\n"


def _text_size(coverage: Coverage, scale: float) -> float:
    """Choose the size of the counts, as large as the longest allows; in the map's units."""
    longest = max(len(compact(count)) for count in np.unique(coverage.counts).tolist())
    return round(min(_TEXT, 0.9 * coverage.cells.cell_deg * scale / (_DIGIT * longest)), 1)


def _span(chosen: list[tuple[str, str, Coverage]], kind: str) -> tuple[int, int]:
    kinds = [of for of, _, _ in chosen]
    return kinds.index(kind), kinds.index(kind) + kinds.count(kind)


def _data(
    chosen: list[tuple[str, str, Coverage]], cells: Cells, shades: tuple[Shade, ...], frame: str
) -> dict[str, Any]:
    reachable = cells.reachable_mask
    rows, columns = np.nonzero(reachable)
    return {
        "target": chosen[0][2].target,
        "lows": [shade.low for shade in shades],
        "side": cells.side,
        "places": (rows * cells.side + columns).tolist(),
        "angles": cells.centre_angles_deg[reachable].round(1).tolist(),
        "regions": [REGIONS[region] for region in cells.regions[reachable]],
        "groups": [
            {
                "name": name,
                "title": f"{number_of(coverage.samples, 'sample')}, {frame} frame",
                "words": [glue(line) for line in findings(coverage)],
                "counts": coverage.counts[reachable].tolist(),
            }
            for _, name, coverage in chosen
        ],
    }


def _limit_deg(cells: Cells) -> float:
    return float(np.abs(cells.corner_angles_deg[..., 0][cells.side // 2]).max())


def _cells(coverage: Coverage, scale: float, shades: tuple[Shade, ...]) -> list[dict[str, Any]]:
    cells = coverage.cells
    corners = (cells.corner_angles_deg * scale).round(1)
    around = np.stack([corners[:-1, :-1], corners[:-1, 1:], corners[1:, 1:], corners[1:, :-1]], axis=2)
    index = shade_index(coverage.counts, shades)
    return [
        {
            "path": _path(around[row, column]),
            "shade": int(index[row, column]),
            "x": round(float(cells.centre_angles_deg[row, column, 0]) * scale, 1),
            "y": round(float(cells.centre_angles_deg[row, column, 1]) * scale, 1),
            "count": compact(int(coverage.counts[row, column])),
        }
        for row, column in zip(*np.nonzero(cells.reachable_mask), strict=True)
    ]


def _path(points: FloatArray) -> str:
    return "M" + "L".join(f"{x:g},{y:g}" for x, y in points.round(1).tolist()) + "z"


def _ticks(cells: Cells, scale: float) -> list[tuple[float, str]]:
    step = 15 if cells.reach_deg >= 30 else 5
    most = int(cells.reach_deg // step) * step
    angles = range(-most, most + 1, step)
    return [(round(angle * scale, 1), f"{angle:+d}".replace("-", MINUS) if angle else "0") for angle in angles]


def _hand(azimuth_deg: float, elevation_deg: float, centre: tuple[float, float], length: float) -> dict[str, Any]:
    drawing = hand_drawing(azimuth_deg, elevation_deg)
    tip = (drawing.normal_tip * length + centre).round(1).tolist()
    return {
        "path": "".join(_path(outline * length + centre) for outline in drawing.outlines),
        "centre": centre,
        "tip": tip,
    }


def _range(shade: Shade) -> str:
    if shade.high is None:
        return f"{shade.low:,} or more"
    return f"{shade.low:,}" if shade.high == shade.low else f"{shade.low:,} to {shade.high:,}"
