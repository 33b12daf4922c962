"""MobileNet in one branch per resolution: depthwise convolutions, each followed by a pointwise one."""

from __future__ import annotations

from collections.abc import Mapping

from labelkit.keras import keras, ops
from labelkit.models.parts import Style


def mobilenet(
    pyramid: Mapping[int, keras.KerasTensor],
    style: Style,
    *,
    kernel_size: int,
    filters: int,
    growth: int,
    stages: int,
    width: float,
    resolution: float,
) -> keras.KerasTensor:
    """Take the pyramid through the multiresolution MobileNet.

    Each branch is a plain convolution (the stem), then `stages` times a depthwise and a pointwise
    convolution, one norm, halving and activation. The stem is halved and activated too, not normalised.

    Args:
        pyramid: side in pixels -> (n, S, S, channels), normalised.
        filters: of the stem and the first stage; each next stage has `growth` times as many.
        width: multiplies all filters.
        resolution: multiplies the side of every picture.
    Returns:
        (n, features).
    Raises:
        SettingsError: a branch shrinks to nothing; names the stage.
    Source: Howard et al. 2017, MobileNets.
    """
    thin = max(1, round(filters * width))
    branches = []
    for size, picture in pyramid.items():
        own = style.of_branch(size, pyramid)
        x = _resize(picture, max(1, round(size * resolution)))
        x = own.convolve(x, thin, kernel_size, f"branch{size}_stem")
        x = own.finish_stage(x, f"branch{size}_stem", norm=False)
        for stage in range(1, stages + 1):
            name = f"branch{size}_stage{stage}"
            x = _convolve_separably(x, thin * growth ** (stage - 1), kernel_size, name, own)
            x = own.finish_stage(x, name)
        branches.append(x)
    return style.join_branches(branches)


def _convolve_separably(
    x: keras.KerasTensor, filters: int, kernel_size: int, name: str, style: Style
) -> keras.KerasTensor:
    style.check_kernel(x, kernel_size, name)
    kernel = style.how["kernel_initializer"]
    x = keras.layers.DepthwiseConv2D(
        kernel_size, style.stride, padding=style.padding, depthwise_initializer=kernel, name=f"{name}_depthwise"
    )(x)
    return keras.layers.Conv2D(filters, 1, kernel_initializer=kernel, name=name)(x)


def _resize(picture: keras.KerasTensor, side: int) -> keras.KerasTensor:
    if side == picture.shape[1]:
        return picture
    return ops.image.resize(picture, (side, side), interpolation="bilinear", antialias=True)
