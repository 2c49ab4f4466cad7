"""Building ONNX graphs by hand: what a feature or a classifier computes, as operators that ONNX Runtime knows."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import MissingExtraError

OPSET = 18
"""Version of ONNX's operators, from 2022; every ONNX Runtime that unmask supports has it."""


class Graph:
    """A graph from ``crops``, ``uint8 (N, S, S)``, to one output.

    Every method takes and gives names of values inside the graph.

    Raises
    ------
    MissingExtraError
        The package onnx is not installed; reading needs it as little as ever, saving does.
    """

    INPUT = "crops"
    FLOAT, INT64 = 1, 7
    """ONNX's codes of two types, for ``Cast``."""

    def __init__(self) -> None:
        try:
            import onnx
        except ImportError:
            raise MissingExtraError("onnx", "study") from None
        self._onnx = onnx
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._names: dict[tuple[str, tuple[int, ...], bytes], str] = {}

    def constant(self, value: NDArray[Any] | np.generic) -> str:
        """A number or array that is part of the model; the same one twice is stored once."""
        array = np.asarray(value)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._names:
            name = self._names[key] = f"c{len(self._names)}"
            self._constants.append(self._onnx.numpy_helper.from_array(np.ascontiguousarray(array), name))
        return self._names[key]

    def op(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """One operator applied; its only output."""
        name = f"v{len(self._nodes)}"
        self._nodes.append(self._onnx.helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def flat(self, value: str) -> str:
        """``(N, ...)`` as ``(N, D)``."""
        return self.op("Flatten", value, axis=1)

    def affine(self, value: str, weights: NDArray[np.floating], offset: NDArray[np.floating] | float = 0.0) -> str:
        """``value @ weights + offset``, ``(..., D)`` to ``(..., K)``, the weights as float32."""
        product = self.op("MatMul", value, self.constant(weights.astype(np.float32)))
        return self.op("Add", product, self.constant(np.asarray(offset, dtype=np.float32)))

    def to_bytes(self, output: str, *, name: str, side: int, classes: int) -> bytes:
        """The whole model with ``output`` under ``name``, ``float32 (N, classes)``; checked by onnx."""
        helper, types = self._onnx.helper, self._onnx.TensorProto
        last = helper.make_node("Identity", [output], [name])
        graph = helper.make_graph(
            [*self._nodes, last],
            "unmask",
            [helper.make_tensor_value_info(self.INPUT, types.UINT8, ["N", side, side])],
            [helper.make_tensor_value_info(name, types.FLOAT, ["N", classes])],
            self._constants,
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=9)
        self._onnx.checker.check_model(model)
        content: bytes = model.SerializeToString()
        return content

    @property
    def parameters(self) -> int:
        """Floating-point numbers that the graph holds."""
        return sum(int(np.prod(c.dims)) for c in self._constants if c.data_type == self.FLOAT)
