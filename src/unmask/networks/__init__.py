"""Networks by name. One family a file; no training code."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from unmask.errors import ConfigError, UnknownModelError, suggest
from unmask.networks.resnet import FaceResNet

_NETWORKS: dict[str, Callable[..., nn.Module]] = {}


def register_network(name: str, build: Callable[..., nn.Module]) -> None:
    """Make a network known under a name. Raises ValueError when the name is taken."""
    if name in _NETWORKS:
        raise ValueError(f"a network named '{name}' is registered already")
    _NETWORKS[name] = build


def build_network(name: str, *, heads: Mapping[str, int], **arguments: Any) -> nn.Module:
    """A new network: grey pixels ``(B, 1, H, W)`` in 0..255 to a dict of logits ``(B, classes)`` by head.

    Raises
    ------
    UnknownModelError
        The name is not registered.
    ConfigError
        The network refuses the arguments.
    """
    if name not in _NETWORKS:
        raise UnknownModelError(f"unknown network '{name}'; {suggest(name, _NETWORKS)}")
    try:
        return _NETWORKS[name](heads=heads, **arguments)
    except (TypeError, ValueError) as error:
        raise ConfigError(f"network '{name}': {error}") from None


def network_names() -> list[str]:
    """Every registered name, sorted."""
    return sorted(_NETWORKS)


register_network("resnet", FaceResNet)
