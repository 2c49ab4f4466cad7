"""Looking inside a network: its layers, what its blocks see in a face, its filters, and where it finds its answer.

:func:`open_network` gives one small interface, :class:`OpenNetwork`, over two engines: the model's ONNX graph, which
every model has and which needs no PyTorch, and the PyTorch network with its own gradients where the weights for it are
there. Everything is data; :mod:`unmask.explain.page` makes pictures and a page of it.
"""

from unmask.explain.base import Crop, Layer, Maps, OpenNetwork, heat_block, main_blocks
from unmask.explain.explanation import Explanation, explain
from unmask.explain.heat import grad_cam, heat_method, heat_methods, occlusion, register_heat
from unmask.explain.opening import open_network

__all__ = [
    "Crop",
    "Explanation",
    "Layer",
    "Maps",
    "OpenNetwork",
    "explain",
    "grad_cam",
    "heat_block",
    "heat_method",
    "heat_methods",
    "main_blocks",
    "occlusion",
    "open_network",
    "register_heat",
]
