"""Pictures in pages: crops as JPEG, with normals drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np
from markupsafe import Markup

from labelkit.records import ColorImage, FloatArray
from labelkit.report.page import data_url, render

# At 64 pixels a crop takes about 1.6 kB; under 75, blocks show on skin.
_JPEG_QUALITY = 80
_ARROW = 0.44  # of the picture's side: a normal that lies in the picture ends just within it


@dataclass(frozen=True)
class NormalArrow:
    """A normal to draw on a crop.

    Attributes:
        normal: (3,) or (2,) view frame: x right, y down.
        style: `label` for what a sample is labelled with, `guess` for what a network says.
    """

    normal: FloatArray
    style: str = "label"


def jpeg_of(picture: ColorImage) -> bytes:
    """Encode an RGB picture; the same picture, the same bytes."""
    done, content = cv2.imencode(
        ".jpg",
        cv2.cvtColor(np.ascontiguousarray(picture), cv2.COLOR_RGB2BGR),
        [cv2.IMWRITE_JPEG_QUALITY, _JPEG_QUALITY],
    )
    assert done, f"OpenCV did not encode a picture of {picture.shape}"
    return content.tobytes()


def arrow_end(normal: FloatArray) -> tuple[float, float]:
    """Find where a normal drawn from the middle of a crop 100 units wide ends: x, y."""
    x, y = (50 + 100 * _ARROW * np.asarray(normal)[:2]).round(1).tolist()
    return x, y


def tile(picture: ColorImage, arrows: Sequence[NormalArrow] = (), *, alt: str, caption: str | Markup = "") -> Markup:
    """Show a crop with normals drawn from its middle, and a caption.

    Args:
        picture: (H, W, 3) RGB uint8; square if normals are drawn.
        alt: what it shows, for who cannot see it.
    """
    height, width = picture.shape[:2]
    return render(
        "tile.html",
        source=data_url(jpeg_of(picture), "jpeg"),
        height=round(100 * height / width, 1),
        arrows=[(arrow.style, *arrow_end(arrow.normal)) for arrow in arrows],
        alt=alt,
        caption=caption,
    )


def tiles(shown: Sequence[Markup]) -> Markup:
    """Lay tiles out in rows that wrap."""
    return Markup('<ul class="tiles">{}</ul>\n').format(Markup("").join(shown))
