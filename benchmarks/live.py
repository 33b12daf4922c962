"""Measure the painting game: the frames that its arrows save, and the delay of its page.

    python benchmarks/live.py [--seeds 20] [--only guidance|page] [--seconds 40] [--kills 5]

Guidance. One simulated player (labelkit/simulator/player.py: 60 degrees a second, 0.3 s to react, 5 degrees of noise
in either angle) fills the map at 15 frames a second, following the game's arrows or without them, until 95 % of the
reachable cells are full, with the cells, the target and the rule for distinct samples of `labelkit play`. No picture is
made: the label is where the hand is. Without arrows, the player's goal

- walks at random: at each frame a step at the greatest speed in a random direction, reflected at the disc's edge;
- drifts: the same, but at each frame the direction turns by a random angle (sd 30 degrees), so that the hand sweeps
  in smooth curves, which cover the disc about as evenly as is possible without knowing what is missing;
- is a whim: a random place in the disc, and the next one when the hand is there (`labelkit simulate --live`).

The page. Simulated 640x480 PNG pairs, made before, are written into a folder at 15 and at 60 frames a second, depth
first. `labelkit play` watches the folder and a listener reads the page's events, all on the same cores. The time of a
frame goes from its complete second picture to the first event that shows it or a newer frame. At 60 frames a second
frames may wait, but the game must say so, show the newest, and have counted all of them in the end. Then the game is
killed (SIGKILL) and started again several times while frames come.

The tables go to stdout, all figures to benchmarks/results/live.json. The goals: with the arrow, at most 60 % of the
random walk's frames are needed; the page shows 95 of 100 frames within 200 ms at 15 frames a second; a kill loses
nothing on the disk, and the count in the end is that of a game that was never killed.
"""

from __future__ import annotations

import argparse
import hashlib
import http.client
import json
import os
import platform
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from labelkit import __version__
from labelkit.cells import OUTSIDE, Cells
from labelkit.curation.distinct import DistinctSamples
from labelkit.curation.guidance import Angles, Goal, next_gap
from labelkit.geometry.orientation import label_from_centred_deg, normal_from_angles_deg
from labelkit.settings import CoverageSettings
from labelkit.simulator.player import NOISE_DEG, REACTION_S, SPEED_DEG_S, Player, Whim

RESULT = Path(__file__).parent / "results" / "live.json"

FPS = 15.0
FILLED = 0.95
MOST_FRAMES = 200_000
GOAL_RATIO = 0.6
GOAL_MS = 200.0
SETTINGS = CoverageSettings()
CELLS = Cells(SETTINGS.cell_deg, SETTINGS.reach_deg, SETTINGS.cells)

Figures = dict[str, Any]
Lead = Callable[[Angles, np.ndarray], Angles | None]  # place of the hand, counts -> the goal that is shown


class Arrows:
    """The game's arrows."""

    def __init__(self) -> None:
        self._gap: Goal | None = None

    def __call__(self, here_deg: Angles, counts: np.ndarray) -> Angles | None:
        self._gap = next_gap(counts, CELLS, SETTINGS.target, here_deg, self._gap)
        return self._gap.centre_deg if self._gap else None


class Walk:
    """A goal that walks over the disc, one step at the greatest speed for each frame, while its direction turns."""

    def __init__(self, rng: np.random.Generator, turn_deg: float | None) -> None:
        """Begin at the front. The direction turns by `turn_deg` (sd) at each step; None: each step has a random one."""
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
    """Choose what the hand follows."""
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
        if not rule.add(normal_from_angles_deg(label_from_centred_deg(here)).tolist(), frame / FPS):
            continue
        cell = int(CELLS.index_of(*here))
        if cell == OUTSIDE:
            continue
        counts.flat[cell] += 1
        full += counts.flat[cell] == SETTINGS.target
        if full == enough:
            return frame + 1
    raise RuntimeError(f"{way}, seed {seed}: {full} cells are full after {MOST_FRAMES} frames")


def measure_guidance(seeds: int) -> Figures:
    """Count the frames of each way, and the share of them that the arrows need, seed by seed."""
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
    """Print the frames that each way needs, and the share of them that the arrows need."""
    title = f"until {result['filled']:.0%} of the cells are full"
    print(f"{title:<36}{'frames, median':>16}{'arrows need':>18}{'at worst':>10}")
    for way in WAYS:
        frames, ratios = result["frames"][way], result["ratios"].get(way)
        shares = f"{statistics.median(ratios):>17.0%} {max(ratios):>9.0%}" if ratios else ""
        print(f"{way:<36}{statistics.median(frames):>16,.0f}{shares}")
    print(f"{'no frame wasted':<36}{result['fewest_possible']:>16,}")


class Film:
    """Pairs of pictures that were made before, and the folder into which they are written."""

    def __init__(self, made: Path, folder: Path) -> None:
        (person,) = made.iterdir()
        self._pairs = [
            tuple(file.read_bytes() for file in pair)
            for pair in zip(sorted((person / "depth").iterdir()), sorted((person / "rgb").iterdir()), strict=True)
        ]
        self._sidecar = (person / "recording.toml").read_bytes()
        self._folder = folder
        self.written: dict[str, float] = {}  # frame -> when both of its pictures were complete

    def roll(self, take: str, fps: float, seconds: float) -> None:
        """Write a recording in real time: all pairs forward, then back, and so on, as a hand turns to and fro."""
        folder = self._folder / "p01" / take
        for kind in ("depth", "rgb"):
            (folder / kind).mkdir(parents=True)
        (folder / "recording.toml").write_bytes(self._sidecar)
        n, began = len(self._pairs), time.monotonic()
        for k in range(int(fps * seconds)):
            time.sleep(max(0.0, began + k / fps - time.monotonic()))
            name = f"{1.4e9 + k / fps:.6f}.png"
            for kind, content in zip(("depth", "rgb"), self._pairs[n - 1 - abs(n - 1 - k % (2 * n - 2))], strict=True):
                (folder / kind / name).write_bytes(content)
            self.written[f"p01/{take}/depth/{name}"] = time.monotonic()


class RunningGame:
    """A running game, and all its states with the time at which each was heard."""

    def __init__(self, raw: Path, *flags: str) -> None:
        labelkit = shutil.which("labelkit", path=Path(sys.executable).parent) or sys.exit("labelkit is not installed")
        command = [labelkit, "play", str(raw), "--json", *flags]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout
        address, _, self._token = json.loads(self.process.stdout.readline())["url"].partition("/?token=")
        self._host = address.removeprefix("http://")
        self.heard: list[tuple[float, Figures]] = []
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        connection = http.client.HTTPConnection(self._host, timeout=60)
        connection.request("GET", "/events", headers={"Authorization": f"Bearer {self._token}"})
        try:
            for line in connection.getresponse():
                if line.startswith(b"data: {"):
                    self.heard.append((time.monotonic(), json.loads(line[6:])))
        except (OSError, http.client.HTTPException):
            pass  # it was killed

    @property
    def state(self) -> Figures:
        """Its newest state."""
        return self.heard[-1][1] if self.heard else {"frames": -1, "skipped": 1, "earlier": 1}

    def cpu_s(self) -> float:
        """Say how much time of a core it has taken so far, seconds."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def settle(self, frames: int) -> float:
        """Wait until it has counted so many frames; say how long that took, seconds."""
        began = time.monotonic()
        while (self.state["frames"], self.state["skipped"], self.state["earlier"]) != (frames, 0, 0):
            if time.monotonic() - began > 300:
                raise RuntimeError(f"after 300 s the game says {self.state}, of {frames} frames")
            time.sleep(0.01)
        time.sleep(2.0)  # frames that were labelled out of order are counted within a second
        return time.monotonic() - began - 2.0


@contextmanager
def run_game(raw: Path, *flags: str) -> Iterator[RunningGame]:
    """Run a game over a folder."""
    game = RunningGame(raw, *flags)
    try:
        yield game
    finally:
        game.process.terminate()
        game.process.wait(30)


def measure_delays(made: Path, fps: float, seconds: float) -> Figures:
    """Measure how soon the page shows each frame, or a newer one."""
    with tempfile.TemporaryDirectory() as scratch:
        film = Film(made, Path(scratch))
        with run_game(Path(scratch), "--no-cache") as game:
            time.sleep(2.0)
            before_s = game.cpu_s()
            film.roll("a", fps, seconds)
            ended = time.monotonic()
            caught_up_s = game.settle(len(film.written))
            events = [(at, film.written[said["frame"]]) for at, said in game.heard if said["frame"]]
            cpu_s = game.cpu_s() - before_s
            most_skipped = max(said["skipped"] for _, said in game.heard)
            samples = game.state["samples"]
    delays_ms = []
    for whole in film.written.values():
        shown = next((at for at, newest in events if newest >= whole), None)
        delays_ms.append(1000.0 * ((shown or ended) - whole))
    ranked = sorted(delays_ms)
    return {
        "fps": fps,
        "frames": len(delays_ms),
        "p50_ms": ranked[len(ranked) // 2],
        "p95_ms": ranked[int(0.95 * len(ranked))],
        "worst_ms": ranked[-1],
        "most_skipped": most_skipped,
        "caught_up_s": caught_up_s,
        "cpu_ms_a_frame": 1000.0 * cpu_s / len(delays_ms),
        "samples": samples,
    }


def measure_kills(made: Path, kills: int) -> Figures:
    """Kill the game while frames come; compare the files, and the last count with that of a game never killed."""
    rng = random.Random(0)
    with tempfile.TemporaryDirectory() as scratch:
        raw, cache = Path(scratch) / "raw", Path(scratch) / "cache"
        raw.mkdir()
        os.environ["XDG_CACHE_HOME"] = str(cache)
        film = Film(made, raw)
        writer = threading.Thread(target=film.roll, args=("a", FPS, 4.0 * (kills + 1)))
        writer.start()
        back_s, kept = [], []
        for _ in range(kills):
            game = RunningGame(raw)
            time.sleep(rng.uniform(2.0, 5.0))
            game.process.kill()
            game.process.wait()
            kept.append(game.state["samples"] if game.heard else 0)
        writer.join()
        before = digest_of(raw)
        with run_game(raw) as game:
            back_s.append(game.settle(len(film.written)))
            counts = game.state["counts"]
        with run_game(raw) as game:
            back_s.append(game.settle(len(film.written)))
            again = game.state["counts"]
        with run_game(raw, "--no-cache") as game:
            without_cache_s = game.settle(len(film.written))
            never_killed = game.state["counts"]
        return {
            "kills": kills,
            "frames": len(film.written),
            "disk_unchanged": digest_of(raw) == before,
            "counts_as_if_never_killed": counts == again == never_killed,
            "restart_s": back_s[-1],
            "restart_without_cache_s": without_cache_s,
        }


def digest_of(folder: Path) -> str:
    """Hash all files below a folder, with their names."""
    digest = hashlib.sha256()
    for file in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(str(file).encode() + file.read_bytes())
    return digest.hexdigest()


def measure_page(seconds: float, kills: int) -> Figures:
    """Make the pictures, then measure."""
    labelkit = shutil.which("labelkit", path=Path(sys.executable).parent) or sys.exit("labelkit is not installed")
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run(
            [labelkit, "simulate", scratch, "--participants", "1", "--frames", "60", "--overwrite", "--quiet"],
            check=True,
        )
        made = Path(scratch) / "raw"
        return {
            "following": [measure_delays(made, fps, seconds) for fps in (15.0, 60.0)],
            "killed": measure_kills(made, kills),
            "load": os.getloadavg()[0],
        }


def show_page(result: Figures) -> None:
    """Print how soon the page shows a frame, and how long a restart takes."""
    print(
        f"\n{'frames/s':<10}{'median, ms':>12}{'p95, ms':>10}{'worst, ms':>11}{'waiting':>13}"
        f"{'caught up, s':>14}{'CPU, ms':>9}"
    )
    for row in result["following"]:
        print(
            f"{row['fps']:<10.0f}{row['p50_ms']:>12.0f}{row['p95_ms']:>10.0f}{row['worst_ms']:>11.0f}"
            f"{row['most_skipped']:>13}{row['caught_up_s']:>14.1f}{row['cpu_ms_a_frame']:>9.0f}"
        )
    one = result["killed"]
    print(
        f"killed {one['kills']} times in {one['frames']} frames; a restart takes {one['restart_s']:.1f} s, "
        f"without the labels that were kept {one['restart_without_cache_s']:.1f} s"
    )


def verdicts(result: Figures) -> list[tuple[str, str, bool]]:
    """Compare with the goals: goal, measured, met."""
    rows = []
    if "guidance" in result:
        ratio = statistics.median(result["guidance"]["ratios"]["random walk"])
        rows.append((f"arrows / random walk <= {GOAL_RATIO:g}", f"{ratio:.2f}", ratio <= GOAL_RATIO))
    if "page" in result:
        slow, fast = result["page"]["following"]
        one = result["page"]["killed"]
        rows += [
            (f"p95 at 15 frames/s <= {GOAL_MS:g} ms", f"{slow['p95_ms']:.0f} ms", slow["p95_ms"] <= GOAL_MS),
            (f"p95 at 60 frames/s <= {GOAL_MS:g} ms", f"{fast['p95_ms']:.0f} ms", fast["p95_ms"] <= GOAL_MS),
            ("killed: the disk unchanged", str(one["disk_unchanged"]), one["disk_unchanged"]),
            (
                "killed: counted as if never killed",
                str(one["counts_as_if_never_killed"]),
                one["counts_as_if_never_killed"],
            ),
        ]
    return rows


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=20, help="games of each kind (20)")
    parser.add_argument("--only", choices=["guidance", "page"], help="measure this alone")
    parser.add_argument("--seconds", type=float, default=40.0, help="length of each recording (40)")
    parser.add_argument("--kills", type=int, default=5, help="times the game is killed (5)")
    parser.add_argument("--out", type=Path, default=RESULT, help="JSON file of all figures")
    flags = parser.parse_args()

    machine = {"python": platform.python_version(), "system": platform.platform(), "cores": os.cpu_count()}
    result: Figures = {"labelkit": __version__, "machine": machine}
    if flags.only != "page":
        result["guidance"] = measure_guidance(flags.seeds)
        show_guidance(result["guidance"])
    if flags.only != "guidance":
        result["page"] = measure_page(flags.seconds, flags.kills)
        show_page(result["page"])
    result["must_show"] = verdicts(result)
    print(f"\n{'must show':<54}{'measured':<20}met")
    for goal, measured, met in result["must_show"]:
        print(f"{goal:<54}{measured:<20}{'yes' if met else 'no'}")
    flags.out.parent.mkdir(parents=True, exist_ok=True)
    flags.out.write_text(json.dumps(result, indent=1, allow_nan=False) + "\n", encoding="utf-8")
    print(f"written to {flags.out}")


if __name__ == "__main__":
    main()
