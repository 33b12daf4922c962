"""The study's multiresolution CNN: one convolutional branch per resolution, joined by dense layers."""

from __future__ import annotations

import keras

from labelkit.errors import SettingsError
from labelkit.models.inputs import Input, Normalisation, pyramid_inputs
from labelkit.records import PYRAMID_SIZES

_SLOPE = 0.1  # of LeakyReLU below zero [seed]


def vanilla(
    *,
    input: Input,
    normalisation: Normalisation,
    kernel_size: int,
    filters: int,
    stages: int,
    dense: int,
    dropout: float,
) -> keras.Model:
    """Build the multiresolution vanilla CNN.

    Each branch is `stages` times convolution, 2x2 maximum and LeakyReLU, with `filters` filters in the
    first stage and twice as many in each that follows. The branches are flattened and joined; then come
    dense layers of `dense` and half as many neurons, with dropout before each.

    Returns:
        A network from the pyramid, uint8, to (n, 2) float32: centred azimuth and elevation, radians,
        view frame.
    Raises:
        SettingsError: a branch shrinks to nothing; names the stage.
    Source: Laboyrie 2017, multiresolution CNNs for hand orientation.
    """
    _check_branch(min(PYRAMID_SIZES), stages)
    inputs, pyramid = pyramid_inputs(input, normalisation)
    features = [
        _branch(picture, size, kernel_size, filters, stages)
        for picture, size in zip(pyramid, PYRAMID_SIZES, strict=True)
    ]
    x = keras.layers.Concatenate(name="join")(features)
    for number, neurons in enumerate((dense, max(1, dense // 2)), start=1):
        x = keras.layers.Dropout(dropout, name=f"dropout{number}")(x)
        x = keras.layers.Dense(neurons, kernel_initializer="glorot_uniform", name=f"dense{number}")(x)
        x = keras.layers.LeakyReLU(negative_slope=_SLOPE, name=f"dense{number}_leaky")(x)
    angles = keras.layers.Dense(2, kernel_initializer="glorot_uniform", name="angles_rad")(x)
    return keras.Model(inputs, angles, name="vanilla")


def _branch(picture: keras.KerasTensor, size: int, kernel_size: int, filters: int, stages: int) -> keras.KerasTensor:
    x = picture
    for stage in range(1, stages + 1):
        name = f"branch{size}_stage{stage}"
        x = keras.layers.Conv2D(
            filters * 2 ** (stage - 1), kernel_size, padding="same", kernel_initializer="glorot_uniform", name=name
        )(x)
        x = keras.layers.MaxPooling2D(2, name=f"{name}_max")(x)
        # Behind the maximum: the result is the same, as LeakyReLU rises everywhere, at a quarter of the work.
        x = keras.layers.LeakyReLU(negative_slope=_SLOPE, name=f"{name}_leaky")(x)
    return keras.layers.Flatten(name=f"branch{size}_flat")(x)


def _check_branch(size: int, stages: int) -> None:
    for stage in range(1, stages + 1):
        if size >> stage < 1:
            raise SettingsError(
                f"vanilla: stage {stage} of the {size}-pixel branch would halve its 1 pixel to nothing; "
                f"stages is {stages}: lower it to {stage - 1} or less"
            )
