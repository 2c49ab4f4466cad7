"""A trained network again, from what a run left."""

from __future__ import annotations

from pathlib import Path

from unmask.expressions import TAXONOMIES
from unmask.models import load_model
from unmask.networks import FaceNetwork, build_network
from unmask.networks.weights import load_weights
from unmask.training.config import CONFIG, load_config


def trained_network(source: str | Path) -> FaceNetwork:
    """The network of a model's folder or name, or of a run that need not be finished, in evaluation mode.

    Raises
    ------
    UnmaskError
        There is no such model or run, or it holds no weights for PyTorch.
    """
    config = Path(source) / CONFIG
    if config.is_file():
        run = load_config(config)
        heads = {head: len(TAXONOMIES[head]) for head in run.heads}
        network = build_network(run.network, heads=heads, **run.network_arguments)
    else:
        card = load_model(source).card
        network = build_network(card.network, heads={h.name: len(h.taxonomy) for h in card.heads}, **card.arguments)
    load_weights(network, source)
    return network.eval()
