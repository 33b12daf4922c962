"""What runs an exported network without TensorFlow: LiteRT, and ONNX Runtime to compare with."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from labelkit.deploy.network_card import OUTPUT, SIGNATURE
from labelkit.errors import MissingExtraError, RunError
from labelkit.records import FloatArray
from labelkit.stderr import keep_stderr_clean

# Pictures by input, (n, S, S, 3) uint8 or (n, S, S) uint16 each -> (n, k) float32, the network's numbers.
Engine = Callable[[Mapping[str, NDArray[Any]]], FloatArray]


def open_litert(content: bytes) -> Engine:
    """Open a LiteRT file, on one thread: a network this small gains nothing from more.

    Raises:
        MissingExtraError: ai-edge-litert is not installed.
        RunError: no LiteRT file of ours, or one that holds no weights.
    """
    try:
        # Late: it may be missing where labelkit was installed without its dependencies.
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as error:
        raise MissingExtraError(
            f"the engine LiteRT cannot be loaded ({error}); install it: python -m pip install ai-edge-litert"
        ) from None
    try:
        with keep_stderr_clean():  # it says which delegate it uses
            interpreter = Interpreter(model_content=content, num_threads=1)
            interpreter.allocate_tensors()
            runner = interpreter.get_signature_runner(SIGNATURE)
    except (ValueError, RuntimeError) as error:
        raise RunError(f"not a LiteRT file that labelkit exported ({_first_line(error)}); export again") from None

    def ask(pictures: Mapping[str, NDArray[Any]]) -> FloatArray:
        n = len(next(iter(pictures.values())))
        try:
            said = [runner(**{name: stack[k : k + 1] for name, stack in pictures.items()})[OUTPUT] for k in range(n)]
        except (ValueError, RuntimeError) as error:
            what = "holds no weights" if "READ_VARIABLE" in str(error) else "does not run"
            raise RunError(f"the exported network {what} ({_first_line(error)}); export again") from None
        return np.concatenate(said)

    return ask


def open_onnx(content: bytes) -> Engine:
    """Open an ONNX file in ONNX Runtime, on one thread.

    Raises:
        MissingExtraError: onnxruntime is not installed.
        RunError: no ONNX file that it can run.
    """
    try:
        import onnxruntime  # late: an extra
    except ImportError as error:
        raise MissingExtraError(
            f"ONNX Runtime cannot be loaded ({error}); install it: python -m pip install 'labelkit-rgbd[onnx]'"
        ) from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # it has classes of its own for a dozen faults
        raise RunError(f"not an ONNX file that ONNX Runtime can run ({_first_line(error)}); export again") from None
    return lambda pictures: np.asarray(session.run([OUTPUT], dict(pictures))[0])


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
