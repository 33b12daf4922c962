from __future__ import annotations

import json

from labelkit.deploy.timing import Latency
from labelkit.workflows import latency as module
from tests.commands import are_said, called
from tests.made_runs import make_run


def fake_measurement(medians_ms):
    """Stand in for a real measurement, which is in tests/deploy/test_timing.py."""

    def measure(run, seconds, exported=None):
        backend = "litert" if exported and exported.suffix == ".tflite" else "other"
        return Latency(medians_ms[run.name], 9, 30, backend, 0.5, 60.0)

    return measure


def test_each_run_is_a_line_and_an_entry(tmp_path, capfd, monkeypatch):
    monkeypatch.setattr(module, "measure_latency", fake_measurement({"a": 2.0, "b": 4.0}))
    runs = [make_run(tmp_path / name) for name in ("a", "b")]
    code, out, err = called(capfd, "latency", *runs, "--seconds", "0.01", "--engines", "keras", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)["runs"]
    assert [each["run"] for each in found] == [str(run) for run in runs]
    assert [each["per_s"] for each in found] == [500.0, 250.0]
    _, _, err = called(capfd, "latency", *runs, "--seconds", "0.01")
    assert are_said(err, f"{runs[0]}: measuring its time", f"{runs[1]}: measuring its time")


def test_every_runtime_that_is_there_stands_next_to_keras(tmp_path, capfd, monkeypatch):
    def convert(run, folder):  # as if ONNX Runtime was not installed
        for name in ("float32.tflite", "int8.tflite"):
            (folder / name).write_bytes(b"x" * 2000)

    monkeypatch.setattr(module, "measure_latency", fake_measurement({"a": 2.0}))
    monkeypatch.setattr(module, "convert_apart", convert)
    code, out, err = called(capfd, "latency", make_run(tmp_path / "a"))
    assert code == 0
    assert [line.split()[-2:] for line in out.splitlines()[2:]] == [
        ["keras", "float32"],
        ["litert", "float32"],
        ["litert", "int8"],
    ]
    assert max(map(len, out.splitlines()[2:])) <= 80
    assert "pip install 'labelkit-rgbd[onnx]'" in err


def test_a_folder_that_is_no_run_is_one_line_before_anything_is_measured(tmp_path, capfd):
    code, out, err = called(capfd, "latency", tmp_path / "none")
    assert (code, out) == (2, "")
    assert "not a run (no readable run.json)" in err
    assert len(err.splitlines()) == 1
