"""Compare the skin of simulated hands with pictures of real palms: colours, their spread, and sharpness.

    python benchmarks/skin.py [--people 60] [--sheet FILE]

Real: open_palms_207 (LABELKIT_TEST_DATA, else ../shared/data), one palm each of some two hundred students of one
university, before white paper, made by one or two cameras: their skin is less varied than that of all people.
Simulated: one frame of each of so many people and arms, cut out round the hand and scaled to 100x100 as well. Skin: of
real pictures what Otsu's threshold parts from the paper by colour, of simulated ones what the mask says is palm or
finger; both without the outermost pixels. The table goes to stdout, all figures to benchmarks/results/skin.json.
--sheet writes a contact sheet of 48 people: 16 per way to hold the fingers, in all rooms.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path

import cv2
import numpy as np

from labelkit.records import BoolArray, ColorImage, FloatArray
from labelkit.simulator.people import draw_moments
from labelkit.simulator.person_set import Hands, PersonSet
from labelkit.simulator.recorder import INTRINSICS, FilmSet, frame_rng
from labelkit.simulator.rig import BodyPart

REPOSITORY = Path(__file__).parents[1]
RESULT = Path(__file__).parent / "results" / "skin.json"

SEED, FRAME, SIDE = 41, 25, 100
COLUMNS = {
    "light": "lightness L*, of 100",
    "red": "a*",
    "yellow": "b*",
    "light_within": "sd of L* within a hand",
    "red_within": "sd of a* within a hand",
    "yellow_within": "sd of b* within a hand",
    "sharpness": "sharpness: sd of the Laplacian of L*",
    "clipped": "share of skin at 255 in a channel, %",
}


def real_palms(data: Path) -> list[tuple[ColorImage, BoolArray]]:
    """Read the real palms and find their skin."""
    found = []
    for path in sorted((data / "open_palms_207").glob("*.JPG")):
        picture = cv2.resize(cv2.imread(str(path)), (SIDE, SIDE), interpolation=cv2.INTER_AREA)
        lab = cv2.cvtColor(picture, cv2.COLOR_BGR2LAB)
        colored = cv2.GaussianBlur(cv2.addWeighted(lab[..., 1], 0.5, lab[..., 2], 0.5, 0), (0, 0), 1.0)
        mask = cv2.threshold(colored, 0, 1, cv2.THRESH_OTSU)[1]
        found.append((picture, inner(mask)))
    return found


def inner(mask: ColorImage) -> BoolArray:
    """Take the outermost pixels away."""
    return cv2.erode(mask.astype(np.uint8), np.ones((5, 5), np.uint8)).astype(bool)


def simulated(index: int, *, people: bool, hands: Hands = "open") -> tuple[ColorImage, BoolArray, ColorImage]:
    """Film one frame: the hand cut out (SIDE, SIDE, 3) BGR, its skin, and the whole picture."""
    film_set = PersonSet(SEED, index, INTRINSICS, hands=hands) if people else FilmSet(SEED, index)
    moment = film_set.complete(draw_moments(SEED, index, 60, 45.0, film_set.participant))[FRAME]
    staged, rendered = film_set.shoot(moment)
    color = film_set.develop(moment, rendered, frame_rng(SEED, index, FRAME))[1][..., ::-1]
    assert staged is not None
    middle = 0.5 * (staged.box[:2] + staged.box[2:])
    side = int(1.2 * max(staged.box[2:] - staged.box[:2]))
    mask = np.isin(rendered.parts, [BodyPart.PALM, BodyPart.FINGERS, BodyPart.EDGE]).astype(np.uint8)
    cut = [cv2.getRectSubPix(np.ascontiguousarray(p), (side, side), tuple(map(float, middle))) for p in (color, mask)]
    return (
        cv2.resize(cut[0], (SIDE, SIDE), interpolation=cv2.INTER_AREA),
        inner(cv2.resize(cut[1], (SIDE, SIDE), interpolation=cv2.INTER_NEAREST)),
        np.ascontiguousarray(color),
    )


def measure(picture: ColorImage, mask: BoolArray) -> dict[str, float]:
    """Measure one hand's skin."""
    lab = cv2.cvtColor(picture.astype(np.float32) / 255.0, cv2.COLOR_BGR2LAB)
    skin = lab[mask]
    laplacian = cv2.Laplacian(lab[..., 0], cv2.CV_32F)[mask]
    means, within = skin.mean(axis=0), skin.std(axis=0)
    return {
        **{name: float(v) for name, v in zip(("light", "red", "yellow"), means, strict=True)},
        **{f"{name}_within": float(v) for name, v in zip(("light", "red", "yellow"), within, strict=True)},
        "sharpness": float(laplacian.std()),
        "clipped": float(100.0 * (picture[mask] >= 254).any(axis=1).mean()),
    }


def histogram(hands: list[tuple[ColorImage, BoolArray]]) -> FloatArray:
    """Count the skin's colours in steps of 8 x 4 x 4 of L*, a*, b*; every hand counts alike."""
    total = np.zeros((13, 40, 40))
    for picture, mask in hands:
        lab = cv2.cvtColor(picture.astype(np.float32) / 255.0, cv2.COLOR_BGR2LAB)[mask]
        counted = np.histogramdd(lab, [np.arange(0, 105, 8), np.arange(-80, 81, 4), np.arange(-80, 81, 4)])[0]
        total += counted / max(counted.sum(), 1.0)
    return np.asarray(total / total.sum())


def write_sheet(path: Path) -> None:
    """Write a contact sheet of 48 people: two rows of eight for each way to hold the fingers."""
    ways: tuple[Hands, ...] = ("open", "relaxed", "gestures")
    pictures = [
        cv2.resize(
            simulated(100 + 16 * number + k, people=True, hands=hands)[2], (200, 150), interpolation=cv2.INTER_AREA
        )
        for number, hands in enumerate(ways)
        for k in range(16)
    ]
    rows = [np.hstack(pictures[row : row + 8]) for row in range(0, len(pictures), 8)]
    coded = cv2.imencode(path.suffix, np.vstack(rows), [cv2.IMWRITE_JPEG_QUALITY, 85])[1]
    path.write_bytes(coded.tobytes())


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, default=60, help="people, and arms, to film (60)")
    parser.add_argument("--sheet", type=Path, metavar="FILE", help="write a contact sheet, .jpg or .png")
    given = parser.parse_args()
    data = Path(os.environ.get("LABELKIT_TEST_DATA", REPOSITORY.parent / "shared" / "data"))
    started = time.process_time()
    groups = {
        "real": real_palms(data),
        "people": [simulated(k, people=True)[:2] for k in range(given.people)],
        "arms": [simulated(k, people=False)[:2] for k in range(given.people)],
    }
    groups = {name: [hand for hand in hands if hand[1].sum() > 200] for name, hands in groups.items()}
    rows = {name: [measure(*hand) for hand in hands] for name, hands in groups.items() if hands}
    counted = {name: histogram(groups[name]) for name in rows}
    print("| |", " | ".join(f"{name} ({len(found)})" for name, found in rows.items()), "|")
    print("| --- |", " | ".join("---" for _ in rows), "|")
    result: dict[str, dict[str, list[float]]] = {name: {} for name in rows}
    for key, title in COLUMNS.items():
        for name, found in rows.items():
            values = np.array([row[key] for row in found])
            result[name][key] = [float(values.mean()), float(values.std())]
        cells = [f"{result[name][key][0]:.1f} (sd {result[name][key][1]:.1f})" for name in rows]
        print(f"| {title} |", " | ".join(cells), "|")
    shared = {name: float(np.minimum(found, counted.get("real", found)).sum()) for name, found in counted.items()}
    print("| colours shared with the real ones, % |", " | ".join(f"{100 * shared[name]:.0f}" for name in rows), "|")
    if given.sheet:
        write_sheet(given.sheet)
    RESULT.parent.mkdir(exist_ok=True)
    seconds = time.process_time() - started
    RESULT.write_text(json.dumps({"shared": shared, "cpu_seconds": seconds, **result}, indent=1), encoding="utf-8")


if __name__ == "__main__":
    main()
