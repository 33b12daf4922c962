"""Measure which misalignments of colour and depth are found, in recordings of real sensors and in simulated ones.

    python benchmarks/alignment.py [RAW ...]

Each recording below RAW (by default four simulated participants) is looked at as it is; then its depth pictures are
moved by a number of pixels in four directions, mirrored, and paired with the colour of another moment. A shift counts
as found if the verdict is `shifted` and the shift is right within 2 pixels. The table goes to stdout, all
figures to benchmarks/results/alignment.json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np

import labelkit
from labelkit.curation.alignment import Alignment, EdgeMaps, Fit
from labelkit.recordings import find_recordings
from labelkit.recordings.alignment import measure_alignment
from labelkit.recordings.settle import pick_evenly
from labelkit.records import ColorImage, FloatArray, Frame, Recording
from labelkit.settings import SimulateSettings

RESULT = Path(__file__).parent / "results" / "alignment.json"
SHIFTS_PX = (4, 6, 8, 10, 12, 16, 24, 32, 48)
FRAMES = 16

Pair = tuple[FloatArray, ColorImage]


def read_pairs(recording: Recording) -> list[Pair]:
    frames = [recording[index] for index in pick_evenly(range(len(recording)), FRAMES)]
    return [(frame.depth_m, frame.read_color()) for frame in frames if isinstance(frame, Frame)]


def measure(recording: Recording, pairs: Sequence[Pair], change: Callable[[FloatArray], FloatArray]) -> Alignment:
    edges = EdgeMaps(recording.calibration, recording.range_m)
    for depth_m, color in pairs:
        edges.add(change(depth_m), color)
    return edges.measure()


def move(shift: tuple[int, int]) -> Callable[[FloatArray], FloatArray]:
    return lambda depth_m: np.roll(depth_m, shift, (1, 0))


def is_found(moved: Alignment, sound: Alignment, shift: tuple[int, int]) -> bool:
    if moved.fit is not Fit.SHIFTED or moved.shift_px is None or sound.shift_px is None:
        return False
    return bool(np.abs(np.array(sound.shift_px) - moved.shift_px - shift).max() <= 2)


def try_recording(recording: Recording) -> dict[str, object]:
    started = time.perf_counter()
    quick = measure_alignment(recording, range(len(recording)))
    seconds = time.perf_counter() - started
    pairs = read_pairs(recording)
    sound = measure(recording, pairs, lambda depth_m: depth_m)
    found = {
        shift: sum(
            is_found(measure(recording, pairs, move(by)), sound, by)
            for by in ((shift, 0), (-shift, 0), (0, shift), (0, -shift))
        )
        for shift in SHIFTS_PX
    }
    other = [(pairs[k][0], pairs[(k + len(pairs) // 2) % len(pairs)][1]) for k in range(len(pairs))]
    near = [np.nanmedian(depth[(depth > recording.range_m[0]) & (depth < recording.range_m[1])]) for depth, _ in pairs]
    return {
        "recording": recording.name,
        "frames": len(pairs),
        "distance_m": float(np.nanmedian(near)),
        "quick": {**asdict(quick), "seconds": seconds},
        "sound": asdict(sound),
        "shifts_found_of_4": found,
        "mirrored": str(measure(recording, pairs, lambda depth_m: depth_m[:, ::-1]).fit),
        "other_moment": str(measure(recording, other, lambda depth_m: depth_m).fit),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("raw", nargs="*", type=Path)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        raws = arguments.raw
        if not raws:
            labelkit.simulate(folder, SimulateSettings(participants=4, frames=40, seed=21))
            raws = [Path(folder) / "raw"]
        rows = [try_recording(recording) for raw in raws for recording in find_recordings(raw)]
    heads = ["recording", "frames", "distance", "as it is", "strength", "ms"]
    print("| " + " | ".join([*heads, *(f"{shift} px" for shift in SHIFTS_PX), "mirrored", "other moment"]) + " |")
    print("|" + " --- |" * (len(heads) + len(SHIFTS_PX) + 2))
    for row in rows:
        sound, quick = row["sound"], row["quick"]
        shift = "" if sound["shift_px"] is None else " ({:+.0f}, {:+.0f})".format(*sound["shift_px"])
        cells = [
            *(row["recording"], row["frames"], f"{row['distance_m']:.2f} m", f"{sound['fit']}{shift}"),
            *(f"{sound['strength']:.0f}", f"{quick['seconds'] * 1000:.0f}"),
            *(f"{n}/4" for n in row["shifts_found_of_4"].values()),
            *(row["mirrored"], row["other_moment"]),
        ]
        print("| " + " | ".join(map(str, cells)) + " |")
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
