"""One contract for looking into every registered network on PyTorch."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the extra 'train' is not installed")

from unmask.explain import grad_cam, main_blocks
from unmask.explain.torch_network import TorchNetwork
from unmask.expressions import FER2013
from unmask.models import Head, ModelCard
from unmask.networks import build_network, network_names

HEAD = Head("fer2013", FER2013)
CARD = ModelCard("any", "1", (HEAD,), 48, 1, 1, "MIT", "0")


@pytest.mark.slow
@pytest.mark.parametrize("name", network_names())
def test_network_contract(name: str) -> None:
    """All parameters stand in the table, the blocks' maps shrink, and there is heat for every class."""
    torch.manual_seed(0)
    network = build_network(name, heads={"fer2013": 7})
    opened = TorchNetwork(network, CARD)
    assert sum(layer.parameters for layer in opened.layers) == sum(p.numel() for p in network.parameters())
    sides = [layer.shape[1] for layer in opened.layers if layer.name in main_blocks(opened.layers)]
    assert sides == sorted(set(sides), reverse=True)
    face = np.random.default_rng(0).integers(0, 256, (48, 48), dtype=np.uint8)
    heat = grad_cam(opened, face, HEAD)
    assert heat.shape == (7, 48, 48)
    assert np.isfinite(heat).all()
