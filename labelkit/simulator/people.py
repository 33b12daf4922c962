"""The participants and their motion: all random choices but the sensor's noise.

The properties of a participant (hand, skin, sleeve, room, light) are drawn from (seed, participant).
Orientation, place and pose change smoothly from frame to frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from labelkit.geometry.orientation import normal_from_angles_deg
from labelkit.records import FloatArray, Handedness
from labelkit.simulator.motion import draw_drift, walk_over_disc
from labelkit.simulator.pose import Pose, rotation
from labelkit.simulator.skeleton import HandShape

BackdropKind = Literal["wall", "clutter", "none", "body"]  # a body: only of whole people

NEAREST_M, FARTHEST_M = 0.5, 1.0

# Skin of the back of the hand from light to dark, sRGB (after the Monk scale's ten tones).
_SKIN = np.array(
    [[233, 200, 184], [224, 186, 164], [208, 163, 136], [182, 134, 104], [150, 104, 76], [112, 76, 56], [84, 58, 45]]
)
_PALMAR = np.array([214.0, 158.0, 140.0])  # the palm is lighter than dark skin, redder than light skin
_CLOTH = np.array([[60, 70, 110], [150, 40, 45], [70, 110, 70], [200, 200, 205], [45, 45, 50], [190, 160, 90]])

_EMPTY_SHARE = 0.025  # frames before the hand comes in
_LEFT_SHARE = 0.25
_SLEEVE_SHARE = 0.4
_BENT_SD_DEG, _BENT_MOST_DEG = 25.0, 60.0
_IN_PLANE_SD_DEG = 20.0

# A forearm may come toward the camera by this share of its length; with more, the elbow would be in front
# of the sensor.
_ELBOW_TOWARD = 0.4


@dataclass(frozen=True, eq=False)
class ColorCamera:
    """The colour camera of a recording; cameras differ between recordings.

    Attributes:
        blur_px: standard deviation of lens, focus and demosaicing together.
        noise: standard deviation, levels of 255.
        tone: exponent applied after sRGB's curve; above 1, dark colours become darker.
        saturation: factor for the distance of colours from grey.
        vignette: share of the light that the corners lose.
    """

    blur_px: float
    noise: float
    tone: float
    saturation: float
    vignette: float


@dataclass(frozen=True, eq=False)
class Participant:
    """The properties that stay the same during a recording."""

    name: str
    shape: HandShape
    skin: FloatArray  # (3,) sRGB 0..1, back of the hand
    palm_skin: FloatArray  # (3,) sRGB 0..1
    cloth: FloatArray  # (3,) sRGB 0..1
    gloss: float
    backdrop: BackdropKind
    wall_m: float  # from the farthest place of the hand to the wall
    light: FloatArray  # (3,) unit, toward the light, camera frame
    ambient: float  # 0..1, share of ambient light
    exposure: float
    tint: FloatArray  # (3,) colour of the light
    camera: ColorCamera
    curl: float  # how much the fingers bend; 1: an open hand

    @property
    def handedness(self) -> Handedness:
        """The side of the recorded hand."""
        return "left" if self.shape.left else "right"


@dataclass(frozen=True, eq=False)
class Moment:
    """The quantities that change from frame to frame.

    Attributes:
        angles_deg: (2,) centred azimuth and elevation, view frame.
        in_plane_rad: rotation of the fingers about the palm's normal, clockwise in the picture.
        distance_m: from the camera to the palm's centre along z.
        place: (2,) 0..1, the position of the hand in the free range of the picture.
        pose: joint angles.
        light: (3,) unit, toward the light.
        exposure: factor for the participant's.
    """

    angles_deg: FloatArray
    in_plane_rad: float
    distance_m: float
    place: FloatArray
    pose: Pose
    light: FloatArray
    exposure: float


def draw_participant(seed: int, index: int, handedness: Handedness | None = None, *, curl: float = 1.0) -> Participant:
    """Draw the participant with this index; the result does not depend on other participants.

    Args:
        handedness: the side of the hand; None: drawn at random.
        curl: how much the fingers bend (1: an open hand); changes nothing else.
    """
    rng = np.random.default_rng([seed, index, 0])
    tone = rng.uniform(0.0, len(_SKIN) - 1.0)
    low = int(tone)
    skin = _SKIN[low] + (tone - low) * (_SKIN[min(low + 1, len(_SKIN) - 1)] - _SKIN[low])
    palm_skin = skin + rng.uniform(0.25, 0.45) * (_PALMAR - skin)
    light = np.array([rng.uniform(-0.9, 0.9), rng.uniform(-1.0, 0.1), rng.uniform(-1.0, -0.45)])
    return Participant(
        name=f"p{index + 1:02d}",
        shape=_draw_shape(rng, handedness),
        skin=skin / 255.0,
        palm_skin=palm_skin / 255.0,
        cloth=np.clip(rng.choice(_CLOTH) / 255.0 + rng.normal(0.0, 0.04, 3), 0.03, 0.95),
        gloss=float(rng.uniform(0.02, 0.12)),
        backdrop=str(rng.choice(["wall", "clutter", "none"], p=[0.5, 0.35, 0.15])),  # type: ignore[arg-type]
        wall_m=float(rng.uniform(0.3, 1.0)),
        light=light / np.linalg.norm(light),
        ambient=float(rng.uniform(0.2, 0.75)),  # from a lamp in a dark room to a cloudy sky
        exposure=float(rng.uniform(0.65, 1.4)),
        tint=_draw_tint(rng),
        camera=ColorCamera(
            blur_px=float(rng.uniform(0.5, 1.5)),
            noise=float(rng.uniform(1.0, 5.0)),
            tone=float(np.exp(rng.uniform(-0.3, 0.3))),
            saturation=float(rng.uniform(0.6, 1.3)),
            vignette=float(rng.uniform(0.0, 0.35)),
        ),
        curl=curl,
    )


def _draw_tint(rng: np.random.Generator) -> FloatArray:
    """Draw the tint that the camera's white balance leaves: warm or cold, green or magenta."""
    warm, green = rng.uniform(-0.3, 0.3), rng.uniform(-0.08, 0.08)
    return np.array([1.0 + 0.5 * warm, 1.0 + green, 1.0 - 0.5 * warm])


def _draw_shape(rng: np.random.Generator, handedness: Handedness | None) -> HandShape:
    drawn = HandShape(
        size=float(rng.uniform(0.85, 1.15)),
        breadth=float(rng.uniform(0.94, 1.06)),
        thickness=float(rng.uniform(0.92, 1.08)),
        fingers=tuple(float(x) for x in rng.uniform(0.94, 1.06, 5)),
        hollow_mm=float(rng.uniform(1.0, 3.0)),
        sleeve_mm=float(rng.uniform(55.0, 200.0)) if rng.random() < _SLEEVE_SHARE else None,
        left=bool(rng.random() < _LEFT_SHARE),
    )
    return drawn if handedness is None else replace(drawn, left=handedness == "left")


def draw_moments(
    seed: int, index: int, n_frames: int, reach_deg: float, participant: Participant
) -> list[Moment | None]:
    """Draw a recording's frames; None if the hand has not come in yet.

    Args:
        reach_deg: radius of the disc of centred view angles.
    """
    rng = np.random.default_rng([seed, index, 1])
    n_empty = round(_EMPTY_SHARE * n_frames)
    angles = walk_over_disc(rng, n_frames - n_empty, reach_deg)
    manner = Manner(rng, len(angles), participant)
    return [None] * n_empty + [manner.moment(k, turned) for k, turned in enumerate(angles)]


class Manner:
    """Place, pose and light of a participant's hand, frame by frame; all but the orientation."""

    def __init__(self, rng: np.random.Generator, n_frames: int, participant: Participant) -> None:
        """Draw them for so many frames."""
        self._participant = participant
        self._in_plane = np.deg2rad(_IN_PLANE_SD_DEG) * np.clip(draw_drift(rng, n_frames, ()), -2.5, 2.5)
        middle = rng.uniform(0.6, 0.9)
        self._distance = np.clip(middle + 0.08 * draw_drift(rng, n_frames, ()), NEAREST_M, FARTHEST_M)
        # close to the normal distribution function, which would make places uniform
        self._place = 0.5 + 0.5 * np.tanh(0.9 * draw_drift(rng, n_frames, (2,)))
        self._bend, self._fingers = draw_drift(rng, n_frames, (2,)), draw_drift(rng, n_frames, (5, 5))
        self._light, self._exposure = draw_drift(rng, n_frames, (3,)), draw_drift(rng, n_frames, ())

    def moment(self, k: int, angles_deg: FloatArray) -> Moment:
        """Make frame `k` with the hand turned to (2,) centred view angles."""
        in_plane_rad = float(self._in_plane[k])
        lit = self._participant.light + 0.08 * self._light[k]
        return Moment(
            angles_deg=angles_deg,
            in_plane_rad=in_plane_rad,
            distance_m=float(self._distance[k]),
            place=self._place[k],
            pose=_draw_pose(
                self._bend[k], self._fingers[k], hand_turn(angles_deg, in_plane_rad), self._participant.curl
            ),
            light=lit / np.linalg.norm(lit),
            exposure=float(np.exp(0.04 * self._exposure[k])),
        )


def hand_turn(angles_deg: FloatArray, in_plane_rad: float) -> FloatArray:
    """Compute the (3, 3) rotation from hand to view frame.

    First the fingers turn in the palm's plane, then the palm is tilted by the shortest rotation.
    """
    x, y, z = normal_from_angles_deg(90.0 - angles_deg)
    axis = np.cross([0.0, 0.0, -1.0], [x, y, z])
    sine = float(np.linalg.norm(axis))
    tilt = rotation(axis / sine, float(np.arctan2(sine, -z))) if sine > 1e-12 else np.eye(3)
    return tilt @ rotation(np.array([0.0, 0.0, 1.0]), in_plane_rad)


def _draw_pose(bend: FloatArray, fingers: FloatArray, turn: FloatArray, curled: float) -> Pose:
    """Turn standard normal numbers into joint angles that a hand can have.

    Args:
        bend: (2,), wrist flexion and deviation.
        fingers: (5, 5) per digit: splay, curl of three joints, and curl shared by all of them.
        turn: (3, 3) rotation from hand to view frame.
        curled: how much the fingers bend; 1: an open hand.
    """
    flexion = np.clip(_BENT_SD_DEG * bend[0], -_BENT_MOST_DEG, _BENT_MOST_DEG)
    flexion = max(np.deg2rad(flexion), least_flexion(turn))
    deviation = np.deg2rad(np.clip(8.0 * bend[1], -18.0, 18.0))
    splay = np.deg2rad(np.clip(3.0 * fingers[:, 0], -4.0, 7.0))
    splay[0] = np.deg2rad(np.clip(9.0 * fingers[0, 0], -16.0, 14.0))
    # the fingers of an open hand are seldom quite straight, and never bent far backward
    curl = np.deg2rad([8.0, 10.0, 6.0]) * (1.0 + 0.5 * fingers[:, 1:4] + 0.6 * fingers[:1, 4:])
    curl = curled * np.clip(curl, np.deg2rad([-8.0, -2.0, 0.0]), np.deg2rad([30.0, 40.0, 25.0]))
    curl[0] *= 0.5  # the thumb lies at the side of the palm
    return Pose(splay, curl, (float(flexion), float(deviation)), turn.T @ np.array([0.1, 0.97, 0.22]))


def least_flexion(turn: FloatArray, toward: float = _ELBOW_TOWARD) -> float:
    """Find the least wrist flexion that keeps the elbow away from the camera.

    Args:
        turn: (3, 3) rotation from hand to view frame.
        toward: by which share of its length the forearm may come toward the camera; less than 0: it must go away.
    Returns:
        radians.
    """
    down, back = turn[2, 1], turn[2, 2]
    amplitude = np.hypot(down, back)
    return float(np.arctan2(back, down) - np.arccos(np.clip(-toward / amplitude, -1.0, 1.0)))
