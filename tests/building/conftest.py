from __future__ import annotations

import pytest

from labelkit.settings import SimulateSettings
from labelkit.workflows.simulate import simulate


@pytest.fixture(scope="session")
def simulated(tmp_path_factory):
    """Three participants of eight frames; never written to."""
    out = tmp_path_factory.mktemp("simulated")
    simulate(out, SimulateSettings(participants=3, frames=8, seed=3, workers=1), quiet=True)
    return out
