from __future__ import annotations

import json

from labelkit.deploy.timing import Latency
from labelkit.workflows import latency as module
from tests.commands import are_said, called
from tests.made_runs import make_run


def test_each_run_is_a_line_and_an_entry(tmp_path, capfd, monkeypatch):
    # A real measurement is in tests/deploy/test_latency.py.
    medians_ms = {"a": 2.0, "b": 4.0}
    monkeypatch.setattr(module, "measure_latency", lambda run, seconds: Latency(medians_ms[run.name], 9, 30, ""))
    runs = [make_run(tmp_path / name) for name in ("a", "b")]
    code, out, err = called(capfd, "latency", *runs, "--seconds", "0.01", "--json")
    assert (code, err) == (0, "")
    found = json.loads(out)["runs"]
    assert [each["run"] for each in found] == [str(run) for run in runs]
    assert [each["per_s"] for each in found] == [500.0, 250.0]
    _, _, err = called(capfd, "latency", *runs, "--seconds", "0.01")
    assert are_said(err, f"{runs[0]}: measuring its time", f"{runs[1]}: measuring its time")


def test_a_folder_that_is_no_run_is_one_line_before_anything_is_measured(tmp_path, capfd):
    code, out, err = called(capfd, "latency", tmp_path / "none")
    assert (code, out) == (2, "")
    assert "not a run (no readable run.json)" in err
    assert len(err.splitlines()) == 1
