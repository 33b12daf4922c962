"""Which settings decided the error, structure by structure."""

from __future__ import annotations

import optuna
from optuna.trial import FrozenTrial, TrialState

from labelkit.tuning.study import Study

_FEWEST = 8  # trials; of fewer, what seems to matter is chance


def importances(study: Study) -> dict[str, dict[str, float]]:
    """Measure how much of the error each searched setting decides.

    Returns:
        Structure -> setting -> its share of 1, the most important first. A structure with fewer than 8 trials,
        or none of whose trials differ, is left out.
    Source: Watanabe et al. 2023, PED-ANOVA; as Optuna has it.
    """
    found: dict[str, dict[str, float]] = {}
    for structure in study.structures:
        own = study.study_of(structure)
        done = own.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
        if len(done) >= _FEWEST and len({_error(trial) for trial in done}) > 1:
            shares = optuna.importance.get_param_importances(own, target=_error)
            found[structure.name] = dict(sorted(shares.items(), key=lambda item: -item[1]))
    return found


def _error(trial: FrozenTrial) -> float:
    assert trial.values is not None
    return float(trial.values[0])
