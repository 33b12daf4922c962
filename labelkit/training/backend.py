"""All that is said to the library below Keras; the rest of training is pure Keras 3."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Iterator
from typing import Any

from labelkit.errors import MissingExtraError

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def start_keras(seed: int) -> None:
    """Import Keras on its backend, silence what TensorFlow says at its start, and seed everything.

    On TensorFlow every operation is made deterministic, so that the same seed gives the same weights.

    Args:
        seed: of the initial weights and of dropout.
    Raises:
        MissingExtraError: the backend that KERAS_BACKEND asks for is not installed.
    """
    with _quiet_start():
        keras = _imported("keras")
        if keras.config.backend() == "tensorflow":
            tf = _imported("tensorflow")
            tf.config.list_physical_devices()  # its complaints about absent drivers come here
    keras.utils.set_random_seed(seed % 2**32)
    if keras.config.backend() == "tensorflow":
        tf.config.experimental.enable_op_determinism()


def _imported(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        raise MissingExtraError(
            f"Keras cannot load its backend {backend!r} ({error}); install it or set KERAS_BACKEND"
        ) from None


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Keep stderr clean during an import, unless it fails or the user has asked to hear TensorFlow.

    TensorFlow 2.21 says some lines before it reads its own log level, so the level alone does not do.
    """
    if _LOG_LEVEL in os.environ:
        yield
        return
    os.environ[_LOG_LEVEL] = "2"
    sys.stderr.flush()
    saved = os.dup(2)
    with tempfile.TemporaryFile() as said:
        os.dup2(said.fileno(), 2)
        try:
            yield
        except BaseException:
            said.seek(0)
            os.write(saved, said.read())
            raise
        finally:
            os.dup2(saved, 2)
            os.close(saved)
