"""From a model to a network that can be looked into."""

from __future__ import annotations

from pathlib import Path

from unmask.errors import ConfigError, MissingExtraError, ModelError, UnknownModelError
from unmask.explain.base import OpenNetwork
from unmask.models import ModelFile, find_model, load_model
from unmask.models.file import WEIGHTS_FILE, read_members

ENGINES = ("onnx", "torch")


def open_network(name_or_path: str | Path | None = None, *, engine: str | None = None) -> OpenNetwork:
    """A model's network: on PyTorch where its trainable weights and PyTorch are there, else its ONNX graph.

    Parameters
    ----------
    name_or_path
        See :func:`unmask.models.load_model`.
    engine
        ``onnx`` or ``torch``, to have that one or an error.

    Raises
    ------
    ModelError
        See :func:`unmask.models.load_model`; or the engine ``torch`` is asked of a model without weights for it.
    MissingExtraError
        The library of the engine is not installed.
    """
    if engine not in (None, *ENGINES):
        raise ConfigError(f"engine '{engine}': expected one of {', '.join(ENGINES)}")
    model = load_model(name_or_path)
    weights = None if engine == "onnx" else read_weights(name_or_path)
    if engine == "torch" and weights is None:
        raise ModelError(
            f"model '{model.card.name}' has no {WEIGHTS_FILE}; look into its ONNX graph with --engine onnx"
        )
    if weights is not None:
        try:
            import torch  # noqa: F401 (only whether it is there)
        except ModuleNotFoundError:
            if engine == "torch":
                raise MissingExtraError("torch", "train") from None
        else:
            try:
                return _torch_network(model, weights)
            except UnknownModelError:  # a network of the user's own, which is not registered here
                if engine == "torch":
                    raise
    try:
        from unmask.explain.onnx_network import OnnxNetwork
    except ModuleNotFoundError:
        raise MissingExtraError("onnx", "explain") from None
    return OnnxNetwork(model)


def read_weights(name_or_path: str | Path | None = None) -> bytes | None:
    """The trainable weights that lie in a model folder or archive; None where there are none."""
    path = find_model(name_or_path)
    if path.is_dir():
        file = path / WEIGHTS_FILE
        return file.read_bytes() if file.is_file() else None
    return read_members(path, [WEIGHTS_FILE]).get(WEIGHTS_FILE)


def _torch_network(model: ModelFile, weights: bytes) -> OpenNetwork:
    from safetensors import SafetensorError
    from safetensors.torch import load

    from unmask.explain.torch_network import TorchNetwork
    from unmask.networks import build_network

    card = model.card
    network = build_network(
        card.network, heads={head.name: len(head.taxonomy) for head in card.heads}, **card.arguments
    )
    try:
        network.load_state_dict(load(weights))
    except (SafetensorError, RuntimeError) as error:
        raise ModelError(
            f"model '{card.name}': {WEIGHTS_FILE} does not fit the network '{card.network}' ({error}); export it again"
        ) from None
    return TorchNetwork(network, card)
