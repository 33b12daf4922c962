from __future__ import annotations

import pytest

from labelkit import files


@pytest.fixture(autouse=True)
def no_waiting_for_the_disk(monkeypatch):
    """Leave out what guards against a loss of power alone: hundreds of small checkpoints would wait for it."""
    monkeypatch.setattr(files, "_flush", lambda path: None)
