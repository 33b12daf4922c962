"""Measure the hands of drawn people, as one measures real ones, and compare them with meshes of a real hand.

    python benchmarks/anatomy.py [--people 200]

All hands are measured alike, from their mesh and 21 joints. Palm: the skin that faces as the joints' plane does (within
41 degrees), from 8 mm beyond the wrist to 8 mm beyond the line through the knuckles of index and little finger, without
the root of the thumb (what is nearer to the thumb's metacarpal than to the fingers'). The real hand:
hand_mesh_truth (LABELKIT_TEST_DATA, else ../shared/data), the frames of an open hand; a model fitted to one person. The
table goes to stdout, all figures to benchmarks/results/anatomy.json.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import numpy as np

from labelkit.records import FloatArray
from labelkit.simulator.body import Person, draw_person
from labelkit.simulator.hand import build_arm
from labelkit.simulator.people import draw_participant
from labelkit.simulator.skeleton import digit_bone
from labelkit.simulator.surface import IntArray
from labelkit.simulator.truth import joint_plane_normal

REPOSITORY = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "anatomy.json"

FACING = 0.75
FRONT = np.array([0.0, 0.0, -1.0])  # of the simulator's palms, in the hand frame
CREASE_M, ROOT_M = 0.008, 0.008
COLUMNS = {
    "lean_deg": "palm skin against joint plane, deg",
    "toward_fingers_deg": "... of it toward the fingers, deg",
    "arch_mm": "arch of the knuckles, mm",
    "uneven_mm": "unevenness of the palm, rms mm",
    "length_mm": "hand length, mm",
    "breadth_mm": "breadth at the knuckles' joints, mm",
}


def distances(points: FloatArray, start: FloatArray, end: FloatArray) -> FloatArray:
    """Measure how far points (n, 3) are from a line's piece."""
    way = end - start
    share = np.clip((points - start) @ way / (way @ way), 0.0, 1.0)
    return np.asarray(np.linalg.norm(points - start - share[:, None] * way, axis=1))


def measure(
    vertices: FloatArray, triangles: IntArray, joints: FloatArray, facing: FloatArray, own: FloatArray | None
) -> dict[str, float]:
    """Measure one open hand.

    Args:
        vertices: (n, 3) metres.
        triangles: (m, 3) of hand and, if there is one, body.
        joints: (21, 3): wrist, then four of each digit.
        facing: any direction on the palm's side.
        own: the palm's normal as the simulator states it; None: fitted to the palm as this page defines it.
    """
    palmar = joint_plane_normal(joints)
    palmar = palmar * np.sign(palmar @ facing)
    up = joints[9] - joints[0]
    up = up / np.linalg.norm(up)
    across = joints[5] - joints[17]  # to the thumb
    across = across - (across @ up) * up
    across /= np.linalg.norm(across)
    corners = vertices[triangles]
    faces = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.linalg.norm(faces, axis=1)
    centres = corners.mean(axis=1)
    rise = (centres - joints[0]) @ up
    side = (centres - joints[0]) @ across
    # the line through the knuckles of index and little finger: how far up it is, by the place across
    low, high = joints[17] - joints[0], joints[5] - joints[0]
    share = (side - low @ across) / ((high - low) @ across)
    roots = low @ up + share * ((high - low) @ up)
    metacarpals = [(joints[1], joints[2]), *((joints[0], joints[k]) for k in (5, 9, 13, 17))]
    apart = np.stack([distances(centres, start, end) for start, end in metacarpals])
    ball = apart[0] < apart[1:].min(axis=0)
    near = np.linalg.norm(centres - joints[[0, 5, 17]].mean(axis=0), axis=1) < 0.12
    inside = (faces @ palmar > FACING * area) & (rise > CREASE_M) & (rise < roots + ROOT_M) & ~ball & near
    origin = np.average(centres[inside], axis=0, weights=area[inside])
    _, ways = np.linalg.eigh(np.cov(centres[inside].T, aweights=area[inside]))
    fitted = ways[:, 0] * np.sign(ways[:, 0] @ palmar)
    skin = fitted if own is None else own
    heights = (centres[inside] - origin) @ fitted
    line = joints[5] + np.outer(
        (joints[[9, 13]] - joints[5]) @ (joints[17] - joints[5]) / np.sum((joints[17] - joints[5]) ** 2),
        joints[17] - joints[5],
    )
    middle = joints[[9, 13]] - line
    return {
        "lean_deg": float(np.rad2deg(np.arccos(min(1.0, abs(skin @ palmar))))),
        "toward_fingers_deg": float(np.rad2deg(np.arcsin(skin @ up))),
        "arch_mm": float(-1000 * (middle @ palmar).mean()),
        "uneven_mm": float(1000 * np.sqrt(np.average(heights**2, weights=area[inside]))),
        "length_mm": float(1000 * (np.linalg.norm(joints[[9, 10, 11, 12]] - joints[[0, 9, 10, 11]], axis=1).sum())),
        "breadth_mm": float(1000 * np.linalg.norm(joints[5] - joints[17])),
        "palm_triangles": int(inside.sum()),
    }


def measure_person(person: Person) -> dict[str, float]:
    """Measure a drawn person's hand at rest."""
    found = measure(person.vertices, person.triangles, person.marks, FRONT, FRONT)
    again = measure(person.vertices, person.triangles, person.marks, FRONT, None)
    return found | {"lean_fitted_deg": again["lean_deg"]}


def measure_arm(index: int) -> dict[str, float]:
    """Measure the hand of an arm of the first generation."""
    arm = build_arm(draw_participant(1, index).shape)
    joints = np.zeros((21, 3))
    joints[0] = arm.joints[1]
    for digit in range(5):
        for k in range(3):
            joints[1 + 4 * digit + k] = arm.joints[digit_bone(digit, k)]
        last = joints[3 + 4 * digit] - joints[2 + 4 * digit]
        own = arm.vertices[arm.bones[:, 0] == digit_bone(digit, 1)]
        tip = joints[3 + 4 * digit] + 0.8 * last if len(own) == 0 else joints[3 + 4 * digit] + 0.75 * last
        joints[4 + 4 * digit] = tip
    found = measure(arm.vertices, arm.triangles, joints, FRONT, FRONT)
    again = measure(arm.vertices, arm.triangles, joints, FRONT, None)
    return found | {"lean_fitted_deg": again["lean_deg"]}


def measure_real(data: Path) -> list[dict[str, float]]:
    """Measure the open hands of hand_mesh_truth."""
    found = []
    for path in sorted((data / "hand_mesh_truth").glob("*_gesture.txt")):
        if path.read_text(encoding="utf-8").strip() != "Five":
            continue
        key = path.name.removesuffix("_gesture.txt")
        mesh = path.with_name(f"{key}_Mesh.obj").read_text(encoding="utf-8").splitlines()
        joints = path.with_name(f"{key}_Joint.obj").read_text(encoding="utf-8").splitlines()
        vertices = np.array([line.split()[1:4] for line in mesh if line.startswith("v ")], dtype=float) / 1000
        faces = [[int(word.split("/")[0]) - 1 for word in line.split()[1:4]] for line in mesh if line.startswith("f ")]
        marks = np.array([line.split()[1:4] for line in joints if line.startswith("v ")], dtype=float) / 1000
        found.append(measure(vertices, np.array(faces), marks, -marks[0], None) | {"frame": float(key)})
    return found


def summarise(rows: list[dict[str, float]]) -> dict[str, list[float]]:
    """Give mean, sd, 5 % and 95 % of each column."""
    names = [name for name in rows[0] if name not in ("frame", "palm_triangles")]
    values = {name: np.array([row[name] for row in rows]) for name in names}
    return {
        name: [float(v.mean()), float(v.std()), *(float(x) for x in np.percentile(v, [5, 95]))]
        for name, v in values.items()
    }


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=200, help="how many to draw (200)")
    n = parser.parse_args().people
    data = Path(os.environ.get("LABELKIT_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    started = time.process_time()
    people = [measure_person(draw_person(np.random.default_rng([1, k]), left=False, sleeve_mm=None)) for k in range(n)]
    seconds = (time.process_time() - started) / n
    groups = {"drawn people": people, "arms": [measure_arm(k) for k in range(12)], "one real hand": measure_real(data)}
    result = {name: {"hands": len(rows), "of": summarise(rows)} for name, rows in groups.items() if rows}
    print("| |", " | ".join(f"{name} ({found['hands']})" for name, found in result.items()), "|")
    print("| --- |", " | ".join("---" for _ in result), "|")
    for key, title in {**COLUMNS, "lean_fitted_deg": "palm skin as defined here against joint plane, deg"}.items():
        cells = []
        for found in result.values():
            values = found["of"].get(key) or found["of"]["lean_deg"]
            cells.append(f"{values[0]:.1f} (sd {values[1]:.1f}; {values[2]:.1f} to {values[3]:.1f})")
        print(f"| {title} |", " | ".join(cells), "|")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"seconds_per_person": seconds, **result}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
