"""Measure how long a Kinect colour and depth pair of PNGs takes to read: ours, compared with what others take.

    python benchmarks/pictures.py [RAW ...] [--rounds 5]

RAW is a folder of recordings, or one that holds color/ and depth/ with the same numbers; without one, a simulated
recording is read. Bytes are in memory before the clock starts. Within a round every way reads a pair before the
next pair is read, so that a busy moment of the machine falls on all ways alike. Of a pair the best round counts, of a
set of pairs the median. Time is the processor's. All ways must give the same pixels. The table goes to stdout, all
figures to benchmarks/results/pictures.json.
"""

from __future__ import annotations

import argparse
import importlib
import json
import platform
import statistics
import tempfile
import time
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from labelkit.recordings import find_recordings
from labelkit.recordings.pictures import color_from_bytes, depth_from_bytes
from labelkit.settings import SimulateSettings
from labelkit.workflows.simulate import simulate

RESULT = Path(__file__).parent / "results" / "pictures.json"

Pixels = NDArray[Any]
Pair = tuple[bytes, bytes]  # a colour and a depth PNG
Way = tuple[Callable[[bytes], Pixels], Callable[[bytes], Pixels]]  # reads colour as RGB, and depth


def opencv_color(content: bytes) -> Pixels:
    """Read colour with OpenCV alone, in RGB."""
    return np.asarray(cv2.cvtColor(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB))


def opencv_depth(content: bytes) -> Pixels:
    """Read depth with OpenCV alone."""
    return np.asarray(cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED))


def pillow(content: bytes) -> Pixels:
    """Read a picture with Pillow."""
    from PIL import Image

    pixels = np.asarray(Image.open(BytesIO(content)))
    return pixels.astype(np.uint16) if pixels.dtype == np.int32 else pixels


def ways() -> dict[str, Way]:
    """Name the ways to read a pair that are installed here."""
    found: dict[str, Way] = {
        "labelkit": (color_from_bytes, depth_from_bytes),
        "OpenCV": (opencv_color, opencv_depth),
    }
    for name, module, read in (
        ("imagecodecs", "imagecodecs", lambda content: importlib.import_module("imagecodecs").png_decode(content)),
        ("Pillow", "PIL.Image", pillow),
    ):
        try:
            importlib.import_module(module)
        except ImportError:
            continue
        found[name] = (read, read)
    return found


def pairs_below(raw: Path) -> list[Pair]:
    """Read the pairs of PNGs of a folder of recordings, or of color/ and depth/ with the same numbers."""
    if (raw / "color").is_dir() and (raw / "depth").is_dir():
        files = [
            (raw / "color" / depth.parent.name / depth.name.replace("depth", "color"), depth)
            for depth in sorted((raw / "depth").rglob("*.png"))
        ]
    else:
        names = [recording.files(index) for recording in find_recordings(raw) for index in range(len(recording))]
        files = [(raw / name.color, raw / name.depth) for name in names if name.color and name.depth]
    return [(color.read_bytes(), depth.read_bytes()) for color, depth in files]


def measured(pairs: list[Pair], rounds: int) -> dict[str, list[list[float]]]:
    """Time each way: for each pair the best seconds of colour and of depth."""
    all_ways = ways()
    best = {name: [[float("inf")] * 2 for _ in pairs] for name in all_ways}
    for _ in range(rounds):
        for number, pair in enumerate(pairs):
            expected = (opencv_color(pair[0]), opencv_depth(pair[1]))
            for name, way in all_ways.items():
                for kind, (read, content) in enumerate(zip(way, pair, strict=True)):
                    start = time.thread_time()
                    pixels = read(content)
                    taken = time.thread_time() - start
                    if not np.array_equal(pixels, expected[kind]):
                        raise SystemExit(f"{name} reads other pixels than OpenCV from pair {number}")
                    best[name][number][kind] = min(best[name][number][kind], taken)
    return best


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("raw", nargs="*", type=Path, help="folders of recordings")
    parser.add_argument("--rounds", type=int, default=5, help="times each pair is read (5)")
    arguments = parser.parse_args()

    with tempfile.TemporaryDirectory() as scratch:
        sets = {str(raw): pairs_below(raw) for raw in arguments.raw}
        if not sets:
            simulate(scratch, SimulateSettings(participants=2, frames=20), quiet=True)
            sets = {"simulated": pairs_below(Path(scratch) / "raw")}
    cv2.setNumThreads(1)
    results = {name: measured(pairs, arguments.rounds) for name, pairs in sets.items()}

    print(f"{'recording':<24} {'pairs':>5}  {'way':<12} {'colour, ms':>10} {'depth, ms':>10} {'pair, ms':>10}")
    for name, best in results.items():
        for way, times in best.items():
            color, depth, both = (
                1000 * statistics.median(values) for values in (*zip(*times, strict=True), map(sum, times))
            )
            print(f"{name[-24:]:<24} {len(times):>5}  {way:<12} {color:>10.2f} {depth:>10.2f} {both:>10.2f}")
    RESULT.parent.mkdir(parents=True, exist_ok=True)
    machine = {"python": platform.python_version(), "system": platform.platform(), "opencv": cv2.__version__}
    RESULT.write_text(json.dumps({"machine": machine, "seconds": results}, indent=1) + "\n", encoding="utf-8")
    print(f"written to {RESULT}")


if __name__ == "__main__":
    main()
