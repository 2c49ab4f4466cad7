"""Optimisers over layer groups, freezing, and sharpness-aware steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import get_ema_multi_avg_fn

from unmask.networks import FaceNetwork
from unmask.training.config import TrainConfig


def make_optimiser(network: FaceNetwork, config: TrainConfig) -> torch.optim.Optimizer:
    """The configured optimiser, with two parameter groups a layer group: decayed weights, and norms and biases.

    Each group's ``scale`` is its learning rate as a share of the run's.
    """
    layers = network.layer_groups()
    groups: list[dict[str, Any]] = []
    for number, modules in enumerate(layers):
        scale = config.transfer.rate_decay ** (len(layers) - 1 - number)
        parameters = [p for module in modules for p in module.parameters()]
        for decayed in (True, False):
            chosen = [p for p in parameters if (p.ndim > 1) == decayed]
            if chosen:
                decay = config.weight_decay if decayed else 0.0
                groups.append({"params": chosen, "weight_decay": decay, "scale": scale})
    # One kernel for all parameters: a network of many small layers otherwise waits for Python at each step.
    fused = next(network.parameters()).device.type in ("cpu", "cuda")
    if config.optimiser == "sgd":
        nesterov = config.momentum > 0
        return torch.optim.SGD(
            groups, lr=config.learning_rate, momentum=config.momentum, nesterov=nesterov, fused=fused
        )
    return torch.optim.AdamW(groups, lr=config.learning_rate, fused=fused)


def set_rate(optimiser: torch.optim.Optimizer, rate: float, momentum: float | None = None) -> None:
    """Set the learning rate, scaled for each group, and the momentum (Adam's first beta)."""
    for group in optimiser.param_groups:
        group["lr"] = rate * group["scale"]
        if momentum is not None and "betas" in group:
            group["betas"] = (momentum, group["betas"][1])
        elif momentum is not None:
            group["momentum"] = momentum


def learning_groups(config: TrainConfig, groups: int, epoch: int) -> int:
    """How many layer groups, counted from the last, learn in an epoch (from 0)."""
    transfer = config.transfer
    if epoch < transfer.frozen_epochs:
        return 1
    if not (transfer.frozen_epochs and transfer.thaw_every):
        return groups
    return min(groups, 2 + (epoch - transfer.frozen_epochs) // transfer.thaw_every)


def freeze(network: FaceNetwork, learning: int) -> None:
    """Training mode for the last ``learning`` layer groups; the others keep weights and statistics as they are."""
    layers = network.layer_groups()
    network.train()
    for number, modules in enumerate(layers):
        learns = number >= len(layers) - learning
        for module in modules:
            module.train(learns)
            module.requires_grad_(learns)


def running_average(decay: float) -> Callable[[Any, Any, Any], None]:
    """An exponential average for :class:`torch.optim.swa_utils.AveragedModel` that forgets its beginning.

    Over the first steps the decay rises from 2/11 to what is asked for; a short run would else keep its random start.
    """

    def update(averaged: Any, current: Any, count: Any) -> None:
        steps = int(count)
        get_ema_multi_avg_fn(min(decay, (1 + steps) / (10 + steps)))(averaged, current, count)

    return update


@contextmanager
def climbed(network: nn.Module, radius: float) -> Iterator[None]:
    """The weights moved by ``radius`` up the gradient, which is then cleared; at the end they are back, to the bit.

    Sharpness-aware minimisation (Foret et al., arXiv:2010.01412): the gradient taken up there leads to flat minima.
    The running statistics of norms do not move, since the batch has been counted already.
    """
    moved: list[tuple[nn.Parameter, Tensor]] = []
    norms = [module for module in network.modules() if isinstance(module, _BatchNorm)]
    momenta = [norm.momentum for norm in norms]
    try:
        with torch.no_grad():
            learning = [p for p in network.parameters() if p.grad is not None]
            gradients = [p.grad for p in learning if p.grad is not None]
            length = torch.linalg.vector_norm(torch.stack([torch.linalg.vector_norm(g) for g in gradients]))
            for parameter, gradient in zip(learning, gradients, strict=True):
                moved.append((parameter, parameter.detach().clone()))
                parameter.add_(gradient, alpha=radius / (float(length) + 1e-12))
                parameter.grad = None
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        with torch.no_grad():
            for parameter, before in moved:
                parameter.copy_(before)
        for norm, momentum in zip(norms, momenta, strict=True):
            norm.momentum = momentum
