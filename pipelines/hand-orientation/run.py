"""The study from recordings to its Tables 1 to 3.

    python pipelines/hand-orientation/run.py [--raw RAW] [--out hand-orientation] [--reduced]

Recordings are simulated, unless RAW names some. They become a dataset; each of the three families is searched over
the ranges and structures in the .toml file next to this one; the best settings of each are trained and tested, once,
on people that neither training nor search has met. What is done already is not done again, so the same
command goes on with a stopped run.

`--reduced` is all steps, in small, within 20 minutes on two cores, in hand-orientation-reduced. It shows that all parts
fit together, and nothing about the networks: so few people teach nothing about strangers, so single frames are split,
which leaks, as the pages say.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import labelkit
from labelkit.files import write_text
from labelkit.runs.folder import PAGE
from labelkit.settings import SimulateSettings, TrainSettings, TuneSettings, load_settings
from labelkit.workflows.train import train_once
from labelkit.workflows.tune import TuneResult

HERE = Path(__file__).parent
FAMILIES = ("vanilla", "squeezenet", "mobilenet")

# The study had 13 participants and about 9,700 pictures.
WHOLE = {"participants": 13, "frames": 750}
SMALL = {"participants": 8, "frames": 60}
SMALL_SEARCH = {"max_trials": 3, "best_of": 2, "grace": 15}
# Few samples need many steps before anything is learned.
SMALL_TRAINING = {
    "epochs": 20,
    "batch_size": 8,
    "learning_rate": 2e-3,
    "resolutions": "64,32",
    "augment": False,
    "split": "frames",
}


def main() -> None:
    """Do the study's steps one after the other."""
    asked = arguments(__doc__).parse_args()
    out: Path = asked.out or Path("hand-orientation-reduced" if asked.reduced else "hand-orientation")
    raw = asked.raw or simulate_once(out, SMALL if asked.reduced else WHOLE)
    dataset = out / "dataset"
    labelkit.build_dataset(raw, dataset)
    labelkit.coverage_map(dataset, out / "coverage-map.png")
    searches, reports = {}, {}
    for family in FAMILIES:
        search = labelkit.tune(dataset, search_settings(family, reduced=asked.reduced), out=out / "searches" / family)
        assert isinstance(search, TuneResult)
        searches[family] = search
        if search.best:
            best = load_settings(TrainSettings, config=Path(search.best))
            reports[family] = train_once(dataset, best, out / "runs" / family)
        else:
            print(f"{family}: no trial learned, see {search.page}")
    tables = "\n\n".join((table_1(searches), table_2(searches, reports), table_3(reports)))
    write_text(out / "tables.md", tables + "\n")
    print(f"{tables}\n\npages: {out}/searches/*/report.html, {out}/runs/*/{PAGE}; map: {out}/coverage-map.png")


def arguments(doc: str) -> argparse.ArgumentParser:
    """Describe the command line."""
    parser = argparse.ArgumentParser(description=doc.splitlines()[0])
    parser.add_argument("--raw", type=Path, help="recordings; simulated if not given")
    parser.add_argument("--out", type=Path, help="folder of all results")
    parser.add_argument("--reduced", action="store_true", help="all steps, in small")
    return parser


def simulate_once(out: Path, size: Mapping[str, int]) -> Path:
    """Simulate recordings, unless they are there already."""
    if not (out / "raw").is_dir():
        labelkit.simulate(out, SimulateSettings(**size))
    return out / "raw"


def search_settings(family: str, *, reduced: bool) -> TuneSettings:
    """Read the ranges and structures of a family."""
    settings = load_settings(TuneSettings, config=HERE / f"tune-{family}.toml")
    if not reduced:
        return settings
    small = {"train": settings.train | SMALL_TRAINING, "structures": settings.structures[:2], **SMALL_SEARCH}
    return settings.model_copy(update=small)


def table_1(searches: Mapping[str, TuneResult]) -> str:
    """Make the study's Table 1, of what was searched, with the best values added."""
    rows = []
    for family, search in searches.items():
        best = search.structures[0]
        found = best.best.values if best.best else {}
        for name, table in load_settings(TuneSettings, config=HERE / f"tune-{family}.toml").ranges.items():
            ((low, high),) = table.values()
            rows.append([family, name, f"{low} to {high}", f"{found[name]:.3g}" if name in found else ""])
        rows.append([family, "structure", f"{len(search.structures)} of them", best.structure if best.best else ""])
    return markdown("Table 1. What was searched, and the best.", ("network", "setting", "range", "best"), rows)


def table_2(searches: Mapping[str, TuneResult], reports: Mapping[str, Mapping[str, Any]]) -> str:
    """Make a table of the errors and costs of the best networks."""
    heading = ("network", "CMAE", "MAE elevation", "MAE azimuth", "constant", "pictures a second", "parameters", "MB")
    rows = [
        [
            family,
            *(f"{report['test'][key]:.2f}" for key in ("cmae_deg", "mae_elevation_deg", "mae_azimuth_deg")),
            f"{report['test']['constant_cmae_deg']:.2f}",
            f"{1000 / report['latency_ms']:.0f}",
            f"{report['parameters']:,}",
            f"{report['weights_bytes'] / 1e6:.2f}",
        ]
        for family, report in reports.items()
    ]
    short = [
        f"{family}, {each.structure}: the score is the mean of {each.scored} trials, not of {each.best_of}."
        for family, search in searches.items()
        for each in search.structures
        if each.is_short
    ]
    return "\n\n".join((markdown("Table 2. Test errors, degrees, and cost.", heading, rows), *short))


def table_3(reports: Mapping[str, Mapping[str, Any]]) -> str:
    """Say where the labels of successes (under 5 degrees) and failures (over 15) lie."""
    rows = [
        [family, f"{outcome} {angle}", f"{100 * each['share']:.0f} %", *magnitudes(each)]
        for family, report in reports.items()
        for outcome in ("success", "failure")
        for angle in ("azimuth", "elevation")
        for each in [report["test"]["outcomes"][angle][outcome]]
    ]
    heading = ("network", "", "share", "mean abs. azimuth", "mean abs. elevation")
    return markdown("Table 3. Labels of successes and failures, degrees from the front.", heading, rows)


def magnitudes(outcome: Mapping[str, Any]) -> Iterator[str]:
    """Write the mean magnitudes of the labels; there are none without a sample."""
    for angle in ("azimuth", "elevation"):
        value = outcome[f"label_{angle}_deg"]
        yield "-" if value is None else f"{value:.2f}"


def markdown(caption: str, heading: tuple[str, ...], rows: list[list[str]]) -> str:
    """Write a table."""
    lines = [heading, ["---"] * len(heading), *rows]
    return "\n".join((f"{caption}\n", *(f"| {' | '.join(line)} |" for line in lines)))


if __name__ == "__main__":
    main()
