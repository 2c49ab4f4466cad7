"""What a network shows of itself, whatever runs it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from unmask.errors import ConfigError, DataError, suggest
from unmask.models import Head, ModelCard

Crop = NDArray[np.uint8]
"""Grey pixels ``(S, S)`` of one face."""

Maps = NDArray[np.float32]
"""What a block gives for one face, ``(C, H, W)``."""


@dataclass(frozen=True, slots=True)
class Layer:
    """One step of a network.

    Parameters
    ----------
    name
        Where it stands in the network.
    kind
        What it does, for example ``conv 3x3 / 2``.
    shape
        Of its output for one face: ``(C, H, W)``, or ``(C,)``; in another order where ``ordered`` is false.
    parameters
        Learned numbers.
    macs
        Multiply-adds for one face.
    unseen
        Parameters that never meet anything but padding, so that no face can change what they do.
    ordered
        Whether an output of three dimensions has channels, height and width in this order.
    """

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int = 0
    macs: int = 0
    unseen: int = 0
    ordered: bool = True

    @property
    def is_map(self) -> bool:
        """Whether its output is of channels, each with height and width."""
        return len(self.shape) == 3 and self.ordered

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "kind": self.kind,
            "shape": list(self.shape),
            "parameters": self.parameters,
            "macs": self.macs,
            "unseen": self.unseen,
        }


class OpenNetwork(Protocol):
    """A network that can be looked into."""

    @property
    def card(self) -> ModelCard:
        """Of the model that it belongs to."""

    @property
    def engine(self) -> str:
        """What runs it: ``onnx`` or ``torch``."""

    @property
    def layers(self) -> tuple[Layer, ...]:
        """Every step from the crop to the logits, in order."""

    def logits(self, crops: NDArray[np.uint8], head: Head) -> NDArray[np.float32]:
        """Crops ``uint8 (N, S, S)`` to logits ``(N, classes)`` of one head."""

    def maps(self, crop: Crop, names: Sequence[str]) -> dict[str, Maps]:
        """What the layers of these names give for one face. Their names are known and they are maps."""

    def channel_gradients(self, crop: Crop, name: str, head: Head) -> NDArray[np.float64]:
        """How much each class's logit gains for each channel of a layer, ``(classes, C)``.

        The gain is the gradient of the logit by the map, averaged over the map's places.
        """

    def filters(self) -> NDArray[np.float32]:
        """Kernels of the first convolution, ``(outputs, inputs, height, width)``; without a convolution none."""


def main_blocks(layers: Sequence[Layer]) -> list[str]:
    """The last map of each size, from large to small: where a network halves what it sees, a block has ended."""
    learned = next((n for n, layer in enumerate(layers) if layer.parameters), 0)  # before it, a map is the crop itself
    last: dict[tuple[int, ...], str] = {}
    for layer in layers[learned:]:
        if layer.is_map:
            last.pop(layer.shape[1:], None)
            last[layer.shape[1:]] = layer.name
    return list(last.values())


def heat_block(layers: Sequence[Layer], *, least: int = 3) -> str:
    """The map to explain an answer on: the last main block of at least ``least`` places in each direction."""
    by_name = {layer.name: layer for layer in layers}
    blocks = main_blocks(layers)
    if not blocks:
        raise DataError(
            "this network has no maps with height and width, so nothing to lay over a face; use --methods occlusion"
        )
    fine = [name for name in blocks if min(by_name[name].shape[1:]) >= least]
    return (fine or blocks)[-1]


def check_maps(layers: Sequence[Layer], names: Sequence[str]) -> None:
    """Raise ConfigError for a name that is no layer, or a layer without height and width."""
    maps = [layer.name for layer in layers if layer.is_map]
    for name in names:
        if name not in maps:
            raise ConfigError(f"no layer '{name}' with a map; {suggest(name, maps)}")


def unseen_share(
    size: Sequence[int], kernel: Sequence[int], strides: Sequence[int], dilations: Sequence[int], pads: Sequence[int]
) -> float:
    """Share of a convolution's taps that only ever meet padding.

    Parameters
    ----------
    size
        Height and width of the input.
    kernel, strides, dilations
        Of the convolution, along height and width.
    pads
        Above, left, below, right.

    Examples
    --------
    >>> round(unseen_share((1, 1), (3, 3), (2, 2), (1, 1), (1, 1, 1, 1)) * 9)
    8
    """
    seen = 1.0
    for axis in range(2):
        before, after = pads[axis], pads[axis + 2]
        taps = [tap * dilations[axis] for tap in range(kernel[axis])]
        starts = range(-before, size[axis] + after - taps[-1], strides[axis])
        seen *= sum(any(0 <= start + tap < size[axis] for start in starts) for tap in taps) / kernel[axis]
    return 1.0 - seen
