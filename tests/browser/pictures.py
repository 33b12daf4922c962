"""What a screenshot shows."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image


def white_share(screenshot: bytes, above: int = 245) -> float:
    """Measure the share of a PNG's pixels that are white, or at least lighter than a grey level."""
    pixels = np.asarray(Image.open(io.BytesIO(screenshot)).convert("RGB"))
    return float((pixels.min(axis=-1) > above).mean())
