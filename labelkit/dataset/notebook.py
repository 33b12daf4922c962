"""A dataset as a notebook shows it: figures, participants, a few hands."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from labelkit.dataset.manifest import Manifest
from labelkit.wording import number_of, percent

CROPS = 12  # hands that are shown, at most
_PARTICIPANTS = 20


def html_of(path: Path, manifest: Manifest, crops: Iterable[NDArray[np.uint8]]) -> str:
    """Describe a dataset in HTML; names of participants and files stay text.

    Args:
        crops: pictures of hands from all over it, (size, size, 3).
    """
    m = manifest
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in m.rejected.items()) or "none"
    people = [(name, entry.frames, entry.samples) for name, entry in m.participants.items()]
    body = Markup("<p><b>{}</b>: {}, from {} ({} became samples)<br>rejected: {}</p>").format(
        str(path),
        m.samples_of_whom(),
        number_of(m.frames, "source frame"),
        percent(m.samples / m.frames) if m.frames else "none",
        reasons,
    )
    if m.samples:
        body += Markup("<p>{}</p>").format(Markup(" ").join(map(_crop, crops)))
    body += _table(("participant", "frames", "samples"), people[:_PARTICIPANTS])
    if len(people) > _PARTICIPANTS:
        body += Markup("<p>and {} more</p>").format(len(people) - _PARTICIPANTS)
    return body


def _crop(picture: NDArray[np.uint8]) -> Markup:
    _, content = cv2.imencode(".jpg", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    encoded = base64.b64encode(content.tobytes()).decode()
    return Markup('<img alt="a sample" src="data:image/jpeg;base64,{}">').format(encoded)


def _table(heads: Iterable[str], rows: Iterable[Iterable[Any]]) -> Markup:
    def line(tag: str, cells: Iterable[Any]) -> Markup:
        return Markup("<tr>{}</tr>").format(Markup("").join(Markup(f"<{tag}>{{}}</{tag}>").format(c) for c in cells))

    return Markup("<table>{}{}</table>").format(line("th", heads), Markup("").join(line("td", row) for row in rows))
