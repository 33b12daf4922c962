"""Train the network that ships with labelkit, and say how far it errs (labelkit/deploy/hand.tflite and its card).

    python pipelines/hand/run.py [--people 60] [--frames 160] [--epochs 20] [--folder hand]

Simulated people hold their hands at ease in front of a simulated Kinect v1; `labelkit build-dataset` labels them, and
`small` is trained on most of them, turned by up to 45 degrees. It is exported with weights of 8 bits, and judged on
simulated people that it never saw and, if they are there, on real pictures (LABELKIT_TEST_DATA, else ../shared/data),
on which it was neither trained nor chosen. What is in the folder already is not done again. The result is in
FOLDER/hand.tflite and FOLDER/hand.tflite.json; copied to labelkit/deploy/, they answer in `labelkit predict`.

Takes about 20 minutes of one core: 11 for the recordings, 3 for the dataset, 3 for the training.
"""

from __future__ import annotations

import argparse
import csv
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np

import labelkit
from labelkit.deploy.engines import open_litert
from labelkit.deploy.network_card import card_path, read_card
from labelkit.deploy.reading import Box, HandReader
from labelkit.evaluation.measures import measure
from labelkit.geometry.camera import project, rays_through
from labelkit.geometry.orientation import angles_deg_from_normal, centred_from_label_deg, cross, unit, view_from_camera
from labelkit.recordings.pictures import read_photo
from labelkit.records import ColorImage, FloatArray, Intrinsics
from labelkit.runs.folder import write_json
from labelkit.settings import BuildSettings, SimulateSettings, TrainSettings

HERE = Path(__file__).parent
SEED = 24
# The recipe of docs/networks.md, and what its last tables say of real hands: fingers that bend, and turned pictures.
CURL, RECIPE = 2.0, {"model": "small", "batch_size": 32, "learning_rate": 1.6e-3, "dropout": 0.0, "turn_deg": 45.0}
PALM = [0, 5, 9, 13, 17]  # joints: the wrist and the knuckles
STEEPEST_DEG = 50.0  # as far as simulated hands tilt

Judged = tuple[ColorImage, Box | None, float, bool, FloatArray]  # picture, box, focal length, left, true normal


def main() -> None:
    """Make what is not there yet, and write the network with its card."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--people", type=int, default=60, help="simulated participants (60)")
    parser.add_argument("--frames", type=int, default=160, help="frames of each (160)")
    parser.add_argument("--epochs", type=int, default=20, help="(20)")
    parser.add_argument("--folder", type=Path, default=Path("hand"), help="folder for all of it (hand)")
    asked = parser.parse_args()
    folder: Path = asked.folder
    dataset, run = folder / "dataset", folder / "runs" / "hand"
    if not (dataset / "manifest.json").is_file():
        settings = SimulateSettings(participants=asked.people, frames=asked.frames, seed=SEED, curl=CURL)
        if not (folder / "recordings" / "raw").is_dir():
            labelkit.simulate(folder / "recordings", settings)
        labelkit.build_dataset(folder / "recordings" / "raw", dataset, BuildSettings())
    if not (run / "report.json").is_file():
        training = TrainSettings(**RECIPE, epochs=asked.epochs, report=False, diagnostics=False)
        labelkit.train(dataset, training, out=run, overwrite=run.exists())
    file = folder / "hand.tflite"
    labelkit.export(run, int8=True, out=file)
    card = read_card(file)
    judge = HandReader(card, open_litert(file.read_bytes()))
    real = {name: describe(judge, list(pictures)) for name, pictures in real_pictures().items()}
    notes = make_notes(card.errors, {name: found for name, found in real.items() if found}, asked)
    write_json(card_path(file), {**card.to_json(), "notes": notes})
    print(notes["expect"], *(f"{name}: {found}" for name, found in real.items()), sep="\n")


def make_notes(errors: dict[str, Any], real: dict[str, Any], asked: argparse.Namespace) -> dict[str, Any]:
    """Say in words what the network was trained on, and what to expect of it."""
    test = errors["test"]
    expect = (
        f"It has seen simulated hands alone. On simulated strangers its angles err by {test['cmae_deg']:.1f} degrees "
        f"(always 'facing the camera': {test['constant_cmae_deg']:.1f})"
    )
    if found := real.get("all gestures"):
        much = (
            "it knows little of photographs" if found["cmae_deg"] > 0.9 * found["front_cmae_deg"] else "it helps there"
        )
        expect += (
            f", on photographs of a real hand by {found['cmae_deg']:.1f} (always 'facing the camera': "
            f"{found['front_cmae_deg']:.1f}): {much}"
        )
    return {
        "expect": f"{expect}.",
        "trained_on": f"simulated people: `labelkit simulate --participants {asked.people} --frames {asked.frames} "
        f"--seed {SEED} --curl {CURL:g}`; no picture of a person",
        "recipe": RECIPE | {"epochs": asked.epochs},
        "real_pictures": real,
        "licence": "Apache-2.0, as labelkit",
    }


def describe(reader: HandReader, pictures: list[Judged]) -> dict[str, float] | None:
    """Measure on real pictures: the network's CMAE and that of always answering "facing the camera"; None of none."""
    if not pictures:
        return None
    true_deg = np.stack([centred_from_label_deg(angles_deg_from_normal(normal)) for *_, normal in pictures])
    said_deg = np.stack(
        [
            reader.read(image, box=box, focal_px=focal, mirror=left).centred_deg
            for image, box, focal, left, _ in pictures
        ]
    )
    found, front = measure(true_deg, said_deg), measure(true_deg, np.zeros_like(true_deg))
    correlation = [float(np.corrcoef(true_deg[:, k], said_deg[:, k])[0, 1]) for k in range(2)]
    return {
        "pictures": len(pictures),
        "cmae_deg": round(found.cmae_deg, 1),
        "normal_median_deg": round(found.normal_median_deg, 1),
        "front_cmae_deg": round(front.cmae_deg, 1),
        "correlation_azimuth": round(correlation[0], 2),
        "correlation_elevation": round(correlation[1], 2),
    }


def real_pictures() -> dict[str, Iterator[Judged]]:
    """Name the sets of real pictures whose truth is known, palm to the camera; empty ones if they are not there."""
    data = Path(os.environ.get("LABELKIT_TEST_DATA", HERE.parents[2] / "shared" / "data"))
    return {"open hands": open_hands(data / "hand_mesh_truth"), "all gestures": gestures(data / "real_hand_joints")}


def open_hands(folder: Path) -> Iterator[Judged]:
    """Give the open hands of one clip, boxed by the true mesh."""
    for gesture in sorted(folder.glob("*_gesture.txt")):
        if gesture.read_text().strip() != "Five":
            continue
        stem = gesture.name.removesuffix("_gesture.txt")
        fx, fy, cx, cy = (float(x) for x in (folder / f"{stem}_intrinsics.txt").read_text().split())
        image = read_photo(folder / f"{stem}_o.jpg")
        camera = Intrinsics(fx, fy, cx, cy, image.shape[1], image.shape[0])
        pixels = project(vertices(folder / f"{stem}_Mesh.obj"), camera)
        x, y = np.floor(pixels.min(axis=0)).astype(int).tolist()
        right, bottom = np.ceil(pixels.max(axis=0)).astype(int).tolist()
        ray = rays_through(np.array([(x + right) / 2, (y + bottom) / 2]), camera)
        normal = palm_normal(vertices(folder / f"{stem}_Joint.obj")[PALM])
        yield image, (x, y, right - x + 1, bottom - y + 1), fx, False, view_from_camera(ray) @ normal


def gestures(folder: Path) -> Iterator[Judged]:
    """Give crops of one person's left hand, whole; those whose palm is seen, no steeper than simulated hands are."""
    if not folder.is_dir():
        return
    with (folder / "joints.csv").open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file):
            image = read_photo(folder / row["file"])
            fx, fy, cx, cy = (float(row[key]) for key in ("fx", "fy", "cx", "cy"))
            centre = [(image.shape[1] - 1) / 2, (image.shape[0] - 1) / 2]
            ray = rays_through(np.array(centre), Intrinsics(fx, fy, cx, cy, image.shape[1], image.shape[0]))
            joints = np.array([[float(row[f"{axis}{k}"]) for axis in "xyz"] for k in PALM])
            normal = view_from_camera(ray) @ palm_normal(joints)
            if row["palm_to_camera"] == "1" and np.rad2deg(np.arccos(-normal[2])) <= STEEPEST_DEG:
                yield image, None, 0.0, True, normal


def vertices(path: Path) -> FloatArray:
    """Read the vertices of an .obj file, (n, 3)."""
    return np.array([line.split()[1:4] for line in path.read_text().splitlines() if line.startswith("v ")], float)


def palm_normal(points: FloatArray) -> FloatArray:
    """Fit the plane through wrist and knuckles, (5, 3): its unit normal toward the camera."""
    *_, axes = np.linalg.svd(points - points.mean(axis=0))
    normal = unit(cross(axes[0], axes[1]))
    return normal if normal @ points.mean(axis=0) < 0 else -normal


if __name__ == "__main__":
    cv2.setNumThreads(1)
    main()
