"""Predictions of a network, as normals: the one place that knows what a network's numbers mean."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from labelkit.evaluation.measures import nearest_normals
from labelkit.geometry.orientation import angles_deg_from_normal, centred_from_label_deg
from labelkit.records import FloatArray

# A density that falls as exp(-r / scale) on a plane has E[r^2] = 6 scale^2, half of it along each axis.
_LAPLACE_SD = np.sqrt(3.0)


@dataclass(frozen=True, eq=False)
class Predictions:
    """A network's answers for some samples, view frame.

    Attributes:
        normals: (n, 3) unit normals that face the camera.
        centred_deg: (n, 2) centred azimuth and elevation, degrees, as the network gave them: one that
            answers in angles may leave the disc of orientations.
        sd_deg: (n,) one standard deviation of the normal along each axis of its tangent plane, degrees;
            None if the network learned none.
    """

    normals: FloatArray
    centred_deg: FloatArray
    sd_deg: FloatArray | None

    def __len__(self) -> int:
        return len(self.normals)


def predictions_from_output(said: FloatArray, loss: str, uncertainty: str) -> Predictions:
    """Turn a network's output into normals.

    Args:
        said: (n, 2) centred angles in radians or (n, 3) unit normals, and one column more, the
            logarithm of the scale in radians, if an uncertainty was learned.
        loss, uncertainty: as in the settings of the training.
    """
    sd_deg = None
    if uncertainty != "none":
        said, log_scale = said[:, :-1], said[:, -1]
        sd_deg = np.rad2deg(np.exp(log_scale)) * (_LAPLACE_SD if uncertainty == "laplace" else 1.0)
    if loss == "angular":
        return Predictions(said, centred_from_label_deg(angles_deg_from_normal(said)), sd_deg)
    angles_deg = np.rad2deg(said)
    return Predictions(nearest_normals(angles_deg), angles_deg, sd_deg)
