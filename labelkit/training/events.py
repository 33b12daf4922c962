"""A run's curves and histograms as a TensorBoard event file: `tensorboard --logdir runs/`.

The whole file is written each time. It holds no time of day: its clock counts the seconds of training.
"""

from __future__ import annotations

import itertools
import os
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from labelkit.files import write_bytes
from labelkit.runs.folder import EVENTS
from labelkit.runs.histograms import Histogram, Histograms
from labelkit.training.backend import event_tools
from labelkit.training.epochs import Epoch


def write_events(run: Path, history: Sequence[Epoch], diagnostics: Mapping[str, Histograms]) -> None:
    """Write a run's event file.

    Args:
        history: of the run.
        diagnostics: "weights" and "activations" -> their histograms.
    Raises:
        OutputError: the disk is full or may not be written.
    """
    tools = event_tools()
    clock = itertools.accumulate(epoch.seconds for epoch in history)
    handle, scratch = tempfile.mkstemp(suffix=".tfevents")  # TensorFlow's writer wants a path
    os.close(handle)
    try:
        with tools.RecordWriter(scratch) as writer:
            writer.write(tools.Event(wall_time=0.0, file_version="brain.Event:2").SerializeToString())
            for number, (epoch, seconds) in enumerate(zip(history, clock, strict=True)):
                values = [*_scalars(tools, epoch), *_histograms(tools, diagnostics, number)]
                event = tools.Event(wall_time=seconds, step=epoch.epoch, summary=tools.Summary(value=values))
                writer.write(event.SerializeToString())
        write_bytes(run / EVENTS, Path(scratch).read_bytes())
    finally:
        Path(scratch).unlink(missing_ok=True)


def _scalars(tools: Any, epoch: Epoch) -> Iterator[Any]:
    for name, value in asdict(epoch).items():
        if name != "epoch":
            yield tools.Summary.Value(tag=f"epoch/{name}", simple_value=value)


def _histograms(tools: Any, diagnostics: Mapping[str, Histograms], number: int) -> Iterator[Any]:
    for kind, tensors in diagnostics.items():
        for name, histograms in tensors.items():
            if number < len(histograms):
                yield tools.Summary.Value(tag=f"{kind}/{name}", histo=_proto(tools, histograms[number]))


def _proto(tools: Any, histogram: Histogram) -> Any:
    counts = histogram.counts
    edges = np.linspace(histogram.low, histogram.high, len(counts) + 1)
    total = float(counts.sum())
    return tools.HistogramProto(
        min=histogram.low,
        max=histogram.high,
        num=total,
        sum=histogram.mean * total,
        sum_squares=(histogram.sd**2 + histogram.mean**2) * total,
        bucket_limit=edges[1:].tolist(),
        bucket=counts.astype(float).tolist(),
    )
