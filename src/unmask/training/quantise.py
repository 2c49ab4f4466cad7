"""A network in 8-bit whole numbers: half the bytes of fp16, and faster where the processor multiplies in them.

Static quantisation: the range of every activation is measured on training images and written into the graph, as pairs
of QuantizeLinear and DequantizeLinear that ONNX Runtime runs as whole numbers. Weights have a scale per channel. The
first convolution and the linear layers, where rounding costs most and which compute least, stay as they are.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from unmask.errors import DataError
from unmask.training.export import quiet

_QUANTISED = ("Conv", "Add", "Relu", "MaxPool")
CALIBRATION_IMAGES = 512


def quantise(graph: onnx.ModelProto, images: NDArray[np.uint8], *, batch: int = 64) -> onnx.ModelProto:
    """The graph in int8, calibrated on images.

    What comes before the first convolution stays as it is, too: there the network normalises its input, whose range
    differs from picture to picture.

    Parameters
    ----------
    graph
        As :func:`unmask.training.export.to_onnx` makes it, with fp32 weights.
    images
        Crops that the network was trained on, ``uint8 (N, S, S)``; some hundreds are enough.

    Raises
    ------
    DataError
        There is no image to calibrate on.
    """
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    if len(images) == 0:
        raise DataError("int8 needs images to calibrate on, and there are none")

    class Reader(CalibrationDataReader):  # type: ignore[misc] # ONNX Runtime is not annotated
        def __init__(self) -> None:
            self.batches = iter(range(0, len(images), batch))

        def get_next(self) -> dict[str, NDArray[np.uint8]] | None:
            start = next(self.batches, None)
            return None if start is None else {"crops": np.ascontiguousarray(images[start : start + batch])}

    named = onnx.ModelProto()
    named.CopyFrom(graph)
    for number, node in enumerate(named.graph.node):
        node.name = node.name or f"node_{number}"
    # The quantiser advises on the root logger to prepare the graph, which the export has done already.
    with tempfile.TemporaryDirectory() as folder, quiet():
        path = Path(folder) / "int8.onnx"
        quantize_static(
            named,
            path,
            Reader(),
            quant_format=QuantFormat.QDQ,
            per_channel=True,
            activation_type=QuantType.QInt8,
            weight_type=QuantType.QInt8,
            op_types_to_quantize=list(_QUANTISED),
            nodes_to_exclude=_to_first_convolution(named),
            # The mean of the batches' ranges instead of the widest: one odd picture must not coarsen all others.
            extra_options={"CalibMovingAverage": True},
        )
        quantised: onnx.ModelProto = onnx.load(path)
    del quantised.metadata_props[:]
    onnx.checker.check_model(quantised)
    return quantised


def _to_first_convolution(model: onnx.ModelProto) -> list[str]:
    """Names of the first convolution and of the nodes that it waits for."""
    made_by = {output: node for node in model.graph.node for output in node.output}
    waiting: list[Any] = [next((node for node in model.graph.node if node.op_type == "Conv"), None)]
    names: list[str] = []
    while waiting:
        node = waiting.pop()
        if node is not None and node.name not in names:
            names.append(node.name)
            waiting += [made_by.get(name) for name in node.input]
    return names
