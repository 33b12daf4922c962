from __future__ import annotations

import numpy as np
import pytest

from labelkit.dataset.sample_cells import sample_cells
from labelkit.dataset.table import REJECTED, SAMPLE, table_of
from labelkit.live import tally as module
from labelkit.live.tally import Label, Tally, label_of
from labelkit.records import Reason
from labelkit.settings import CoverageSettings

REJECTION = Label(reason=Reason.NO_HAND, detail="nobody")


def wander(n, seed, *, stamps):
    """Labels and stamps of a hand that wanders, rests, leaves the disc and is lost now and then."""
    rng = np.random.default_rng(seed)
    steps = rng.normal(0, rng.choice([0.2, 3.0], (n, 1)), (n, 2))
    walk = 90 + np.abs((np.cumsum(steps, axis=0) + 48) % 192 - 96) - 48
    labels = [
        REJECTION if rng.random() < 0.1 else Label((90.0, 90.0), (float(azimuth), float(elevation)))
        for azimuth, elevation in 90 + (walk - 90) * 0.9
    ]
    times = np.cumsum(rng.choice([1 / 30, 1 / 15, 0.4], n)) + 1.4e9
    if stamps == "some":
        times[rng.random(n) < 0.5] = np.nan
    if stamps == "none":
        times[:] = np.nan
    return times.tolist(), labels


def as_the_table_counts(stamps, labels, settings):
    rows = [
        {
            "participant": "p01",
            "recording": "p01",
            "frame": f"depth/{k}.png",
            "stamp": stamp if np.isfinite(stamp) else None,
            "status": SAMPLE if label.view_deg else REJECTED,
            **({"view_azimuth": label.view_deg[0], "view_elevation": label.view_deg[1]} if label.view_deg else {}),
            **({"azimuth": 90.0, "elevation": 90.0} if label.view_deg else {}),
        }
        for k, (stamp, label) in enumerate(zip(stamps, labels, strict=True))
    ]
    return sample_cells(table_of(rows), settings).whole()


def same(one, other):
    return (one.counts.tolist(), one.outside, one.repeats) == (other.counts.tolist(), other.outside, other.repeats)


@pytest.mark.parametrize("stamps", ["all", "some", "none"])
@pytest.mark.parametrize("cells", ["square", "equal-area"])
def test_frame_by_frame_it_counts_what_the_coverage_map_counts_of_the_label_table(stamps, cells):
    settings = CoverageSettings(cells=cells, target=3)
    times, labels = wander(400, 7, stamps=stamps)
    expected = as_the_table_counts(times, labels, settings)
    assert min(expected.counts.max(), expected.outside, expected.repeats) > 0
    tally = Tally(settings)
    for k, label in enumerate(labels):
        tally.add(times[: k + 1], label)
    assert same(tally.coverage, expected)


@pytest.mark.parametrize("stamps", ["all", "none"])
def test_a_count_of_all_frames_and_then_frame_by_frame_gives_the_same(stamps):
    settings = CoverageSettings(target=3)
    times, labels = wander(400, 8, stamps=stamps)
    tally = Tally(settings)
    tally.recount(times[:250], labels[:250])
    for k in range(250, 400):
        tally.add(times[: k + 1], labels[k])
    assert same(tally.coverage, as_the_table_counts(times, labels, settings))


def test_a_second_count_of_all_frames_gives_the_same():
    tally = Tally(CoverageSettings())
    for _ in range(2):
        tally.recount([0.0], [Label((90.0, 90.0), (80.0, 80.0))])
        assert (tally.coverage.counts.sum(), tally.coverage.repeats) == (1, 0)


def test_a_frame_that_has_no_label_yet_counts_for_nothing_but_keeps_its_place_in_time():
    times, labels = wander(60, 9, stamps="none")
    tally = Tally(CoverageSettings())
    tally.recount(times, [label if k % 3 else None for k, label in enumerate(labels)])
    rejected = [label if k % 3 else REJECTION for k, label in enumerate(labels)]
    assert same(tally.coverage, as_the_table_counts(times, rejected, CoverageSettings()))


def test_an_angle_that_the_table_rounds_to_the_edge_of_a_cell_counts_where_the_table_has_it():
    label = Label((90.0, 90.0), (84.9999999, 90.0))
    tally = Tally(CoverageSettings())
    tally.add([0.0], label)
    assert same(tally.coverage, as_the_table_counts([0.0], [label], CoverageSettings()))
    ((_, column),) = np.argwhere(tally.coverage.counts)
    assert tally.cells.centres_deg[column] == 2.5


def test_the_cameras_axes_are_counted_where_they_are_asked_for():
    tally = Tally(CoverageSettings(frame="camera"))
    tally.add([0.0], Label((70.0, 90.0), (90.0, 90.0)))
    ((row, column),) = np.argwhere(tally.coverage.counts)
    assert tally.cells.centre_angles_deg[row, column].tolist() == [17.5, 2.5]


def test_a_label_holds_the_angles_of_both_frames_as_the_table_does(monkeypatch):
    row = {"azimuth": 1.0, "elevation": 2.0, "view_azimuth": 3.0, "view_elevation": 4.0}
    monkeypatch.setattr(module, "row_of", lambda recording, name, sample: row)
    assert label_of(None, None, None) == Label(camera_deg=(1.0, 2.0), view_deg=(3.0, 4.0))
