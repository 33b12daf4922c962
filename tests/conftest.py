"""What all tests share."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings

# As in an activated .venv: printed commands then begin with `labelkit`, not with its path.
os.environ["PATH"] = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"

# A busy machine is no failure.
settings.register_profile("labelkit", deadline=None)
settings.load_profile("labelkit")


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Give the folder of real recordings; without it, skip, or fail where LABELKIT_REQUIRE_DATA=1."""
    beside = Path(__file__).parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("LABELKIT_TEST_DATA", beside))
    if folder.is_dir():
        return folder.resolve()
    missing = f"no real recordings at {folder}; set LABELKIT_TEST_DATA"
    if os.environ.get("LABELKIT_REQUIRE_DATA") == "1":
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture
def fast_path(tmp_path):
    """A folder in memory, where the system has such: thousands of waits for a disk show nothing more."""
    if not Path("/dev/shm").is_dir():
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/dev/shm", prefix="labelkit-test-") as folder:
        yield Path(folder)
