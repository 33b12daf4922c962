"""Figures as bytes: the same figure gives the same bytes with all matplotlib settings of users."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import matplotlib.style
from matplotlib.figure import Figure

PNG_DPI = 150  # a figure of 10 inches is 1500 pixels wide: sharp at half that on a dense screen, and in print

_STYLE = {
    # The first comes with matplotlib; the others stand in for it in a browser, and are nearly as wide.
    "font.family": ["sans-serif"],
    "font.sans-serif": ["DejaVu Sans", "Verdana", "Arial"],
    "svg.fonttype": "none",  # text stays text: small, searchable, editable
    "svg.hashsalt": "labelkit",  # identifiers in the file are random without
    "text.parse_math": False,  # a participant may be called $x$
}


@contextmanager
def house_style() -> Iterator[None]:
    """Draw with matplotlib's defaults and ours, not with those of the user's matplotlibrc."""
    with matplotlib.style.context(["default", _STYLE]):
        yield


def figure_bytes(figure: Figure, file_format: Literal["png", "svg"]) -> bytes:
    """Render a figure.

    Returns:
        The file's content, without the time or the version of the software.
    """
    sink = io.BytesIO()
    metadata = {"Software": None} if file_format == "png" else {"Date": None, "Creator": None}
    with house_style(), warnings.catch_warnings():
        # A name in a script that the font lacks: boxes in a PNG, the right letters in an SVG. No news to the user.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        figure.savefig(sink, format=file_format, dpi=PNG_DPI, metadata=metadata)
    return sink.getvalue()
