"""ONNX Runtime, told to keep to itself: from 1.29 on, it reports its use to its makers unless it is told not to.

Everything in unmask that runs a network gets ONNX Runtime from here.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

from unmask.errors import UnmaskError

TELEMETRY_VARIABLE = "ORT_DISABLE_TELEMETRY"


def onnx_runtime() -> Any:
    """The module ``onnxruntime``, with its telemetry off.

    Raises
    ------
    UnmaskError
        It cannot be loaded.
    """
    os.environ.setdefault(TELEMETRY_VARIABLE, "1")  # it decides, and writes its first file, when it is imported
    try:
        module = importlib.import_module("onnxruntime")
    except ImportError as error:
        cause: BaseException | None = error
        while cause is not None:  # its compiled part makes an ImportError of whatever comes while it loads
            if isinstance(cause, KeyboardInterrupt):
                raise KeyboardInterrupt from None
            cause = cause.__cause__ or cause.__context__
        raise UnmaskError(
            f"ONNX Runtime cannot be loaded ({error}); install it anew: pip install --force-reinstall onnxruntime"
        ) from error
    module.disable_telemetry_events()  # for a program that has imported it before
    return module


def inference_session(network: Any, *, threads: int) -> Any:
    """A session on the CPU that is quiet and takes so many threads within one call.

    Parameters
    ----------
    network
        Path of an ONNX file, or its bytes.

    Raises
    ------
    UnmaskError
        ONNX Runtime cannot be loaded.
    Exception
        It refuses the network; its classes share no other base.
    """
    runtime = onnx_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    # By itself it would try a refused network once more, and print so on standard output.
    return runtime.InferenceSession(network, options, providers=["CPUExecutionProvider"], enable_fallback=0)
