from __future__ import annotations

import os
import subprocess

import pytest

from labelkit.dataset.dataset import open_dataset
from tests.building.conftest import write_recording
from tests.commands import called, one_error


@pytest.fixture
def raw(tmp_path):
    for name in ("p01", "p02"):
        write_recording(tmp_path / "my raw" / name, "he")
    return tmp_path / "my raw"


def test_the_script_builds_the_dataset_task_by_task(raw, tmp_path, capfd):
    code, script, _ = called(capfd, "array-script", raw, "--out", tmp_path / "a set", "--parts", 2)
    assert code == 0
    assert "#SBATCH --array=1-2" in script
    for task in ("2", "1"):
        environment = {**os.environ, "SLURM_ARRAY_TASK_ID": task}
        subprocess.run(["sh"], input=script, text=True, env=environment, check=True, timeout=240)
    (commit,) = [line for line in script.splitlines() if line.endswith("--commit")]
    subprocess.run(["sh", "-c", commit.lstrip("# ")], check=True, timeout=240)
    assert len(open_dataset(tmp_path / "a set")) == 2


def test_there_is_a_task_for_each_shard_up_to_what_an_array_may_hold(raw, capfd):
    for size, tasks in ((1001, 2), (2, 1)):
        code, script, _ = called(capfd, "array-script", raw, "--max-array-size", size)
        assert code == 0
        assert f"#SBATCH --array=1-{tasks}\n" in script


def test_more_parts_than_an_array_may_hold_are_refused(raw, capfd):
    code, _, err = called(capfd, "array-script", raw, "--parts", 1001)
    assert code == 2
    assert one_error(err)
    assert "holds 1,000 tasks at most" in err
