"""From features to the answer: dense layers, then two angles or a unit normal, and the uncertainty."""

from __future__ import annotations

import random
from typing import Literal

from labelkit.keras import keras, ops
from labelkit.models.parts import Style

Loss = Literal["mae", "smooth-l1", "angular"]
Uncertainty = Literal["none", "gaussian", "laplace"]

_FIRST_LOG_SCALE = -1.5  # exp(-1.5) rad are 13 degrees, about the error of a network that begins to learn
_LEAST_LOG_SCALE = -5.0  # 0.4 degrees, under the error of the labels: no likelihood grows without bound
_LEAST_LENGTH = 1e-12  # keeps a division by a vanishing vector finite


def add_head(
    features: keras.KerasTensor, style: Style, *, dense: int, dropout: float, loss: Loss, uncertainty: Uncertainty
) -> keras.KerasTensor:
    """Answer with an orientation, in the view frame.

    Two dense layers, of `dense` and half as many neurons, with dropout before each; then the answer,
    in float32 also if the rest is of less precision.

    Returns:
        (n, 2) centred azimuth and elevation, radians; or, for the loss "angular", (n, 3) the unit normal,
        facing the camera. With an uncertainty, one column more: the logarithm of its scale, radians.
    """
    x = features
    for number, neurons in enumerate((dense, max(1, dense // 2)), start=1):
        # A seed that is stated: without one Keras on torch draws from torch's own state, which no checkpoint holds.
        x = keras.layers.Dropout(dropout, seed=random.randint(1, 10**9), name=f"dropout{number}")(x)
        x = style.dense(x, neurons, f"dense{number}")
    answer = _normal(x) if loss == "angular" else _linear(x, 2, "angles_rad")
    if uncertainty == "none":
        return answer
    free = _linear(x, 1, "log_scale", bias=_FIRST_LOG_SCALE - _LEAST_LOG_SCALE)
    return ops.concatenate([answer, _LEAST_LOG_SCALE + ops.softplus(free)], axis=-1)


def _normal(x: keras.KerasTensor) -> keras.KerasTensor:
    free = _linear(x, 3, "direction")
    # n_z is negative by construction: a hand that is seen faces the camera.
    vector = ops.concatenate([free[:, :2], -ops.softplus(free[:, 2:])], axis=-1)
    return vector / ops.sqrt(ops.sum(vector**2, axis=-1, keepdims=True) + _LEAST_LENGTH)


def _linear(x: keras.KerasTensor, neurons: int, name: str, bias: float = 0.0) -> keras.KerasTensor:
    return keras.layers.Dense(
        neurons,
        kernel_initializer="glorot_uniform",
        bias_initializer=keras.initializers.Constant(bias) if bias else "zeros",
        dtype="float32",
        name=name,
    )(x)
