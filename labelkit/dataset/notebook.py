"""A dataset as a notebook shows it: figures, participants, a few hands."""

from __future__ import annotations

import base64
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from markupsafe import Markup
from numpy.typing import NDArray

from labelkit.wording import counted, percent

if TYPE_CHECKING:
    from labelkit.dataset.dataset import Dataset

_CROPS = 12
_PARTICIPANTS = 20


def html_of(dataset: Dataset) -> str:
    """Describe a dataset in HTML; names of participants and files stay text."""
    m = dataset.manifest
    reasons = ", ".join(f"{reason} {count:,}" for reason, count in m.rejected.items()) or "none"
    people = [(name, entry.frames, entry.samples) for name, entry in m.participants.items()]
    body = Markup("<p><b>{}</b>: {} of {}, from {} ({} became samples)<br>rejected: {}</p>").format(
        str(dataset.path),
        counted(m.samples, "sample"),
        counted(len(people), "participant"),
        counted(m.frames, "source frame"),
        percent(m.samples / m.frames) if m.frames else "none",
        reasons,
    )
    if len(dataset):
        chosen = np.linspace(0, len(dataset) - 1, min(_CROPS, len(dataset))).round().astype(np.int64)
        body += Markup("<p>{}</p>").format(Markup(" ").join(map(_crop, dataset.gather("rgb64", chosen))))
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
