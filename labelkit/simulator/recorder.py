"""Record one participant: room, hand, frames, sensor, files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np

from labelkit.files import make_folder, write_bytes
from labelkit.recordings.tum_writer import TumWriter
from labelkit.records import ColorImage, FloatArray, Handedness, Intrinsics
from labelkit.simulator.backdrop import Backdrop, make_backdrop
from labelkit.simulator.hand import Arm, build_arm
from labelkit.simulator.kinect import sense
from labelkit.simulator.people import BackdropKind, Moment, Participant, draw_moments, draw_participant
from labelkit.simulator.person_set import Hands, PersonSet
from labelkit.simulator.rays import full_rays
from labelkit.simulator.render import Rendered, draw, draw_empty, photograph, skin_colors
from labelkit.simulator.stage import Staged, stage
from labelkit.simulator.truth import TruthRow, truth_of, truth_of_empty, truth_of_person

# A registered Kinect v1 as OpenNI and the TUM benchmark give it.
INTRINSICS = Intrinsics(fx=525.0, fy=525.0, cx=319.5, cy=239.5, width=640, height=480)

_RATE_HZ = 30.0
_FIRST_STAMP_S = 1.4e9 + 1.0  # any date, but the same in every run
_JITTER_S = 0.0015
_COLOR_LAG_S = 0.006  # colour and depth cameras are not synchronised; at most this far apart

# Purposes of random generators, for their keys (seed, participant, purpose[, frame]). 0 and 1: people.py.
_ROOM, _SKIN, _STAMPS, _FRAME = 2, 3, 4, 5


def frame_rng(seed: int, index: int, frame: int) -> np.random.Generator:
    """Make the random generator for a frame's noise."""
    return np.random.default_rng([seed, index, _FRAME, frame])


class FilmSet:
    """The arm and the room of a participant, ready for filming."""

    def __init__(self, seed: int, index: int, handedness: Handedness | None = None, *, curl: float = 1.0) -> None:
        """Make arm and room; a handedness of None is drawn at random."""
        self.participant: Participant = draw_participant(seed, index, handedness, curl=curl)
        self.rays: FloatArray = full_rays(INTRINSICS)
        self.backdrop: Backdrop = make_backdrop(
            self.participant, INTRINSICS, np.random.default_rng([seed, index, _ROOM])
        )
        self.arm: Arm = build_arm(self.participant.shape)
        skin_rng = np.random.default_rng([seed, index, _SKIN])
        self.colors: FloatArray = skin_colors(self.arm, self.participant, skin_rng)

    def complete(self, moments: list[Moment | None]) -> list[Moment | None]:
        """Give the moments back: an arm needs no more."""
        return moments

    def shoot(self, moment: Moment | None) -> tuple[Staged | None, Rendered]:
        """Render one exact frame, with or without a hand."""
        if moment is None:
            return None, draw_empty(self.backdrop)
        staged = stage(self.arm, moment, INTRINSICS)
        drawn = draw(self.arm, self.colors, staged, moment, self.participant, self.backdrop, self.rays, INTRINSICS)
        return staged, drawn

    def develop(
        self, moment: Moment | None, rendered: Rendered, rng: np.random.Generator, *, correlated: bool = False
    ) -> tuple[FloatArray, ColorImage]:
        """Turn an exact frame into that of the sensor: depth in metres, and colour."""
        exposure = self.participant.exposure * (moment.exposure if moment else 1.0)
        color = photograph(rendered.linear, exposure, self.participant.camera, rng)
        return sense(rendered.depth_m, rendered.cos_tilt, rng, correlated=correlated), color


def record(
    raw: Path,
    *,
    seed: int,
    index: int,
    frames: int,
    reach_deg: float,
    curl: float,
    correlated: bool,
    people: bool = False,
    hands: Hands = "open",
    room: BackdropKind | None = None,
    masks: Path | None,
    on_frame: Callable[[], None],
) -> list[TruthRow]:
    """Write the recording of one participant, and return its truth.

    Args:
        raw: the folder of recordings; this one becomes raw/<participant>.
        index: of the participant; the result does not depend on other participants.
        curl: how much the fingers bend; 1: an open hand.
        correlated: whether the noise of neighbouring depth pixels is correlated.
        people: whether to film whole people in real light; else arms before painted walls, which know no other
            hands and rooms.
        hands, room: of people; a room of None is drawn at random.
        masks: folder for the masks of the parts, or None.
        on_frame: called after each frame; an exception from it ends the recording.
    """
    film_set = PersonSet(seed, index, INTRINSICS, hands=hands, room=room) if people else FilmSet(seed, index, curl=curl)
    participant = film_set.participant
    moments = film_set.complete(draw_moments(seed, index, frames, reach_deg, participant))
    if masks:
        make_folder(masks / participant.name)
    stamps = _stamps(np.random.default_rng([seed, index, _STAMPS]), frames)
    rows = []
    with TumWriter(
        raw / participant.name,
        participant=participant.name,
        handedness=participant.handedness,
        sensor="kinect-v1",
        intrinsics=INTRINSICS,
        title=f"labelkit simulate, seed {seed}, participant {participant.name}",
        simulated=True,
    ) as writer:
        for k, moment in enumerate(moments):
            staged, rendered = film_set.shoot(moment)
            depth_m, color = film_set.develop(moment, rendered, frame_rng(seed, index, k), correlated=correlated)
            frame = f"{participant.name}/{writer.add(depth_m, stamps[k, 0], color, stamps[k, 1])}"
            if masks:
                mask = masks / participant.name / Path(frame).name
                write_bytes(mask, cv2.imencode(".png", rendered.parts)[1].tobytes())
            if moment is None or staged is None:
                rows.append(truth_of_empty(participant, frame, people=people))
            else:
                row = truth_of(participant, frame, moment, staged, rendered, INTRINSICS)
                rows.append(truth_of_person(row, staged, rendered) if people else row)
            on_frame()
    return rows


def _stamps(rng: np.random.Generator, frames: int) -> FloatArray:
    """Draw the time of each depth and colour picture: (frames, 2) seconds."""
    depth = _FIRST_STAMP_S + np.arange(frames) / _RATE_HZ
    depth += rng.uniform(-_JITTER_S, _JITTER_S, frames)
    return np.stack([depth, depth + rng.uniform(-_COLOR_LAG_S, _COLOR_LAG_S, frames)], axis=-1)
