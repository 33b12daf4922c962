from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.util import event_pb2

from labelkit.runs.folder import EVENTS
from labelkit.runs.histograms import Histogram
from labelkit.training.epochs import Epoch
from labelkit.training.events import write_events

HISTORY = [Epoch(1, 0.5, 9.0, 8.0, 8.5, 1e-3, 3.0, 100.0), Epoch(2, 0.25, 7.0, 6.0, 6.5, 5e-4, 4.0, 75.0)]
SHAPE = Histogram(0.5, 0.25, -1.0, 3.0, np.array([1, 2, 5, 0]))


@pytest.fixture
def events(tmp_path):
    write_events(tmp_path, HISTORY, {"weights": {"a.kernel": [SHAPE, SHAPE]}, "activations": {}})
    records = tf.data.TFRecordDataset(str(tmp_path / EVENTS)).as_numpy_iterator()
    return [event_pb2.Event.FromString(record) for record in records]


def test_every_epoch_is_a_step_and_the_clock_is_that_of_the_training(events):
    start, *steps = events
    assert start.file_version == "brain.Event:2"
    assert [(event.step, event.wall_time) for event in steps] == [(1, 3.0), (2, 7.0)]


def test_curves_are_scalars(events):
    values = {value.tag: value.simple_value for value in events[2].summary.value if value.HasField("simple_value")}
    assert {name: values[f"epoch/{name}"] for name in ("loss", "cmae_deg", "seconds")} == {
        **{"loss": 0.25, "cmae_deg": 6.5, "seconds": 4.0},
    }


def test_histograms_keep_their_bins(events):
    (value,) = [value for value in events[1].summary.value if value.HasField("histo")]
    assert value.tag == "weights/a.kernel"
    assert (value.histo.min, value.histo.max, value.histo.num) == (-1.0, 3.0, 8.0)
    assert list(value.histo.bucket_limit) == [0.0, 1.0, 2.0, 3.0]
    assert list(value.histo.bucket) == [1, 2, 5, 0]
    assert value.histo.sum == pytest.approx(0.5 * 8)


def test_the_same_run_gives_the_same_bytes_and_leaves_nothing_else(tmp_path):
    for name in "ab":
        (tmp_path / name).mkdir()
        write_events(tmp_path / name, HISTORY, {})
    assert (tmp_path / "a" / EVENTS).read_bytes() == (tmp_path / "b" / EVENTS).read_bytes()
    assert [path.name for path in (tmp_path / "a").iterdir()] == [EVENTS]
