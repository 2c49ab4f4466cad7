"""From a model's ONNX graph back to weights that can be trained.

A graph holds each norm folded into its convolution, as a bias. The network gets the norm again in the form that adds
that bias and does nothing else; :meth:`FaceNetwork.settle` then gives it statistics, so that it can learn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import Tensor, nn

from unmask.errors import ModelError
from unmask.networks.base import FaceNetwork

_ROOT = "network."  # the network's place in what is exported
_HALF = "_fp16"  # behind the names of weights that are stored as such


def read_graph(path: Path, content: bytes | None = None) -> dict[str, Tensor]:
    """The weights and biases of an ONNX file that ``unmask train`` wrote, ``float32``, by their names in the network.

    Parameters
    ----------
    content
        Of the graph, where the file is an archive that holds it.

    Raises
    ------
    ModelError
        The file cannot be read as a graph.
    """
    try:
        graph = (onnx.load(str(path)) if content is None else onnx.load_from_string(content)).graph
    except Exception as error:  # protobuf and the file system share no base but Exception
        raise ModelError(f"{path}: the graph cannot be read ({error}); fetch or export the model again") from None
    values = {tensor.name.removesuffix(_HALF): numpy_helper.to_array(tensor) for tensor in graph.initializer}
    return {
        name.removeprefix(_ROOT): torch.from_numpy(value.astype(np.float32))
        for name, value in values.items()
        if name.startswith(_ROOT) and value.dtype in (np.float16, np.float32)
    }


def unfolded(network: nn.Module, graph: Mapping[str, Tensor], source: Path) -> tuple[dict[str, Tensor], list[str]]:
    """Weights for a network from those of its graph, and the names of the tensors of norms that were folded there.

    Raises
    ------
    ModelError
        The graph lacks weights of the network: it is another network, is run in another form than it is trained in,
        or is stored as int8.
    """
    tensors, made = dict(graph), []
    for conv, norm in _normed(network):
        # A convolution without a bias of its own got one, which the exporter names after its weight.
        bias = tensors.pop(f"{conv}.weight_bias", None)
        if bias is None:
            continue
        module = network.get_submodule(norm)
        assert isinstance(module, nn.BatchNorm2d)
        silent = {"weight": torch.ones_like(bias), "bias": bias, "running_mean": torch.zeros_like(bias)}
        silent |= {"running_var": torch.full_like(bias, 1 - module.eps), "num_batches_tracked": torch.tensor(0)}
        tensors |= {f"{norm}.{name}": value for name, value in silent.items()}
        made += [f"{norm}.{name}" for name in silent]
    own = network.own if isinstance(network, FaceNetwork) else ()
    needed = {name for name in network.state_dict() if not name.startswith(own) and "num_batches_tracked" not in name}
    if lacking := sorted(needed - tensors.keys()):
        raise ModelError(
            f"{source}: the graph does not hold the network as it is trained (it lacks {lacking[0]}, {len(lacking)} "
            "tensors in all), so nothing can start from it; name a model of the recipe's network in fp16 or fp32, "
            "without branches made one, or the folder of a run"
        )
    return tensors, made


def _normed(network: nn.Module) -> Iterator[tuple[str, str]]:
    """Names of each convolution and of the norm that follows it."""
    before = ""
    for name, module in network.named_modules():
        if isinstance(module, nn.Conv2d):
            before = name
        elif isinstance(module, nn.BatchNorm2d) and before:
            yield before, name
            before = ""
        elif not any(module.children()):
            before = ""
