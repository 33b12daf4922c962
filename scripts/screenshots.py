"""Make the screenshots of the documentation, in Debian's chromium (`make browser-tests` installs it).

labelkit simulate recordings --participants 8 --frames 150 --seed 1
labelkit build-dataset recordings/raw
python scripts/screenshots.py dataset
"""

from __future__ import annotations

import argparse
import io
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from playwright.sync_api import Browser, Page, sync_playwright

import labelkit
from labelkit.curation.coverage import Coverage
from labelkit.curation.guidance import next_gap, turn_words
from labelkit.live.advice import ADVICE
from labelkit.live.screen import SCHEMA
from labelkit.live.server import LiveServer, map_of
from labelkit.records import Reason
from labelkit.settings import CoverageSettings
from labelkit.workflows.coverage_map import CoverageMap

IMAGES = Path(__file__).resolve().parents[1] / "docs" / "images"
CHROMIUM = os.environ.get("LABELKIT_CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
WIDTH = 1280
COUNTS = CoverageSettings(target=3)
PLAYED = CoverageSettings(target=6)
CELL = 100  # the cell that is shown chosen: at the front
TROUBLE = """raw/p04: the unit of the depth is not stated;
add to raw/p04/recording.toml, or to one in a folder above for all below it:

[recording]
depth_unit_m = ?  # metres a stored step"""


def main() -> None:
    """Write all screenshots."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("dataset", type=Path)
    dataset = parser.parse_args().dataset
    with sync_playwright() as playwright, tempfile.TemporaryDirectory() as scratch:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])  # the pages are our own
        shoot_pages(browser, dataset, Path(scratch))
        shoot_game(browser, labelkit.coverage(dataset, settings=PLAYED))
        browser.close()


def shoot_pages(browser: Browser, dataset: Path, scratch: Path) -> None:
    """Show the report, light and dark, and the map alone."""
    report, page = scratch / "report.html", scratch / "map.html"
    labelkit.report_dataset(dataset, report, COUNTS)
    labelkit.coverage_map(dataset, page, COUNTS)
    with opened(browser, report.as_uri()) as tab:
        tab.locator(f"[data-cell='{CELL}'] > path").click(force=True)
        tab.evaluate("scrollTo(0, 0)")
        save(tab, "report.png", height=1130)
    with opened(browser, report.as_uri(), dark=True) as tab:
        tab.get_by_role("button", name="Show hands").click()
        save(tab, "report-dark.png")
    with opened(browser, page.as_uri()) as tab:
        tab.locator(f"[data-cell='{CELL}'] > path").hover(force=True)
        save(tab, "coverage-page.png")


def shoot_game(browser: Browser, coverage: CoverageMap) -> None:
    """Show the painting game in the middle of a game: on the way to a gap, with a rejected frame, and in the dark."""
    server = LiveServer(0, map_of(coverage.whole.cells, PLAYED.target, pictures=False), show_pictures=False)
    serving = threading.Thread(target=server.serve, daemon=True)
    serving.start()
    playing = state_of(coverage)
    rejected = {"code": Reason.HAND_CUT_BY_BORDER.value, "detail": "", "advice": ADVICE[Reason.HAND_CUT_BY_BORDER]}
    wrong = playing | {
        "words": rejected["advice"],
        "rejected": rejected,
        "hand": None,
        "skipped": 14,
        "troubles": [TROUBLE],
    }
    for name, state, dark in (
        ("painting-game.png", playing, False),
        ("painting-game-wrong.png", wrong, False),
        ("painting-game-dark.png", playing, True),
    ):
        server.put(state, lambda: None)
        with opened(browser, server.url, dark=dark) as tab:
            tab.get_by_text(state["words"][1:20]).wait_for()
            tab.wait_for_timeout(600)  # the dot glides
            save(tab, name)
    server.stop()
    serving.join()


def state_of(coverage: CoverageMap) -> dict[str, Any]:
    """Make the state of a game in which somebody has recorded as much as all participants together."""
    name, own = "p03", coverage.whole
    played = {"p01": coverage.participants["p01"], "p02": coverage.participants["p02"], name: own}
    turns = np.linspace(0, 1, 24)
    trail = np.stack([8 - 30 * turns, 6 + 12 * np.sin(3 * turns)], axis=-1).round(2).tolist()
    hand = (trail[-1][0], trail[-1][1])
    goal = next_gap(own.counts, own.cells, own.target, (20.0, -30.0))
    assert goal
    return {
        "schema": SCHEMA,
        "participant": name,
        "frames": sum(each.samples for each in played.values()) + 24,
        "samples": sum(each.samples for each in played.values()),
        "skipped": 0,
        "earlier": 0,
        "hand": {"azimuth": hand[0], "elevation": hand[1]},
        "trail": trail,
        "goal": {
            "cell": goal.cell,
            "azimuth": goal.centre_deg[0],
            "elevation": goal.centre_deg[1],
            "needed": goal.needed,
        },
        "words": turn_words(hand, goal.centre_deg),
        "rejected": None,
        "counts": own.counts[own.cells.reachable_mask].tolist(),
        "done": False,
        "mirrored": False,
        "seconds": 95.0,
        "participants": [{"name": who, "samples": each.samples} | share_of(each) for who, each in played.items()],
        "troubles": [],
        "frame": None,
        "picture": None,
    } | share_of(own)


def share_of(coverage: Coverage) -> dict[str, float]:
    """Say how far a map is painted."""
    return {
        "collected": coverage.collected_share,
        "begun_cells": coverage.started_cells,
        "full_cells": coverage.filled_cells,
    }


@contextmanager
def opened(browser: Browser, url: str, *, dark: bool = False) -> Iterator[Page]:
    """Open a page in a window as wide as a small laptop's."""
    context = browser.new_context(
        viewport={"width": WIDTH, "height": 800}, color_scheme="dark" if dark else "light", reduced_motion="reduce"
    )
    tab = context.new_page()
    tab.goto(url)
    yield tab
    context.close()


def save(tab: Page, name: str, height: int = 800) -> None:
    """Write the top of a page, in 256 colours."""
    shot = tab.screenshot(full_page=True, clip={"x": 0, "y": 0, "width": WIDTH, "height": height})
    picture = Image.open(io.BytesIO(shot)).convert("RGB")
    picture.quantize(256, dither=Image.Dither.NONE).save(IMAGES / name, optimize=True)


if __name__ == "__main__":
    main()
