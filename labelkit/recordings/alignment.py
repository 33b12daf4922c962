"""Whether the colour and the depth pictures of a recording belong together, from a few of its frames."""

from __future__ import annotations

from collections.abc import Sequence

from labelkit.curation.alignment import CERTAIN, WIDTH, Alignment, EdgeMaps, Fit
from labelkit.errors import RawFrameError
from labelkit.recordings.settle import pick_evenly
from labelkit.records import Recording, Unreadable

_FIRST_LOOK = 4  # frames, at half the width: enough for a sound recording, in 0.1 s
_FRAMES = 16  # if that was not clear


def measure_alignment(recording: Recording, frames: Sequence[int]) -> Alignment:
    """Measure how the depth of a recording lies on its colour, as it states them (registered, or two cameras).

    Args:
        frames: numbers of frames of which some are taken, evenly.
    """
    first = _look(recording, pick_evenly(frames, _FIRST_LOOK), WIDTH // 2)
    if first.fit is Fit.ALIGNED and first.strength >= CERTAIN:
        return first
    return _look(recording, pick_evenly(frames, _FRAMES), WIDTH)


def _look(recording: Recording, frames: Sequence[int], width: int) -> Alignment:
    edges = EdgeMaps(recording.calibration, recording.range_m, width=width)
    for index in frames:
        frame = recording[index]
        if isinstance(frame, Unreadable) or frame.read_color is None:
            continue
        try:
            color = frame.read_color()
        except (RawFrameError, OSError):
            continue
        if color.shape[:2] == (recording.calibration.color.height, recording.calibration.color.width):
            edges.add(frame.depth_m, color)
    return edges.measure()
