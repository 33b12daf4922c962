"""Whether a network is fit to train, whether it has collapsed, why, and what is done about it: pure decisions.

A network has collapsed when it is no better on unseen people than the constant predictor. Only that decides; its
layers, gradients and loss then say why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

Found = Literal["no-number", "dead", "stuck", "lost", "slow"]
Did = Literal["went-back", "began-again", "went-on", "nothing"]

COLLAPSED = 0.95  # of the constant predictor's CMAE: above it a network has learned almost nothing
_LITTLE = 0.92  # above it a network goes on at its end, so that rounding alone does not decide how it ends
_LEARNED = 0.85  # under it a network has learned something that can be lost
_LOST_EPOCHS = 3  # in a row: validation on few people jumps from one epoch to the next
# Of the labels' spread: such an answer does not depend on the picture, or almost not.
_DEAD_SPREAD, _SAME_SPREAD = 0.01, 0.1
_DEAD_EPOCHS = 2
# A network that is slow is not stuck while its loss falls, unless it is far off. Few samples make an epoch's loss
# uncertain to a percent or two, so two halves of four epochs and more are compared.
_FALLING, _CHANCE_EPOCHS, _CHANCE = 0.02, 4, 1 / 8
_WILD = 2.0  # of the constant predictor's CMAE
_SLOWER = 0.5  # times the learning rate, if that may have been the reason

# Of activations before the first step, measured on the families (docs/study.md): the network that learns best has
# spreads of 0.04 to 0.25, lies within 1.2 deviations of zero, and has up to 0.16 of a layer's units silent; after all
# layers are levelled, some lie 2.1 off.
_LEAST_SPREAD, _MOST_SPREAD = 0.01, 30.0
_MOST_OFF_CENTRE = 2.5
_MOST_SILENT = 0.3

# What counts as a reason: a gradient or loss so many times its usual size, half of a layer silent, biases that moved as
# far as activations are wide.
_JUMP, _SILENT, _BIAS, _VANISHED = 10.0, 0.5, -0.5, 1e-6


@dataclass(frozen=True)
class Layer:
    """What an activation gives on one batch.

    Attributes:
        spread: root mean square over its units of their deviation over samples and places.
        off_centre: median over its units of |mean| / deviation.
        silent: share of its units that are never above zero.
    """

    name: str
    spread: float
    off_centre: float
    silent: float


@dataclass(frozen=True)
class Signs:
    """What an epoch showed.

    Attributes:
        loss, largest_loss: of its steps: the mean over the samples, and the largest of a step.
        cmae_ratio: validation CMAE over the constant predictor's; 0 if that is never wrong.
        spread: deviation of the predictions over that of the labels, validation, mean of the two angles.
        gradient_norm: root mean square over the latest steps, as Adam remembers them.
        silent, silent_layer: the largest share of silent units of an activation, and where.
        bias, bias_layer: the lowest mean of a layer's biases, and where.
    """

    epoch: int
    loss: float
    largest_loss: float
    cmae_ratio: float
    spread: float
    gradient_norm: float
    silent: float
    silent_layer: str
    bias: float
    bias_layer: str


@dataclass(frozen=True)
class Event:
    """What was found, why, and what was done.

    Attributes:
        epoch: in which (no-number), or after which, it was found.
        why: sentences without a full stop.
        to_epoch: whose weights it went back to; 0 if it did not.
        rate, dropout: what the learning rate and the dropout are multiplied by from here on.
        draw: number of the weights' draw from here on; 0 is the first.
    """

    epoch: int
    found: Found
    why: tuple[str, ...]
    did: Did
    to_epoch: int
    rate: float
    dropout: float
    draw: int

    @property
    def after(self) -> int:
        """How many epochs were done before."""
        return self.epoch - (self.found == "no-number")


def count_earlier_epochs(events: Sequence[Event]) -> int:
    """Count the epochs before the present attempt: after `began-again` or `went-on`, all epochs so far."""
    return max((event.after for event in events if event.did in ("began-again", "went-on")), default=0)


def find_unfit(layers: Iterable[Layer]) -> tuple[str, ...]:
    """List what is wrong with activations before the first step; empty if they are alive and centred."""
    said = []
    for layer in layers:
        if not _LEAST_SPREAD <= layer.spread <= _MOST_SPREAD:
            said.append(f"{layer.name} spreads over {layer.spread:.2g}, not {_LEAST_SPREAD:g} to {_MOST_SPREAD:g}")
        if layer.off_centre > _MOST_OFF_CENTRE:
            said.append(f"{layer.name} lies {layer.off_centre:.1f} deviations off zero")
        if layer.silent > _MOST_SILENT:
            said.append(f"{layer.silent:.0%} of the units of {layer.name} are silent")
    return tuple(said)


def judge_collapse(
    history: Sequence[Signs], events: Sequence[Event], *, epochs: int, patience: int, tries: int
) -> Event | None:
    """Judge a training after an epoch.

    Args:
        history: of all epochs so far, at least one.
        events: so far.
        epochs, patience: that an attempt has, in all and without getting better.
        tries: how often something may be done.
    Returns:
        What was found and is to be done; None if all is well, or if nothing more can be done and an event said so.
    """
    if events and events[-1].did == "nothing":
        return None
    since = events[-1].after if events else 0
    attempt = [signs for signs in history if signs.epoch > since]
    if not attempt:
        return None
    chance = max(2, min(patience, max(_CHANCE_EPOCHS, math.ceil(_CHANCE * epochs))))
    best = min(history, key=lambda signs: signs.cmae_ratio)
    if (
        len(history) - count_earlier_epochs(events) >= epochs or len(history) - max(best.epoch, since) >= patience
    ):  # it would end
        if len(events) >= tries:
            return None
        bound = (
            COLLAPSED if events and events[-1].did == "went-on" else _LITTLE
        )  # only a collapsed network gets other weights
        is_slow = len(attempt) >= chance and all(_is_collapsed(signs, bound) for signs in history)
        found: Found | None = "slow" if is_slow else None
    else:
        found = _find_collapse(attempt, best.cmae_ratio, chance)
    return found and _decide(found, find_reasons(history), history, events, tries)


def judge_no_number(epoch: int, why: str, history: Sequence[Signs], events: Sequence[Event], tries: int) -> Event:
    """Decide what to do about a loss or an answer that is NaN or infinite."""
    return _decide("no-number", (why, *find_reasons(history)), history, events, tries, epoch)


def _find_collapse(attempt: Sequence[Signs], best: float, chance: int) -> Found | None:
    """Say how an attempt has collapsed, if it has.

    Args:
        attempt: the epochs since the last event.
        best: the lowest ratio of all epochs.
        chance: epochs that an attempt has to learn something.
    """
    latest = attempt[-_DEAD_EPOCHS:]
    if len(latest) == _DEAD_EPOCHS and all(signs.spread < _DEAD_SPREAD for signs in latest):
        return "dead"
    if best < _LEARNED:
        latest = attempt[-_LOST_EPOCHS:]
        return "lost" if len(latest) == _LOST_EPOCHS and all(map(_is_collapsed, latest)) else None
    if len(attempt) < chance or not all(map(_is_collapsed, attempt)):
        return None
    slow = attempt[-1].cmae_ratio < _WILD and _is_falling([signs.loss for signs in attempt[-chance:]])
    return None if slow else "stuck"


def _is_collapsed(signs: Signs, bound: float = COLLAPSED) -> bool:
    # The training's median is not the best constant for other people: one that says the same to all may err less.
    return signs.cmae_ratio > bound or signs.spread < _SAME_SPREAD


def _is_falling(losses: Sequence[float]) -> bool:
    half = len(losses) // 2
    before, after = sum(losses[:half]) / half, sum(losses[-half:]) / half
    return after < before - _FALLING * abs(before)


def _decide(
    found: Found,
    why: tuple[str, ...],
    history: Sequence[Signs],
    events: Sequence[Event],
    tries: int,
    epoch: int | None = None,
) -> Event:
    """Decide what is done: go back if something was learned, begin again if nothing was, go on if little was."""
    epoch = history[-1].epoch if epoch is None else epoch
    rate, dropout, draw = (events[-1].rate, events[-1].dropout, events[-1].draw) if events else (1.0, 1.0, 0)
    if len(events) >= tries:
        return Event(epoch, found, why, "nothing", 0, rate, dropout, draw)
    if found == "slow":
        in_vain = bool(events) and events[-1].did == "went-on"
        return Event(epoch, found, why, "began-again" if in_vain else "went-on", 0, rate, 0.0, draw + in_vain)
    wild = not history or history[-1].cmae_ratio > _WILD
    if found in ("dead", "stuck") and not wild:
        # Two dropped layers of a few dozen neurons pass on too little to learn from (docs/study.md).
        rate, dropout = (rate if found == "stuck" and dropout else _SLOWER * rate), 0.0
    else:
        rate = _SLOWER * rate
    best = min(history, key=lambda signs: signs.cmae_ratio, default=None)
    if best is not None and best.cmae_ratio < _LEARNED and not _is_collapsed(best):
        return Event(epoch, found, why, "went-back", best.epoch, rate, dropout, draw)
    return Event(epoch, found, why, "began-again", 0, rate, dropout, draw + 1)


def find_reasons(history: Sequence[Signs]) -> tuple[str, ...]:
    """List possible reasons for what the latest epoch shows."""
    if not history:
        return ()
    now, before = history[-1], history[:-1]
    usual = sorted(signs.gradient_norm for signs in before)[len(before) // 2] if before else math.inf
    said = []
    if now.cmae_ratio > _WILD:
        said.append(f"it errs {now.cmae_ratio:.3g} times as much as the constant predictor")
    if now.spread < _SAME_SPREAD:
        said.append(
            f"it answers nearly the same to all: predictions spread over {now.spread:.1%} of the labels' spread"
        )
    if now.silent > _SILENT:
        said.append(f"{now.silent:.0%} of the units of {now.silent_layer} are silent")
    if now.bias < _BIAS:
        said.append(f"the biases of {now.bias_layer} have drifted to {now.bias:.2f} on average")
    if now.gradient_norm < _VANISHED:
        said.append(f"gradients have vanished ({now.gradient_norm:.1g})")
    if now.gradient_norm > _JUMP * usual:
        said.append(f"gradients have grown to {now.gradient_norm:.2g}, {now.gradient_norm / usual:.0f} times the usual")
    if now.largest_loss > _JUMP * abs(now.loss):
        said.append(f"the loss of a step jumped to {now.largest_loss:.2g}, the mean is {now.loss:.2g}")
    return tuple(said) or ("no layer, gradient or loss stands out",)


FOUND: Mapping[Found, str] = {
    "no-number": "not a number (NaN or infinite)",
    "dead": "the answer does not depend on the picture",
    "stuck": "nothing is learned",
    "lost": "what was learned is lost",
    "slow": "at its end little is learned",
}
_HOW = "with {0.rate:g} times the learning rate and {0.dropout:g} times the dropout"
DID: Mapping[Did, str] = {
    "went-back": "went back to the weights of epoch {0.to_epoch}, " + _HOW,
    "began-again": "began again with new weights (draw {0.draw}), " + _HOW,
    "went-on": "went on for as many epochs again, " + _HOW,
    "nothing": "nothing more is done, as --tries are used up",
}


def in_words(event: Event) -> str:
    """Say an event in one line."""
    return f"epoch {event.epoch}: {FOUND[event.found]} ({'; '.join(event.why)}): {DID[event.did].format(event)}"
