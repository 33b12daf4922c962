"""A hand's orientation drawn onto its picture; with OpenCV alone, so that videos are drawn at full speed."""

from __future__ import annotations

import cv2
import numpy as np

from labelkit.records import ColorImage, FloatArray

_DARK, _BOX, _NORMAL = (30, 34, 40), (255, 255, 255), (255, 122, 66)  # RGB
_SMALLEST, _LARGEST = 480, 1600  # pixels of the longer side: text must be legible, and a screen is enough
_LETTER = 0.022  # height of a letter, relative to the picture's longer side
_FONT = cv2.FONT_HERSHEY_SIMPLEX


def draw_overlay(image: ColorImage, box: tuple[int, int, int, int], normal: FloatArray, words: str) -> ColorImage:
    """Draw the hand's box, its normal as the picture's plane sees it, and a line of words below.

    An arrow from the middle of the box to its edge is the normal of a hand that is seen from its side; of one that
    faces the camera only the point is left.

    Args:
        image: (H, W, 3) RGB.
        box: x, y, width, height of the hand.
        normal: (3,) unit, view frame.
        words: in ASCII; OpenCV has no other letters.
    Returns:
        A copy, enlarged if it is small and shrunk if it is huge.
    """
    longer = max(image.shape[:2])
    scale = float(np.clip(longer, _SMALLEST, _LARGEST)) / longer
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    drawn = cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    x, y, width, height = (value * scale for value in box)
    corner, opposite = (round(x), round(y)), (round(x + width) - 1, round(y + height) - 1)
    middle = np.array([x + width / 2, y + height / 2])
    tip = middle + np.asarray(normal)[:2] * max(width, height) / 2
    start, end = (tuple(point.round().astype(int).tolist()) for point in (middle, tip))
    line = max(2, round(max(size) / 240))
    for color, arrow, more in ((_DARK, _DARK, 2), (_BOX, _NORMAL, 0)):  # a dark rim shows on every background
        cv2.rectangle(drawn, corner, opposite, color, line // 2 + more, cv2.LINE_AA)
        cv2.arrowedLine(drawn, start, end, arrow, line + more, cv2.LINE_AA, tipLength=0.2)
        cv2.circle(drawn, start, line + more, arrow, -1, cv2.LINE_AA)
    return _write_below(drawn, words, max(size) * _LETTER)


def _write_below(image: ColorImage, words: str, letter_px: float) -> ColorImage:
    """Add a dark strip below a picture, with words that are made smaller if they do not fit."""
    scale = letter_px / 22.0  # an upper-case letter of Hershey's simplex font has 22 pixels
    thickness = max(1, round(1.5 * scale))
    width = image.shape[1] - 2 * round(letter_px)
    (wide, _), _ = cv2.getTextSize(words, _FONT, scale, thickness)
    scale *= min(1.0, width / max(wide, 1))
    strip = np.full((round(2.6 * letter_px), image.shape[1], 3), _DARK, np.uint8)
    cv2.putText(strip, words, (round(letter_px), round(1.7 * letter_px)), _FONT, scale, _BOX, thickness, cv2.LINE_AA)
    return np.concatenate([image, strip])
