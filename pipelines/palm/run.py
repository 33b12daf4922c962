"""Train the network that finds the palm in a view straight onto the hand (labelkit/imaging/palm_network.py).

    python pipelines/palm/run.py [--people 320] [--frames 22] [--fists 100] [--epochs 16] [--out palm.npz]

Simulated people, who differ more than those of `labelkit simulate`, hold open hands, half-closed hands and fists in
front of a simulated Kinect v1. Each frame gives several views from slightly wrong places, as in the first steps of
labelling. The network learns which cells show the palm, where its middle is, where the fingers point and how large
the hand is. Every tenth person is held out for the test. The seed determines everything but the order in which
threads add numbers, so a second run gives nearly the same network, but not the same bits.

Takes about 25 minutes on two cores. docs/decisions/palm.md gives the reasons.
"""

from __future__ import annotations

import os

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"), "1"))

import argparse
import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.geometry.orientation import cross
from labelkit.geometry.plane import Plane
from labelkit.imaging.palm_network import (
    ABOVE_M,
    BESIDE_M,
    CELL_M,
    COLUMNS,
    LEFT,
    LOOKED,
    MIRROR,
    NEAR_M,
    PLACE_M,
    ROWS,
    SIZE,
    SUBCELLS,
    TOP,
    average_cells,
)
from labelkit.labelling.palm import Straight
from labelkit.processes import map_apart
from labelkit.records import FloatArray
from labelkit.simulator.backdrop import make_backdrop
from labelkit.simulator.hand import build_arm
from labelkit.simulator.kinect import sense
from labelkit.simulator.people import Moment, draw_moments, draw_participant
from labelkit.simulator.pose import Pose, rotation
from labelkit.simulator.rays import cast, full_rays, scene_of
from labelkit.simulator.recorder import INTRINSICS
from labelkit.simulator.rig import BodyPart
from labelkit.simulator.skeleton import HandShape
from labelkit.simulator.stage import stage

SEED = 7000
REACH_DEG = 50.0
HELD_OUT = 10  # one of so many people
LOOKS = 4  # views of each frame
THINGS = 0.08  # views of other objects per view of a hand
FEWEST_PALM_PIXELS = 150  # of an open hand; with fewer there is nothing to learn
POSES = 5


@dataclass(frozen=True, eq=False)
class Filmed:
    """One frame of the sensor, and the truth.

    Attributes:
        depth_m: (H, W) float32.
        parts: (H, W) BodyPart of each pixel.
        plane: the palm's.
        centre, down: (3,) of the palm, camera frame.
        size: of the hand.
    """

    depth_m: FloatArray
    parts: NDArray[np.uint8]
    plane: Plane
    centre: FloatArray
    down: FloatArray
    size: float


def film(index: int, frames: int, fist: bool) -> list[Filmed]:
    """Film one person."""
    rng = np.random.default_rng([SEED, index, 77])
    participant = draw_participant(SEED, index)
    participant = dataclasses.replace(participant, shape=widen_shape(participant.shape, rng))
    backdrop = make_backdrop(participant, INTRINSICS, np.random.default_rng([SEED, index, 2]))
    arm, rays = build_arm(participant.shape), full_rays(INTRINSICS)
    filmed = []
    for k, moment in enumerate(draw_moments(SEED, index, frames, REACH_DEG, participant)):
        if moment is None:
            continue
        rng = np.random.default_rng([SEED, index, 5, k])
        staged = stage(arm, vary_moment(moment, fist, rng), INTRINSICS)
        hits = cast(scene_of(staged.vertices, arm.triangles), rays)
        hit = hits.hit_mask & ~(hits.depth_m > backdrop.depth_m)
        ray = rays[hit] / np.linalg.norm(rays[hit], axis=1, keepdims=True)
        depth, cos_tilt = backdrop.depth_m.copy(), backdrop.cos_tilt.copy()
        parts = np.zeros(depth.shape, np.uint8)
        depth[hit], parts[hit] = hits.depth_m[hit], arm.parts[hits.triangle[hit]]
        cos_tilt[hit] = np.abs(np.einsum("ij,ij->i", hits.normals[hit], ray))
        seen = sense(depth, cos_tilt, rng, correlated=bool(rng.random() < 0.5))
        if fist or np.count_nonzero(parts == BodyPart.PALM) >= FEWEST_PALM_PIXELS:
            plane = Plane(staged.normal, -float(staged.normal @ staged.centre))
            filmed.append(Filmed(seen, parts, plane, staged.centre, staged.turn[:, 1], participant.shape.size))
    return filmed


def widen_shape(shape: HandShape, rng: np.random.Generator) -> HandShape:
    """Draw a shape from wider ranges than the simulator's, since real hands differ more."""
    return dataclasses.replace(
        shape,
        size=float(rng.uniform(0.78, 1.2)),
        breadth=float(rng.uniform(0.88, 1.12)),
        thickness=float(rng.uniform(0.86, 1.16)),
        fingers=tuple(float(x) for x in rng.uniform(0.88, 1.12, 5)),
        hollow_mm=float(rng.uniform(0.5, 4.0)),
    )


def vary_moment(moment: Moment, fist: bool, rng: np.random.Generator) -> Moment:
    """Bend the fingers more than the simulator does, and move the hand nearer or farther."""
    distance_m = float(rng.uniform(0.42, 1.25)) if rng.random() < 0.5 else moment.distance_m
    pose = moment.pose
    if fist:
        pose = close_hand(pose, rng)
    elif rng.random() < 0.5:
        pose = bend_some_fingers(pose, rng)
    return dataclasses.replace(moment, pose=pose, distance_m=distance_m)


def bend_some_fingers(pose: Pose, rng: np.random.Generator) -> Pose:
    """Curl some fingers, and move the thumb."""
    curl, splay = pose.curl.copy(), pose.splay.copy()
    bent = np.abs(rng.normal(0, 14, (4, 3))) + abs(rng.normal(0, 10))
    curl[1:] += np.deg2rad(bent) * (rng.random((4, 1)) < 0.6)
    curl[0] += np.deg2rad(rng.normal(4, 12, 3))
    splay[0] += np.deg2rad(rng.normal(0, 10))
    splay[1:] += np.deg2rad(rng.normal(0, 3, 4))
    return dataclasses.replace(pose, curl=curl, splay=splay)


def close_hand(pose: Pose, rng: np.random.Generator) -> Pose:
    """Close the hand in part, or to a fist."""
    closed = rng.random() ** 0.7
    curl, splay = pose.curl.copy(), pose.splay.copy()
    curl[1:] = np.deg2rad([85.0, 95.0, 55.0]) * np.clip(closed + rng.normal(0, 0.08, (4, 3)), 0, 1.05)
    curl[0] = np.deg2rad([20.0, 35.0, 40.0]) * closed * rng.uniform(0.3, 1.2)
    splay[0] -= np.deg2rad(18.0 * closed * rng.random())
    return dataclasses.replace(pose, curl=curl, splay=splay)


def look(frame: Filmed, rng: np.random.Generator, *, first: bool) -> tuple[FloatArray, FloatArray]:
    """View a hand from a slightly wrong place, as the first or a later step of labelling does.

    Returns:
        The input of the network, (ROWS, COLUMNS, 2), and its target in one row: the share of palm in each of the
        middle cells, the visible share of each, and the pose.
    """
    scale = 1.0 if first else 0.4
    normal, down = frame.plane.normal, frame.down
    right = cross(normal, down)
    along = rng.normal(0, 0.016 * scale, 2).clip(-0.04, 0.04)
    if first and rng.random() < 0.2:  # at fingers, thumb or forearm: the network must also find the palm from there
        bearing = rng.uniform(0, 2 * np.pi)
        along = rng.uniform(0.04, 0.14) * np.array([np.cos(bearing), np.sin(bearing)])
    origin = frame.centre + along[0] * right + along[1] * down + rng.normal(0, 0.004 * scale) * normal
    a, b = np.deg2rad(rng.normal(0, 6 * scale, 2).clip(-15, 15))
    turn = rotation(right, a) @ rotation(down, b) @ rotation(normal, np.deg2rad(rng.normal(0, 18 * scale)))
    normal, down = turn @ normal, turn @ down
    right = cross(normal, down)
    view = Straight(Plane(normal, -float(normal @ origin)), origin, right, down, INTRINSICS)
    relief_m = view.relief_m(frame.depth_m)
    if rng.random() < 0.15:  # a sensor without depth at single pixels
        relief_m = np.where(rng.random(relief_m.shape) < 0.1, np.nan, relief_m)
    seen = average_cells(relief_m)
    with np.errstate(invalid="ignore"):
        palm = (view.sample((frame.parts == BodyPart.PALM).astype(np.float32)) > 0) & (np.abs(relief_m) < NEAR_M)
    share = cv2.resize(palm.astype(np.float32), (COLUMNS, ROWS), interpolation=cv2.INTER_AREA)
    looked = (slice(TOP, TOP + LOOKED), slice(LEFT, LEFT + LOOKED))
    share, cover = share[looked] / np.maximum(seen[looked][..., 0], 1e-3), seen[looked][..., 0]
    to_middle, fingers = frame.centre - origin, -frame.down
    place = np.clip([to_middle @ right / PLACE_M, to_middle @ down / PLACE_M], -1.6, 1.6)
    pose = np.array([*place, fingers @ right, -fingers @ down, np.log(frame.size) / SIZE])
    if rng.random() < 0.5:
        seen, share, cover, pose = seen[:, ::-1], share[:, ::-1], cover[:, ::-1], pose * MIRROR
    return seen.astype(np.float16), np.concatenate([share.ravel(), cover.ravel(), pose]).astype(np.float32)


def look_at_thing(rng: np.random.Generator) -> tuple[FloatArray, FloatArray]:
    """View an object that is no hand: a ball, a bar, a ball on a bar, or a plate. None of it is palm."""
    step = CELL_M / SUBCELLS
    y, x = np.mgrid[: ROWS * SUBCELLS, : COLUMNS * SUBCELLS].astype(float)
    x, y = (x + 0.5) * step - BESIDE_M, (y + 0.5) * step - ABOVE_M
    relief = np.full(x.shape, -1.0)
    kind = rng.integers(4)
    if kind in (0, 3):
        radius, middle, stretch = rng.uniform(0.03, 0.085), rng.normal(0, 0.02, 2), rng.uniform(0.8, 1.3, 2)
        high = radius**2 - ((x - middle[0]) * stretch[0]) ** 2 - ((y - middle[1]) * stretch[1]) ** 2
        relief = _raise(high, lambda up: up - radius + rng.uniform(0, 0.03))
    turn = rng.normal(0, 0.35)
    across, along = x * np.cos(turn) + y * np.sin(turn), y * np.cos(turn) - x * np.sin(turn)
    if kind in (1, 3):
        radius = rng.uniform(0.022, 0.055)
        slope, flat, lift = rng.normal(0, 0.15), rng.uniform(0.6, 1.0), rng.normal(0, 0.006)
        high = radius**2 - (across - rng.normal(0, 0.015)) ** 2
        bar = _raise(high, lambda up: up * flat - 0.8 * radius + lift + along * slope)
        begins = rng.uniform(-0.02, 0.03) if kind == 3 else rng.choice([-1.0, rng.uniform(-0.13, 0.0)])
        relief = np.maximum(relief, np.where(along > begins, bar, -1.0))
    if kind == 2:
        middle, half = rng.normal(0, 0.03, 2), rng.uniform(0.03, 0.12, 2)
        tilted = rng.normal(0, 0.005) + across * rng.normal(0, 0.1) + along * rng.normal(0, 0.1)
        relief = np.where((np.abs(across - middle[0]) < half[0]) & (np.abs(along - middle[1]) < half[1]), tilted, -1.0)
    seen = average_cells((relief + rng.normal(0, rng.uniform(0.0005, 0.003), relief.shape)).astype(np.float32))
    cover = seen[TOP : TOP + LOOKED, LEFT : LEFT + LOOKED, 0]
    pose = np.full(POSES, np.nan)  # an object has no pose
    return seen.astype(np.float16), np.concatenate([np.zeros(cover.size), cover.ravel(), pose]).astype(np.float32)


def _raise(high: FloatArray, rise: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Compute the height from the root of `high` where it is positive; -1 elsewhere."""
    return np.where(high > 0, rise(np.sqrt(np.maximum(high, 0))), -1.0)


def looks_at(index: int, frames: int, first_fist: int) -> tuple[FloatArray, FloatArray]:
    """Film a person, and make LOOKS views of each frame."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng([SEED, index, 99])
    fist = index >= first_fist
    found = [look(frame, rng, first=k % 2 == 0) for frame in film(index, frames, fist) for k in range(LOOKS)]
    found += [look_at_thing(rng) for _ in range(round(THINGS * len(found)))]
    return np.stack([seen for seen, _ in found]), np.stack([answer for _, answer in found])


def gather(people: int, frames: int, fists: int) -> tuple[dict[str, FloatArray], dict[str, FloatArray]]:
    """Film all people in parallel; return the training set and the held-out set."""
    work = partial(looks_at, frames=frames, first_fist=people)
    found = list(map_apart(work, range(people + fists), environment={}))
    sides = []
    for held_out in (False, True):
        chosen = [pair for k, pair in enumerate(found) if (k % HELD_OUT == HELD_OUT - 1) == held_out]
        sides.append({"x": np.concatenate([x for x, _ in chosen]), "y": np.concatenate([y for _, y in chosen])})
    return sides[0], sides[1]


def build_network() -> Any:
    """Build in Keras what labelkit/imaging/palm_network.py computes in NumPy."""
    import keras
    from keras import layers

    seen = keras.Input((ROWS, COLUMNS, 2))
    x = layers.Conv2D(16, 5, strides=2, padding="same", activation="relu")(seen)
    x = layers.Conv2D(24, 3, strides=2, padding="same", activation="relu")(x)
    x = layers.Dense(64, activation="relu")(layers.Flatten()(x))
    x = layers.Dropout(0.1)(x)
    heads = [layers.Dense(LOOKED * LOOKED)(x), layers.Dense(POSES)(x)]
    return keras.Model(seen, layers.Concatenate()(heads))


def loss(answer: Any, said: Any) -> Any:
    """Compute the loss: cross-entropy of the visible cells, and squared error of the pose, less far from the palm."""
    from keras import ops

    n = LOOKED * LOOKED
    share, cover, pose = answer[:, :n], answer[:, n : 2 * n], answer[:, 2 * n :]
    logit = said[:, :n]
    entropy = ops.maximum(logit, 0) - logit * share + ops.log1p(ops.exp(-ops.abs(logit)))
    posed = ops.logical_not(ops.isnan(pose))
    off = ops.where(posed, said[:, n:] - ops.where(posed, pose, 0.0), 0.0)
    near = ops.where(ops.max(ops.abs(ops.where(posed, pose, 0.0)[:, :2]), -1) > 0.8, 0.3, 1.0)
    return ops.sum(entropy * cover, -1) / 200.0 + 2.0 * near * ops.mean(ops.square(off), -1)


def fit(learned: dict[str, FloatArray], held_out: dict[str, FloatArray], epochs: int) -> Any:
    """Train the network."""
    import keras

    keras.utils.set_random_seed(SEED)
    model = build_network()
    steps = epochs * -(-len(learned["x"]) // 64)
    rate = keras.optimizers.schedules.CosineDecay(2e-3, steps)
    model.compile(keras.optimizers.AdamW(rate, weight_decay=1e-4), loss)
    model.fit(
        learned["x"], learned["y"], batch_size=64, epochs=epochs, verbose=2,
        validation_data=(held_out["x"], held_out["y"]),
    )  # fmt: skip
    return model


def describe(model: Any, held_out: dict[str, FloatArray]) -> str:
    """Describe the errors on the held-out people, for views near the palm."""
    n = LOOKED * LOOKED
    said, answer = model.predict(held_out["x"], verbose=0), held_out["y"]
    pose = answer[:, 2 * n :]
    near = np.abs(pose[:, :2]).max(axis=1) < 0.8
    cover = answer[:, n : 2 * n]
    palm, found = (cover * (answer[:, :n] > 0.5))[near], (cover * (said[:, :n] > 0))[near]
    overlap = np.minimum(palm, found).sum() / np.maximum(palm, found).sum()
    place_mm = 1000 * PLACE_M * np.linalg.norm((said[:, n:] - pose)[near, :2], axis=1)
    return f"palm: intersection over union {overlap:.3f}; its middle is off by a median of {np.median(place_mm):.1f} mm"


def main() -> None:
    """Film, train, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=320, help="number of people with open hands")
    parser.add_argument("--fists", type=int, default=100, help="number of people with closing hands")
    parser.add_argument("--frames", type=int, default=22, help="frames of each person")
    parser.add_argument("--epochs", type=int, default=16)
    parser.add_argument("--out", type=Path, default=Path("palm.npz"))
    asked = parser.parse_args()
    learned, held_out = gather(asked.people, asked.frames, asked.fists)
    print(
        f"{len(learned['x'])} views for training, {len(held_out['x'])} held out, {SUBCELLS}x{SUBCELLS} readings a cell",
        flush=True,
    )
    model = fit(learned, held_out, asked.epochs)
    print(describe(model, held_out))
    weights = {f"w{k}": weight.astype(np.float16) for k, weight in enumerate(model.get_weights())}
    np.savez(asked.out, **weights)


if __name__ == "__main__":
    main()
