"""Pictures and targets of a batch mixed by pairs: mixup (arXiv:1710.09412) and CutMix (arXiv:1905.04899)."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from unmask.training.draws import Draws
from unmask.training.targets import Batch


def mixed(batch: Batch, generator: torch.Generator, *, mixup: float, cutmix: float) -> Batch:
    """The batch with each picture mixed with another one of it, and the targets in the same shares.

    Parameters
    ----------
    mixup, cutmix
        Parameters of the Beta distributions of the shares; 0 leaves one out; with both, the batch takes one by chance.
    """
    if not (mixup or cutmix):
        return batch
    other = torch.randperm(len(batch.pixels), generator=generator, device=generator.device).to(batch.pixels.device)
    pixels, kept = mixed_pictures(batch.pixels, batch.pixels[other], generator, mixup=mixup, cutmix=cutmix)

    def pairs(values: dict[str, Tensor]) -> dict[str, Tensor]:
        return {head: _weighted(value, value[other], kept) for head, value in values.items()}

    # A target counts as much as its row does: what a row without a label would say is no part of the mixture.
    weights = pairs(batch.weights)
    told = pairs({head: shares * batch.weights[head][:, None] for head, shares in batch.shares.items()})
    shares = {head: sums / weights[head][:, None].clamp(min=1e-6) for head, sums in told.items()}
    return Batch(pixels, shares, weights, pairs(batch.taught))


def mixed_pictures(
    pixels: Tensor, others: Tensor, generator: torch.Generator, *, mixup: float, cutmix: float
) -> tuple[Tensor, Tensor]:
    """Pictures ``(B, 1, H, W)`` mixed with others of that shape, and the share of the first ones in each, ``(B,)``."""
    draws = Draws(generator, pixels.device)
    blend = bool(mixup) and (not cutmix or bool(draws.chance(1, 0.5)))
    kept = _beta(mixup if blend else cutmix, len(pixels), generator).to(pixels.device)
    if blend:
        share = kept[:, None, None, None]
        return share * pixels + (1 - share) * others, kept
    hidden = _windows(pixels, 1 - kept, draws)
    kept = 1 - hidden.float().mean(dim=(1, 2))  # a window at the edge is cut
    return torch.where(hidden[:, None], others, pixels), kept


def _weighted(first: Tensor, second: Tensor, kept: Tensor) -> Tensor:
    share = kept.view(-1, *([1] * (first.ndim - 1)))
    return share * first + (1 - share) * second


def _beta(parameter: float, batch: int, generator: torch.Generator) -> Tensor:
    # PyTorch's Beta distribution takes no generator; NumPy's does, seeded by ours.
    seed = int(torch.randint(2**62, (1,), generator=generator, device=generator.device))
    return torch.from_numpy(np.random.default_rng(seed).beta(parameter, parameter, batch).astype(np.float32))


def _windows(pixels: Tensor, area: Tensor, draws: Draws) -> Tensor:
    """Masks ``(B, H, W)`` of one window a picture, of the given share of the area where it does not leave the edge."""
    batch, _, height, width = pixels.shape
    half = area.sqrt() / 2
    centre = draws.uniform(batch, 2, low=0.0)
    ys = (torch.arange(height, device=pixels.device) + 0.5) / height
    xs = (torch.arange(width, device=pixels.device) + 0.5) / width
    inside_y = (ys - centre[:, :1]).abs() < half[:, None]  # (B, H)
    inside_x = (xs - centre[:, 1:]).abs() < half[:, None]  # (B, W)
    return inside_y[:, :, None] & inside_x[:, None, :]
