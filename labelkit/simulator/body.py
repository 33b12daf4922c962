"""Whole people at rest: MakeHuman's body (CC0, data/NOTICE), shaped at random, in the hand frame.

The frame is that of hand.py: its origin is the centre of the palm's plane, whose normal is -z exactly, and x points to
the thumb of a right hand. At rest the fingers are straight in the plane through wrist and knuckles, and the forearm
continues the hand; so joint angles are absolute ones.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

import numpy as np

from labelkit.records import BoolArray, FloatArray
from labelkit.simulator.pose import rotation
from labelkit.simulator.rig import BodyPart, palm_frame
from labelkit.simulator.skeleton import FOREARM_BONE, MM, PALM_BONE, UPPER_ARM_BONE, digit_bone
from labelkit.simulator.surface import IntArray

# The arm's bones are those of skeleton.py; the ones of the rest of the body follow.
_SIDES = ("thumb", "index", "middle", "ring", "little")
BONES = (
    "palm",
    "forearm",
    "upper arm",
    *(f"{digit} {k}" for digit in _SIDES for k in range(3)),
    "elbow half of the forearm",
    "torso",
    "head",
    "other upper arm",
    "other forearm",
    "other hand",
)
ELBOW_BONE, TORSO_BONE, HEAD_BONE, OTHER_UPPER_BONE, OTHER_FOREARM_BONE, OTHER_HAND_BONE = range(18, 24)

# Hand length and breadth, mm: mean and sd of women and men in Gordon et al. 1989 (ANSUR, Natick TR-89/044).
_LENGTH_MM = (180.5, 9.7), (193.8, 9.8)
_BREADTH_MM = (79.4, 3.8), (90.4, 4.2)
_BASE_BREADTH_SHARE = 0.467  # of its length, the breadth across the knuckles of the hand that the targets draw

_FACING = 0.75  # palmar skin: its normal within 41 degrees of the palm's, as in rig.py
_CREASE_MM = 8.0  # from the wrist joint to the crease, toward the fingers
_SHIRT_MM = 6.0
_HAIR_MM = 9.0
_HAIRY_SHARE = 0.93
_FAR_OUT_M = 0.05
_HEM_M, _HAIRLINE = 0.015, 0.12  # over so much the shirt, and the hair, reach their full thickness
_LAP_M = 0.16  # the lowest part of the mesh, which is drawn out


def bone_of(name: str, parents: Mapping[str, str]) -> Iterator[tuple[int, float]]:
    """Tell which of our bones a bone of MakeHuman's default rig belongs to, and with what share."""
    base, _, side = name.partition(".")
    arm = {
        "wrist": (PALM_BONE, OTHER_HAND_BONE),
        "lowerarm02": (FOREARM_BONE, OTHER_FOREARM_BONE),
        "lowerarm01": (ELBOW_BONE, OTHER_FOREARM_BONE),
        "upperarm01": (UPPER_ARM_BONE, OTHER_UPPER_BONE),
        "upperarm02": (UPPER_ARM_BONE, OTHER_UPPER_BONE),
        "shoulder01": (UPPER_ARM_BONE, OTHER_UPPER_BONE),
    }
    left = side == "L"
    if base.startswith("metacarpal"):
        base = "wrist"
    if base.startswith("finger"):
        digit, segment = int(base[6]) - 1, int(base[8]) - 1
        yield (OTHER_HAND_BONE if left else digit_bone(digit, segment)), 1.0
    elif base == "shoulder01":
        yield arm[base][left], 0.5
        yield TORSO_BONE, 0.5
    elif base in arm:
        yield arm[base][left], 1.0
    else:
        up: str | None = name
        while up and up not in ("neck02", "head"):
            up = parents.get(up)
        yield (HEAD_BONE if up else TORSO_BONE), 1.0


@dataclass(frozen=True, eq=False)
class Person:
    """A participant's body at rest, in the hand frame; mirrored if the hand is a left one.

    Attributes:
        vertices, normals: (n, 3).
        triangles: (m, 3), counter-clockwise from outside.
        parts: (m,) BodyPart of each triangle.
        shown: indices of the vertices that triangles have.
        bones: (n, 4) the bones that move a vertex; weights: (n, 4).
        joints: (len(BONES), 3): the point about which each bone turns.
        marks: (21, 3): wrist, then four joints of each digit from its root to its tip.
        mark_bones: (21,): the bone that carries each of them.
        axes: (5, 3): the axis about which each digit curls toward the palm.
        body_frame: (3, 3): the body's left, up and front as columns.
        upper_arm, forearm: (3,) unit, shoulder to elbow and elbow to wrist.
        outline: indices of the vertices of palm and fingers.
        shirt: (n,) metres inside the shirt; less than 0: outside.
        locks: (n,) above 0 inside the hair.
        eyes: (n,) mask of vertices.
        palmar, tip, nail: (n,), 0..1.
        left: whether it is a left hand.
        sex, age: 0 female .. 1 male; 0 young .. 1 old.
    """

    vertices: FloatArray
    normals: FloatArray
    triangles: IntArray
    parts: IntArray
    shown: IntArray
    bones: IntArray
    weights: FloatArray
    joints: FloatArray
    marks: FloatArray
    mark_bones: IntArray
    axes: FloatArray
    body_frame: FloatArray
    upper_arm: FloatArray
    forearm: FloatArray
    outline: IntArray
    shirt: FloatArray
    locks: FloatArray
    eyes: BoolArray
    palmar: FloatArray
    tip: FloatArray
    nail: FloatArray
    left: bool
    sex: float
    age: float


@lru_cache(maxsize=1)
def _load() -> tuple[dict[str, Any], dict[str, Any]]:
    folder = files("labelkit.simulator") / "data"
    loaded = []
    for name in ("body.npz", "shapes.npz"):
        with (folder / name).open("rb") as file, np.load(file) as stored:
            loaded.append(dict(stored))
    body = loaded[0]
    quads = body["quads"].astype(np.int64)
    body["triangles"] = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    body["eyes"] = _find_islands(body["triangles"], len(body["bones"]))
    return body, loaded[1]


def _find_islands(triangles: IntArray, n: int) -> BoolArray:
    """Find the vertices that the skin's surface does not join: the eyeballs."""
    lowest = np.arange(n)
    while True:
        least = lowest[triangles].min(axis=1)
        before = lowest.copy()
        for corner in range(3):
            np.minimum.at(lowest, triangles[:, corner], least)
        lowest = lowest[lowest]
        if np.array_equal(lowest, before):
            return np.asarray(lowest != np.bincount(lowest).argmax())


def draw_person(rng: np.random.Generator, *, left: bool, sleeve_mm: float | None) -> Person:
    """Draw a participant's body.

    Args:
        rng: draws sex, age, build, ancestry and the proportions of the hand.
        left: the side of the hand that is held up.
        sleeve_mm: from the wrist to the sleeve's end, of a hand 190 mm long; None: a short sleeve.
    """
    stored = _load()[0]
    sex, age = float(rng.random() < 0.5), float(rng.uniform(0.0, 1.0) ** 1.5)
    points = _draw_points(rng, sex, age) * MM
    n = len(stored["bones"])
    names = [str(name) for name in stored["joints"]]
    at = {name.removeprefix("joint-"): points[n + k] for k, name in enumerate(names)}
    number = int(sex)
    length = float(np.clip(rng.normal(*_LENGTH_MM[number]), _LENGTH_MM[number][0] * 0.85, _LENGTH_MM[number][0] * 1.15))
    breadth = length * float(np.clip(rng.normal(_BREADTH_MM[number][0] / _LENGTH_MM[number][0], 0.008), 0.39, 0.52))
    chain = np.array([at["r-hand"], *(at[f"r-finger-3-{k}"] for k in range(1, 5))])
    scale = (length + _CREASE_MM) * MM / np.linalg.norm(np.diff(chain, axis=0), axis=1).sum()
    return _assemble(
        points * scale,
        {name: place * scale for name, place in at.items()},
        broader=breadth / length / _BASE_BREADTH_SHARE,
        fingers=rng.normal(1.0, 0.025, 5),
        rng=rng,
        left=left,
        sleeve_m=None if sleeve_mm is None else sleeve_mm * length / 190.0 * MM,
        sex=sex,
        age=age,
    )


def _draw_points(rng: np.random.Generator, sex: float, age: float) -> FloatArray:
    """Draw a shape: vertices and joints, mm, in MakeHuman's frame (x left, y up, z front)."""
    body, shapes = _load()
    points = body["points_mm"] / 8.0
    named = "male" if sex else "female"

    def add(name: str, share: float) -> None:
        points[shapes[f"{name}/at"]] += share * float(shapes[f"{name}/step_mm"]) * shapes[f"{name}/by"]

    weight, muscle = np.clip(rng.normal(0.0, 0.45, 2), -1.0, 1.0)
    heavy = "maxweight" if weight > 0 else "minweight"
    for old, share in (("young", 1.0 - age), ("old", age)):
        add(f"universal-{named}-{old}-averagemuscle-averageweight", share * (1.0 - abs(weight)))
        add(f"universal-{named}-{old}-averagemuscle-{heavy}", share * abs(weight))
    add(f"universal-{named}-young-{'max' if muscle > 0 else 'min'}muscle-averageweight", abs(muscle))
    add(f"universal-{named}-young-averagemuscle-averageweight", -abs(muscle))
    for ancestry, share in zip(("african", "asian", "caucasian"), rng.dirichlet([0.6] * 3), strict=True):
        add(f"{ancestry}-{named}-young", share)
    for name in ("r-hand-fingers-length", "r-hand-fingers-diameter", "r-hand-fingers-distance", "measure-wrist-circ"):
        way = float(np.clip(rng.normal(0.0, 0.4), -1.0, 1.0))
        add(f"{name}-{'incr' if way > 0 else 'decr'}", abs(way))
    for name in ("r-lowerarm-fat", "r-lowerarm-muscle", "r-lowerarm-scale-horiz"):
        way = float(np.clip(rng.normal(0.0, 0.35), -1.0, 1.0))
        add(f"{name}-{'incr' if way > 0 else 'decr'}", abs(way))
    return np.asarray(points)


def _assemble(
    points: FloatArray,
    at: Mapping[str, FloatArray],
    *,
    broader: float,
    fingers: FloatArray,
    rng: np.random.Generator,
    left: bool,
    sleeve_m: float | None,
    sex: float,
    age: float,
) -> Person:
    stored = _load()[0]
    n = len(stored["bones"])
    bones, weights = stored["bones"].astype(np.int64), stored["weights"] / 255.0
    weights /= weights.sum(axis=1, keepdims=True)
    triangles = stored["triangles"]
    # the frame of the joints first: fingers -y, palm -z, thumb +x
    five = np.array([at["r-hand"], *(at[f"r-finger-{k}-1"] for k in range(2, 6))])
    across = five[1] - five[4]  # to the thumb's side
    back = np.linalg.svd(five - five.mean(axis=0))[2][2]
    down = five[0] - five[2]
    back *= np.sign(back @ np.cross(across, down))
    down -= back * (down @ back)
    down /= np.linalg.norm(down)
    turn = np.stack([np.cross(down, back), down, back])
    flat = (points - at["r-hand"]) @ turn.T
    place = {name: turn @ (p - at["r-hand"]) for name, p in at.items()}
    body_frame = turn  # its columns are the images of left, up and front
    skin = flat[:n]
    digits = np.array([[place[f"r-finger-{d}-{k}"] for k in range(1, 5)] for d in range(1, 6)])
    joints = _joints(place, digits)
    # straighten: fingers into the plane, forearm to +y
    turns, shifts, digits = _straighten(digits, place["r-elbow"])
    skin = _blend_linear(skin, bones, weights, turns, shifts)
    arm = [FOREARM_BONE, ELBOW_BONE, UPPER_ARM_BONE, TORSO_BONE, HEAD_BONE, *range(OTHER_UPPER_BONE, len(BONES))]
    joints[arm] = joints[arm] @ turns[FOREARM_BONE].T
    for d in range(5):
        joints[[digit_bone(d, k) for k in range(3)]] = digits[d, :3]
    body_frame = turns[FOREARM_BONE] @ body_frame
    # proportions of the hand
    per_digit = [
        sum(weights[:, c] * (bones[:, c] == digit_bone(d, k)) for c in range(4) for k in range(3)) for d in range(5)
    ]
    for d in range(1, 5):
        way = digits[d, 3] - digits[d, 0]
        way /= np.linalg.norm(way)
        beyond = np.clip((skin - digits[d, 0]) @ way, 0.0, None) * np.asarray(per_digit[d])
        skin += (fingers[d] - 1.0) * beyond[:, None] * way
        digits[d] += (fingers[d] - 1.0) * ((digits[d] - digits[d, 0]) @ way)[:, None] * way
    arm_length = float(np.linalg.norm(joints[UPPER_ARM_BONE]))

    def widen(p: FloatArray) -> FloatArray:
        near = np.clip(1.0 - p[:, 1] / (0.25 * arm_length), 0.0, 1.0) * (np.linalg.norm(p, axis=1) < 2 * arm_length)
        near = near * (p[:, 1] < 0.25 * arm_length)
        return np.asarray(p * (1.0 + (broader - 1.0) * near[:, None] * (1.0, 0.0, 0.5)))

    hand_like = np.isin(bones[:, 0], [PALM_BONE, FOREARM_BONE, *range(3, 18)])
    skin[hand_like] = widen(skin[hand_like])
    digits = widen(digits.reshape(-1, 3)).reshape(5, 4, 3)
    for d in range(5):
        joints[[digit_bone(d, k) for k in range(3)]] = digits[d, :3]
    # clothes and hair lie on the skin
    normals = _normals(skin, triangles)
    shirt, locks = _dress(skin, bones, joints, body_frame, sleeve_m, rng)
    locks = np.where(stored["eyes"], -1.0, locks)
    cloth = shirt > 0.0
    worn = _SHIRT_MM * rng.uniform(0.7, 2.0) * np.clip(shirt / _HEM_M, 0.0, 1.0)
    worn = MM * (worn + _HAIR_MM * rng.uniform(0.3, 1.6) * np.clip(locks / _HAIRLINE, 0.0, 1.0))
    skin = _hang(skin + normals * worn[:, None], triangles, cloth, rng)
    skin = _lengthen(skin, bones, body_frame)
    normals = _normals(skin, triangles)
    parts = _parts(skin, normals, bones, per_digit, cloth)[triangles].max(axis=1)
    palm_turn, origin = palm_frame(skin, triangles, parts)
    mirror = np.array([-1.0 if left else 1.0, 1.0, 1.0])
    to_hand = palm_turn.T * mirror

    def move(p: FloatArray) -> FloatArray:
        return np.asarray((p - origin) @ to_hand)

    marks = move(np.concatenate([[np.zeros(3)], digits.reshape(-1, 3)]))
    axes = []
    for d in range(5):
        way = digits[d, 1] - digits[d, 0]
        toward = np.array([0.0, 0.0, -1.0]) if d else digits[4, 0] - digits[0, 0] + (0.0, 0.0, -0.02)
        axis = np.cross(way, toward) @ to_hand
        axes.append(axis / np.linalg.norm(axis) * mirror[0])
    joints, normals = move(joints), normals @ to_hand
    frame = (to_hand.T @ body_frame) * mirror  # a left-handed body is the mirror image: its left is its right's image
    upper = joints[UPPER_ARM_BONE] - joints[TORSO_BONE]
    fore = joints[FOREARM_BONE] - joints[UPPER_ARM_BONE]
    tip = np.zeros(n)
    nail = np.zeros(n)
    for d in range(5):
        last = digits[d, 3] - digits[d, 2]
        along = np.clip((skin - digits[d, 2]) @ last / (last @ last), 0.0, 1.2) * (bones[:, 0] == digit_bone(d, 2))
        tip = np.maximum(tip, np.clip((along - 0.5) / 0.5, 0.0, 1.0))
        dorsal = -np.cross(last, np.cross(last, [0.0, 0.0, 1.0]) if d else np.cross(last, [1.0, 0.0, 1.0]))
        facing = (_normals(skin, triangles) @ (dorsal / np.linalg.norm(dorsal))) > 0.75
        nail = np.maximum(nail, (along > 0.55) * facing)
    return Person(
        vertices=move(skin),
        normals=normals,
        triangles=triangles[:, ::-1] if left else triangles,
        parts=parts,
        shown=np.arange(n),
        bones=bones,
        weights=weights,
        joints=joints,
        marks=marks,
        mark_bones=np.array([PALM_BONE, *(digit_bone(d, min(k, 2)) for d in range(5) for k in range(4))]),
        axes=np.array(axes),
        body_frame=frame,
        upper_arm=upper / np.linalg.norm(upper),
        forearm=fore / np.linalg.norm(fore),
        outline=np.nonzero(np.isin(bones[:, 0], [PALM_BONE, *range(3, 18)]) & (skin[:, 1] < 0.0))[0],
        shirt=shirt,
        locks=locks,
        eyes=stored["eyes"],
        palmar=np.clip(-(normals[:, 2]) * 1.2 + 0.4, 0.0, 1.0) * np.isin(bones[:, 0], [PALM_BONE, *range(3, 18)]),
        tip=tip,
        nail=nail,
        left=left,
        sex=sex,
        age=age,
    )


def _joints(place: Mapping[str, FloatArray], digits: FloatArray) -> FloatArray:
    joints = np.zeros((len(BONES), 3))
    joints[UPPER_ARM_BONE] = joints[ELBOW_BONE] = place["r-elbow"]
    joints[TORSO_BONE], joints[HEAD_BONE] = place["r-shoulder"], place["neck"]
    joints[OTHER_UPPER_BONE], joints[OTHER_FOREARM_BONE] = place["l-shoulder"], place["l-elbow"]
    joints[OTHER_HAND_BONE] = place["l-hand"]
    for d in range(5):
        joints[[digit_bone(d, k) for k in range(3)]] = digits[d, :3]
    return joints


def _straighten(digits: FloatArray, elbow: FloatArray) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Find the rotations that lay the fingers into the plane z = 0 of their knuckles and the forearm along +y.

    Returns:
        turns (bones, 3, 3) and shifts (bones, 3), and the digits' joints (5, 4, 3) after it.
    """
    turns = np.tile(np.eye(3), (len(BONES), 1, 1))
    shifts = np.zeros((len(BONES), 3))
    turns[[FOREARM_BONE, ELBOW_BONE, UPPER_ARM_BONE, *range(TORSO_BONE, len(BONES))]] = shortest_turn(
        elbow / np.linalg.norm(elbow), np.array([0.0, 1.0, 0.0])
    )
    straight = digits.copy()
    for d in range(1, 5):
        for k in range(3):
            way = digits[d, k + 1] - digits[d, k]
            first = digits[d, 1] - digits[d, 0]
            goal = np.array([first[0], first[1], 0.0])  # all three bones of a finger lie on one line
            turn = shortest_turn(way / np.linalg.norm(way), goal / np.linalg.norm(goal))
            bone = digit_bone(d, k)
            turns[bone], shifts[bone] = turn, straight[d, k] - turn @ digits[d, k]
            straight[d, k + 1] = straight[d, k] + turn @ way
    return turns, shifts, straight


def shortest_turn(source: FloatArray, target: FloatArray) -> FloatArray:
    """Find the smallest rotation (3, 3) that takes one unit vector to another."""
    axis = np.cross(source, target)
    sine = float(np.linalg.norm(axis))
    return rotation(axis / sine, float(np.arctan2(sine, source @ target))) if sine > 1e-9 else np.eye(3)


def _blend_linear(
    points: FloatArray, bones: IntArray, weights: FloatArray, turns: FloatArray, shifts: FloatArray
) -> FloatArray:
    moved = np.zeros_like(points)
    for c in range(bones.shape[1]):
        own = bones[:, c]
        moved += weights[:, c, None] * (np.einsum("nij,nj->ni", turns[own], points) + shifts[own])
    return moved


def _normals(vertices: FloatArray, triangles: IntArray) -> FloatArray:
    corners = vertices[triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    sums = np.stack(
        [sum(np.bincount(triangles[:, c], faces[:, k], len(vertices)) for c in range(3)) for k in range(3)], axis=-1
    )
    return np.asarray(sums / np.maximum(np.linalg.norm(sums, axis=1, keepdims=True), 1e-12))


def _hang(skin: FloatArray, triangles: IntArray, cloth: BoolArray, rng: np.random.Generator) -> FloatArray:
    """Let a shirt hang: it bridges hollows, and has folds."""
    n = len(skin)
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    hem = np.bincount(edges[:, 0], ~cloth[edges[:, 1]], n) + np.bincount(edges[:, 1], ~cloth[edges[:, 0]], n)
    inner = cloth & (hem == 0)
    count = np.maximum(np.bincount(edges[:, 0], minlength=n), 1)[:, None]
    for _ in range(int(rng.integers(20, 50))):
        means = np.stack([np.bincount(edges[:, 0], skin[edges[:, 1], k], n) for k in range(3)], axis=-1) / count
        skin = np.where(inner[:, None], 0.4 * skin + 0.6 * means, skin)
    waves, phases = rng.normal(0.0, 1.0, (6, 3)) * (30.0, 60.0, 30.0), rng.uniform(0.0, 2.0 * np.pi, 6)
    folds = np.tanh(1.5 * np.cos(skin @ waves.T + phases)).mean(axis=1)
    depth = 4.0 * MM * rng.uniform(0.3, 1.3) * inner
    return np.asarray(skin + _normals(skin, triangles) * (depth * folds)[:, None])


def _lengthen(skin: FloatArray, bones: IntArray, body_frame: FloatArray) -> FloatArray:
    """Let the body go on below the seat, where the mesh ends, so that no picture shows an end."""
    height = skin @ body_frame[:, 1]
    torso = bones[:, 0] == TORSO_BONE
    below = np.clip(height[torso].min() + _LAP_M - height, 0.0, None) * torso
    return np.asarray(skin - (20.0 * below)[:, None] * body_frame[:, 1])


def _dress(
    skin: FloatArray,
    bones: IntArray,
    joints: FloatArray,
    body_frame: FloatArray,
    sleeve_m: float | None,
    rng: np.random.Generator,
) -> tuple[FloatArray, FloatArray]:
    """Measure how far each vertex lies inside a shirt with sleeves, and inside hair; less than 0: outside."""
    main = bones[:, 0]
    up, front = body_frame[:, 1], body_frame[:, 2]
    elbow, other = joints[UPPER_ARM_BONE], joints[OTHER_FOREARM_BONE]
    above = (skin - joints[HEAD_BONE]) @ up
    inside = np.where(np.isin(main, [TORSO_BONE, HEAD_BONE]), rng.uniform(-0.07, 0.03) - above, -_FAR_OUT_M)
    if sleeve_m is None:
        short = rng.uniform(0.3, 0.9)
        for bone, shoulder, end in (
            (UPPER_ARM_BONE, joints[TORSO_BONE], elbow),
            (OTHER_UPPER_BONE, joints[OTHER_UPPER_BONE], other),
        ):
            way = end - shoulder
            ends = short * np.linalg.norm(way) - (skin - shoulder) @ way / np.linalg.norm(way)
            inside = np.where(main == bone, ends, inside)
    else:
        inside = np.where(np.isin(main, [FOREARM_BONE, ELBOW_BONE, UPPER_ARM_BONE]), skin[:, 1] - sleeve_m, inside)
        wrist = joints[OTHER_HAND_BONE]
        way = other - wrist
        inside[main == OTHER_UPPER_BONE] = _FAR_OUT_M
        along = (skin - wrist) @ way / np.linalg.norm(way)
        inside = np.where(main == OTHER_FOREARM_BONE, along - sleeve_m, inside)
    head = main == HEAD_BONE
    height = above / max(float(above[head].max()), 1e-6)
    ahead = (skin - skin[head].mean(axis=0)) @ front
    reach = float(np.abs(ahead[head]).max())
    locks = np.maximum(height - 0.86, np.minimum(0.15 - ahead / reach, height - rng.uniform(0.1, 0.5)))
    locks = np.where(head, locks, -1.0)
    return inside, locks if rng.random() < _HAIRY_SHARE else np.full(len(skin), -1.0)


def _parts(
    skin: FloatArray,
    normals: FloatArray,
    bones: IntArray,
    per_digit: list[Any],
    cloth: BoolArray,
) -> IntArray:
    main = bones[:, 0]
    fingers = np.sum(per_digit[1:], axis=0)
    thumb = np.asarray(per_digit[0])
    parts = np.where(normals[:, 2] < -_FACING, int(BodyPart.PALM), int(BodyPart.EDGE))
    parts[thumb > 0.25] = BodyPart.EDGE
    parts[fingers > 0.5] = BodyPart.FINGERS
    beyond_root = np.isin(main, [digit_bone(0, 1), digit_bone(0, 2)])
    parts[beyond_root] = BodyPart.FINGERS
    hand = np.isin(main, [PALM_BONE, *range(3, 18)])
    parts[(skin[:, 1] > -_CREASE_MM * MM) | ~hand] = BodyPart.FOREARM
    parts[np.isin(main, [TORSO_BONE, HEAD_BONE, UPPER_ARM_BONE, OTHER_UPPER_BONE, OTHER_FOREARM_BONE])] = BodyPart.BODY
    parts[main == OTHER_HAND_BONE] = BodyPart.SECOND_HAND
    parts[cloth & np.isin(main, [FOREARM_BONE, ELBOW_BONE])] = BodyPart.SLEEVE
    return np.asarray(parts)
