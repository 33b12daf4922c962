"""All that knows which library is below Keras; the rest of training is pure Keras 3."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np

from labelkit.keras import keras, load, quiet, use_plain_defaults
from labelkit.records import FloatArray

Precision = Literal["auto", "float32", "mixed"]

# The environment of a process that trains next to others. One thread each: several trainings use the cores better
# than several threads, and sums come out the same however many there are. And none may take a whole GPU to itself.
ONE_OF_SEVERAL = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_NUM_INTRAOP_THREADS": "1",
    "TF_NUM_INTEROP_THREADS": "1",
    "TF_FORCE_GPU_ALLOW_GROWTH": "true",
    "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
}


def start_keras(seed: int, precision: Precision = "float32") -> str:
    """Make Keras ready for a training: seed everything, and set the precision.

    On TensorFlow every operation is made deterministic, so that the same seed gives the same weights.

    Args:
        seed: of the initial weights and of dropout.
        precision: "mixed" computes in bfloat16 and keeps weights in float32; "auto" does so if there is a
            GPU that can.
    Returns:
        "float32" or "mixed".
    """
    use_plain_defaults()
    on_tensorflow = keras.config.backend() == "tensorflow"
    if on_tensorflow:
        tf = load("tensorflow")
        with quiet():
            tf.config.list_physical_devices()  # here TensorFlow complains about drivers that are not there
    seed_keras(seed)
    if on_tensorflow:
        tf.config.experimental.enable_op_determinism()
    mixed = precision == "mixed" or (precision == "auto" and _has_bfloat16_gpu(keras.config.backend()))
    keras.config.set_dtype_policy("mixed_bfloat16" if mixed else "float32")
    return "mixed" if mixed else "float32"


def seed_keras(seed: int) -> None:
    """Seed whatever draws initial weights and dropout after this."""
    keras.utils.set_random_seed(seed % 2**32)


def _has_bfloat16_gpu(backend: str) -> bool:
    """Whether there is a GPU that computes in bfloat16: from Ampere on, compute capability 8."""
    if backend == "tensorflow":
        tf = load("tensorflow")
        details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
        return any(each.get("compute_capability", (0, 0))[0] >= 8 for each in details)
    if backend == "torch":
        torch = load("torch")
        return bool(torch.cuda.is_available() and torch.cuda.get_device_capability()[0] >= 8)
    if backend == "jax":
        devices = load("jax").devices()
        return any(float(getattr(each, "compute_capability", 0)) >= 8 for each in devices if each.platform == "gpu")
    return False


def device() -> str:
    """Name what the networks are computed on: the GPU that the backend found, or the CPU."""
    backend = keras.config.backend()
    if backend == "tensorflow":
        tf = load("tensorflow")
        details = map(tf.config.experimental.get_device_details, tf.config.list_physical_devices("GPU"))
        names = [str(each.get("device_name", "a GPU")) for each in details]
    elif backend == "torch":
        cuda = load("torch").cuda
        names = [cuda.get_device_name(cuda.current_device())] if cuda.is_available() else []
    else:
        names = [str(each.device_kind) for each in load("jax").devices() if each.platform == "gpu"]
    return names[0] if names else "the CPU (no GPU was found)"


def versions() -> dict[str, str]:
    """Say which versions of Keras and of its backend are loaded."""
    backend = str(keras.config.backend())
    return {"keras": keras.__version__, "backend": backend, backend: load(backend).__version__}


def compile_network(model: keras.Model) -> Callable[[Mapping[str, Any]], FloatArray]:
    """Compile a network for many single calls, pictures in and predictions out, in the way that suits its backend.

    torch runs as it is: its compiler needs a C++ compiler on the machine, and minutes.
    """
    backend = keras.config.backend()
    if backend == "tensorflow":
        tf = load("tensorflow")
        call = tf.function(lambda pictures: model(pictures, training=False))  # XLA is three times slower on a CPU
    elif backend == "jax":
        jax = load("jax")
        weights = [variable.value for variable in model.trainable_variables]
        state = [variable.value for variable in model.non_trainable_variables]
        call = jax.jit(lambda pictures: model.stateless_call(weights, state, pictures, training=False)[0])
    else:
        torch = load("torch")
        call = torch.no_grad()(lambda pictures: model(pictures, training=False))
    return lambda pictures: np.asarray(keras.ops.convert_to_numpy(call(pictures)))


def event_tools() -> SimpleNamespace:
    """Give what a TensorBoard event file is written with: TensorFlow's own messages and its record writer."""
    tf = load("tensorflow")
    summary, event = (load(f"tensorflow.core.{name}_pb2") for name in ("framework.summary", "util.event"))
    return SimpleNamespace(
        Event=event.Event,
        Summary=summary.Summary,
        HistogramProto=summary.HistogramProto,
        RecordWriter=tf.io.TFRecordWriter,
    )
