"""All that depends on the library below Keras; the rest of training is pure Keras 3."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from labelkit.errors import MissingExtraError
from labelkit.records import FloatArray

if TYPE_CHECKING:
    import keras

Precision = Literal["auto", "float32", "mixed"]

_LOG_LEVEL = "TF_CPP_MIN_LOG_LEVEL"


def start_keras(seed: int, precision: Precision = "float32") -> str:
    """Import Keras on its backend, hide TensorFlow's log lines at its start, and seed everything.

    On TensorFlow every operation is made deterministic, so that the same seed gives the same weights.

    Args:
        seed: of the initial weights and of dropout.
        precision: "mixed" computes in bfloat16 and keeps weights in float32; "auto" does so if there is a
            GPU that can.
    Returns:
        "float32" or "mixed".
    Raises:
        MissingExtraError: the backend that KERAS_BACKEND asks for is not installed.
    """
    with _quiet_start():
        keras = _import_library("keras")
        if keras.config.backend() == "tensorflow":
            tf = _import_library("tensorflow")
            tf.config.list_physical_devices()  # its complaints about absent drivers come here
    seed_keras(seed)
    if keras.config.backend() == "tensorflow":
        tf.config.experimental.enable_op_determinism()
    mixed = precision == "mixed" or (precision == "auto" and _has_bfloat16_gpu(keras.config.backend()))
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
    return "mixed" if mixed else "float32"


def seed_keras(seed: int) -> None:
    """Seed all that draws initial weights and dropout from here on."""
    _import_library("keras").utils.set_random_seed(seed % 2**32)


def _has_bfloat16_gpu(backend: str) -> bool:
    """Whether there is a GPU that computes in bfloat16: from Ampere on, compute capability 8."""
    if backend == "tensorflow":
        tf = _import_library("tensorflow")
        details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
        return any(each.get("compute_capability", (0, 0))[0] >= 8 for each in details)
    if backend == "torch":
        torch = _import_library("torch")
        return bool(torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8)
    if backend == "jax":
        devices = _import_library("jax").devices()
        return any(float(getattr(each, "compute_capability", 0)) >= 8 for each in devices if each.platform == "gpu")
    return False


def versions() -> dict[str, str]:
    """Give the versions of Keras and its backend."""
    keras = _import_library("keras")
    backend = str(keras.config.backend())
    return {"keras": keras.__version__, "backend": backend, backend: _import_library(backend).__version__}


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that a step did not fit into memory.

    TensorFlow raises ResourceExhaustedError, torch OutOfMemoryError on a GPU and a RuntimeError of its allocator
    on a CPU, JAX an error of XLA's whose text begins with RESOURCE_EXHAUSTED.
    """
    names = {kind.__name__ for kind in type(error).__mro__}
    said = str(error)
    return bool(
        names & {"MemoryError", "ResourceExhaustedError", "OutOfMemoryError"}
        or "RESOURCE_EXHAUSTED" in said
        or "can't allocate memory" in said
    )


def compile_network(model: keras.Model) -> Callable[[Mapping[str, Any]], FloatArray]:
    """Compile a network for many single calls, pictures in and predictions out, as is fastest on its backend.

    torch runs as it is: its compiler needs a C++ compiler on the machine, and minutes.
    """
    import keras

    backend = keras.config.backend()
    if backend == "tensorflow":
        tf = _import_library("tensorflow")
        call = tf.function(lambda pictures: model(pictures, training=False))  # XLA is three times slower on a CPU
    elif backend == "jax":
        jax = _import_library("jax")
        weights = [variable.value for variable in model.trainable_variables]
        state = [variable.value for variable in model.non_trainable_variables]
        call = jax.jit(lambda pictures: model.stateless_call(weights, state, pictures, training=False)[0])
    else:
        torch = _import_library("torch")
        call = torch.no_grad()(lambda pictures: model(pictures, training=False))
    return lambda pictures: np.asarray(keras.ops.convert_to_numpy(call(pictures)))


def event_tools() -> SimpleNamespace:
    """Give the tools that write a TensorBoard event file: TensorFlow's messages and its record writer."""
    with _quiet_start():
        tf = _import_library("tensorflow")
    summary, event = (_import_library(f"tensorflow.core.{name}_pb2") for name in ("framework.summary", "util.event"))
    return SimpleNamespace(
        Event=event.Event,
        Summary=summary.Summary,
        HistogramProto=summary.HistogramProto,
        RecordWriter=tf.io.TFRecordWriter,
    )


def _import_library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        backend = os.environ.get("KERAS_BACKEND", "tensorflow")
        raise MissingExtraError(
            f"Keras cannot load its backend {backend!r} ({error}); install it or set KERAS_BACKEND"
        ) from None


@contextlib.contextmanager
def _quiet_start() -> Iterator[None]:
    """Keep stderr clean during an import, unless it fails or the user has set TensorFlow's log level.

    TensorFlow 2.21 writes some lines before it reads its own log level, so the level alone is not enough.
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
