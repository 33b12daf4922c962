from __future__ import annotations

import json

import pytest

from labelkit.errors import RunError
from labelkit.runs.folder import (
    DIAGNOSTICS,
)
from labelkit.runs.histograms import read_histograms

HISTOGRAM = {"mean": 0.5, "sd": 0.25, "min": 0.0, "max": 1.0, "counts": [2, 2]}


def diagnostics(**changed):
    one = {**HISTOGRAM, **changed}
    epochs = [{"epoch": k, "weights": {"a.kernel": one}, "activations": {"a": one}} for k in (1, 2)]
    return json.dumps({"schema": "labelkit-diagnostics/1", "epochs": epochs})


def test_histograms_read_back_by_tensor_and_epoch(run):
    (run / DIAGNOSTICS).write_text(diagnostics())
    found = read_histograms(run)
    assert {kind: list(tensors) for kind, tensors in found.items()} == {"weights": ["a.kernel"], "activations": ["a"]}
    second = found["weights"]["a.kernel"][1]
    assert (second.mean, second.low, second.high, second.counts.tolist()) == (0.5, 0.0, 1.0, [2, 2])


def test_a_run_that_kept_no_histograms_has_none(run):
    assert read_histograms(run) == {}


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"schema": "labelkit-diagnostics/9", "epochs": []}',
        '{"schema": "labelkit-diagnostics/1", "epochs": []}',
        '{"schema": "labelkit-diagnostics/1", "epochs": [{"weights": {}}]}',
        diagnostics(mean="nan"),
        diagnostics(min=2.0),
        diagnostics(counts=[]),
        diagnostics(counts="many"),
    ],
)
def test_damaged_histograms_are_called_so(run, content):
    (run / DIAGNOSTICS).write_text(content)
    with pytest.raises(RunError, match=r"diagnostics.json: not readable diagnostics .*; train again, or remove it"):
        read_histograms(run)
