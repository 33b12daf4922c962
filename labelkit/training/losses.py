"""The losses that training minimises, of centred angles in radians and a network's answer (`models.head.add_head`).

Each function takes the true angles (n, 2) and the answer (n, k), and returns (n,), one number a sample.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from labelkit.keras import ops
from labelkit.settings import TrainSettings

Tensor = Any  # of whichever backend

_ROUND_RAD = 0.0873  # 5 degrees: where smooth L1 turns from a square to a line; about the error of good answers
_LEAST = 1e-12  # keeps the slope of a root finite where truth and answer agree


def loss_of(settings: TrainSettings) -> Callable[[Tensor, Tensor], Tensor]:
    """Find the loss that the settings name."""
    if settings.uncertainty != "none":
        apart = angle_rad if settings.loss == "angular" else angles_apart_rad
        likelihood = gaussian_nll if settings.uncertainty == "gaussian" else laplace_nll
        return lambda true_rad, answer: likelihood(apart(true_rad, answer[:, :-1]), answer[:, -1])
    return {"mae": mean_absolute_rad, "smooth-l1": smooth_l1_rad, "angular": angle_rad}[settings.loss]


def mean_absolute_rad(true_rad: Tensor, answer: Tensor) -> Tensor:
    """Take the mean of the two angles' absolute errors, radians."""
    return ops.mean(ops.abs(answer - true_rad), axis=-1)


def smooth_l1_rad(true_rad: Tensor, answer: Tensor) -> Tensor:
    """Take the mean of the two angles' absolute errors, rounded at the bottom, radians."""
    error = ops.abs(answer - true_rad)
    smooth = ops.where(error < _ROUND_RAD, error**2 / (2 * _ROUND_RAD), error - _ROUND_RAD / 2)
    return ops.mean(smooth, axis=-1)


def angle_rad(true_rad: Tensor, normal: Tensor) -> Tensor:
    """Measure the angle between the true normal and a unit normal (n, 3), radians.

    Source: Kahan 2006, "How futile are mindless assessments of roundoff" (half-angle formula).
    """
    in_picture = ops.sin(true_rad)
    n_z = -ops.sqrt(ops.maximum(1.0 - ops.sum(in_picture**2, axis=-1, keepdims=True), 0.0))
    true = ops.concatenate([in_picture, n_z], axis=-1)
    return 2.0 * ops.arctan2(_length(true - normal), _length(true + normal))


def angles_apart_rad(true_rad: Tensor, answer: Tensor) -> Tensor:
    """Measure how far two pairs of angles are apart, as points of a plane, radians."""
    return _length(answer - true_rad)


def gaussian_nll(apart_rad: Tensor, log_scale: Tensor) -> Tensor:
    """Take the negative logarithm of an even Gaussian on the tangent plane, but for a constant.

    Args:
        apart_rad: (n,) distance of truth and answer.
        log_scale: (n,) logarithm of the standard deviation along an axis.
    """
    return 0.5 * (apart_rad * ops.exp(-log_scale)) ** 2 + 2.0 * log_scale


def laplace_nll(apart_rad: Tensor, log_scale: Tensor) -> Tensor:
    """Take the negative logarithm of a density exp(-r / scale) on the tangent plane, but for a constant."""
    return apart_rad * ops.exp(-log_scale) + 2.0 * log_scale


def _length(vectors: Tensor) -> Tensor:
    return ops.sqrt(ops.sum(vectors**2, axis=-1) + _LEAST)
