"""Figures as bytes: the same figure gives the same bytes with all matplotlib settings of users."""

from __future__ import annotations

import io
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

import matplotlib.style
from matplotlib.figure import Figure

from labelkit.figures.layout import DARK_PAGE, ON_DARK

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


def figure_bytes(figure: Figure, file_format: Literal["png", "svg"], *, transparent: bool = False) -> bytes:
    """Render a figure.

    Args:
        transparent: without the white ground.
    Returns:
        The file's content, without the time or the version of the software.
    """
    sink = io.BytesIO()
    metadata = {"Software": None} if file_format == "png" else {"Date": None, "Creator": None}
    with house_style(), warnings.catch_warnings():
        # A name in a script that the font lacks: boxes in a PNG, the right letters in an SVG. No news to the user.
        warnings.filterwarnings("ignore", r"Glyph \d+ .* missing from font", UserWarning)
        figure.savefig(sink, format=file_format, dpi=PNG_DPI, metadata=metadata, transparent=transparent)
    return sink.getvalue()


def page_svg(figure: Figure) -> bytes:
    """Render a figure for a page that may be light or dark: without a ground, and with the colours of either."""
    content = figure_bytes(figure, "svg", transparent=True).decode()
    head, tag, rest = content.partition("<defs>")
    assert tag, "matplotlib writes its style first"
    return f"{head}<style>{_dark_style()}</style>{tag}{rest}".encode()


def _dark_style() -> str:
    """Write rules for dark pages. They go by the colours of the figure, which matplotlib writes into each element."""
    rules = [
        f'[style*="{kind}: {light}"]{{{kind}:{dark}!important}}'
        for light, dark in ON_DARK.items()
        for kind in ("fill", "stroke")
    ]
    # White words stand on coloured cells, and stay white. Points that were drawn as a picture get lighter.
    rules += [f'{kind}[style*="fill: #ffffff"]{{fill:{DARK_PAGE}!important}}' for kind in ("path", "use", "g")]
    rules.append(f'[style*="stroke: #ffffff"]{{stroke:{DARK_PAGE}!important}}')
    rules.append("image{filter:invert(1) hue-rotate(180deg)}")
    return f"@media (prefers-color-scheme: dark){{{''.join(rules)}}}"
