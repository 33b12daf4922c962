"""Errors of predicted orientations, in the view frame.

All angles here are centred (0 is frontal), in degrees, (n, 2): azimuth, elevation.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from labelkit.geometry.orientation import angle_between
from labelkit.records import BoolArray, FloatArray

SUCCESS_DEG, FAILURE_DEG = 5.0, 15.0  # a success and a failure in Laboyrie 2017


@dataclass(frozen=True)
class Measures:
    """How far predictions are from the truth.

    Attributes:
        cmae_deg: combined MAE, the mean of the MAE of azimuth and that of elevation.
        normal_mean_deg, normal_median_deg: angle between the true and the predicted normal.
        under_5, under_10, under_15: share of the samples whose normals are less than that many degrees apart.
        flip_rate: share of the samples whose prediction is a flip, see `flip_mask`.
    """

    samples: int
    mae_azimuth_deg: float
    mae_elevation_deg: float
    cmae_deg: float
    normal_mean_deg: float
    normal_median_deg: float
    under_5: float
    under_10: float
    under_15: float
    flip_rate: float


def measure(true_deg: FloatArray, predicted_deg: FloatArray) -> Measures:
    """Measure predictions against the truth.

    Args:
        true_deg, predicted_deg: (n, 2), n >= 1, centred, degrees; predictions may lie outside the
            disc of orientations, and count there as the nearest orientation's normal.
    """
    mae_deg = np.abs(np.asarray(predicted_deg, dtype=np.float64) - true_deg).mean(axis=0)
    apart_deg = normals_apart_deg(true_deg, predicted_deg)
    return Measures(
        samples=len(true_deg),
        mae_azimuth_deg=float(mae_deg[0]),
        mae_elevation_deg=float(mae_deg[1]),
        cmae_deg=float(mae_deg.mean()),
        normal_mean_deg=float(apart_deg.mean()),
        normal_median_deg=float(np.median(apart_deg)),
        under_5=float(np.mean(apart_deg < SUCCESS_DEG)),
        under_10=float(np.mean(apart_deg < 10.0)),
        under_15=float(np.mean(apart_deg < FAILURE_DEG)),
        flip_rate=float(np.mean(flip_mask(true_deg, predicted_deg))),
    )


def normals_apart_deg(true_deg: FloatArray, predicted_deg: FloatArray) -> FloatArray:
    """Measure the angle between true and predicted normals, (n,) degrees; the arguments are those of `measure`."""
    return np.asarray(np.rad2deg(angle_between(nearest_normals(true_deg), nearest_normals(predicted_deg))))


def flip_mask(true_deg: FloatArray, predicted_deg: FloatArray) -> BoolArray:
    """Find the predictions that have both signs wrong: (-azimuth, -elevation) would have been right.

    Flipped is a failure (the normals are more than 15 degrees apart) that would be none if the prediction
    changed both its signs. A hand within 7.5 degrees of the front cannot be flipped, and neither can a
    prediction of the front itself; an error of any other direction or size is no flip.

    Returns:
        (n,); the arguments are those of `measure`.
    Source: Asad & Slabaugh 2016, who see it in about a tenth of their cases: a silhouette cannot tell.
    """
    apart_deg = normals_apart_deg(true_deg, predicted_deg)
    flipped_apart_deg = normals_apart_deg(true_deg, -np.asarray(predicted_deg))
    return (apart_deg > FAILURE_DEG) & (flipped_apart_deg <= FAILURE_DEG)


def measure_by(
    names: Sequence[str] | NDArray[np.str_], true_deg: FloatArray, predicted_deg: FloatArray
) -> dict[str, Measures]:
    """Measure separately for each name, such as the participant (n,) of each sample."""
    names = np.asarray(names)
    return {str(name): measure(true_deg[names == name], predicted_deg[names == name]) for name in np.unique(names)}


def constant_deg(training_deg: FloatArray) -> FloatArray:
    """Find the best constant predictor: the median of each training angle, (2,).

    No constant has a smaller MAE on the training samples, so a network that is no better has learned
    nothing.
    """
    return np.asarray(np.median(training_deg, axis=0))


def nearest_normals(centred_deg: FloatArray) -> FloatArray:
    """Turn centred angles into unit normals that face the camera.

    Args:
        centred_deg: (n, 2), any finite numbers. Angles beyond 90 degrees count as 90, and a pair with
            n_x^2 + n_y^2 > 1 as the edge-on normal in its direction: a network can predict both.
    Returns:
        (n, 3), view frame, n_z <= 0.
    """
    in_picture = np.sin(np.deg2rad(np.clip(np.asarray(centred_deg, dtype=np.float64), -90.0, 90.0)))
    in_picture /= np.maximum(1.0, np.linalg.norm(in_picture, axis=-1, keepdims=True))
    n_z = -np.sqrt(np.clip(1.0 - np.sum(in_picture**2, axis=-1, keepdims=True), 0.0, None))
    return np.concatenate([in_picture, n_z], axis=-1)
