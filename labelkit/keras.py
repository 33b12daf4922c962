"""The one import of Keras: `from labelkit.keras import keras` loads it, with its backend, without a word on the screen.

TensorFlow writes to stderr while it starts. Every module of labelkit that needs Keras takes it from here, so the
order in which modules are imported does not matter. KERAS_BACKEND (tensorflow, jax or torch) is read at this import.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from labelkit.errors import MissingExtraError
from labelkit.stderr import keep_stderr_clean

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_LOUD = ("0", "1")  # levels at which a user wants to hear TensorFlow


@contextmanager
def quiet() -> Iterator[None]:
    """Keep stderr clean meanwhile, unless there is an error or the user wants to hear TensorFlow.

    TensorFlow 2.21 writes some lines before it reads its own log level, so the level alone is not enough.
    """
    if os.environ.setdefault(_LOG_LEVEL, "2") in _LOUD:
        yield
        return
    with keep_stderr_clean():
        yield


def load(name: str) -> Any:
    """Import Keras or a library below it, quietly.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        with quiet():
            return importlib.import_module(name)
    except ImportError as error:
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        raise MissingExtraError(
            f"Keras cannot load its backend {backend!r} ({error}); install it or set KERAS_BACKEND"
        ) from None
    except (ValueError, AssertionError, AttributeError) as error:
        # What Keras raises at a backend or a settings file of an older Keras.
        file = Path(os.environ.get("KERAS_HOME", "~/.keras")) / "keras.json"  # not expanded: there may be no home
        raise MissingExtraError(
            f"Keras cannot start ({error or 'a setting of another Keras'}); set KERAS_BACKEND to tensorflow, jax or "
            f"torch, or remove {file}"
        ) from None


def use_plain_defaults() -> None:
    """Set what ~/.keras/keras.json may have changed, so that the same seed gives the same weights everywhere."""
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(1e-7)
    keras.config.set_image_data_format("channels_last")


keras = load("keras")
use_plain_defaults()
ops = keras.ops
