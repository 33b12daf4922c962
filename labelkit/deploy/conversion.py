"""A trained network as a file of another runtime, normalisation inside and inputs by name.

`python -m labelkit.deploy.conversion RUN FOLDER` converts a run's network for every runtime there is.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any

from labelkit.deploy.engines import open_onnx
from labelkit.deploy.network_card import OUTPUT, SIGNATURE
from labelkit.errors import LabelkitError, MissingExtraError, SettingsError
from labelkit.files import write_bytes
from labelkit.keras import keras, load, quiet
from labelkit.training.load import load_run

_OPSET = 17  # of ONNX: the newest that onnxruntime-web and the older runtimes of telephones both know


def litert_bytes(model: keras.Model, *, int8: bool = False) -> bytes:
    """Convert a network for LiteRT: one picture a call, inputs and output named in the signature SIGNATURE.

    Args:
        int8: store the weights in 8 bits; pictures, sums and answers stay as they are.
    Raises:
        SettingsError: Keras runs on another backend.
    """
    tf = _tensorflow("litert")
    specs = {each.name: tf.TensorSpec((1, *each.shape[1:]), each.dtype, name=each.name) for each in model.inputs}
    holder = tf.Module()
    # The converter keeps the weights that the saved object knows of; of a Keras 3 network it knows none by itself, and
    # converts a file without them, in silence.
    holder.weights = [variable.value for variable in model.variables]
    function = tf.function(lambda **pictures: {OUTPUT: model(pictures, training=False)})
    with tempfile.TemporaryDirectory(prefix="labelkit-") as folder, quiet():
        tf.saved_model.save(holder, folder, signatures={SIGNATURE: function.get_concrete_function(**specs)})
        converter = tf.lite.TFLiteConverter.from_saved_model(folder)
        converter.optimizations = [tf.lite.Optimize.DEFAULT] if int8 else []
        return bytes(converter.convert())


def onnx_bytes(model: keras.Model) -> bytes:
    """Convert a network to ONNX: any number of pictures a call.

    Raises:
        SettingsError: Keras runs on another backend.
        MissingExtraError: tf2onnx is not installed.
    """
    tf = _tensorflow("onnx")
    try:
        import tf2onnx  # late: an extra
    except ImportError as error:
        raise MissingExtraError(
            f"tf2onnx cannot be loaded ({error}); install it: python -m pip install 'labelkit-rgbd[onnx]'"
        ) from None
    names = [each.name for each in model.inputs]
    specs = [tf.TensorSpec((None, *each.shape[1:]), each.dtype, name=each.name) for each in model.inputs]
    function = tf.function(
        lambda *pictures: {OUTPUT: model(dict(zip(names, pictures, strict=True)), training=False)},
        input_signature=specs,
    )
    with quiet():
        converted, _ = tf2onnx.convert.from_function(function, input_signature=specs, opset=_OPSET)
    return bytes(converted.SerializeToString())


def keras_bytes(model: keras.Model) -> bytes:
    """Save a network as a .keras file, which Keras 3 loads without labelkit; one with RReLU needs `labelkit.models`."""
    with tempfile.TemporaryDirectory(prefix="labelkit-") as folder:
        path = Path(folder) / "network.keras"
        with warnings.catch_warnings():
            # TensorFlow's variables do not know NumPy 2's `copy`; NumPy warns of each.
            warnings.filterwarnings("ignore", "__array__ implementation", DeprecationWarning)
            model.save(path)
        return path.read_bytes()


def open_keras(content: bytes) -> Any:
    """Load a .keras file that `keras_bytes` wrote in this process: (n, S, S, 3) pictures in, (n, k) numbers out."""
    with tempfile.TemporaryDirectory(prefix="labelkit-") as folder:
        path = Path(folder) / "network.keras"
        path.write_bytes(content)
        return keras.models.load_model(path, compile=False).predict_on_batch


def convert_all(run: Path, folder: Path) -> None:
    """Write the files of `deploy.timing.CONVERTED`, without comparing their answers; no ONNX without its extra."""
    model = load_run(run).model
    write_bytes(folder / "float32.tflite", litert_bytes(model), flush=False)
    write_bytes(folder / "int8.tflite", litert_bytes(model, int8=True), flush=False)
    try:
        content = onnx_bytes(model)
        open_onnx(content)
    except MissingExtraError:
        return
    write_bytes(folder / "float32.onnx", content, flush=False)


def _tensorflow(format: str) -> Any:
    if keras.config.backend() != "tensorflow":
        raise SettingsError(
            f"--to {format} converts with TensorFlow, but Keras runs on {keras.config.backend()}; "
            "unset KERAS_BACKEND for this command"
        )
    return load("tensorflow")


if __name__ == "__main__":
    try:
        convert_all(Path(sys.argv[1]), Path(sys.argv[2]))
    except LabelkitError as error:
        sys.exit(str(error))
