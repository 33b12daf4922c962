from __future__ import annotations

import time

import pytest

from labelkit.deploy.timing import CONVERTED, convert_apart, measure_latency, time_calls_ms
from labelkit.errors import RunError
from labelkit.runs.arrays import write_weights
from labelkit.runs.folder import BEST
from tests.made_runs import make_run


def test_calls_are_timed_one_by_one_after_a_warm_up():
    calls = []
    taken = time_calls_ms(lambda: calls.append(time.sleep(0.002)), seconds=0.0)
    assert len(calls) == len(taken) + 10 == 40
    assert min(taken) >= 2.0


@pytest.mark.slow
def test_a_run_s_network_is_measured_in_a_process_of_its_own(tmp_path):
    found = measure_latency(make_run(tmp_path / "run"), seconds=0.0)
    assert found.calls == 30
    assert 0 < found.median_ms <= found.p95_ms
    assert found.first_answer_s > found.median_ms / 1000
    assert found.memory_mb > 100  # TensorFlow alone takes more


@pytest.mark.slow
def test_every_runtime_is_measured_without_tensorflow(tmp_path):
    run = make_run(tmp_path / "run")
    convert_apart(run, tmp_path)
    found = {name: measure_latency(run, seconds=0.0, exported=tmp_path / name) for name in CONVERTED}
    assert [each.backend for each in found.values()] == ["litert", "litert", "onnxruntime"]
    assert all(each.memory_mb < 300 for each in found.values())


@pytest.mark.sweep
def test_weights_of_another_network_are_one_line(tmp_path):
    run = make_run(tmp_path / "run")
    write_weights(run / BEST, {})
    with pytest.raises(RunError, match=r"latency could not be measured .*of another network"):
        measure_latency(run)
