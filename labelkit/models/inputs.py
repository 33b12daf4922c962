"""From stored pixels to what the branches see: the one normalisation, inside the network.

It is part of the network, so that no caller can forget it, apply it twice, or apply it to one branch
only: training, validation, test and prediction all hand over the pixels as they are stored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from labelkit.keras import keras, ops

Input = Literal["rgb", "grey", "depth", "rgb-depth", "grey-depth"]
Normalisation = Literal["none", "scale", "standardise", "dataset"]
Pyramid = dict[int, keras.KerasTensor]  # side in pixels -> (n, S, S, channels), largest first

STATISTICS = "dataset_statistics"  # the layer that holds mean and variance of the training pictures

_LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601
_LEAST_SPREAD = 1.0  # grey levels; under it a picture is flat and dividing would only amplify noise
_FARTHEST = (
    255.0  # mm farther than the nearest point, so that depth spans as many levels as colour; a hand is 200 mm long
)
_UNSEEN = 1e6  # farther than any depth


def pyramid_inputs(
    input: Input, sizes: Sequence[int], normalisation: Normalisation
) -> tuple[dict[str, keras.KerasTensor], Pyramid]:
    """Declare the network's inputs and normalise them.

    Depth enters as millimetres farther than the nearest point of its smallest picture, 0..255; what is
    farther, or was not seen, counts as 255. So it is of colour's range, and of the hand's relief alone.

    Args:
        input: colours as stored, their grey, depth, or one of the first two and depth.
        sizes: sides of the pictures, largest first.
        normalisation: "none" leaves 0..255; "scale" takes it to -1..1; "standardise" takes the mean and the
            standard deviation of each sample's largest picture, over all its pixels, out of all its
            pictures, colour and depth apart; "dataset" takes those of all training pictures, channel by
            channel, which the layer STATISTICS holds among the network's weights.
    Returns:
        Inputs by the name of the dataset's field, (n, S, S, 3) uint8 or (n, S, S) uint16 each; and the
        normalised pyramid.
    """
    inputs: dict[str, keras.KerasTensor] = {}
    kinds: list[Pyramid] = []
    if input != "depth":
        inputs |= {f"rgb{s}": keras.Input((s, s, 3), dtype="uint8", name=f"rgb{s}") for s in sizes}
        colours = {s: ops.cast(inputs[f"rgb{s}"], "float32") for s in sizes}
        kinds.append(colours if input.startswith("rgb") else {s: _to_grey(picture) for s, picture in colours.items()})
    if input.endswith("depth"):
        inputs |= {f"depth{s}": keras.Input((s, s), dtype="uint16", name=f"depth{s}") for s in sizes}
        kinds.append(_relief_from_depth({s: ops.cast(inputs[f"depth{s}"], "float32") for s in sizes}))
    if normalisation == "standardise":
        kinds = [_standardise(kind) for kind in kinds]
    pyramid = {s: ops.concatenate([kind[s] for kind in kinds], axis=-1) if kinds[1:] else kinds[0][s] for s in sizes}
    if normalisation == "scale":
        pyramid = {s: picture / 127.5 - 1.0 for s, picture in pyramid.items()}
    if normalisation == "dataset":
        pyramid = _normalise_by_statistics(pyramid)
    return inputs, pyramid


def channels_of(model: keras.Model) -> keras.Model:
    """Find the part of a network from its inputs to the largest picture that STATISTICS normalises."""
    return keras.Model(model.inputs, model.get_layer(f"{STATISTICS}_of").output)


def _to_grey(picture: keras.KerasTensor) -> keras.KerasTensor:
    red, green, blue = (picture[..., k : k + 1] * weight for k, weight in enumerate(_LUMA))
    return red + green + blue


def _relief_from_depth(depth_mm: Pyramid) -> Pyramid:
    seen = {s: ops.where(picture > 0, picture, _UNSEEN) for s, picture in depth_mm.items()}
    # The smallest picture, as its means smooth out single wrong points.
    nearest = ops.min(seen[min(seen)], axis=(1, 2), keepdims=True)
    return {s: ops.expand_dims(ops.clip(picture - nearest, 0.0, _FARTHEST), -1) for s, picture in seen.items()}


def _standardise(pyramid: Pyramid) -> Pyramid:
    largest = pyramid[max(pyramid)]
    mean = ops.mean(largest, axis=(1, 2, 3), keepdims=True)
    spread = ops.maximum(ops.std(largest, axis=(1, 2, 3), keepdims=True), _LEAST_SPREAD)
    return {s: (picture - mean) / spread for s, picture in pyramid.items()}


def _normalise_by_statistics(pyramid: Mapping[int, keras.KerasTensor]) -> Pyramid:
    # A batch norm that is frozen takes stored means and deviations out, and nothing else.
    statistics = keras.layers.BatchNormalization(
        center=False, scale=False, epsilon=_LEAST_SPREAD, trainable=False, dtype="float32", name=STATISTICS
    )
    largest = max(pyramid)
    marked = keras.layers.Identity(dtype="float32", name=f"{STATISTICS}_of")(pyramid[largest])
    return {s: statistics(marked if s == largest else picture) for s, picture in pyramid.items()}
