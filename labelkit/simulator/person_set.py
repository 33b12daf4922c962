"""Film whole participants in the light of real places: bodies of body.py, where recorder.py's FilmSet has arms."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Literal

import numpy as np

from labelkit.records import ColorImage, FloatArray, Handedness, Intrinsics
from labelkit.simulator.backdrop import Backdrop, make_backdrop
from labelkit.simulator.body import ELBOW_BONE, TORSO_BONE, Person, draw_person
from labelkit.simulator.color_camera import LensAndChip, draw_color_camera, expose
from labelkit.simulator.kinect import sense
from labelkit.simulator.light import Place, draw_place
from labelkit.simulator.look import Appearance, draw_look
from labelkit.simulator.motion import draw_drift
from labelkit.simulator.people import BackdropKind, Moment, Participant, draw_participant, hand_turn, least_flexion
from labelkit.simulator.people_pose import pose_hand, pose_person
from labelkit.simulator.rays import full_rays
from labelkit.simulator.render import Rendered, draw_empty
from labelkit.simulator.render_person import draw_person_frame
from labelkit.simulator.skeleton import UPPER_ARM_BONE
from labelkit.simulator.stage import Staged, aim

Hands = Literal["open", "relaxed", "gestures"]

# Purposes of random generators, for their keys (seed, participant, purpose); others: recorder.py, sources/simulated.py.
_BODY, _LOOK, _PLACE, _BACKDROP, _CAMERA, _BODY_MANNER = 10, 11, 12, 13, 14, 15

# The room of a participant, unless one is asked for: the picture shows the whole person, or only an arm that reaches in
# before a wall or before nothing within range.
_ROOMS: tuple[BackdropKind, ...] = ("body", "wall", "none")
_ROOM_SHARES = (0.5, 0.3, 0.2)

# The other hand rests in front of the body, or the back hides it.
_HIDDEN_SHARE = 0.5

# A head is not to hide the hand: the elbow stays farther from the camera than the wrist by this share of the forearm,
# as far as the wrist can be bent (73 degrees: Ryu et al. 1991, J. Hand Surg. 16A, 409; rounded down).
_ELBOW_BACK = 0.15
_MOST_FLEXION_RAD = np.deg2rad(70.0)

_REACH_M = 1.2  # length of an upper arm that reaches in from out of the picture

# The elbow's angle between upper arm and forearm: from sharply bent to almost straight.
_ELBOW_RAD = np.deg2rad(40.0), np.deg2rad(172.0)

# Curl of a hand at ease per joint from the knuckle outward, degrees, and how much more toward the little finger:
# assumed.
_AT_EASE_DEG = np.array([28.0, 36.0, 18.0])
_MORE_PER_FINGER = np.array([0.0, 0.0, 0.12, 0.25, 0.4])
_THUMB_AT_EASE_DEG = np.array([8.0, 12.0, 18.0])

# Full curl of a fist.
_FIST_DEG = np.array([80.0, 98.0, 60.0])
_THUMB_FIST_DEG = np.array([22.0, 35.0, 45.0])
# Gestures: how far thumb .. little are curled.
_GESTURES = np.array(
    [
        [0.0, 0.0, 0.0, 0.0, 0.0],  # five
        [0.8, 0.0, 0.0, 0.0, 0.0],  # four
        [0.9, 0.0, 0.0, 1.0, 1.0],  # two
        [0.9, 0.0, 0.0, 0.0, 1.0],  # three
        [0.9, 0.0, 1.0, 1.0, 1.0],  # pointing
        [1.0, 1.0, 1.0, 1.0, 1.0],  # fist
        [0.0, 1.0, 1.0, 1.0, 1.0],  # thumb out
        [0.0, 0.0, 1.0, 1.0, 1.0],  # pistol
        [0.0, 1.0, 1.0, 1.0, 0.0],  # telephone
        [0.9, 0.0, 1.0, 1.0, 0.0],  # horns
        [0.8, 0.55, 0.0, 0.0, 0.0],  # ring of thumb and index
        [0.5, 0.5, 0.5, 0.5, 0.5],  # as round a ball
    ]
)
_FRAMES_PER_GESTURE = 14.0


@dataclass(frozen=True, eq=False)
class PersonMoment(Moment):
    """A moment of a whole person.

    Attributes:
        body_turn: (3, 3), the body's left, up and front as columns, camera frame.
        shoulder: (3,), where the shoulder is, seen from the elbow, camera frame; of any length.
    """

    body_turn: FloatArray
    shoulder: FloatArray


class BodyManner:
    """How a participant holds the body and bends the fingers, frame by frame."""

    def __init__(self, rng: np.random.Generator, n_frames: int, participant: Participant, hands: Hands) -> None:
        """Draw it for so many frames."""
        self._hands, self._left = hands, participant.handedness == "left"
        self._behind = participant.backdrop == "body"
        self._yaw, self._pitch, self._roll = rng.normal(0.0, np.deg2rad((14.0, 5.0, 3.0)))
        self._reach = rng.uniform(-0.1, 0.6)  # how far the upper arm hangs
        self._out = rng.normal(0.0, 0.25)
        self._drift = draw_drift(rng, n_frames, (6,), 20.0)
        self._ease = rng.uniform(0.6, 1.2)
        self._fingers = draw_drift(rng, n_frames, (5, 3))
        # from fingers together to a hand spread wide: thumb, then the other fingers
        self._spread = np.deg2rad(np.array([rng.uniform(-5.0, 32.0), *([rng.uniform(-1.0, 4.0)] * 4)]))
        self._gesture = _draw_gestures(rng, n_frames)

    def complete(self, k: int, moment: Moment) -> PersonMoment:
        """Add body and fingers to the moment of frame `k`."""
        sway = self._drift[k]
        turn = _facing_camera(self._yaw + 0.05 * sway[0], self._pitch + 0.02 * sway[1], self._roll + 0.02 * sway[2])
        side = -1.0 if self._left else 1.0
        if self._behind:
            shoulder = np.array([side * (self._out + 0.1 * sway[3]), self._reach - 0.35 + 0.1 * sway[4], 0.9])
        else:
            shoulder = np.array([0.15 * self._out + 0.1 * sway[3], 0.97, 0.35 + 0.08 * sway[4]])
        known = {field.name: getattr(moment, field.name) for field in fields(Moment)}
        curl = self._curl(k, moment.pose.curl)
        straight = np.clip(1.0 - curl[:, 0] / np.deg2rad(60.0), 0.0, 1.0)  # bent fingers cannot be spread
        flexion, deviation = moment.pose.wrist
        if self._behind:
            least = least_flexion(hand_turn(moment.angles_deg, moment.in_plane_rad), -_ELBOW_BACK)
            flexion = max(flexion, min(least, _MOST_FLEXION_RAD))
        known["pose"] = replace(
            moment.pose,
            curl=curl,
            splay=moment.pose.splay + straight * self._spread,
            wrist=(flexion, deviation),
        )
        return PersonMoment(**known, body_turn=turn, shoulder=shoulder)

    def _curl(self, k: int, open_curl: FloatArray) -> FloatArray:
        if self._hands == "open":
            return open_curl
        if self._hands == "relaxed":
            eased = _AT_EASE_DEG * (1.0 + _MORE_PER_FINGER[:, None]) * (self._ease + 0.15 * self._fingers[k])
            eased[0] = _THUMB_AT_EASE_DEG * (self._ease + 0.2 * self._fingers[k, 0])
            return np.asarray(np.deg2rad(np.clip(eased, -5.0, 100.0)))
        full = np.tile(_FIST_DEG, (5, 1))
        full[0] = _THUMB_FIST_DEG
        bent = np.deg2rad(full * (1.0 + 0.06 * self._fingers[k]))
        return np.asarray(open_curl + self._gesture[k][:, None] * (bent - open_curl))


def _draw_gestures(rng: np.random.Generator, n_frames: int) -> FloatArray:
    """Draw how far each digit is curled: (n_frames, 5), one gesture after the other."""
    n = int(n_frames / _FRAMES_PER_GESTURE) + 2
    path = _GESTURES[rng.integers(len(_GESTURES), size=n)]
    at = np.arange(n_frames) / _FRAMES_PER_GESTURE
    low = at.astype(int)
    share = np.clip((at - low - 0.3) / 0.4, 0.0, 1.0)  # held, then changed
    share = (share * share * (3.0 - 2.0 * share))[:, None]
    return np.asarray(path[low] * (1.0 - share) + path[low + 1] * share)


def _facing_camera(yaw: float, pitch: float, roll: float) -> FloatArray:
    """Turn a body that faces the camera by these angles, radians; its left, up and front are the columns."""
    cy, sy, cp, sp, cr, sr = np.cos(yaw), np.sin(yaw), np.cos(pitch), np.sin(pitch), np.cos(roll), np.sin(roll)
    facing = np.array([[1.0, 0.0, 0.0], [0.0, -1.0, 0.0], [0.0, 0.0, -1.0]])
    about_y = np.array([[cy, 0.0, sy], [0.0, 1.0, 0.0], [-sy, 0.0, cy]])
    about_x = np.array([[1.0, 0.0, 0.0], [0.0, cp, -sp], [0.0, sp, cp]])
    about_z = np.array([[cr, -sr, 0.0], [sr, cr, 0.0], [0.0, 0.0, 1.0]])
    return np.asarray(about_y @ about_x @ about_z @ facing)


class PersonSet:
    """A participant's body, light and room, ready for filming."""

    def __init__(
        self,
        seed: int,
        index: int,
        intrinsics: Intrinsics,
        handedness: Handedness | None = None,
        *,
        hands: Hands = "open",
        room: BackdropKind | None = None,
    ) -> None:
        """Make body, light and room; a handedness or room of None is drawn at random."""
        body_rng = np.random.default_rng([seed, index, _BODY])
        drawn = str(body_rng.choice(_ROOMS, p=_ROOM_SHARES))
        self.hidden_hand: bool = bool(body_rng.random() < _HIDDEN_SHARE)
        chosen: BackdropKind = room or drawn  # type: ignore[assignment]
        self.participant: Participant = replace(draw_participant(seed, index, handedness), backdrop=chosen)
        self.hands: Hands = hands
        self._seed, self._index, self._intrinsics = seed, index, intrinsics
        shape = self.participant.shape
        self.person: Person = draw_person(body_rng, left=shape.left, sleeve_mm=shape.sleeve_mm)
        self.look: Appearance = draw_look(self.person, self.participant, np.random.default_rng([seed, index, _LOOK]))
        if chosen != "body":
            self.person = reach_in(self.person)
        self.place: Place = draw_place(np.random.default_rng([seed, index, _PLACE]))
        self.rays: FloatArray = full_rays(intrinsics)
        self.backdrop: Backdrop = make_backdrop(
            self.participant, intrinsics, np.random.default_rng([seed, index, _BACKDROP]), self.place
        )
        self.camera: LensAndChip = draw_color_camera(np.random.default_rng([seed, index, _CAMERA]))

    def draw_manner(self, n_frames: int) -> BodyManner:
        """Draw how the body moves in so many frames."""
        rng = np.random.default_rng([self._seed, self._index, _BODY_MANNER])
        return BodyManner(rng, n_frames, self.participant, self.hands)

    def complete(self, moments: list[Moment | None]) -> list[Moment | None]:
        """Add the body to a recording's moments."""
        manner = self.draw_manner(len(moments))
        return [None if moment is None else manner.complete(k, moment) for k, moment in enumerate(moments)]

    def place_person(self, moment: PersonMoment) -> Staged:
        """Pose the person and place the whole hand in the picture."""
        person = self.person
        turn, centre, ray, box = aim(pose_hand(person, moment.pose), moment, self._intrinsics)
        pose = replace(moment.pose, upper_arm=_bend_elbow(moment, turn))
        vertices, normals, joints, marks = pose_person(
            person, pose, turn.T @ moment.body_turn, hide_hand=self.hidden_hand
        )
        return Staged(
            vertices=vertices @ turn.T + centre,
            normals=normals @ turn.T,
            joints=joints @ turn.T + centre,
            turn=turn,
            centre=centre,
            ray=ray,
            box=box,
            marks=marks @ turn.T + centre,
        )

    def shoot(self, moment: Moment | None) -> tuple[Staged | None, Rendered]:
        """Render one exact frame, with or without the person."""
        if moment is None:
            return None, draw_empty(self.backdrop)
        assert isinstance(moment, PersonMoment)
        staged = self.place_person(moment)
        drawn = draw_person_frame(
            self.person, self.look, staged, self.place, self.backdrop, self.rays, self._intrinsics
        )
        return staged, drawn

    def develop(
        self, moment: Moment | None, rendered: Rendered, rng: np.random.Generator, *, correlated: bool = False
    ) -> tuple[FloatArray, ColorImage]:
        """Turn an exact frame into that of the sensor: depth in metres, and colour."""
        color = expose(rendered.linear, moment.exposure if moment else 1.0, self.camera, rng)
        return sense(rendered.depth_m, rendered.cos_tilt, rng, correlated=correlated), color


def _bend_elbow(moment: PersonMoment, turn: FloatArray) -> FloatArray:
    """Find where the shoulder is from the elbow, (3,) hand frame, within the elbow's limits."""
    flexion = moment.pose.wrist[0]
    forearm = np.array([0.0, -np.cos(flexion), -np.sin(flexion)])  # from the elbow to the wrist
    wanted = moment.shoulder @ turn
    wanted = wanted / np.linalg.norm(wanted)
    across = wanted - (wanted @ forearm) * forearm
    across /= max(float(np.linalg.norm(across)), 1e-9)
    angle = float(np.clip(np.arctan2(wanted @ across, wanted @ forearm), *_ELBOW_RAD))
    return np.asarray(np.cos(angle) * forearm + np.sin(angle) * across)


def reach_in(person: Person) -> Person:
    """Keep only the arm, with an upper arm so long that it leaves the picture."""
    own = np.isin(person.bones[:, 0], range(ELBOW_BONE + 1))
    axis = -person.upper_arm  # to the shoulder
    along = (person.vertices - person.joints[UPPER_ARM_BONE]) @ axis
    whole = (person.joints[TORSO_BONE] - person.joints[UPPER_ARM_BONE]) @ axis
    kept = (own & (along < 0.8 * whole))[person.triangles].all(axis=1)
    # far from the elbow only the upper arm moves the skin, or the longer part would turn with the torso
    near = 0.3 * whole
    bones = person.bones.copy()
    bones[own & (along > near)] = UPPER_ARM_BONE
    shown = np.unique(person.triangles[kept])
    end = along[shown].max()
    longer = (_REACH_M - near) / (end - near) - 1.0
    beyond = np.clip(along - near, 0.0, None) * own
    return replace(
        person,
        vertices=person.vertices + longer * beyond[:, None] * axis,
        bones=bones,
        triangles=person.triangles[kept],
        parts=person.parts[kept],
        shown=shown,
    )
