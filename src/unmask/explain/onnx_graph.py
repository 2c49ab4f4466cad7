"""An ONNX graph taken apart: its layers, and the part of it that lies behind a layer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from unmask.errors import ModelError
from unmask.explain.base import Layer, unseen_share
from unmask.models.graph import node_macs, shapes
from unmask.models.runtime import inference_session

INPUT = "crops"
_ROUNDING = ("QuantizeLinear", "DequantizeLinear")
_WEIGHTED = {"Conv": "conv", "Gemm": "linear", "MatMul": "linear", "BatchNormalization": "batch norm"}


def constants(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    """Every value that no crop changes, by name: initializers, and what is made of them (cast, scaled from int8)."""
    values = {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}
    on_crop = {name for node in crop_nodes(model) for name in node.output}
    fixed = [node for node in model.graph.node if not on_crop & set(node.output)]
    outputs = [value for value in model.graph.value_info if any(value.name in node.output for node in fixed)]
    if outputs:
        graph = helper.make_graph(fixed, "constants", [], outputs, model.graph.initializer)
        made = session(_serialised(graph, model))({})
        values.update(zip((value.name for value in outputs), made, strict=True))
    return values


def crop_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The nodes whose output depends on the crop, in order."""
    known, found = {INPUT}, []
    for node in model.graph.node:
        if known & set(node.input):
            known |= set(node.output)
            found.append(node)
    return found


def layer_table(model: onnx.ModelProto) -> tuple[Layer, ...]:
    """One layer for each node that works on the crop, but for rounding to int8; see :func:`value_name`."""
    sizes, fixed = shapes(model), constants(model)
    nodes = [node for node in crop_nodes(model) if node.op_type not in _ROUNDING]
    # What comes before the first weight only makes the crop ready, and is one layer.
    ready = max(0, next((n for n, node in enumerate(nodes) if node.op_type in _WEIGHTED), 0) - 1)
    turned = _turned(nodes[ready + 1 :], sizes)
    layers = [
        Layer(
            value_name(node),
            _kind(node, fixed),
            sizes[node.output[0]][1:],
            **_costs(node, sizes, fixed),
            ordered=node.output[0] not in turned,
        )
        for node in nodes[ready:]
    ]
    return (replace(layers[0], kind="crop made ready"), *layers[1:]) if ready else tuple(layers)


def _turned(nodes: Sequence[onnx.NodeProto], sizes: Mapping[str, tuple[int, ...]]) -> set[str]:
    """Values whose axes do not stand in a graph's usual order: batch, channels, height, width.

    A graph of hand-made features puts channels last somewhere; a network that does may put them back.
    """
    usual = [0, 1, 2, 3]
    order: dict[str, list[int]] = {}
    for node in nodes:
        before = next((order[value] for value in node.input if value in order), usual)
        after = before
        if node.op_type == "Transpose" and len(sizes[node.output[0]]) == len(usual):
            after = [before[axis] for axis in _attributes(node).get("perm", usual[::-1])]
        if after != usual:
            order |= dict.fromkeys(node.output, after)
    return set(order)


def value_name(node: onnx.NodeProto) -> str:
    """A layer's name: where its weight stands in the network, else the graph's own name of its output."""
    if node.op_type in _WEIGHTED and len(node.input) > 1:
        weight = node.input[1]
        if weight.endswith(".weight"):
            return str(weight.removesuffix(".weight").removeprefix("network."))
    return str(node.output[0])


def outputs_by_layer(model: onnx.ModelProto) -> dict[str, str]:
    """The graph's value that each layer gives, by the layer's name."""
    return {value_name(node): node.output[0] for node in crop_nodes(model)}


def with_outputs(model: onnx.ModelProto, names: Mapping[str, tuple[int, ...]]) -> bytes:
    """The graph with these values as its outputs, by name with their shapes; the batch is free."""
    opened = _free_batch(model)
    del opened.graph.output[:]
    opened.graph.output.extend(_value(name, shape) for name, shape in names.items())
    return bytes(opened.SerializeToString())


def tail(model: onnx.ModelProto, name: str, output: str) -> tuple[bytes, list[str]]:
    """The graph from the value ``name`` to ``output``, and its inputs.

    The value becomes an input; ``crops`` stays one where the output also depends on the crop by another way, as it
    does from inside a residual block. Rounding to int8 is passed by: it has no gradient, and training with
    quantisation does as well (arXiv:1308.3432).
    """
    before = _before_rounding(model)
    before.pop(name, None)
    sizes = shapes(model)
    end = before.get(output, output)
    needed, kept = {end}, []
    for node in reversed(model.graph.node):
        if set(node.output) & needed and name not in node.output:
            direct = onnx.NodeProto()
            direct.CopyFrom(node)
            direct.input[:] = [before.get(value, value) for value in node.input]
            needed |= set(direct.input)
            kept.append(direct)
    if name not in needed:
        raise ModelError(f"'{output}' does not depend on '{name}'; choose another layer (--layers lists them)")
    cut = _free_batch(model)
    inputs = [_value(name, sizes[name][1:])] + [value for value in cut.graph.input if value.name in needed]
    initializers = [tensor for tensor in model.graph.initializer if tensor.name in needed]
    graph = helper.make_graph(kept[::-1], "tail", inputs, [_value(end, sizes[output][1:])], initializers)
    return _serialised(graph, model), [value.name for value in inputs]


def _before_rounding(model: onnx.ModelProto) -> dict[str, str]:
    """For each value that comes out of a rounding to int8: the value that went in."""
    rounded = {node.output[0]: node.input[0] for node in model.graph.node if node.op_type == "QuantizeLinear"}
    return {
        node.output[0]: rounded[node.input[0]]
        for node in model.graph.node
        if node.op_type == "DequantizeLinear" and node.input[0] in rounded
    }


def _serialised(graph: onnx.GraphProto, model: onnx.ModelProto) -> bytes:
    whole = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    return bytes(whole.SerializeToString())


def _free_batch(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy that takes any number of crops."""
    opened = onnx.ModelProto()
    opened.CopyFrom(model)
    for value in [*opened.graph.input, *opened.graph.output]:
        value.type.tensor_type.shape.dim[0].Clear()
        value.type.tensor_type.shape.dim[0].dim_param = "N"
    del opened.graph.value_info[:]  # they say a batch of one
    return opened


def _value(name: str, shape: tuple[int, ...]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", *shape])


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _kind(node: onnx.NodeProto, fixed: Mapping[str, NDArray[Any]]) -> str:
    kind = _WEIGHTED.get(node.op_type, node.op_type.lower())
    attributes = _attributes(node)
    kernel = attributes.get("kernel_shape")
    if node.op_type == "Conv":
        kernel = fixed[node.input[1]].shape[2:]
        if attributes.get("group", 1) > 1:
            kind = "grouped conv"
    if kernel is not None:
        kind += " " + "x".join(map(str, kernel))
    stride = max(attributes.get("strides", [1]))
    return f"{kind} / {stride}" if stride > 1 else kind


def _costs(
    node: onnx.NodeProto, sizes: Mapping[str, tuple[int, ...]], fixed: Mapping[str, NDArray[Any]]
) -> dict[str, int]:
    """Learned numbers, multiply-adds and unseen numbers of one node."""
    if node.op_type not in _WEIGHTED:
        return {}
    weights = [fixed[name] for name in node.input[1:] if name in fixed]
    return {
        "parameters": sum(weight.size for weight in weights),
        "macs": node_macs(node, sizes),
        "unseen": _unseen(node, weights[0], sizes) if node.op_type == "Conv" else 0,
    }


def _unseen(node: onnx.NodeProto, weight: NDArray[Any], sizes: Mapping[str, tuple[int, ...]]) -> int:
    attributes = _attributes(node)
    share = unseen_share(
        sizes[node.input[0]][2:],
        weight.shape[2:],
        attributes.get("strides", [1, 1]),
        attributes.get("dilations", [1, 1]),
        attributes.get("pads", [0, 0, 0, 0]),
    )
    return round(weight.size * share)


Session = Callable[[Mapping[str, NDArray[Any]]], list[NDArray[Any]]]


def session(graph: bytes) -> Session:
    """The graph ready to run on the CPU: values of its inputs to values of its outputs."""
    runner = inference_session(graph, threads=1)
    return lambda values: list(runner.run(None, dict(values)))
