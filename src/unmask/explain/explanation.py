"""Everything that one look into a network gives for one face, as data."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from unmask.errors import ConfigError, DataError
from unmask.explain.base import Crop, Layer, Maps, OpenNetwork, heat_block, main_blocks
from unmask.explain.heat import GRAD_CAM, Heat, grad_cam, heat_method, heat_methods
from unmask.expressions import Taxonomy
from unmask.models import softmax


@dataclass(frozen=True, slots=True, eq=False)
class Explanation:
    """One face, and what happens to it inside a network.

    Parameters
    ----------
    model, engine
        What was looked into, and how.
    crop
        The face as the network was given it, ``uint8 (S, S)``.
    taxonomy, probs
        Calibrated probabilities ``(C,)`` of these labels.
    layers
        Of the network, in order.
    maps
        What the chosen blocks give, by name.
    filters
        Kernels of the first convolution, ``(outputs, inputs, height, width)``.
    heat
        For every class, by the name of the method.
    heat_block
        The block that ``grad-cam`` looks at; empty without that method.
    """

    model: str
    engine: str
    crop: Crop = field(repr=False)
    taxonomy: Taxonomy
    probs: NDArray[np.float64]
    layers: tuple[Layer, ...] = field(repr=False)
    maps: dict[str, Maps] = field(repr=False)
    filters: NDArray[np.float32] = field(repr=False)
    heat: dict[str, Heat] = field(repr=False)
    heat_block: str

    @property
    def answer(self) -> int:
        """Code of the likeliest label."""
        return int(self.probs.argmax())

    def silent_channels(self, name: str) -> int:
        """Channels of a block that are 0 at every place of their map for this face."""
        return int((np.abs(self.maps[name]).max(axis=(1, 2)) == 0).sum())

    def to_json(self) -> dict[str, Any]:
        """Everything but the pixels of maps, filters and heat, which go into files of their own."""
        labels = [str(label) for label in self.taxonomy.labels]
        return {
            "model": self.model,
            "engine": self.engine,
            "taxonomy": self.taxonomy.name,
            "scores": dict(zip(labels, self.probs.tolist(), strict=True)),
            "answer": labels[self.answer],
            "layers": [layer.to_json() for layer in self.layers],
            "parameters": sum(layer.parameters for layer in self.layers),
            "macs": sum(layer.macs for layer in self.layers),
            "blocks": [
                {"name": name, "shape": list(maps.shape), "silent_channels": self.silent_channels(name)}
                for name, maps in self.maps.items()
            ],
            "heat_block": self.heat_block,
            "heat_methods": list(self.heat),
        }


def explain(
    network: OpenNetwork,
    crop: Crop,
    *,
    head: str | None = None,
    blocks: Sequence[str] = (),
    methods: Sequence[str] | None = None,
    heat_on: str | None = None,
) -> Explanation:
    """Look into a network while it reads one face.

    Parameters
    ----------
    crop
        Grey pixels ``uint8 (S, S)``, S being the model's input size.
    head
        Output to explain; None is the model's first.
    blocks
        Names of layers whose maps to keep; empty takes the last map of each size.
    methods
        Names of heat methods; None takes all that are registered.
    heat_on
        Name of the layer whose map ``grad-cam`` looks at; None takes the last main block that is at least 3 x 3.

    Raises
    ------
    ConfigError
        An unknown block or method, or ``heat_on`` without ``grad-cam``.
    DataError
        A crop of another size.
    ModelError
        The model has no such head.
    """
    size = network.card.input_size
    if crop.dtype != np.uint8 or crop.shape != (size, size):
        raise DataError(f"expected a crop uint8 ({size}, {size}), got {crop.dtype} {crop.shape}")
    chosen = network.card.head(head)
    wanted = list(blocks) or main_blocks(network.layers)
    ways = {name: heat_method(name) for name in (heat_methods() if methods is None else methods)}
    looked_at = ""
    if GRAD_CAM in ways:
        looked_at = heat_on or heat_block(network.layers)
        ways[GRAD_CAM] = partial(grad_cam, block=looked_at)
    elif heat_on:
        raise ConfigError(f"{heat_on}: only {GRAD_CAM} looks at one layer, and it is not among the methods")
    return Explanation(
        model=network.card.identity,
        engine=network.engine,
        crop=crop,
        taxonomy=chosen.taxonomy,
        probs=softmax(network.logits(crop[None], chosen), temperature=chosen.temperature)[0],
        layers=network.layers,
        maps=network.maps(crop, wanted),
        filters=network.filters(),
        heat={name: method(network, crop, chosen) for name, method in ways.items()},
        heat_block=looked_at,
    )
