"""A line per epoch for people, and a bar of the steps if there is a terminal."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from labelkit.progress import open_bar, say
from labelkit.training.epochs import Epoch

HEADER = """\
                  validation, degrees
 epoch     loss   azimuth  elevation    CMAE   constant   samples/s    left"""


def epoch_line(epoch: Epoch, best: Epoch, epochs: int, constant_cmae_deg: float, left_s: float) -> str:
    """Write an epoch as a line of at most 80 columns; a star marks the best so far."""
    return (
        f"{epoch.epoch:>3}/{epochs:<4}{epoch.loss:>7.4f}{epoch.mae_azimuth_deg:>10.2f}{epoch.mae_elevation_deg:>11.2f}"
        f"{epoch.cmae_deg:>8.2f}{'*' if epoch is best else ' '}{constant_cmae_deg:>10.2f}{epoch.samples_per_s:>12.0f}"
        f"{clock(left_s):>8}"
    )


def clock(seconds: float) -> str:
    """Write a time as minutes and seconds, and hours if there are any."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"


@contextmanager
def show_epochs(
    steps: int, constant_cmae_deg: float, *, quiet: bool
) -> Iterator[tuple[Callable[[], None], Callable[[Epoch, Epoch, int], None]]]:
    """Show a training on stderr.

    Args:
        steps: of an epoch.
        constant_cmae_deg: on validation, of the constant predictor.
    Returns:
        A function to call after each step, and one to call after each epoch with the epoch, the best so far and the
        largest number of epochs.
    """
    started = time.perf_counter()
    with open_bar(quiet=quiet, total=steps, unit="step", leave=False) as bar:

        def on_epoch(epoch: Epoch, best: Epoch, epochs: int) -> None:
            left_s = (time.perf_counter() - started) / epoch.epoch * (epochs - epoch.epoch)
            if not quiet:
                say(epoch_line(epoch, best, epochs, constant_cmae_deg, left_s))
            bar.reset()
            bar.set_description(f"epoch {epoch.epoch + 1}")

        def on_step() -> None:
            bar.update()

        if not quiet:
            say(HEADER)
        bar.set_description("epoch 1")
        yield on_step, on_epoch
