"""What the families share: activations, norms, shrinking, joining the branches."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from labelkit.errors import SettingsError
from labelkit.keras import keras, ops

Activation = Literal["leaky-relu", "rrelu", "relu"]
Initializer = Literal["xavier", "he"]
Norm = Literal["none", "batch", "group"]
Shrink = Literal["pool", "stride", "none"]
Padding = Literal["same", "valid"]
Join = Literal["flatten", "average"]

_SLOPE = 0.1  # of LeakyReLU below zero (Laboyrie 2017)
_RRELU_SLOPES = 1 / 8, 1 / 3  # Xu et al. 2015, Empirical evaluation of rectified activations
_INITIALIZERS = {"xavier": "glorot_uniform", "he": "he_uniform"}
_MOST_GROUPS = 8  # of channels that are normalised together


@keras.saving.register_keras_serializable("labelkit")
class RReLU(keras.layers.Layer):  # type: ignore[misc]
    """A leaky ReLU whose slope below zero is drawn for each number in training, and is the mean slope otherwise."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.seed_generator = keras.random.SeedGenerator()  # its state goes into checkpoints

    def call(self, x: keras.KerasTensor, training: bool = False) -> keras.KerasTensor:
        low, high = _RRELU_SLOPES
        slope: Any = (low + high) / 2
        if training:
            slope = keras.random.uniform(ops.shape(x), low, high, dtype=x.dtype, seed=self.seed_generator)
        return ops.where(x >= 0, x, slope * x)


@dataclass(frozen=True)
class Style:
    """What every stage of a network is made with."""

    family: str
    activation: Activation
    initializer: Initializer
    norm: Norm
    shrink: Shrink
    shrink_smallest: Literal["same"] | Shrink
    padding: Padding
    join: Join

    def of_branch(self, size: int, sizes: Collection[int]) -> Style:
        """Give the style of the branch of one size: the smallest of several may shrink in another way."""
        if self.shrink_smallest == "same" or len(sizes) == 1 or size != min(sizes):
            return self
        return replace(self, shrink=self.shrink_smallest)

    @property
    def how(self) -> dict[str, Any]:
        """Arguments of Keras's convolutions beyond their size: padding and initial kernels."""
        return {"padding": self.padding, "kernel_initializer": _INITIALIZERS[self.initializer]}

    @property
    def stride(self) -> int:
        """Of the convolution that shrinks a stage."""
        return 2 if self.shrink == "stride" else 1

    def convolve(self, x: keras.KerasTensor, filters: int, kernel_size: int, name: str) -> keras.KerasTensor:
        """Convolve; shrink the picture if the style strides.

        Raises:
            SettingsError: the kernel is larger than the picture.
        """
        self.check_kernel(x, kernel_size, name)
        return keras.layers.Conv2D(filters, kernel_size, self.stride, name=name, **self.how)(x)

    def check_kernel(self, x: keras.KerasTensor, kernel_size: int, name: str) -> None:
        """Refuse a kernel larger than the picture: without padding, nothing would be left.

        Raises:
            SettingsError: names the stage.
        """
        if self.padding == "valid" and x.shape[1] < kernel_size:
            raise SettingsError(
                f"{self.family}: {_in_words(name)} has {_pixels(x)} left, too few for its kernel of {kernel_size}, and "
                "would shrink to nothing; lower kernel-size or stages, or let padding be same"
            )

    def finish_stage(self, x: keras.KerasTensor, name: str, *, norm: bool = True) -> keras.KerasTensor:
        """End a stage: normalise, halve by a maximum if the style pools, activate.

        Raises:
            SettingsError: there is nothing left to halve.
        """
        if norm:
            x = self._normalise(x, name)
        if self.shrink == "pool":
            if x.shape[1] < 2:
                raise SettingsError(
                    f"{self.family}: {_in_words(name)} would halve its {_pixels(x)} to nothing; "
                    "lower stages or kernel-size, or let shrink be none"
                )
            x = keras.layers.MaxPooling2D(2, name=f"{name}_max")(x)
        # After the maximum: every activation rises, so the result is the same at a quarter of the work.
        return self.activate(x, name)

    def _normalise(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        if self.norm == "batch":
            return keras.layers.BatchNormalization(name=f"{name}_norm")(x)
        if self.norm == "group":
            channels = int(x.shape[-1])
            groups = next(count for count in range(_MOST_GROUPS, 0, -1) if channels % count == 0)
            return keras.layers.GroupNormalization(groups, name=f"{name}_norm")(x)
        return x

    def activate(self, x: keras.KerasTensor, name: str) -> keras.KerasTensor:
        """Apply the activation."""
        if self.activation == "leaky-relu":
            return keras.layers.LeakyReLU(negative_slope=_SLOPE, name=f"{name}_leaky")(x)
        if self.activation == "rrelu":
            return RReLU(name=f"{name}_rrelu")(x)
        return keras.layers.ReLU(name=f"{name}_relu")(x)

    def join_branches(self, branches: Sequence[keras.KerasTensor]) -> keras.KerasTensor:
        """Make one vector of the branches' last pictures: all their numbers, or the mean of each channel."""
        layer = keras.layers.Flatten if self.join == "flatten" else keras.layers.GlobalAveragePooling2D
        flat = [layer(name=f"{self.join}{number}")(x) for number, x in enumerate(branches, start=1)]
        return keras.layers.Concatenate(name="join")(flat) if len(flat) > 1 else flat[0]

    def dense(self, x: keras.KerasTensor, neurons: int, name: str) -> keras.KerasTensor:
        """Connect fully, and activate."""
        x = keras.layers.Dense(neurons, kernel_initializer=_INITIALIZERS[self.initializer], name=name)(x)
        return self.activate(x, name)


def _in_words(name: str) -> str:
    branch, _, stage = name.partition("_")
    return f"{stage.replace('stage', 'stage ')} of the {branch.removeprefix('branch')}-pixel branch"


def _pixels(x: keras.KerasTensor) -> str:
    side = int(x.shape[1])
    return "1 pixel" if side == 1 else f"{side} x {side} pixels"
