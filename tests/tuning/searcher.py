"""Go on with a search in a process that a test can kill: python -m tests.tuning.searcher FOLDER TRIALS JOBS"""

from __future__ import annotations

import sys
from pathlib import Path

from labelkit.settings import TuneSettings
from labelkit.tuning.folder import Search, Terms, begin_search
from labelkit.tuning.search import run_search
from tests.tuning.objectives import Bowl


def begin(folder: Path, trials: int) -> Search:
    """Begin the search, or open it."""
    ranges = {"filters": {"int": [5, 25]}, "dropout": {"float": [0.0, 0.7]}}
    structures = [{"name": "one", "stages": 1}, {"name": "two", "stages": 2}]
    settings = {"max_trials": trials, "sampler": "random", "ranges": ranges, "structures": structures}
    return begin_search(folder, TuneSettings.model_validate(settings), Terms("a" * 64, "dataset", 20.0))


if __name__ == "__main__":
    search = begin(Path(sys.argv[1]), int(sys.argv[2]))
    run_search(search, Bowl(epochs=4, epoch_s=0.15), int(sys.argv[3]), lambda search: None)
