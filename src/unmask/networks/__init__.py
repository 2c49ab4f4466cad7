"""Networks by name. One family a file; no training code."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from unmask.errors import ConfigError, UnknownModelError, suggest
from unmask.networks.base import FaceNetwork
from unmask.networks.inverted import FaceInvertedNet
from unmask.networks.mobilenet import FaceMobileNetV1, FaceMobileNetV2
from unmask.networks.repvgg import FaceRepVGG
from unmask.networks.resnet import FaceResNet
from unmask.networks.study import StudyNetwork
from unmask.networks.vgg import FaceVGG

__all__ = ["FaceNetwork", "build_network", "network_names", "register_network"]

_NETWORKS: dict[str, Callable[..., FaceNetwork]] = {}


def register_network(name: str, build: Callable[..., FaceNetwork]) -> None:
    """Make a network known under a name. Raises ValueError when the name is taken."""
    if name in _NETWORKS:
        raise ValueError(f"a network named '{name}' is registered already")
    _NETWORKS[name] = build


def build_network(name: str, *, heads: Mapping[str, int], size: int = 0, **arguments: Any) -> FaceNetwork:
    """A new network: grey pixels ``(B, 1, H, W)`` in 0..255 to a dict of logits ``(B, classes)`` by head.

    Parameters
    ----------
    heads
        Head name to number of classes.
    size
        Side to which the network enlarges its input by itself; 0 takes pictures as they are.
    arguments
        Of the network's class.

    Raises
    ------
    UnknownModelError
        The name is not registered.
    ConfigError
        The network refuses the arguments.
    """
    if name not in _NETWORKS:
        raise UnknownModelError(f"unknown network '{name}'; {suggest(name, _NETWORKS)}")
    if isinstance(size, bool) or not isinstance(size, int) or not (size == 0 or 16 <= size <= 1024):
        raise ConfigError(f"network '{name}': size = {size!r}: expected 0 or 16 to 1024 pixels")
    taken = inspect.signature(_NETWORKS[name]).parameters
    if not any(parameter.kind is parameter.VAR_KEYWORD for parameter in taken.values()):
        for argument in arguments:
            if argument not in taken:
                raise ConfigError(
                    f"network '{name}' has no argument '{argument}'; {suggest(argument, set(taken) - {'heads'})}"
                )
    try:
        network = _NETWORKS[name](heads=heads, **arguments)
    except (TypeError, ValueError, KeyError, RuntimeError) as error:
        raise ConfigError(f"network '{name}': {error}") from None
    network.size = size
    return network


def network_names() -> list[str]:
    """Every registered name, sorted."""
    return sorted(_NETWORKS)


register_network("inverted", FaceInvertedNet)
register_network("mobilenet_face", FaceMobileNetV1)
register_network("mobilenet_v2", FaceMobileNetV2)
register_network("repvgg", FaceRepVGG)
register_network("resnet", FaceResNet)
register_network("study", StudyNetwork)
for _depth in (16, 19):
    register_network(f"vgg{_depth}", partial(FaceVGG, depth=_depth))
    register_network(f"vgg{_depth}_bn", partial(FaceVGG, depth=_depth, norm=True))
