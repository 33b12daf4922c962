"""The study's multiresolution CNN: one convolutional branch per resolution."""

from __future__ import annotations

from collections.abc import Mapping

from labelkit.keras import keras
from labelkit.models.parts import Style


def vanilla(
    pyramid: Mapping[int, keras.KerasTensor],
    style: Style,
    *,
    kernel_size: int,
    filters: int,
    growth: int,
    stages: int,
) -> keras.KerasTensor:
    """Take the pyramid through the multiresolution vanilla CNN.

    Each branch is `stages` times convolution, norm, halving and activation, with `filters` filters in
    the first stage and `growth` times as many in each that follows.

    Args:
        pyramid: side in pixels -> (n, S, S, channels), normalised.
    Returns:
        (n, features).
    Raises:
        SettingsError: a branch shrinks to nothing; names the stage.
    Source: Laboyrie 2017, multiresolution CNNs for hand orientation.
    """
    branches = []
    for size, x in pyramid.items():
        own = style.of_branch(size, pyramid)
        for stage in range(1, stages + 1):
            name = f"branch{size}_stage{stage}"
            x = own.convolve(x, filters * growth ** (stage - 1), kernel_size, name)
            x = own.finish_stage(x, name)
        branches.append(x)
    return style.join_branches(branches)
