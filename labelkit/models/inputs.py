"""From stored pixels to what the branches see: the one normalisation, inside the network.

It is part of the network, so that no caller can forget it, apply it twice, or apply it to one branch
only: training, validation, test and prediction all hand over the pixels as they are stored.
"""

from __future__ import annotations

from typing import Literal

import keras
from keras import ops

from labelkit.records import PYRAMID_SIZES

Input = Literal["rgb", "grey"]
Normalisation = Literal["scale", "standardise"]

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_LEAST_SPREAD = 1.0  # grey levels; under it a picture is flat and dividing would only amplify noise


def pyramid_inputs(
    input: Input, normalisation: Normalisation
) -> tuple[dict[str, keras.KerasTensor], list[keras.KerasTensor]]:
    """Declare the network's inputs and normalise them.

    Args:
        input: "rgb" as stored, or "grey".
        normalisation: "scale" takes 0..255 to -1..1; "standardise" takes the mean and the standard
            deviation of each sample's largest picture, over all its pixels, out of all its pictures.
    Returns:
        Inputs by the name of the dataset's field, (n, S, S, 3) uint8 each; and the normalised
        pyramid, (n, S, S, 3 or 1) float32, largest first.
    """
    inputs = {f"rgb{s}": keras.Input((s, s, 3), dtype="uint8", name=f"rgb{s}") for s in PYRAMID_SIZES}
    pyramid = [ops.cast(inputs[f"rgb{s}"], "float32") for s in PYRAMID_SIZES]
    if input == "grey":
        pyramid = [_grey(picture) for picture in pyramid]
    if normalisation == "scale":
        return inputs, [picture / 127.5 - 1.0 for picture in pyramid]
    mean = ops.mean(pyramid[0], axis=(1, 2, 3), keepdims=True)
    spread = ops.maximum(ops.std(pyramid[0], axis=(1, 2, 3), keepdims=True), _LEAST_SPREAD)
    return inputs, [(picture - mean) / spread for picture in pyramid]


def _grey(picture: keras.KerasTensor) -> keras.KerasTensor:
    red, green, blue = (picture[..., k : k + 1] * weight for k, weight in enumerate(_LUMA))
    return red + green + blue
