"""The study's structural experiments, from recordings to one table.

    python pipelines/hand-orientation/structures.py [--raw RAW] [--out structures] [--reduced] [--seeds 3]

Recordings are simulated, unless RAW names some, and become a dataset with depth. structures.toml next to this file
lists the experiments: what all networks have in common, and what each variant changes. Every variant is trained from
several seeds, which deal the people to training, validation and test again, and is tested once each; variants that come
to the same settings are trained once. What is done already is not done again, so a stopped run is gone on with by the
same command. `--reduced` is the same in small, within an hour on two cores, in structures-reduced: it shows which
differences are large.
"""

from __future__ import annotations

import hashlib
import statistics
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from run import WHOLE, arguments, markdown, simulate_once
from tqdm import tqdm

import labelkit
from labelkit.files import write_text
from labelkit.settings import BuildSettings, TrainSettings, as_toml
from labelkit.workflows.train import train_each

HERE = Path(__file__).parent

SMALL = {"participants": 40, "frames": 24}
# Few samples need many steps before anything is learned; pictures of 128 pixels are most of the work of a network.
SMALL_TRAINING = {"epochs": 25, "learning_rate": 1.5e-3, "resolutions": "64,32", "filters": 12}
# A page, a timing and statistics for each of some hundred runs would help nobody.
BARE = {"report": False, "diagnostics": False}


def main() -> None:
    """Train all variants of all experiments, and write their table."""
    parser = arguments(__doc__)
    parser.add_argument("--seeds", type=int, default=3, help="seeds of each variant (3)")
    asked = parser.parse_args()
    out: Path = asked.out or Path("structures-reduced" if asked.reduced else "structures")
    raw = asked.raw or simulate_once(out, SMALL if asked.reduced else WHOLE)
    dataset = out / "dataset"
    labelkit.build_dataset(raw, dataset, BuildSettings(with_depth=True))
    runs = {
        (experiment, name): [TrainSettings(**settings, seed=seed) for seed in range(asked.seeds)]
        for experiment, name, settings in variants(reduced=asked.reduced)
    }
    folders = {out / "runs" / folder_of(each): each for seeds in runs.values() for each in seeds}
    trained = tqdm(train_each(dataset, folders), desc="train", total=len(folders), unit=" networks", disable=None)
    reports = {folder.name: report for folder, report in zip(folders, trained, strict=True)}
    rows = [[*named, *figures([reports[folder_of(each)] for each in seeds])] for named, seeds in runs.items()]
    heading = ("experiment", "variant", "CMAE", "least to most", "constant", "parameters", "M mult-adds")
    table = markdown(f"Test errors of {asked.seeds} seeds, degrees, on strangers.", heading, rows)
    write_text(out / "structures.md", table + "\n")
    print(f"\n{table}\n\nwritten to {out / 'structures.md'}")


def variants(*, reduced: bool) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Read structures.toml: experiment, variant, and the settings it comes to."""
    read = tomllib.loads((HERE / "structures.toml").read_text(encoding="utf-8"))
    common = read["train"] | (SMALL_TRAINING if reduced else {}) | BARE
    for experiment, named in read["experiments"].items():
        for name, changes in named.items():
            yield experiment, name, common | changes


def folder_of(settings: TrainSettings) -> str:
    """Name a run by its settings, so that a changed file trains again what it changed."""
    return hashlib.sha256(as_toml(settings).encode()).hexdigest()[:12]


def figures(reports: list[dict[str, Any]]) -> Iterator[str]:
    """Put the seeds of a variant together."""
    errors = [report["test"]["cmae_deg"] for report in reports]
    yield f"{statistics.mean(errors):.2f}"
    yield f"{min(errors):.2f} to {max(errors):.2f}"
    yield f"{statistics.mean(report['test']['constant_cmae_deg'] for report in reports):.2f}"
    yield f"{reports[0]['parameters']:,}"
    yield f"{reports[0]['multiply_adds'] / 1e6:.1f}"


if __name__ == "__main__":
    main()
