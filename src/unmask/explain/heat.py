"""Where on a face a network finds its answer: methods by name, all over :class:`unmask.explain.OpenNetwork`.

A heat map says what a network used, not what is true of the face.
"""

from __future__ import annotations

from typing import Protocol

import cv2
import numpy as np
from numpy.typing import NDArray

from unmask.errors import ConfigError, DataError, suggest
from unmask.explain.base import Crop, OpenNetwork, heat_block
from unmask.models import Head, softmax

Heat = NDArray[np.float64]
"""``(classes, S, S)``: for each class, how much each pixel speaks for it; below 0, against it."""


class HeatMethod(Protocol):
    """One way to explain the answer to one face."""

    def __call__(self, network: OpenNetwork, crop: Crop, head: Head) -> Heat:
        """Heat of every class of the head over the crop ``uint8 (S, S)``."""


GRAD_CAM = "grad-cam"

_METHODS: dict[str, HeatMethod] = {}


def register_heat(name: str, method: HeatMethod) -> None:
    """Make a method known under a name. Raises ValueError when the name is taken."""
    if name in _METHODS:
        raise ValueError(f"a heat method named '{name}' is registered already")
    _METHODS[name] = method


def heat_methods() -> dict[str, HeatMethod]:
    """Every registered method by its name, in order of registration."""
    return dict(_METHODS)


def heat_method(name: str) -> HeatMethod:
    """The method of this name. Raises ConfigError with the known names otherwise."""
    if name not in _METHODS:
        raise ConfigError(f"unknown heat method '{name}'; {suggest(name, _METHODS)}")
    return _METHODS[name]


def grad_cam(network: OpenNetwork, crop: Crop, head: Head, *, block: str | None = None) -> Heat:
    """The maps of a block, each weighted by what it gains a class, added up and cut off below 0.

    Selvaraju et al., "Grad-CAM" (arXiv:1610.02391). For a network that ends in averaging and one linear layer it is the
    class activation map of Zhou et al. (arXiv:1512.04150), up to a factor.

    Parameters
    ----------
    block
        Name of a layer with a map; None takes the last main block that is at least 3 x 3.

    Returns
    -------
    In logits for each place of the map, drawn out to the crop's size.

    Raises
    ------
    DataError
        There is no map, or none of its channels changes the answer by a gradient, as where words or trees are chosen.
    """
    name = heat_block(network.layers) if block is None else block
    maps = network.maps(crop, [name])[name]
    weights = network.channel_gradients(crop, name, head)
    if not weights.any():
        raise DataError(
            f"no small change of layer '{name}' changes the answer to this face, so it has no gradients to show; use "
            "--methods occlusion"
        )
    heat = np.maximum(np.einsum("kc,chw->khw", weights, maps), 0)
    size = crop.shape[::-1]
    return np.stack([cv2.resize(plane, size, interpolation=cv2.INTER_LINEAR) for plane in heat]).astype(np.float64)


def occlusion(network: OpenNetwork, crop: Crop, head: Head, *, patch: int = 8, step: int = 2) -> Heat:
    """How much probability a class loses when a patch is covered, by the patches over each pixel.

    Zeiler and Fergus, "Visualizing and Understanding Convolutional Networks" (arXiv:1311.2901). The patch is filled
    with the crop's mean grey.

    Parameters
    ----------
    patch
        Side of the square that is covered, in pixels, at most the crop's.
    step
        From one patch to the next.

    Returns
    -------
    Loss of calibrated probability, the mean over the patches that cover a pixel; below 0 where covering helps.

    Raises
    ------
    DataError
        A patch that does not fit, or a step of less than 1.
    """
    height, width = crop.shape
    if not 1 <= patch <= min(height, width) or step < 1:
        raise DataError(
            f"occlusion: expected a patch of 1 to {min(height, width)} px and a step from 1 px, got {patch} and {step}"
        )
    corners = [(top, left) for top in _starts(height, patch, step) for left in _starts(width, patch, step)]
    covered = np.repeat(crop[None], len(corners), axis=0)
    for hidden, (top, left) in zip(covered, corners, strict=True):
        hidden[top : top + patch, left : left + patch] = round(float(crop.mean()))
    probs = softmax(network.logits(np.concatenate([crop[None], covered]), head), temperature=head.temperature)
    drops = probs[0] - probs[1:]  # (patches, classes)
    heat, count = np.zeros((drops.shape[1], height, width)), np.zeros((height, width))
    for drop, (top, left) in zip(drops, corners, strict=True):
        heat[:, top : top + patch, left : left + patch] += drop[:, None, None]
        count[top : top + patch, left : left + patch] += 1
    return heat / count


def _starts(length: int, patch: int, step: int) -> list[int]:
    """Where patches begin along one side; the last one ends at the edge."""
    last = length - patch
    return sorted({*range(0, last + 1, min(step, patch)), last})


register_heat(GRAD_CAM, grad_cam)
register_heat("occlusion", occlusion)
