"""Networks in pure Keras 3: one file per family, one table.

A build function takes the settings it wants by name, as keywords, and returns a keras.Model from the
pyramid (uint8, as stored) to centred azimuth and elevation (radians, view frame).
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping

import keras

from labelkit.errors import SettingsError, nearest
from labelkit.models.vanilla import vanilla
from labelkit.settings import TrainSettings

MODELS: Mapping[str, Callable[..., keras.Model]] = {"vanilla": vanilla}


def build_model(settings: TrainSettings) -> keras.Model:
    """Build the network that the settings describe, with fresh weights.

    Raises:
        SettingsError: the name is unknown, or the network cannot be built so.
    """
    if settings.model not in MODELS:
        raise SettingsError(f"no model {settings.model!r}; {nearest(settings.model, MODELS)}")
    build = MODELS[settings.model]
    return build(**{key: getattr(settings, key) for key in inspect.signature(build).parameters})
