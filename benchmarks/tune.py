"""Measure the search: TPE against random draws, and two workers against one.

    python benchmarks/tune.py [--repetitions 20] [--trials 32] [--only proposals|real|workers]
    python benchmarks/tune.py --record [--runs 91] [--dataset DATASET]

The first part asks `labelkit.tuning` for trials as `labelkit tune` does, and answers them from a stand-in: a random
forest fitted to recorded trainings, with noise of the size that it leaves unexplained. The recorded trainings are
real: random draws from the study's ranges of the vanilla network and of the learning rate, each trained on
simulated people and validated on others (benchmarks/tune-runs.csv; `--record` makes it again, in about 12 minutes on
one quiet core; run it again to go on if it was stopped). For each repetition both samplers have the same seeds, so that
their first ten trials are the same. It is scored by the mean of the best 16, as the study scores a structure; a
trial that learned nothing counts as the error of the constant predictor, so that each mean is of 16 errors.

The second part is one search by TPE with real trainings, compared with as many random ones: the recorded runs are
what a random search with the same seed trains. Its first ten trials are theirs too, and are taken from the table.

The third part runs real trainings with one process and then with two.

The tables go to stdout, all figures to benchmarks/results/tune.json. The goals: TPE is better in 15 of 20
repetitions, and two workers take 0.6 of the time of one.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

os.environ.update(dict.fromkeys(("OMP_NUM_THREADS", "TF_NUM_INTRAOP_THREADS", "TF_NUM_INTEROP_THREADS"), "1"))

import numpy as np

RESULT = Path(__file__).parent / "results" / "tune.json"
RUNS = Path(__file__).parent / "tune-runs.csv"
BEST_OF = 16
SAME = 10  # TPE begins with so many random trials

# The study's Table 1, and the learning rate, over a range in which some runs learn nothing.
RANGES: dict[str, dict[str, Any]] = {
    "kernel_size": {"int": [2, 7]},
    "filters": {"int": [5, 25]},
    "dropout": {"float": [0.0, 0.7]},
    "dense": {"int": [16, 256]},
    "learning_rate": {"log": [1e-5, 1e-1]},
}
# Small, so that a run takes seconds: one branch of 32 pixels, ten epochs, no augmentation. Without the guard, so that
# some runs learn nothing, as in the study.
TRAIN: dict[str, Any] = {
    "resolutions": "32",
    "stages": 3,
    "growth": 1,
    "epochs": 10,
    "batch_size": 16,
    "augment": False,
    "guard": False,
    "start": "plain",
}


def record(runs: int, dataset: Path | None) -> None:
    """Train random draws, a row each; those that are recorded already are left out."""
    for number, search, claim, measured in _train_trials("random", runs, dataset, known=len(_rows())):
        keep(number, search.terms.constant_cmae_deg, claim.drawn.values, measured)
        print(number + 1, "of", runs, measured.outcome, measured.cmae_deg, f"{measured.seconds:.1f} s", flush=True)


def _train_trials(
    sampler: str, trials: int, dataset: Path | None, *, known: int
) -> Iterator[tuple[int, Any, Any, Any]]:
    """Search with real trainings in this process, and give for each trial: number, search, claim, result.

    Args:
        known: this many trials are taken from the table and not trained.
    """
    from labelkit.keras import keras
    from labelkit.settings import TuneSettings
    from labelkit.tuning.folder import begin_search
    from labelkit.workflows.one_run import check_dataset
    from labelkit.workflows.run_trial import TrainTrial, terms_of

    rows = _rows()
    with tempfile.TemporaryDirectory() as scratch:
        path = dataset or simulated_dataset(Path(scratch))
        settings = TuneSettings.model_validate(
            {"max_trials": trials, "sampler": sampler, "grace": TRAIN["epochs"], "ranges": RANGES, "train": TRAIN}
        )
        data, samples = check_dataset(path, settings_of(settings))
        terms = terms_of(data, samples, settings_of(settings))
        search = begin_search(Path(scratch) / "search", settings, terms)
        objective = TrainTrial(path, terms, settings.grace, latency=False)
        for number in range(trials):
            claim = search.take()
            assert claim is not None
            if number < known:
                search.finish(claim, _result_of(rows[number], claim.drawn.values))
                continue
            keras.backend.clear_session()
            measured = objective(claim.drawn, lambda *_: None)
            search.finish(claim, measured)
            yield number, search, claim, measured


def _result_of(row: dict[str, str], values: Any) -> Any:
    """Give the result of a recorded run, which must have the same settings."""
    from labelkit.tuning.trial import Measured

    if any(abs(float(row[name]) - values[name]) > 1e-9 for name in RANGES):
        raise SystemExit(f"{RUNS}: run {row['run']} has other settings; make the table again with --record")
    return Measured(row["outcome"], float(row["cmae_deg"]) if row["cmae_deg"] else None)  # type: ignore[arg-type]


def settings_of(settings: Any) -> Any:
    """Make the settings that all trials share."""
    from labelkit.tuning.folder import trial_settings
    from labelkit.tuning.space import structures_of

    return trial_settings(structures_of(settings)[0], {}, settings, seed=0)


def simulated_dataset(scratch: Path) -> Path:
    """Simulate eight people and build their dataset."""
    import labelkit
    from labelkit.settings import BuildSettings, SimulateSettings

    labelkit.simulate(scratch, SimulateSettings(participants=8, frames=60, seed=1), quiet=True)
    labelkit.build_dataset(scratch / "raw", scratch / "dataset", BuildSettings(), quiet=True)
    return scratch / "dataset"


def keep(number: int, constant_cmae_deg: float, values: Any, measured: Any) -> None:
    """Add a run to the table."""
    row = {
        "run": number,
        **{name: values[name] for name in RANGES},
        "outcome": measured.outcome,
        "cmae_deg": "" if measured.cmae_deg is None else round(measured.cmae_deg, 4),
        "constant_cmae_deg": round(constant_cmae_deg, 4),
    }
    is_new = not RUNS.is_file()
    with RUNS.open("a", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def _rows() -> list[dict[str, str]]:
    """Read the recorded runs; none if there is no table yet."""
    if not RUNS.is_file():
        return []
    with RUNS.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


class StandIn:
    """Answers a trial with an error such as a real training of these settings has.

    A forest predicts a run's CMAE from its settings, as in the surrogate benchmarks of Eggensperger et al. 2015, and
    what it does not explain of runs that it has not seen is added as noise, drawn by the trial's seed. A run
    that ended above the constant predictor's error counts in the forest as that error: nothing was learned.
    """

    def __init__(self) -> None:
        from sklearn.ensemble import ExtraTreesRegressor

        from labelkit.training.collapse import COLLAPSED

        rows = _rows()
        self.constant_deg = float(rows[0]["constant_cmae_deg"])
        self._floor_deg = COLLAPSED * self.constant_deg
        settings = np.array([self._place({name: float(row[name]) for name in RANGES}) for row in rows])
        errors = np.array([_error_deg(row) for row in rows])
        self._forest = ExtraTreesRegressor(300, min_samples_leaf=2, bootstrap=True, oob_score=True, random_state=0)
        self._forest.fit(settings, errors)
        self._left = errors - self._forest.oob_prediction_
        self.explained = float(self._forest.oob_score_)
        self.runs = len(rows)

    @staticmethod
    def _place(values: dict[str, Any]) -> list[float]:
        return [np.log(values[name]) if "log" in RANGES[name] else values[name] for name in RANGES]

    def __call__(self, drawn: Any, on_epoch: Callable[[int, float], None], /) -> Any:
        from labelkit.tuning.trial import Measured

        predicted = float(self._forest.predict([self._place(drawn.values)])[0])
        # Runs that learn nothing differ little, so the noise is taken from runs with about the same prediction.
        near = np.argsort(np.abs(self._forest.oob_prediction_ - predicted))[:20]
        error = predicted + float(np.random.default_rng(drawn.seed).choice(self._left[near]))
        on_epoch(1, error)
        if error > self._floor_deg:
            return Measured("collapsed", error, 10, 10)
        return Measured("learned", error, 10, 10)


def _error_deg(row: dict[str, str]) -> float:
    """Compute the error of a recorded run; one that learned nothing counts as the constant predictor."""
    constant = float(row["constant_cmae_deg"])
    return float(row["cmae_deg"]) if row["outcome"] == "learned" else constant


def real(trials: int, dataset: Path | None) -> dict[str, Any]:
    """Search with TPE and real trainings, and compare with the recorded random ones."""
    chance = [_error_deg(row) for row in _rows()[:trials]]
    tpe = chance[:SAME]
    for number, search, _, measured in _train_trials("tpe", trials, dataset, known=SAME):
        tpe.append(measured.cmae_deg if measured.outcome == "learned" else search.terms.constant_cmae_deg)
        print(f"trial {number}: TPE {tpe[-1]:.2f}, random {chance[number]:.2f}", flush=True)
    best_of = trials // 2
    means = {"tpe": float(np.mean(sorted(tpe)[:best_of])), "random": float(np.mean(sorted(chance)[:best_of]))}
    print(
        f"{trials} real trials each: mean of best {best_of}: TPE {means['tpe']:.2f}, random {means['random']:.2f}; "
        f"best {min(tpe):.2f}, {min(chance):.2f}; after the {SAME} that they share, mean {np.mean(tpe[SAME:]):.2f}, "
        f"{np.mean(chance[SAME:]):.2f}"
    )
    return {"trials": trials, "best_of": best_of, "mean_deg": means, "tpe_deg": tpe, "random_deg": chance}


def proposals(repetitions: int, trials: int) -> dict[str, Any]:
    """Search the surrogate with TPE and at random, from the same seeds."""
    from labelkit.settings import TuneSettings
    from labelkit.tuning.folder import Terms, begin_search

    stand_in = StandIn()
    print(f"stand-in from {stand_in.runs} runs; it explains {stand_in.explained:.0%} of their variance, unseen")
    found: dict[str, list[list[float]]] = {"tpe": [], "random": []}
    with tempfile.TemporaryDirectory(dir="/dev/shm" if Path("/dev/shm").is_dir() else None) as scratch:
        for seed in range(repetitions):
            for sampler, results in found.items():
                settings = TuneSettings.model_validate(
                    {"max_trials": trials, "sampler": sampler, "seed": seed, "ranges": RANGES, "train": TRAIN}
                )
                terms = Terms("", "recorded runs", stand_in.constant_deg)
                search = begin_search(Path(scratch) / f"{sampler}-{seed}", settings, terms)
                while claim := search.take():
                    claim.run(stand_in)
                results.append(sorted(_counted_deg(trial, stand_in.constant_deg) for trial in search.trials()))
            tpe, chance = found["tpe"][-1], found["random"][-1]
            print(
                f"seed {seed:>2}, TPE and random: mean of best {BEST_OF} {_score(tpe):6.2f} {_score(chance):6.2f}, "
                f"best {tpe[0]:6.2f} {chance[0]:6.2f}, learned nothing "
                f"{tpe.count(stand_in.constant_deg):>2} {chance.count(stand_in.constant_deg):>2}",
                flush=True,
            )
    better = sum(_score(tpe) < _score(chance) for tpe, chance in zip(found["tpe"], found["random"], strict=True))
    print(f"TPE is better in {better} of {repetitions} repetitions")
    return {
        "repetitions": repetitions,
        "trials": trials,
        "tpe_better": better,
        "recorded_runs": stand_in.runs,
        "explained": stand_in.explained,
        **{f"{sampler}_score_deg": [_score(each) for each in results] for sampler, results in found.items()},
        **{f"{sampler}_best_deg": [each[0] for each in results] for sampler, results in found.items()},
    }


def _counted_deg(trial: Any, constant_deg: float) -> float:
    return float(trial.measured.cmae_deg) if trial.learned else constant_deg


def _score(errors_deg: list[float]) -> float:
    return float(np.mean(errors_deg[:BEST_OF]))


def workers(trials: int, dataset: Path | None) -> dict[str, Any]:
    """Run one real search with one process and one with two; the trials are the same."""
    import labelkit
    from labelkit.settings import TuneSettings
    from labelkit.workflows.tune import TuneResult

    seconds, errors = {}, {}
    with tempfile.TemporaryDirectory() as scratch:
        path = dataset or simulated_dataset(Path(scratch))
        for jobs in (1, 2):
            settings = TuneSettings(
                max_trials=trials, best_of=1, sampler="random", jobs=jobs, latency=False, ranges=RANGES, train=TRAIN
            )
            out, began = Path(scratch) / f"jobs-{jobs}", time.perf_counter()
            result = labelkit.tune(path, settings, out=out, quiet=True)
            assert isinstance(result, TuneResult)
            seconds[jobs] = time.perf_counter() - began
            with (out / "trials.csv").open(encoding="utf-8") as file:
                errors[jobs] = [row["cmae_deg"] for row in csv.DictReader(file)]
            print(f"{jobs} at a time: {trials} trials in {seconds[jobs]:.0f} s", flush=True)
    ratio = seconds[2] / seconds[1]
    same = errors[1] == errors[2]
    print(f"two take {ratio:.2f} of the time of one; the errors are {'the same' if same else 'NOT the same'}")
    return {"trials": trials, "seconds": seconds, "ratio": ratio, "same_errors": same, "load": os.getloadavg()[0]}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--record", action="store_true")
    parser.add_argument("--runs", type=int, default=91)
    parser.add_argument("--dataset", type=Path)
    parser.add_argument("--repetitions", type=int, default=20)
    parser.add_argument("--trials", type=int, default=32)
    parser.add_argument("--real-trials", type=int, default=16)
    parser.add_argument("--worker-trials", type=int, default=8)
    parser.add_argument("--only", choices=("proposals", "real", "workers"))
    options = parser.parse_args()
    if options.record:
        record(options.runs, options.dataset)
        return
    figures: dict[str, Any] = json.loads(RESULT.read_text()) if RESULT.is_file() else {}
    if options.only in (None, "proposals"):
        figures["proposals"] = proposals(options.repetitions, options.trials)
    if options.only in (None, "real"):
        figures["real"] = real(options.real_trials, options.dataset)
    if options.only in (None, "workers"):
        figures["workers"] = workers(options.worker_trials, options.dataset)
    RESULT.parent.mkdir(exist_ok=True)
    RESULT.write_text(json.dumps(figures, indent=1) + "\n")


if __name__ == "__main__":
    main()
