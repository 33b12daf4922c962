"""Which settings decided the error, structure by structure."""

from __future__ import annotations

import warnings

from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances
from optuna.trial import FrozenTrial, TrialState

from labelkit.tuning.folder import Search

_FEWEST = 8  # trials; with fewer, what seems to matter is chance
_BEST = 0.25  # share of the trials that is compared with all: 8 of 32, where Optuna's tenth would be 3


def measure_importance(search: Search) -> dict[str, dict[str, float]]:
    """Measure how much of the error each searched setting decides.

    Returns:
        Structure -> setting -> its share of 1, the most important first. A structure with fewer than 8 trials,
        or whose trials all have the same error, is left out.
    Source: Watanabe et al. 2023, PED-ANOVA, in Optuna's implementation.
    """
    found: dict[str, dict[str, float]] = {}
    for structure in search.structures:
        own = search.study_of(structure)
        done = own.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(done) >= _FEWEST and len({_error(trial) for trial in done}) > 1:
            evaluator = PedAnovaImportanceEvaluator(target_quantile=_BEST)
            with warnings.catch_warnings():  # Optuna warns that the target is small: it is meant to be
                warnings.simplefilter("ignore", UserWarning)
                shares = get_param_importances(own, evaluator=evaluator, target=_error)
            found[structure.name] = dict(sorted(shares.items(), key=lambda item: -item[1]))
    return found


def _error(trial: FrozenTrial) -> float:
    assert trial.values is not None
    return float(trial.values[0])
