"""The shades of a coverage map: few classes of counts, different in colour and in grey."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from math import ceil

import numpy as np

from labelkit.cells import IntArray


@dataclass(frozen=True)
class Look:
    """How a shade appears.

    Attributes:
        color, ink: of the cell and of the writing on it, in figures.
        dark, dark_ink: the same on a dark page, where more samples are lighter.
        ansi, ansi_ink: the same among a terminal's 256 colours.
        block: the character for it without colour.
    """

    color: str
    ink: str
    dark: str
    dark_ink: str
    ansi: int
    ansi_ink: int
    block: str


@dataclass(frozen=True)
class Shade:
    """One class of counts: from `low` to `high`, without end if that is None.

    Attributes:
        full: whether such a cell holds the target.
    """

    low: int
    high: int | None
    full: bool
    look: Look


# By the lowest count, as a share of the target: yellow below the target, blue from it on, ever darker, with the
# widest step at the target. The colours follow cividis (Nunez, Anderton & Renslow 2018, PLoS ONE 13, e0199239), which
# looks the same to the colour-blind and keeps its order in grey.
_LOOKS = {
    Fraction(0): Look("#fbf1b0", "#000000", "#4b4524", "#ffffff", 229, 16, "░"),
    Fraction(1, 3): Look("#ecd65a", "#000000", "#796d28", "#ffffff", 221, 16, "▒"),
    Fraction(2, 3): Look("#c2ae55", "#000000", "#c0ad3d", "#000000", 143, 16, "▓"),
    Fraction(1): Look("#647294", "#ffffff", "#4264b8", "#ffffff", 67, 231, "█"),
    Fraction(2): Look("#3a4d78", "#ffffff", "#7596ec", "#000000", 25, 231, "█"),
    Fraction(4): Look("#00224e", "#ffffff", "#bacbfa", "#000000", 17, 231, "█"),
}


def shades_for(target: int) -> tuple[Shade, ...]:
    """Choose the classes for a target: from 1 up, ascending, without gaps.

    Returns:
        Six shades; fewer if the target is under 3. A full cell always looks full.
    """
    looks = {max(1, ceil(share * target)): look for share, look in _LOOKS.items()}  # of two alike, the fuller stays
    lows = sorted(looks)
    highs = [*(low - 1 for low in lows[1:]), None]
    return tuple(Shade(low, high, low >= target, looks[low]) for low, high in zip(lows, highs, strict=True))


def shade_index(counts: IntArray, shades: tuple[Shade, ...]) -> IntArray:
    """Find each count's shade; -1 if nothing was counted."""
    return np.searchsorted([shade.low for shade in shades], counts, side="right") - 1
