"""ONNX Runtime, told to keep to itself: from 1.29 on, it reports its use to its makers unless it is told not to.

Everything in unmask that runs a network gets ONNX Runtime from here.
"""

from __future__ import annotations

import importlib
import os
from typing import Any

TELEMETRY_VARIABLE = "ORT_DISABLE_TELEMETRY"


def onnx_runtime() -> Any:
    """The module ``onnxruntime``, with its telemetry off."""
    os.environ.setdefault(TELEMETRY_VARIABLE, "1")  # it decides, and writes its first file, when it is imported
    module = importlib.import_module("onnxruntime")
    module.disable_telemetry_events()  # for a program that has imported it before
    return module


def inference_session(network: Any, *, threads: int) -> Any:
    """A session on the CPU that is quiet and takes so many threads within one call.

    Parameters
    ----------
    network
        Path of an ONNX file, or its bytes.
    """
    runtime = onnx_runtime()
    options = runtime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    return runtime.InferenceSession(network, options, providers=["CPUExecutionProvider"])
