"""Networks in pure Keras 3: one file per family, one table.

A family is a function that takes the normalised pyramid and a Style, and its own settings by name,
as keywords; it returns features (n, k). What comes before and after it is the same for all: the inputs
and their one normalisation, the dense layers, and the answer.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import fields

from labelkit.errors import SettingsError
from labelkit.keras import keras
from labelkit.models.head import add_head
from labelkit.models.inputs import pyramid_inputs
from labelkit.models.mobilenet import mobilenet
from labelkit.models.parts import Style
from labelkit.models.squeezenet import squeezenet
from labelkit.models.vanilla import vanilla
from labelkit.settings import TrainSettings, family_of

MODELS: Mapping[str, Callable[..., keras.KerasTensor]] = {
    "vanilla": vanilla,
    "squeezenet": squeezenet,
    "mobilenet": mobilenet,
}


def build_model(settings: TrainSettings) -> keras.Model:
    """Build the network that the settings describe, with fresh weights.

    Returns:
        A network from the pyramid, as stored, to an orientation in the view frame; `models.head.add_head`
        says in which numbers.
    Raises:
        SettingsError: the name is unknown, the network cannot be built so, or a setting is of another family.
    """
    family = family_of(settings.model)
    _refuse_foreign(settings, family)
    style = Style(family, **{field.name: getattr(settings, field.name) for field in fields(Style)[1:]})
    inputs, pyramid = pyramid_inputs(settings.input, settings.sizes, settings.normalisation)
    features = MODELS[family](pyramid, style, **{key: getattr(settings, key) for key in _keys(family)})
    answer = add_head(
        features,
        style,
        dense=settings.dense,
        dropout=settings.dropout,
        loss=settings.loss,
        uncertainty=settings.uncertainty,
    )
    return keras.Model(inputs, answer, name=settings.model.replace("-", "_"))


def _keys(family: str) -> list[str]:
    parameters = inspect.signature(MODELS[family]).parameters.values()
    return [each.name for each in parameters if each.kind is inspect.Parameter.KEYWORD_ONLY]


def _refuse_foreign(settings: TrainSettings, family: str) -> None:
    """Refuse a setting that this family does not read: users would think that it has an effect."""
    own = _keys(family)
    for other in MODELS:
        for key in _keys(other):
            if key not in own and getattr(settings, key) != TrainSettings.model_fields[key].default:
                raise SettingsError(f"{key.replace('_', '-')} is a setting of {other}, not of {family}; leave it out")
