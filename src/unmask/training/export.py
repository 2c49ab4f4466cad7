"""From a trained network to a model file."""

from __future__ import annotations

import copy
import importlib.metadata
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import onnx
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.torch import save
from torch import Tensor, nn

from unmask.models import ModelCard, save_folder
from unmask.models.file import WEIGHTS_FILE
from unmask.networks import FaceNetwork
from unmask.writing import write_whole


class CropsToLogits(nn.Module):
    """A network with the interface of a model file: crops ``uint8 (N, S, S)`` to one output per head."""

    def __init__(self, network: nn.Module, heads: list[str]) -> None:
        super().__init__()
        self.network, self.heads = network, heads

    def forward(self, crops: Tensor) -> tuple[Tensor, ...]:
        logits = self.network(crops.unsqueeze(1).float())
        return tuple(logits[head] for head in self.heads)


def to_onnx(network: nn.Module, heads: list[str], size: int) -> onnx.ModelProto:
    """The network as an ONNX graph with a dynamic batch: input ``crops``, outputs ``logits_HEAD``, norms folded.

    A network with branches for training is fused first; the network itself is left as it is.
    """
    network = copy.deepcopy(network).float().cpu().eval()
    wrapped = CropsToLogits(network.fused() if isinstance(network, FaceNetwork) else network, heads).eval()
    example = torch.zeros((2, size, size), dtype=torch.uint8)
    # The exporter warns of its own deprecations and of libraries that it could use; users cannot act on either.
    with warnings.catch_warnings(), quiet("torch.onnx._internal.exporter._registration"):
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            wrapped,
            (example,),
            dynamo=True,
            input_names=["crops"],
            output_names=[f"logits_{head}" for head in heads],
            dynamic_shapes={"crops": {0: torch.export.Dim("N", min=1)}},
            verbose=False,
        )
    assert program is not None
    program.optimize()
    model: onnx.ModelProto = program.model_proto
    # Producer names and source lines would make the bytes differ between machines for the same weights.
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.metadata_props[:]
    del model.graph.value_info[:]
    return model


@contextmanager
def quiet(logger: str | None = None) -> Iterator[None]:
    """A logger, the root one by default, that reports errors alone for a while."""
    named = logging.getLogger(logger)
    level = named.level
    named.setLevel(logging.ERROR)
    try:
        yield
    finally:
        named.setLevel(level)


def store_as_fp16(model: onnx.ModelProto, *, at_least: int = 256) -> onnx.ModelProto:
    """The same graph with its larger weights stored as fp16 and cast back when it is loaded: half the bytes.

    Computation stays fp32, which is what CPUs are fast at; ONNX Runtime folds the casts once, when the session opens.
    """
    small = onnx.ModelProto()
    small.CopyFrom(model)
    casts = []
    for tensor in small.graph.initializer:
        if tensor.data_type != TensorProto.FLOAT or np.prod(tensor.dims) < at_least:
            continue
        name = tensor.name
        half = numpy_helper.from_array(numpy_helper.to_array(tensor).astype(np.float16), f"{name}_fp16")
        tensor.CopyFrom(half)
        casts.append(helper.make_node("Cast", [f"{name}_fp16"], [name], to=TensorProto.FLOAT))
    for position, node in enumerate(casts):
        small.graph.node.insert(position, node)
    onnx.checker.check_model(small)
    return small


def code_version() -> str:
    """Version of unmask that is running."""
    return importlib.metadata.version("unmask")


def write_model(folder: Path, card: ModelCard, graph: onnx.ModelProto, network: nn.Module | None = None) -> None:
    """Write a model folder: ``model.json``, ``model.onnx``, a generated ``CARD.md``, and a network's weights.

    ``weights.safetensors`` holds the weights as they were trained, under the network's own names, so that another
    training run can start from them.

    Raises
    ------
    InputError
        The folder cannot be written.
    """
    save_folder(folder, card, graph.SerializeToString())
    if network is not None:
        tensors = {name: value.detach().cpu().contiguous() for name, value in network.state_dict().items()}
        write_whole(folder / WEIGHTS_FILE, save(tensors))
