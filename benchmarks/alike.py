"""Measure how often the report takes two people for one, and one person under two names for two.

    python benchmarks/alike.py

Simulated people come to rooms, each twice, ten minutes apart, under two names; room, lamp and camera are those of all
who come to that room. Counted are the pairs that the report would point at: one person's two visits; the two halves of
one visit; two people in one room (the clock aside); two people in two rooms. The limits were chosen on other seeds. All
figures go to benchmarks/results/alike.json. 20 minutes on one core.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from typing import NamedTuple

import numpy as np

import labelkit
from labelkit.curation.likeness import LEAST_SAMPLES, Looks, find_alike
from labelkit.recordings.tum_writer import TumWriter
from labelkit.report.dataset_page import looks_of
from labelkit.report.shown_samples import ShownSamples
from labelkit.settings import CoverageSettings
from labelkit.simulator.backdrop import make_backdrop
from labelkit.simulator.people import draw_moments, draw_participant
from labelkit.simulator.recorder import INTRINSICS, FilmSet
from labelkit.workflows.coverage_map import read_cells

RESULT = Path(__file__).parent / "results" / "alike.json"
REACH_DEG = 50.0
HOST, MOTION = 1000, 100_000  # numbers of hosts and of motions, which no guest has
GUESTS = 100  # numbers of guests for each room


class Visit(NamedTuple):
    room: int
    guest: int
    time: int

    @property
    def folder(self) -> str:
        return f"x{self.room}-{self.guest}-{self.time}"


class Hall(FilmSet):
    """A guest's hand in the room, light and camera of a host."""

    def __init__(self, seed: int, visit: Visit) -> None:
        super().__init__(seed, GUESTS * visit.room + visit.guest, "right")
        host = draw_participant(seed, HOST + visit.room)
        own = self.participant
        self.participant = replace(
            host, shape=own.shape, skin=own.skin, palm_skin=own.palm_skin, cloth=own.cloth, gloss=own.gloss
        )
        self.backdrop = make_backdrop(host, INTRINSICS, np.random.default_rng([seed, HOST + visit.room, 2]))


def record_visit(raw: Path, seed: int, frames: int, visit: Visit) -> None:
    hall = Hall(seed, visit)
    start_s = 1.4e9 + 600.0 * visit.time
    exposure = np.exp(np.random.default_rng([seed, *visit]).normal(0.0, 0.03))
    number = MOTION + 1000 * visit.room + 10 * visit.guest + visit.time
    with TumWriter(
        raw / visit.folder,
        participant=visit.folder,
        handedness="right",
        sensor="kinect-v1",
        intrinsics=INTRINSICS,
        title=f"benchmarks/alike.py, seed {seed}",
        simulated=True,
    ) as writer:
        for k, moment in enumerate(draw_moments(seed, number, frames, REACH_DEG, hall.participant)):
            lit = moment and replace(moment, exposure=moment.exposure * exposure)
            _, rendered = hall.shoot(lit)
            depth_m, color = hall.develop(lit, rendered, np.random.default_rng([seed, *visit, k]))
            writer.add(depth_m, start_s + k / 30.0, color, start_s + k / 30.0)


def judge(samples: ShownSamples, visits: list[Visit]) -> dict[str, tuple[int, int]]:
    """Count the pairs that are pointed at, and all pairs, of each kind."""
    parts = {(visit, part): numbers_of(samples, visit, part) for visit in visits for part in ("whole", "first", "last")}
    parts = {key: numbers for key, numbers in parts.items() if len(numbers) >= LEAST_SAMPLES}
    looks = {key: looks_of(samples, numbers) for key, numbers in parts.items()}
    counts = {"two visits": [0, 0], "two halves": [0, 0], "one room": [0, 0], "two rooms": [0, 0]}
    for (one, of_one), (other, of_other) in combinations(looks, 2):
        if one == other and {of_one, of_other} == {"first", "last"}:
            kind = "two halves"
        elif one == other or (of_one, of_other) != ("whole", "whole"):
            continue
        else:
            kind = "two rooms" if one.room != other.room else "one room" if one.guest != other.guest else "two visits"
        colors, palms = zip(looks[one, of_one], looks[other, of_other], strict=True)
        found = find_alike(Looks(np.array(colors), np.array(palms)), [np.full((1, 2), np.nan)] * 2)
        counts[kind][0] += len(found.pairs)
        counts[kind][1] += 1
    return {kind: (found, of_all) for kind, (found, of_all) in counts.items()}


def numbers_of(samples: ShownSamples, visit: Visit, part: str) -> np.ndarray:
    here = np.flatnonzero(samples.cells.participants == visit.folder)
    half = len(here) // 2
    return {"whole": here, "first": here[:half], "last": here[half:]}[part]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=172)
    parser.add_argument("--rooms", type=int, default=8)
    parser.add_argument("--guests", type=int, default=4)
    parser.add_argument("--frames", type=int, default=12)
    options = parser.parse_args()
    visits = [Visit(r, g, t) for r in range(options.rooms) for g in range(options.guests) for t in (0, 1)]
    with tempfile.TemporaryDirectory() as folder:
        raw, out = Path(folder) / "raw", Path(folder) / "dataset"
        for visit in visits:
            record_visit(raw, options.seed, options.frames, visit)
        labelkit.build_dataset(raw, out)
        dataset = labelkit.open_dataset(out)
        counts = judge(ShownSamples(dataset, read_cells(dataset, CoverageSettings()), {}), visits)
    for kind, (found, of_all) in counts.items():
        print(f"{kind:<12}{found:>6} of {of_all:>5} pairs pointed at, {found / of_all:.1%}")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps({"options": vars(options), "pairs": counts}, indent=1) + "\n")


if __name__ == "__main__":
    main()
