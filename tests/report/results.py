"""Results of runs that never were, whose content is known."""

from __future__ import annotations

import numpy as np

from labelkit.cells import Cells
from labelkit.evaluation.judged_samples import JudgedSamples
from labelkit.figures.training import Curves
from labelkit.report.run_page import Cost, RunResult, list_picture_rows
from labelkit.runs.histograms import Histogram
from labelkit.training.collapse import Event, Layer, Signs, find_unfit
from labelkit.training.guard_record import GuardRecord, Start


def judged(n=60, *, noise=5.0, shrunk=0.9, seed=0, people=("p01", "p02", "p03"), sd=False, step=40):
    """Draw truths over the disc, and predictions off them by noise, shrunk toward the front."""
    rng = np.random.default_rng(seed)
    radius, turn = 44 * np.sqrt(rng.random(n)), 2 * np.pi * rng.random(n)
    true = np.stack([radius * np.cos(turn), radius * np.sin(turn)], axis=-1)
    predicted = shrunk * true + np.random.default_rng(int(noise * 100)).normal(0.0, noise, true.shape)
    stated = np.linspace(0.5, 1.5, n) * noise if sd else None
    return JudgedSamples(np.resize(np.array(people), n), step * np.arange(n), true, predicted, stated)


def histograms(epochs=3):
    rng = np.random.default_rng(0)

    def drawn(epoch):
        values = rng.normal(-0.1 * epoch, 1.0, 500)
        counts, edges = np.histogram(values, 32)
        return Histogram(float(values.mean()), float(values.std()), float(edges[0]), float(edges[-1]), counts)

    names = ("branch128_stage1.kernel", "branch128_stage1.bias", "angles_rad.kernel", "norm.gamma")
    weights = {name: [drawn(epoch) for epoch in range(epochs)] for name in names}
    return {"weights": weights, "activations": {"branch128_leaky": [drawn(epoch) for epoch in range(epochs)]}}


def journal(epochs=3, *, collapsed=False):
    """What a guard saw of a run that went well, or of one that began badly and collapsed after its second epoch."""
    signs = [Signs(n, 0.3, 0.5, 0.9, 0.5 - 0.1 * n, 1.0 / n, 0.1, "dense1_leaky", -0.1, "dense1") for n in (1, 2, 3)]
    layer = Layer("dense1_leaky", 0.001, 3.0, 0.5)
    start = Start((layer,), find_unfit([layer]) if collapsed else (), levelled=collapsed)
    event = Event(2, "lost", ("gradients have vanished (0)",), "went-back", 1, 0.5, 1.0, 0)
    return GuardRecord(start, tuple(signs[:epochs]), (event,) if collapsed else ())


def result(name="vanilla", *, leaks=False, latency_ms=2.0, epochs=3, test=None, kept=True, collapsed=False, **how):
    test = judged(**how) if test is None else test
    rng = np.random.default_rng(0)
    shown = test.rows[list(list_picture_rows(test))].tolist()
    return RunResult(
        name=name,
        settings={"model": "vanilla", "filters": 16},
        leaks=leaks,
        cost=Cost(1_676_226, 33_000_000, 6_705_000, latency_ms, latency_ms and 1.5 * latency_ms),
        training=Curves(name, np.linspace(0.4, 0.1, epochs), np.linspace(18, 9, epochs), 19.0, epochs),
        seconds=90.0,
        samples_per_s=400.0,
        train_samples=12_000,
        constant_deg=np.array([1.0, -1.0]),
        validation=judged(seed=9),
        test=test,
        cells=Cells(10.0, 45.0),
        histograms=histograms(epochs) if kept else {},
        guard=journal(epochs, collapsed=collapsed) if kept else None,
        crops={row: rng.integers(0, 256, (128, 128, 3), dtype=np.uint8) for row in shown},
    )
