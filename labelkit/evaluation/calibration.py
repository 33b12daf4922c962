"""Whether a learned uncertainty is right: as often within its bounds as it says.

A normal's error is two-dimensional. With a standard deviation s along each of the two directions of the
tangent plane, the squared Mahalanobis distance d2 = (angle / s)^2 follows a chi-square law with two degrees
of freedom: a share 1 - exp(-d2 / 2) lies within d2. One s holds 39 %, d2 = 2.30 holds 68 %, 6.18 holds 95 %.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.records import FloatArray

NOMINAL = tuple(k / 20 for k in range(1, 20))  # the shares a calibration curve is drawn at: 5 %, 10 %, ... 95 %
_BINS = 8  # of equally many samples, by stated uncertainty


@dataclass(frozen=True)
class UncertaintyCalibration:
    """Stated uncertainties compared with the errors.

    Attributes:
        mean_d2: mean squared Mahalanobis distance; 2 if the uncertainty is right, more if it is too small.
        within_68, within_95: share of the samples with d2 <= 2.30 and <= 6.18.
        observed: at each of NOMINAL, the share of the samples within the bounds that should hold so many.
        worst_gap: the largest distance of `observed` from NOMINAL.
        mean_sd_deg: mean stated standard deviation.
        bin_sd_deg, bin_error_deg: samples in order of their stated deviation, in up to eight groups: the group's
            root mean square of what was stated, and of the error along one direction. Equal if it is right.
    """

    mean_d2: float
    within_68: float
    within_95: float
    observed: tuple[float, ...]
    worst_gap: float
    mean_sd_deg: float
    bin_sd_deg: tuple[float, ...]
    bin_error_deg: tuple[float, ...]


def calibrate(apart_deg: FloatArray, sd_deg: FloatArray) -> UncertaintyCalibration:
    """Compare stated uncertainties with errors.

    Args:
        apart_deg: (n,), n >= 1, angle between true and predicted normal, degrees.
        sd_deg: (n,), positive: the stated standard deviation along one direction of the tangent plane, degrees.
    """
    apart_deg, sd_deg = np.asarray(apart_deg, dtype=np.float64), np.asarray(sd_deg, dtype=np.float64)
    d2 = (apart_deg / sd_deg) ** 2
    bounds = -2.0 * np.log1p(-np.array(NOMINAL))
    observed = (d2[:, None] <= bounds).mean(axis=0)
    groups = np.array_split(np.argsort(sd_deg, kind="stable"), min(_BINS, len(d2)))
    return UncertaintyCalibration(
        mean_d2=float(d2.mean()),
        within_68=float(np.mean(d2 <= 2.30)),
        within_95=float(np.mean(d2 <= 6.18)),
        observed=tuple(observed.tolist()),
        worst_gap=float(np.abs(observed - NOMINAL).max()),
        mean_sd_deg=float(sd_deg.mean()),
        bin_sd_deg=tuple(_rms(sd_deg[group]) for group in groups),
        bin_error_deg=tuple(_rms(apart_deg[group]) / np.sqrt(2.0) for group in groups),
    )


def _rms(values: FloatArray) -> float:
    return float(np.sqrt(np.mean(values**2)))
