"""A model file's ONNX graph for one face: the shape of every value, and what it costs.

Needs the library onnx, which a bare install does not have; so nothing that reads imports this module.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

import onnx

from unmask.errors import ModelError

Shapes = Mapping[str, tuple[int, ...]]
"""Shape of each value for a batch of one, the batch included."""


def parse(data: bytes) -> onnx.ModelProto:
    """The graph with the shapes of every value for a batch of one. Raises ModelError when it is none."""
    try:
        model = onnx.load_from_string(data)
        model.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 1
        return onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    except Exception as error:  # protobuf, onnx's checker and its shape inference share no base but Exception
        raise ModelError(f"the network cannot be taken apart ({error}); export the model again") from None


def shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """Shape of each value of a parsed graph, its weights included."""
    graph = model.graph
    known = {
        value.name: tuple(dim.dim_value for dim in value.type.tensor_type.shape.dim)
        for value in [*graph.input, *graph.value_info, *graph.output]
    }
    return known | {tensor.name: tuple(tensor.dims) for tensor in graph.initializer}


def node_macs(node: onnx.NodeProto, sizes: Shapes) -> int:
    """Multiply-adds of one convolution or matrix product, 0 for anything else."""
    if node.op_type == "Conv":
        return math.prod(sizes[node.output[0]]) * math.prod(sizes[node.input[1]][1:])
    if node.op_type in ("Gemm", "MatMul"):
        return math.prod(sizes[node.output[0]]) * sizes[node.input[0]][-1]
    return 0


def count_macs(data: bytes) -> int:
    """Multiply-adds of all convolutions and matrix products for one face. Raises ModelError as :func:`parse` does."""
    model = parse(data)
    sizes = shapes(model)
    return sum(node_macs(node, sizes) for node in model.graph.node)
