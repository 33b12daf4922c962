"""SqueezeNet in one branch per resolution: Fire modules, which reduce the channels before the 3x3 convolutions."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from labelkit.errors import SettingsError
from labelkit.keras import keras
from labelkit.models.parts import Style


class Fire(NamedTuple):
    """The filters of a Fire module."""

    squeeze: int
    expand1x1: int
    expand3x3: int

    @property
    def out(self) -> int:
        """Channels that leave the module."""
        return self.expand1x1 + self.expand3x3


def squeezenet(
    pyramid: Mapping[int, keras.KerasTensor],
    style: Style,
    *,
    kernel_size: int,
    filters: int,
    stages: int,
    base: int,
    incr: int,
    freq: int,
    pct3x3: float,
    squeeze_ratio: float,
    residual: bool,
) -> keras.KerasTensor:
    """Take the pyramid through the multiresolution SqueezeNet.

    Each branch is a plain convolution (the stem, of `kernel_size` and `filters`), then `stages` Fire
    modules, each with norm, halving and activation. The stem is halved and activated too.

    Args:
        pyramid: side in pixels -> (n, S, S, channels), normalised.
        base, incr, freq, pct3x3, squeeze_ratio: see `fire_of`.
        residual: add a module's input to its output if they have as many channels.
    Returns:
        (n, features).
    Raises:
        SettingsError: a branch shrinks to nothing, or a module would have no filter of a kind; names the stage.
    Source: Iandola et al. 2016, SqueezeNet (metaparameters; simple bypass).
    """
    branches = []
    for size, picture in pyramid.items():
        own = style.of_branch(size, pyramid)
        x = own.convolve(picture, filters, kernel_size, f"branch{size}_stem")
        x = own.finish_stage(x, f"branch{size}_stem", norm=False)
        for stage in range(1, stages + 1):
            fire = fire_of(stage, base=base, incr=incr, freq=freq, pct3x3=pct3x3, squeeze_ratio=squeeze_ratio)
            name = f"branch{size}_stage{stage}"
            x = own.finish_stage(_add_fire(x, fire, name, own, residual), name)
        branches.append(x)
    return style.join_branches(branches)


def fire_of(stage: int, *, base: int, incr: int, freq: int, pct3x3: float, squeeze_ratio: float) -> Fire:
    """Count the filters of the Fire module of a stage.

    It expands to base + incr * ((stage - 1) // freq) filters, a share `pct3x3` of them 3x3, and squeezes
    to `squeeze_ratio` as many; shares are rounded down.

    Raises:
        SettingsError: no 3x3, no 1x1 or no squeezing filter is left.
    """
    expand = base + incr * ((stage - 1) // freq)
    expand3x3 = int(pct3x3 * expand)
    fire = Fire(int(squeeze_ratio * expand), expand - expand3x3, expand3x3)
    for count, kind, key, share in (
        (fire.expand3x3, "3x3", "pct3x3", pct3x3),
        (fire.expand1x1, "1x1", "pct3x3", pct3x3),
        (fire.squeeze, "squeezing", "squeeze-ratio", squeeze_ratio),
    ):
        if count < 1:
            raise SettingsError(
                f"squeezenet: the Fire module of stage {stage} expands to {expand} filters, of which {key} {share:g} "
                f"leaves no {kind} filter; raise base{', or lower pct3x3' if kind == '1x1' else f' or {key}'}"
            )
    return fire


def _add_fire(x: keras.KerasTensor, fire: Fire, name: str, style: Style, residual: bool) -> keras.KerasTensor:
    kernel = style.how["kernel_initializer"]
    squeezed = keras.layers.Conv2D(fire.squeeze, 1, kernel_initializer=kernel, name=f"{name}_squeeze")(x)
    squeezed = style.activate(squeezed, f"{name}_squeeze")
    # Always padded: the two kinds of filters must see pictures of one size.
    expanded = [
        keras.layers.Conv2D(
            count, side, style.stride, padding="same", kernel_initializer=kernel, name=f"{name}_{side}x{side}"
        )(squeezed)
        for count, side in ((fire.expand1x1, 1), (fire.expand3x3, 3))
    ]
    out = keras.layers.Concatenate(name=name)(expanded)
    return keras.layers.Add(name=f"{name}_link")([x, out]) if residual and x.shape == out.shape else out
