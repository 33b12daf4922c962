from __future__ import annotations

import pytest

from labelkit.curation.splits import Split
from labelkit.runs.folder import (
    FAILED,
    claim_run,
    write_state,
)
from labelkit.runs.plan import write_plan
from labelkit.settings import TrainSettings

PEOPLE = Split(train=("a", "b"), validation=("c",), test=("d",))


@pytest.fixture
def run(tmp_path):
    folder = claim_run("vanilla", tmp_path / "run")
    write_state(folder, FAILED, epochs=0)
    write_plan(folder, TrainSettings(seed=7, dropout=0.25), PEOPLE, tmp_path / "data" / "set", "abc", {"keras": "3"})
    return folder
