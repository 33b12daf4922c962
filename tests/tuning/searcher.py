"""Go on with a search in a process that a test can kill: python -m tests.tuning.searcher FOLDER TRIALS JOBS"""

from __future__ import annotations

import sys
from pathlib import Path

from labelkit.settings import TuneSettings
from labelkit.tuning.search import search
from labelkit.tuning.study import Study, Terms, begin_study
from tests.tuning.objectives import Bowl


def begun(folder: Path, trials: int) -> Study:
    """Begin the search, or open it."""
    ranges = {"filters": {"int": [5, 25]}, "dropout": {"float": [0.0, 0.7]}}
    structures = [{"name": "one", "stages": 1}, {"name": "two", "stages": 2}]
    settings = {"max_trials": trials, "sampler": "random", "ranges": ranges, "structures": structures}
    return begin_study(folder, TuneSettings.model_validate(settings), Terms("a" * 64, "dataset", 20.0))


if __name__ == "__main__":
    study = begun(Path(sys.argv[1]), int(sys.argv[2]))
    search(study, Bowl(epochs=4, epoch_s=0.15), int(sys.argv[3]), lambda study: None)
