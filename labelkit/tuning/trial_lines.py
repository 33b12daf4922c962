"""A line per trial for people, and a bar of the trials if there is a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labelkit.progress import open_bar, say
from labelkit.training.epoch_lines import clock
from labelkit.tuning.folder import Search
from labelkit.tuning.ranking import error_of
from labelkit.tuning.trial import Trial

HEADER = """\
                                     validation CMAE, degrees
   done   structure            trial  of it        best      left"""


def trial_line(done: int, asked: int, trial: Trial, best: Trial | None, left_s: float) -> str:
    """Write a finished trial as a line of at most 80 columns; a star marks the best so far."""
    came = f"{error_of(trial):6.2f}{'*' if trial is best else ''}" if trial.learned else trial.measured.outcome
    so_far = f"{error_of(best):.2f}" if best else "-"
    return f"{done:>4}/{asked:<4} {trial.structure:<20.20} {trial.number:>5}  {came:<10} {so_far:>6}{clock(left_s):>10}"


@contextmanager
def show_trials(search: Search, *, quiet: bool) -> Iterator[Callable[[Search], None]]:
    """Show a search on stderr: trials done, the best so far, the time left.

    Returns:
        A function to call often: it shows what is new.
    """
    known = {(trial.structure, trial.number) for trial in search.trials()}
    before, started = len(known), time.monotonic()
    with open_bar(quiet=quiet, total=search.asked, initial=before, unit="trial", leave=False) as bar:

        def on_change(search: Search) -> None:
            trials = search.trials()
            best = min((trial for trial in trials if trial.learned), key=error_of, default=None)
            for trial in trials:
                if (trial.structure, trial.number) not in known:
                    known.add((trial.structure, trial.number))
                    bar.update()
                    each_s = (time.monotonic() - started) / (len(known) - before)
                    left_s = each_s * max(0, search.asked - len(known))
                    if not quiet:
                        say(trial_line(len(known), search.asked, trial, best, left_s))
            if best:
                bar.set_postfix_str(f"best {error_of(best):.2f}")

        if not quiet and before < search.asked:
            say(HEADER)
        yield on_change
