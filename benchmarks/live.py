"""Measure the painting game: how many frames its arrows save.

    python benchmarks/live.py [--seeds 20]

One simulated player (labelkit/simulator/player.py: 60 degrees a second, 0.3 s to react, 5 degrees of noise in either
angle) fills the map at 15 frames a second, following the game's arrows or without them, until 95 % of the reachable
cells are full, by the cells, the target and the rule of distinct samples that `labelkit coverage-map` has. No picture
is made: the label is where the hand is. Without arrows, the player's goal

- walks at random: each frame a step of the greatest speed in a direction of its own, reflected at the disc's edge;
- drifts: the same, but the direction turns by 30 degrees (sd) a frame, so that the hand sweeps in smooth curves,
  which covers the disc about as evenly as can be done without seeing what is missing;
- is a whim: anywhere in the disc, and when the hand is there, anywhere else (`labelkit simulate --live`).

The table goes to stdout, all figures to benchmarks/results/live.json. The goal: a follower needs at most 60 % of the
random walk's frames.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from labelkit import __version__
from labelkit.cells import OUTSIDE, Cells
from labelkit.geometry.orientation import centred_deg, normal_from_angles_deg
from labelkit.labelling.distinct import DistinctSamples
from labelkit.labelling.guidance import Angles, Gap, next_gap
from labelkit.settings import CoverageSettings
from labelkit.simulator.player import NOISE_DEG, REACTION_S, SPEED_DEG_S, Player, Whim

RESULT = Path(__file__).parent / "results" / "live.json"

FPS = 15.0
FILLED = 0.95
MOST_FRAMES = 200_000
GOAL_RATIO = 0.6
SETTINGS = CoverageSettings()
CELLS = Cells(SETTINGS.cell_deg, SETTINGS.reach_deg, SETTINGS.cells)

Figures = dict[str, Any]
Lead = Callable[[Angles, np.ndarray], Angles | None]  # where the hand is and the counts -> the goal that is shown


class Arrows:
    """The game's arrows."""

    def __init__(self) -> None:
        self._gap: Gap | None = None

    def __call__(self, here_deg: Angles, counts: np.ndarray) -> Angles | None:
        self._gap = next_gap(counts, CELLS, SETTINGS.target, here_deg, self._gap)
        return self._gap.centre_deg if self._gap else None


class Walk:
    """A goal that walks over the disc, a step of the greatest speed a frame; its direction turns by so much a frame."""

    def __init__(self, rng: np.random.Generator, turn_deg: float | None) -> None:
        """Begin at the front; None: each step in a direction of its own."""
        self._rng, self._turn_deg = rng, turn_deg
        self._at, self._direction = np.zeros(2), rng.uniform(0.0, 2.0 * np.pi)

    def __call__(self, here_deg: Angles, counts: np.ndarray) -> Angles:
        if self._turn_deg is None:
            self._direction = self._rng.uniform(0.0, 2.0 * np.pi)
        else:
            self._direction += np.deg2rad(self._turn_deg) * self._rng.standard_normal()
        step = SPEED_DEG_S / FPS * np.array([np.cos(self._direction), np.sin(self._direction)])
        self._at = self._at + step
        radius = np.linalg.norm(self._at)
        if radius > SETTINGS.reach_deg:
            outward = self._at / radius
            self._at = outward * (2.0 * SETTINGS.reach_deg - radius)
            back = step - 2.0 * (step @ outward) * outward
            self._direction = np.arctan2(back[1], back[0])
        azimuth, elevation = self._at.tolist()
        return azimuth, elevation


def lead_of(way: str, rng: np.random.Generator) -> Lead:
    """Give what leads the hand."""
    whim = Whim(rng, SETTINGS.reach_deg)
    leads: dict[str, Lead] = {
        "arrows": Arrows(),
        "random walk": Walk(rng, None),
        "drift": Walk(rng, 30.0),
        "whim": lambda here, _: whim.goal(here),
    }
    return leads[way]


WAYS = ("arrows", "random walk", "drift", "whim")


def frames_needed(way: str, seed: int) -> int:
    """Play until FILLED of the reachable cells are full."""
    rng = np.random.default_rng([seed, WAYS.index(way)])
    player, lead = Player(rng), lead_of(way, rng)
    rule = DistinctSamples(turn_deg=SETTINGS.distinct_deg, gap_s=SETTINGS.distinct_s)
    counts, full = np.zeros((CELLS.side, CELLS.side), int), 0
    enough = int(np.ceil(FILLED * CELLS.reachable_mask.sum()))
    for frame in range(MOST_FRAMES):
        here = player.turn(frame / FPS, lead(player.here_deg, counts))
        if not rule.add(normal_from_angles_deg(centred_deg(here)).tolist(), frame / FPS):
            continue
        cell = int(CELLS.index_of(*here))
        if cell == OUTSIDE:
            continue
        counts.flat[cell] += 1
        full += counts.flat[cell] == SETTINGS.target
        if full == enough:
            return frame + 1
    raise RuntimeError(f"{way}, seed {seed}: {full} cells are full after {MOST_FRAMES} frames")


def guidance(seeds: int) -> Figures:
    """Count the frames of each way, and what share of each the follower needs, seed by seed."""
    frames = {way: [frames_needed(way, seed) for seed in range(seeds)] for way in WAYS}
    followed = frames["arrows"]
    return {
        "fps": FPS,
        "speed_deg_s": SPEED_DEG_S,
        "reaction_s": REACTION_S,
        "noise_deg": NOISE_DEG,
        "filled": FILLED,
        "fewest_possible": int(np.ceil(FILLED * CELLS.reachable_mask.sum())) * SETTINGS.target,
        "frames": frames,
        "ratios": {way: [a / b for a, b in zip(followed, frames[way], strict=True)] for way in WAYS if way != "arrows"},
    }


def show_guidance(result: Figures) -> None:
    """Print the frames needed and the follower's share of them."""
    title = f"until {result['filled']:.0%} of the cells are full"
    print(f"{title:<36}{'frames, median':>16}{'follower needs':>18}{'at worst':>10}")
    for way in WAYS:
        frames, ratios = result["frames"][way], result["ratios"].get(way)
        shares = f"{statistics.median(ratios):>17.0%} {max(ratios):>9.0%}" if ratios else ""
        print(f"{way:<36}{statistics.median(frames):>16,.0f}{shares}")
    print(f"{'if each frame hit what is missing':<36}{result['fewest_possible']:>16,}")


def verdicts(result: Figures) -> list[tuple[str, str, bool]]:
    """Compare with the goals: goal, measured, met."""
    ratio = statistics.median(result["guidance"]["ratios"]["random walk"])
    return [(f"follower / random walk <= {GOAL_RATIO:g}", f"{ratio:.2f}", ratio <= GOAL_RATIO)]


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="games of each kind (20)")
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON file of all figures")
    flags = parser.parse_args()

    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    result: Figures = {"labelkit": __version__, "machine": machine, "guidance": guidance(flags.seeds)}
    show_guidance(result["guidance"])
    result["must_show"] = verdicts(result)
    print(f"\n{'must show':<54}{'measured':<20}met")
    for goal, measured, met in result["must_show"]:
        print(f"{goal:<54}{measured:<20}{'yes' if met else 'no'}")
    flags.out.parent.mkdir(parents=True, exist_ok=True)
    flags.out.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"written to {flags.out}")


if __name__ == "__main__":
    main()
