"""Figures of matplotlib in pages."""

from __future__ import annotations

from collections.abc import Sequence

from markupsafe import Markup
from matplotlib.figure import Figure

from labelkit.figures.saving import figure_bytes, page_svg
from labelkit.report.page import plate


def figure_plate(figure: Figure, *, alt: str, caption: str, as_png: bool = False) -> Markup:
    """Show a figure, with its words as text, in the colours of a light or of a dark page.

    Args:
        as_png: as a picture of pixels, for a figure of very many parts.
    """
    if as_png:
        return plate(figure_bytes(figure, "png", transparent=True), "png", alt=alt, caption=caption)
    return plate(page_svg(figure), "svg+xml", alt=alt, caption=caption)


def plates(shown: Sequence[Markup]) -> Markup:
    """Set plates next to each other as far as there is room, as high as the window allows."""
    return Markup('<div class="plates">{}</div>\n').format(Markup("").join(shown))
