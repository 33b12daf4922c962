"""A line per trial for people, and a bar of the trials where there is a terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tqdm import tqdm

from labelkit.tuning.ranking import error_of
from labelkit.tuning.study import Study
from labelkit.tuning.trial import Trial

HEADER = "                              validation CMAE, degrees\n   done  structure            trial   CMAE    best   "


def trial_line(done: int, asked: int, trial: Trial, best: Trial | None) -> str:
    """Write a finished trial as a line of at most 80 columns; a star marks the best so far."""
    came = (
        f"{error_of(trial):6.2f}{'*' if trial is best else ' '}" if trial.learned else f"{trial.measured.outcome:>10}"
    )
    so_far = f"{error_of(best):6.2f}" if best else "     -"
    return f"{done:>4}/{asked:<4} {trial.structure:<20.20} {trial.number:>4} {came:<10} {so_far}"


@contextmanager
def shown(study: Study, *, quiet: bool) -> Iterator[Callable[[Study], None]]:
    """Show a search on stderr: trials done, the best so far, the time left.

    Returns:
        What to call now and then.
    """
    known = {(trial.structure, trial.number) for trial in study.trials()}
    disable = True if quiet else None
    with tqdm(
        total=study.asked, initial=len(known), unit="trial", file=sys.stderr, leave=False, disable=disable
    ) as bar:

        def on_change(study: Study) -> None:
            trials = study.trials()
            best = min((trial for trial in trials if trial.learned), key=error_of, default=None)
            for trial in trials:
                if (trial.structure, trial.number) not in known:
                    known.add((trial.structure, trial.number))
                    bar.update()
                    if not quiet:
                        tqdm.write(trial_line(len(known), study.asked, trial, best), file=sys.stderr)
            if best:
                bar.set_postfix_str(f"best {error_of(best):.2f} deg")

        if not quiet:
            tqdm.write(HEADER, file=sys.stderr)
        yield on_change
